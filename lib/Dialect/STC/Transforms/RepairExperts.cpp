// Fits the experts that are left of a mixture to what all of them gave.
#include "RepairExperts.h"

#include "CompressibleWeights.h"

#include "stc/Compress/LinearAlgebra.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace stc {

absl::Status ExpertRepair::before(Operation *op, std::vector<RepairReport> &reports) {
  if (ExpertOp first = mixture.experts.front(); op == first)
    return begin();
  for (size_t i = 0; i < mixture.experts.size(); ++i) {
    LinearOp down = mixture.down(i);
    if (op != down || student.get(down.getInput())->values.empty())
      continue;
    STC_ASSIGN_OR_RETURN(RepairReport report, fit(mixture.experts[i], down));
    reports.push_back(report);
  }
  return absl::OkStatus();
}

/// Lets all experts run as they are.
absl::Status ExpertRepair::begin() {
  BatchEvaluator probe = student;
  for (ExpertOp expert : mixture.experts)
    STC_RETURN_IF_ERROR(probe.evaluate(expert));
  ExpertOp first = mixture.experts.front(), last = mixture.experts.back();
  rest = *probe.get(last.getResult());
  ActivationsPtr none = student.get(first.getAccumulator());
  for (size_t i = 0; i < rest.values.size(); ++i)
    rest.values[i] -= none->values[i];
  return absl::OkStatus();
}

absl::StatusOr<RepairReport> ExpertRepair::fit(ExpertOp expert, LinearOp down) {
  WeightOp weight = weightOf(down.getWeight());
  ActivationsPtr inputs = student.get(down.getInput()), gates = student.get(expert.getGates());
  ActivationsPtr sum = student.get(expert.getAccumulator());
  int64_t index = *getConstantIntValue(expert.getIndex()), columns = inputs->columns;
  int64_t rows = rowsOf(weight), tokens = int64_t(inputs->values.size()) / columns;
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
  std::vector<float> own(size_t(tokens * rows)), targets(own.size()), scaled = inputs->values;
  linalg::multiply(tokens, rows, columns, 1, {inputs->values.data(), columns},
                   {values.data(), columns, /*transposed=*/true}, 0, own.data(), rows);
  // A bias is no part of what is fitted: it stays, and is added whatever the fit gives.
  std::vector<float> bias(size_t(rows), 0);
  if (down.getBias()) {
    STC_ASSIGN_OR_RETURN(bias, store.load(weightOf(down.getBias())));
  }
  size_t next = 0; // of the tokens that chose the expert
  for (int64_t token = 0; token < int64_t(gates->values.size()) / gates->columns; ++token) {
    float gate = gates->values[size_t(token * gates->columns + index)];
    if (gate == 0)
      continue;
    for (int64_t c = 0; c < columns; ++c)
      scaled[next * size_t(columns) + size_t(c)] *= gate;
    for (int64_t row = 0; row < rows; ++row) {
      auto at = size_t(token * rows + row);
      rest.values[at] -= gate * own[next * size_t(rows) + size_t(row)];
      targets[next * size_t(rows) + size_t(row)] =
          wanted->values[at] - sum->values[at] - rest.values[at];
      rest.values[at] -= gate * bias[size_t(row)];
    }
    ++next;
  }
  InputStatistics statistics(columns);
  STC_RETURN_IF_ERROR(statistics.moments().add(scaled));
  CrossMoments cross(rows, columns);
  STC_RETURN_IF_ERROR(cross.add(targets, scaled));
  return refitWeight(weight, statistics, cross, options, store);
}

} // namespace stc
