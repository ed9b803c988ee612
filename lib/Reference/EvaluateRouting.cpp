// Runs the choice of experts by scores, of both dialects.
#include "Evaluator.h"

#include "stc/Dialect/Packed/IR/PackedRouting.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc;

template <typename Op> static absl::Status chooseGrouped(Frame &frame, Op op) {
  const ReferenceTensor &scores = frame.tensor(op.getScores());
  const ReferenceTensor *correction = frame.optionalTensor(op.getCorrection());
  int64_t experts = columnsOf(scores);
  if (correction)
    STC_RETURN_IF_ERROR(checkColumns(op, *correction, experts));
  GroupedChoice choice = groupedChoiceOf(op, experts);
  ReferenceTensor gates = makeTensor(scores.shape);
  for (int64_t token = 0; token < rowsOf(scores); ++token) {
    size_t begin = size_t(token * experts);
    choice.apply(llvm::ArrayRef<double>(scores.values).slice(begin, size_t(experts)),
                 correction ? llvm::ArrayRef<double>(correction->values) : llvm::ArrayRef<double>(),
                 llvm::MutableArrayRef<double>(gates.values).slice(begin, size_t(experts)));
  }
  frame.set(op->getResult(0), std::move(gates));
  return absl::OkStatus();
}

absl::StatusOr<bool> stc::evaluateRouting(Evaluator &, Frame &frame, Operation *op) {
  if (auto gate = dyn_cast<GroupedGateOp>(op)) {
    STC_RETURN_IF_ERROR(chooseGrouped(frame, gate));
    return true;
  }
  auto gate = dyn_cast<packed::GroupedGateOp>(op);
  // Those on memrefs have no results: they belong to later phases.
  if (!gate || gate->getNumResults() == 0)
    return false;
  STC_RETURN_IF_ERROR(chooseGrouped(frame, gate));
  return true;
}
