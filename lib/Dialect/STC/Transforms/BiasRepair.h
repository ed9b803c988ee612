// Which biases repair may fit together with their matrices.
#ifndef LIB_DIALECT_STC_TRANSFORMS_BIASREPAIR_H
#define LIB_DIALECT_STC_TRANSFORMS_BIASREPAIR_H

#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Dialect/STC/Utils/Recipe.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"

namespace stc {

/// The biases of one module that may change.
class FittableBiases {
public:
  /// A bias may change if nothing but one linear operation reads it, nothing changed it before, no
  /// pattern of `exclude` names it, and the first stage of the recipe that does, if any, prunes or
  /// quantizes something. Patterns are well-formed.
  FittableBiases(mlir::ModuleOp module, const Recipe &recipe, llvm::ArrayRef<std::string> exclude);
  FittableBiases() = default;

  /// The bias of `linear`, or null if it has none that may change.
  WeightOp of(LinearOp linear) const;

private:
  llvm::DenseMap<mlir::StringAttr, WeightOp> biases;
};

/// The name of the weight that a linear operation adds, or null.
mlir::StringAttr biasName(LinearOp linear);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_BIASREPAIR_H
