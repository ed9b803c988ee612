// The choice of experts by scores: verifier, shape, and what it gives in plain numbers.
#include "stc/Dialect/STC/IR/STCRouting.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/Sequence.h"

#include <cmath>

using namespace mlir;
using namespace stc;

#define GET_OP_CLASSES
#include "stc/Dialect/STC/IR/STCRoutingOps.cpp.inc"

static int64_t columnsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

LogicalResult stc::verifyGroupedChoice(Operation *op, const GroupedChoice &choice) {
  auto isWithin = [](int64_t value, int64_t most) { return value >= 1 && value <= most; };
  if (choice.groups < 1 || choice.experts % choice.groups != 0 ||
      !isWithin(choice.kept, choice.groups))
    return op->emitOpError("expects groups that divide ")
           << choice.experts << " columns, and as many or fewer that are kept (C2), but got "
           << choice.groups << " and " << choice.kept;
  if (!isWithin(choice.k, choice.kept * choice.groupSize()))
    return op->emitOpError("expects k from 1 to ")
           << choice.kept * choice.groupSize() << " (C1), but got " << choice.k;
  if (!isWithin(choice.best, choice.groupSize()))
    return op->emitOpError("expects best from 1 to ")
           << choice.groupSize() << " (C3), but got " << choice.best;
  if (!std::isfinite(choice.scale) || choice.scale <= 0)
    return op->emitOpError("expects a finite scale above 0 (C5), but got ") << choice.scale;
  return success();
}

LogicalResult GroupedGateOp::verify() {
  int64_t experts = columnsOf(getScores());
  if (getCorrection() && columnsOf(getCorrection()) != experts)
    return emitOpError("expects a correction of ")
           << experts << " numbers (C4), but got " << columnsOf(getCorrection());
  return verifyGroupedChoice(*this, groupedChoiceOf(*this, experts));
}

LogicalResult GroupedGateOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                              GroupedGateOp::Adaptor adaptor,
                                              SmallVectorImpl<Type> &results) {
  results.push_back(adaptor.getScores().getType());
  return success();
}

/// The indices of the `count` largest values, the lower index first where they are equal.
static SmallVector<int64_t> largest(ArrayRef<double> values, int64_t count) {
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(values.size())));
  llvm::sort(order, [&](int64_t a, int64_t b) {
    return values[size_t(a)] != values[size_t(b)] ? values[size_t(a)] > values[size_t(b)] : a < b;
  });
  order.truncate(size_t(count));
  return order;
}

void GroupedChoice::apply(ArrayRef<double> scores, ArrayRef<double> corrections,
                          MutableArrayRef<double> gates) const {
  SmallVector<double> chosenBy(scores.begin(), scores.end());
  for (auto [value, correction] : llvm::zip(chosenBy, corrections))
    value += correction;
  SmallVector<double> worth;
  for (int64_t group = 0; group < groups; ++group) {
    ArrayRef<double> own =
        ArrayRef<double>(chosenBy).slice(size_t(group * groupSize()), size_t(groupSize()));
    double sum = 0;
    for (int64_t index : largest(own, best))
      sum += own[size_t(index)];
    worth.push_back(sum);
  }
  SmallVector<int64_t> candidates;
  for (int64_t group : largest(worth, kept))
    for (int64_t i = 0; i < groupSize(); ++i)
      candidates.push_back(group * groupSize() + i);
  llvm::sort(candidates);
  SmallVector<double> values;
  for (int64_t expert : candidates)
    values.push_back(chosenBy[size_t(expert)]);
  llvm::fill(gates, 0.0);
  double sum = 0;
  SmallVector<int64_t> chosen = largest(values, k);
  for (int64_t index : chosen)
    sum += scores[size_t(candidates[size_t(index)])];
  for (int64_t index : chosen) {
    int64_t expert = candidates[size_t(index)];
    gates[size_t(expert)] = scale * scores[size_t(expert)] / (normalized ? sum : 1);
  }
}
