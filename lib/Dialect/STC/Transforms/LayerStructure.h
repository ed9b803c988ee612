// The parts of transformer layers that can be removed as a whole.
#ifndef LIB_DIALECT_STC_TRANSFORMS_LAYERSTRUCTURE_H
#define LIB_DIALECT_STC_TRANSFORMS_LAYERSTRUCTURE_H

#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace stc {

/// down(activation(gate) * up), or down(activation(up)): row c of every expanding matrix and column
/// c of `down` belong to channel c.
struct FeedForward {
  llvm::SmallVector<LinearOp, 2> expanding;
  LinearOp down;
  int64_t channels = 0;
};

/// Attention over the cache. Head h has rows h * headDim and on of its projection, and query head h
/// has the same columns of `o`; the query heads of a group follow each other.
struct SelfAttention {
  LinearOp q, k, v, o;
  CacheUpdateOp update;
  AttentionOp attention;
  RMSNormOp qNorm, kNorm; // of each head, or null
  int64_t heads = 0, groups = 0, headDim = 0;
  int64_t headsPerGroup() const { return heads / groups; }
};

/// A mixture of experts: row e of the router's matrix, column e of the gates and expert e belong
/// together. The experts add to the hidden state one after the other, and the layer yields what the
/// last one leaves.
struct Mixture {
  LinearOp router;
  TopKGateOp gate;
  llvm::SmallVector<ExpertOp> experts; // by index
  /// What expert e ends with, its own linear without a bias; null where it ends with something
  /// else.
  LinearOp down(size_t expert) const;
};

struct LayerStructure {
  LayerOp layer;
  std::optional<FeedForward> feedForward;
  std::optional<SelfAttention> attention;
  std::optional<Mixture> mixture;
  bool removable = false; // no weight is excluded, and nothing but the cache ties it to its index
};

/// Whether `op` is the projection of a part, if there is that part.
template <typename Part>
bool isProjection(mlir::Operation *op, const std::optional<Part> &part,
                  LinearOp Part::*projection) {
  if (!part)
    return false;
  LinearOp linear = (*part).*projection;
  return op == linear.getOperation();
}

/// The weight that a value is read from, or null.
WeightOp weightOf(mlir::Value value);

/// The layers of `forward` in order, with the parts whose weights nothing else uses and no glob
/// pattern of `exclude` names. Errors: malformed patterns, weights that are pruned or quantized.
mlir::FailureOr<llvm::SmallVector<LayerStructure>>
findLayerStructures(mlir::func::FuncOp forward, llvm::ArrayRef<std::string> exclude);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_LAYERSTRUCTURE_H
