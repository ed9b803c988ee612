// What a linear operation should give, so that it makes up for what compression lost before it.
#ifndef LIB_DIALECT_STC_TRANSFORMS_REPAIRTARGETS_H
#define LIB_DIALECT_STC_TRANSFORMS_REPAIRTARGETS_H

#include "stc/Calibration/BatchEvaluator.h"
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

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_REPAIRTARGETS_H
