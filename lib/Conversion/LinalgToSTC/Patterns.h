// What scalar expressions spell out.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_PATTERNS_H
#define STC_LIB_CONVERSION_LINALGTOSTC_PATTERNS_H

#include "ScalarExpr.h"

#include "stc/Dialect/STC/IR/STC.h"

namespace stc {

/// x / sqrt(mean(x^2) + epsilon) * weight (+ bias), where x is the input of a RMS normalization,
/// and what the input differs from the mean of its row by of a layer normalization.
struct NormPattern {
  mlir::Value input, weight, bias;
  double epsilon;
  double gain = 1; // all weights, where there is no tensor of them
};
std::optional<NormPattern> matchRMSNorm(ScalarExprs &exprs, const ScalarExpr *root);
std::optional<NormPattern> matchLayerNorm(ScalarExprs &exprs, const ScalarExpr *root);

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
