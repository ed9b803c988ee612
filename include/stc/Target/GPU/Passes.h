// Passes that know GPUs: what a block of threads does together.
#ifndef STC_TARGET_GPU_PASSES_H
#define STC_TARGET_GPU_PASSES_H

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#include "stc/Target/GPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "stc/Target/GPU/Passes.h.inc"

} // namespace stc

#endif // STC_TARGET_GPU_PASSES_H
