// What scalar expressions spell out.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_PATTERNS_H
#define STC_LIB_CONVERSION_LINALGTOSTC_PATTERNS_H

#include "ScalarExpr.h"

#include "stc/Dialect/STC/IR/STC.h"

namespace stc {

/// input / sqrt(mean(input^2) + epsilon) * weight.
struct NormPattern {
  mlir::Value input, weight;
  double epsilon;
};
std::optional<NormPattern> matchNorm(ScalarExprs &exprs, const ScalarExpr *root);

/// function(input), times `up` where that is not null.
struct ActivationPattern {
  ActivationKind kind;
  mlir::Value input, up;
};
std::optional<ActivationPattern> matchActivation(ScalarExprs &exprs, const ScalarExpr *root);

/// An operation of arith on element [d0, d1] of a tensor, and on that of another, a vector's
/// element d1, or a number.
struct BinaryPattern {
  llvm::StringRef operation;
  mlir::Value left, right, vector;
  std::optional<double> factor; // the tensor times a finite number
};
std::optional<BinaryPattern> matchBinary(ScalarExprs &exprs, const ScalarExpr *root);

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_PATTERNS_H
