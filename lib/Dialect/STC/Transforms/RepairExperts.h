// Fits the experts that are left of a mixture to what all of them gave.
#ifndef LIB_DIALECT_STC_TRANSFORMS_REPAIREXPERTS_H
#define LIB_DIALECT_STC_TRANSFORMS_REPAIREXPERTS_H

#include "LayerStructure.h"
#include "RepairTargets.h"

namespace stc {

/// One run of the student through the experts of a layer. Each expert's down matrix is fitted, for
/// the tokens that chose it, to `wanted` (the hidden state that should leave the layer) less what all
/// other experts add: those before it as fitted, those behind it as they are still.
class ExpertRepair {
public:
  ExpertRepair(const Mixture &mixture, ActivationsPtr wanted, BatchEvaluator &student,
               const RefitOptions &options, WeightStore &store)
      : mixture(mixture), wanted(std::move(wanted)), student(student), options(options),
        store(store) {}

  /// To be called before every operation of the layer runs; adds to `reports` what was fitted.
  absl::Status before(mlir::Operation *op, std::vector<RepairReport> &reports);

private:
  absl::Status begin();
  absl::StatusOr<RepairReport> fit(ExpertOp expert, LinearOp down);

  const Mixture &mixture;
  ActivationsPtr wanted;
  BatchEvaluator &student;
  const RefitOptions &options;
  WeightStore &store;
  Activations rest; // what the experts that are not fitted yet add
};

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_REPAIREXPERTS_H
