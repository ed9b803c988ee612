// What the graph and the store say about weights, for the choice of layouts.
#ifndef STC_DIALECT_STC_UTILS_WEIGHTFACTS_H
#define STC_DIALECT_STC_UTILS_WEIGHTFACTS_H

#include "stc/Dialect/STC/Utils/LayoutChoice.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"

namespace stc {

/// What reads each weight that is read.
using WeightUsesMap = llvm::DenseMap<mlir::StringAttr, WeightUses>;
/// Emits an error for a reader that is not known.
mlir::FailureOr<WeightUsesMap> collectWeightUses(mlir::ModuleOp module);

/// Shape and type of a weight, before anything is done to it.
WeightFacts shapeFacts(WeightOp weight, WeightUses uses);
/// All facts of a weight as it stands.
absl::StatusOr<WeightFacts> gatherFacts(WeightStore &store, WeightOp weight, WeightUses uses);
/// Bytes of a weight as it stands, in the layout that is chosen for it.
absl::StatusOr<int64_t> storedBytes(WeightStore &store, WeightOp weight, WeightUses uses);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_WEIGHTFACTS_H
