// Transformations of stc graphs: entry points, compression, and shared layers.
#ifndef STC_DIALECT_STC_TRANSFORMS_PASSES_H
#define STC_DIALECT_STC_TRANSFORMS_PASSES_H

#include "stc/Dialect/STC/IR/STC.h"

#include "stc/Packing/Layout.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <functional>

namespace stc {

#define GEN_PASS_DECL
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

struct Recipe;

/// stc-compress-layers with a recipe in place of its options for one.
std::unique_ptr<mlir::Pass> createCompressLayersPass(const CompressLayersPassOptions &options,
                                                     Recipe recipe);

/// Seconds that one matrix of a layout, [rows x columns] in so many bytes, takes for one token.
using DecodeCost =
    std::function<double(const Layout &layout, int64_t rows, int64_t columns, int64_t bytes)>;

/// On a module: the recipe that stc-search-recipe compressed it with, as YAML.
constexpr llvm::StringLiteral kRecipeAttr = "stc.recipe";

/// On a module: the rules that stc-impose-attention-pattern followed.
constexpr llvm::StringLiteral kAttentionAttr = "stc.attention";

/// stc-search-recipe with a model of the machine in place of its bandwidth.
std::unique_ptr<mlir::Pass> createSearchRecipePass(const SearchRecipePassOptions &options,
                                                   DecodeCost cost);

} // namespace stc

#endif // STC_DIALECT_STC_TRANSFORMS_PASSES_H
