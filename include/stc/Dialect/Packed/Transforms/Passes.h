// Transformations of packed modules: from tensors to the share of one thread.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_PASSES_H
#define STC_DIALECT_PACKED_TRANSFORMS_PASSES_H

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_PASSES_H
