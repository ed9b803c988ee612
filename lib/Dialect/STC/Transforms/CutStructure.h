// Cuts parts out of layers: weights get new types, and everything that follows from them.
#ifndef LIB_DIALECT_STC_TRANSFORMS_CUTSTRUCTURE_H
#define LIB_DIALECT_STC_TRANSFORMS_CUTSTRUCTURE_H

#include "LayerStructure.h"

#include "stc/Dialect/STC/Utils/WeightStore.h"

namespace stc {

/// What stays of a layer: rising indices; none where a part stays whole.
struct LayerCut {
  bool removed = false;
  llvm::SmallVector<int64_t> channels;
  llvm::SmallVector<int64_t> heads; // query heads, the same number in each group that stays
  llvm::SmallVector<int64_t> groups;
  llvm::SmallVector<int64_t> experts;
};

/// Cuts all layers and infers the types of `forward` again. Removed layers let the hidden state
/// pass, their weights go, and the layers behind them move up in the cache. `groups` must have the
/// same size in every layer, as the cache has one number of key/value heads.
absl::Status cutStructure(mlir::func::FuncOp forward, llvm::ArrayRef<LayerStructure> layers,
                          llvm::ArrayRef<LayerCut> cuts, WeightStore &store);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_CUTSTRUCTURE_H
