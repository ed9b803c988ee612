// Which weights compression may change, and the loop over them that pruning and quantizing share.
#ifndef LIB_DIALECT_STC_TRANSFORMS_COMPRESSIBLEWEIGHTS_H
#define LIB_DIALECT_STC_TRANSFORMS_COMPRESSIBLEWEIGHTS_H

#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Dialect/STC/Utils/Recipe.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Support/Progress.h"

#include "mlir/IR/BuiltinOps.h"

namespace stc {

/// The weights that only `stc.linear` operations inside layers multiply with, in module order,
/// without those of routers and those a glob pattern of `exclude` names. A malformed pattern is an
/// error, one that matches no weight a warning that names the nearest.
mlir::FailureOr<llvm::SmallVector<WeightOp>>
findCompressibleWeights(mlir::ModuleOp module, llvm::ArrayRef<std::string> exclude);

/// For each weight the stage of the recipe that decides about it, or null. A stage whose pattern
/// matches none of the weights is a warning that names the nearest.
mlir::FailureOr<llvm::SmallVector<const RecipeStage *>>
assignStages(mlir::ModuleOp module, const Recipe &recipe, llvm::ArrayRef<WeightOp> weights);

/// Whether the operation says which experts tokens go to.
bool isRouter(LinearOp linear);

/// Rows and columns of a linear weight.
inline int64_t rowsOf(WeightOp weight) { return weight.getTensorType().getDimSize(0); }
inline int64_t columnsOf(WeightOp weight) { return weight.getTensorType().getDimSize(1); }

/// Gives the heads a weight of their own: a copy behind `weight`, named after it.
WeightOp copyForHead(WeightOp weight, llvm::ArrayRef<LinearOp> heads);

/// The `wanted` weights of linear operations outside layers, in module order; what something else
/// reads too stays as it is, and the linear operations get a copy.
llvm::SmallVector<WeightOp> separateHeads(mlir::ModuleOp module,
                                          llvm::function_ref<bool(WeightOp)> wanted);

/// Calls `compress` for each weight in several threads, then `annotate` on this thread in order.
/// An error is reported at the weight it concerns. `task` names the work in the progress display.
mlir::LogicalResult
compressWeights(mlir::ModuleOp module, llvm::ArrayRef<WeightOp> weights, const std::string &task,
                bool quiet, llvm::function_ref<absl::Status(WeightStore &, size_t)> compress,
                llvm::function_ref<void(size_t)> annotate);

/// What quantizing changed, for statistics.
struct QuantizeCounts {
  uint64_t tensors = 0, weights = 0;
};

/// Quantizes the weights that were not quantized before and notes it in their `quant` attributes.
mlir::LogicalResult quantizeWeights(mlir::ModuleOp module, llvm::ArrayRef<WeightOp> candidates,
                                    const QuantizeSpec &spec, bool quiet, bool verbose,
                                    QuantizeCounts &counts);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_COMPRESSIBLEWEIGHTS_H
