// The operation of the stc dialect that chooses experts by scores.
#ifndef STC_DIALECT_STC_IR_STCROUTING_H
#define STC_DIALECT_STC_IR_STCROUTING_H

#include "stc/Dialect/STC/IR/STC.h"

#include "llvm/ADT/ArrayRef.h"

#define GET_OP_CLASSES
#include "stc/Dialect/STC/IR/STCRoutingOps.h.inc"

namespace stc {

/// How experts are chosen: what stc.grouped_gate and packed.grouped_gate say.
struct GroupedChoice {
  int64_t experts = 0, k = 0, groups = 1, kept = 1, best = 1;
  double scale = 1;
  bool normalized = false;

  int64_t groupSize() const { return experts / groups; }
  /// Gates of one token in plain numbers; `corrections` is empty or has one number per expert.
  void apply(llvm::ArrayRef<double> scores, llvm::ArrayRef<double> corrections,
             llvm::MutableArrayRef<double> gates) const;
};

/// The choice of an operation of either dialect, whose scores have so many columns.
template <typename Op> GroupedChoice groupedChoiceOf(Op op, int64_t experts) {
  return {experts,
          int64_t(op.getK()),
          int64_t(op.getGroups()),
          int64_t(op.getKept()),
          int64_t(op.getBest()),
          op.getScale().convertToDouble(),
          op.getNormalized()};
}

/// The constraints C1 to C3 and C5 of both operations.
mlir::LogicalResult verifyGroupedChoice(mlir::Operation *op, const GroupedChoice &choice);

} // namespace stc

#endif // STC_DIALECT_STC_IR_STCROUTING_H
