// The shares of zeros of layers, where they are not the same for all.
#ifndef LIB_DIALECT_STC_TRANSFORMS_LAYERRATIOS_H
#define LIB_DIALECT_STC_TRANSFORMS_LAYERRATIOS_H

#include "stc/Calibration/Sequences.h"
#include "stc/Dialect/STC/Utils/Recipe.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

namespace stc {

/// A weight that is to be pruned, and by which pattern.
struct PrunedWeight {
  WeightOp weight;
  PrunePattern *pattern; // may be changed
};

/// Gives the weights of each layer a pattern of their own, by OWL: of all weights that were given
/// equal patterns the mean share of zeros stays what it was (weighted by size; to 0.0001, or for
/// N:M as owlCounts), and layers whose scores have more outliers in the uncompressed model, run
/// over `text`, lose less. Patterns are ones that Recipe::method takes. With `verbose` a remark on
/// each layer. Errors: as measureOutliers.
absl::Status spreadRatios(mlir::ModuleOp module, const Recipe::Ratios &ratios,
                          const Sequences &text, WeightStore &store,
                          llvm::ArrayRef<PrunedWeight> weights, bool quiet, bool verbose);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_LAYERRATIOS_H
