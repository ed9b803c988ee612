// How much the largest weights of each layer stand out.
#ifndef STC_CALIBRATION_OUTLIERS_H
#define STC_CALIBRATION_OUTLIERS_H

#include "stc/Calibration/Sequences.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Support/Progress.h"

namespace stc {

/// The outliers of one layer.
struct LayerOutliers {
  LayerOp layer;
  llvm::SmallVector<WeightOp> weights; // those asked about that no layer before it multiplies with
  double share = 0; // of their Wanda scores (all of the layer together) above the threshold
};

/// Runs the uncompressed model over `text`, layer after layer, and counts what OWL calls outliers
/// (Yin et al. 2024): scores above `threshold` times the mean score of the layer's `weights`.
/// Layers that read none of them are left out, as are those behind the last that does. Memory: the
/// scores of one layer beside its activations. Errors: no function @forward of one block, an
/// operation that calibration cannot run, what loading says.
absl::StatusOr<std::vector<LayerOutliers>>
measureOutliers(mlir::ModuleOp module, WeightStore &store, const Sequences &text,
                llvm::ArrayRef<WeightOp> weights, double threshold, Progress &progress);

} // namespace stc

#endif // STC_CALIBRATION_OUTLIERS_H
