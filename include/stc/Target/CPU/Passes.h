// Passes that know the CPU: kernels and how they reach the machine's instructions.
#ifndef STC_TARGET_CPU_PASSES_H
#define STC_TARGET_CPU_PASSES_H

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#include "stc/Target/CPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "stc/Target/CPU/Passes.h.inc"

} // namespace stc

#endif // STC_TARGET_CPU_PASSES_H
