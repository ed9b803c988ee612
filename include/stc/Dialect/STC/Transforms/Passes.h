// Transformations of stc graphs: entry points, compression, and shared layers.
#ifndef STC_DIALECT_STC_TRANSFORMS_PASSES_H
#define STC_DIALECT_STC_TRANSFORMS_PASSES_H

#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

struct Recipe;

/// stc-compress-layers with a recipe in place of its options for one.
std::unique_ptr<mlir::Pass> createCompressLayersPass(const CompressLayersPassOptions &options,
                                                     Recipe recipe);

} // namespace stc

#endif // STC_DIALECT_STC_TRANSFORMS_PASSES_H
