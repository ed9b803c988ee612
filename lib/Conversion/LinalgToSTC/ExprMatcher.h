// Parts of patterns: products, quotients and numbers in scalar expressions.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_EXPRMATCHER_H
#define STC_LIB_CONVERSION_LINALGTOSTC_EXPRMATCHER_H

#include "ScalarExpr.h"

#include <cmath>

namespace stc {

inline constexpr llvm::StringLiteral kMul = "arith.mulf", kDiv = "arith.divf", kAdd = "arith.addf",
                                     kSub = "arith.subf";

/// Constants of f32 programs are f32.
inline bool isClose(double value, double wanted) {
  return std::abs(value - wanted) <= 1e-6 * std::abs(wanted);
}

/// What patterns ask of expressions.
class ExprMatcher {
public:
  using Pair = std::pair<const ScalarExpr *, const ScalarExpr *>;

  explicit ExprMatcher(ScalarExprs &exprs) : exprs(exprs) {}

  /// Both orders of a binary operation's operands, none for other expressions.
  llvm::SmallVector<Pair, 2> bothWays(const ScalarExpr *expr, llvm::StringRef operation) {
    expr = exprs.open(expr);
    if (!expr->is(operation))
      return {};
    return {{expr->operands[0], expr->operands[1]}, {expr->operands[1], expr->operands[0]}};
  }

  /// The operands of a division.
  std::optional<Pair> quotient(const ScalarExpr *expr) {
    expr = exprs.open(expr);
    if (!expr->is(kDiv))
      return std::nullopt;
    return Pair{expr->operands[0], expr->operands[1]};
  }

  const ScalarExpr *argument(const ScalarExpr *expr, llvm::StringRef operation) {
    expr = exprs.open(expr);
    return expr->is(operation) ? expr->operands[0] : nullptr;
  }

  bool isNumber(const ScalarExpr *expr, double wanted) {
    std::optional<double> value = exprs.number(expr);
    return value && (wanted == 0 ? *value == 0 : isClose(*value, wanted));
  }

  /// The numbers' product and the other factors of a product or a quotient by a number.
  void factors(const ScalarExpr *expr, double &number,
               llvm::SmallVectorImpl<const ScalarExpr *> &rest) {
    const ScalarExpr *opened = exprs.open(expr);
    if (opened->kind == ScalarExpr::Kind::Constant) {
      number *= opened->constant;
    } else if (opened->is("arith.negf")) {
      number = -number;
      factors(opened->operands[0], number, rest);
    } else if (opened->is(kMul)) {
      factors(opened->operands[0], number, rest);
      factors(opened->operands[1], number, rest);
    } else if (auto sides = quotient(opened); sides && exprs.number(sides->second)) {
      number /= *exprs.number(sides->second);
      factors(sides->first, number, rest);
    } else {
      rest.push_back(opened);
    }
  }

protected:
  ScalarExprs &exprs;
};

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_EXPRMATCHER_H
