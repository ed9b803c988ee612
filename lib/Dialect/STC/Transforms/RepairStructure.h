// Fits what follows removed parts of layers to the model before they were removed.
#ifndef LIB_DIALECT_STC_TRANSFORMS_REPAIRSTRUCTURE_H
#define LIB_DIALECT_STC_TRANSFORMS_REPAIRSTRUCTURE_H

#include "LayerStructure.h"
#include "RepairTargets.h"

#include "stc/Calibration/Divergence.h"
#include "stc/Compress/Repair.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Support/Progress.h"

namespace stc {

/// A layer before and after it was cut. `cut.layer` is null for a layer that was removed.
struct LayerPair {
  LayerStructure whole, cut;
};

/// Runs `whole` and, beside it, `cut` on the text, and sets the matrices down and o (and down of
/// every expert) of `cut`, layer after layer, to what gives the hidden states of `whole` best. They
/// count as the source's from then on. `layers` are those of `whole` in order (calibrationProgram).
absl::StatusOr<std::vector<RepairReport>> repairStructure(mlir::ModuleOp whole, mlir::ModuleOp cut,
                                                          llvm::ArrayRef<LayerPair> layers,
                                                          const Sequences &text,
                                                          const RefitOptions &options,
                                                          WeightStore &store, Progress &progress);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_REPAIRSTRUCTURE_H
