// What the passes over scf.forall agree on.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_FORALLUTILS_H
#define STC_DIALECT_PACKED_TRANSFORMS_FORALLUTILS_H

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace stc {

/// On a forall that every thread runs for itself, all of its iterations (one, unless it writes what
/// threads share: then all write the same).
constexpr llvm::StringLiteral kReplicatedAttr = "packed.replicated";

inline bool isReplicated(mlir::scf::ForallOp op) { return op->hasAttr(kReplicatedAttr); }

/// True if `op` has exactly one iteration. These all run in the same thread, so in order.
inline bool hasOneIteration(mlir::scf::ForallOp op) {
  return op.isNormalized() &&
         llvm::all_of(op.getStaticUpperBound(), [](int64_t bound) { return bound == 1; });
}

/// The iterations of a loop of one dimension, or ShapedType::kDynamic.
inline int64_t tripCount(mlir::scf::ForallOp op) { return op.getStaticUpperBound()[0]; }

/// The one operation with effects in a loop's body, if it is an `Op`; else null.
template <typename Op> Op onlyOperation(mlir::scf::ForallOp loop) {
  Op found;
  for (mlir::Operation &op : loop.getBody()->without_terminator()) {
    if (mlir::isMemoryEffectFree(&op))
      continue;
    if (found || !mlir::isa<Op>(op))
      return {};
    found = mlir::cast<Op>(op);
  }
  return found;
}

/// Moves the body of `first` before that of `second`, another loop with the same iterations, and
/// erases `first`.
inline void prependBody(mlir::scf::ForallOp first, mlir::scf::ForallOp second) {
  for (auto [own, other] : llvm::zip_equal(first.getInductionVars(), second.getInductionVars()))
    own.replaceAllUsesWith(other);
  mlir::Block *from = first.getBody(), *to = second.getBody();
  to->getOperations().splice(to->begin(), from->getOperations(), from->begin(),
                             std::prev(from->end()));
  first.erase();
}

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_FORALLUTILS_H
