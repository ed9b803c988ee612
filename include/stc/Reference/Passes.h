// The passes of lib/Reference.
#ifndef STC_REFERENCE_PASSES_H
#define STC_REFERENCE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "stc/Reference/Passes.h.inc"

} // namespace stc

#endif // STC_REFERENCE_PASSES_H
