// What a linear operation should give, so that it makes up for what compression lost before it.
#ifndef LIB_DIALECT_STC_TRANSFORMS_REPAIRTARGETS_H
#define LIB_DIALECT_STC_TRANSFORMS_REPAIRTARGETS_H

#include "stc/Calibration/BatchEvaluator.h"
#include "stc/Compress/CompressMatrix.h"
#include "stc/Compress/Repair.h"
#include "stc/Compress/SecondMoments.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

namespace stc {

/// The value that a result is added to, if that is all that becomes of it.
mlir::Value residualOf(LinearOp linear);

/// `wanted` against the inputs that `linear` really gets. A bias, and the hidden state `residual`
/// that the outputs are added to (null: none), are what the matrix need not give: they are
/// subtracted first. With `means` the bias will be fitted too: then it is not subtracted, but the
/// means of the outputs are, and are put there.
absl::StatusOr<CrossMoments> repairTargets(LinearOp linear, Activations wanted,
                                           const Activations *residual, const Activations &inputs,
                                           WeightStore &store,
                                           std::vector<double> *means = nullptr);

/// How well a matrix gives the outputs wanted: sqrt(|W X - Y|^2 / |Y|^2).
struct RepairReport {
  WeightOp weight;
  double before = 0, after = 0;
};

/// Fits a matrix without zeros to the targets. The result counts as the source's from then on.
absl::StatusOr<RepairReport> refitWeight(WeightOp weight, InputStatistics &statistics,
                                         const CrossMoments &targets, RefitOptions options,
                                         WeightStore &store);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_REPAIRTARGETS_H
