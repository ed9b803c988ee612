// Normalizations, nonlinearities and arithmetic, in the spellings that model code has.
#include "Patterns.h"

#include "ExprMatcher.h"

#include <cmath>

using namespace mlir;

namespace stc {

namespace {

/// One match over the expressions of one root.
class Matcher : public ExprMatcher {
public:
  using ExprMatcher::ExprMatcher;

  bool isElementOf(const ScalarExpr *expr, Value tensor) {
    return expr->isWhole() && expr->tensor == tensor;
  }

  // Normalization

  /// The input and epsilon of x / sqrt(mean(x^2) + epsilon), where x is the input itself or, where
  /// it is `centred`, what it differs from the mean of its row.
  std::optional<NormPattern> normalized(const ScalarExpr *expr, bool centred) {
    for (auto [input, factor] : bothWays(expr, kMul))
      if (const ScalarExpr *mean = inverseRoot(factor))
        if (auto found = normalizedBy(input, mean, centred))
          return found;
    if (auto sides = quotient(expr))
      if (const ScalarExpr *mean = argument(sides->second, "math.sqrt"))
        return normalizedBy(sides->first, mean, centred);
    return std::nullopt;
  }

  std::optional<NormPattern> normalizedBy(const ScalarExpr *expr, const ScalarExpr *mean,
                                          bool centred) {
    Value input = centred ? centredInput(expr) : expr->isWhole() ? expr->tensor : Value();
    if (!input)
      return std::nullopt;
    std::optional<double> epsilon = meanOfSquares(mean, input, centred);
    return epsilon ? std::optional(NormPattern{input, {}, {}, *epsilon, 1}) : std::nullopt;
  }

  /// x of x - mean(x).
  Value centredInput(const ScalarExpr *expr) {
    expr = exprs.open(expr);
    if (!expr->is(kSub) || !expr->operands[0]->isWhole())
      return {};
    const ScalarExpr *summand = meanArgument(expr->operands[1]);
    Value input = expr->operands[0]->tensor;
    return summand && isElementOf(summand, input) ? input : Value();
  }

  /// y of 1 / sqrt(y).
  const ScalarExpr *inverseRoot(const ScalarExpr *expr) {
    if (const ScalarExpr *inner = argument(expr, "math.rsqrt"))
      return inner;
    if (auto sides = quotient(expr); sides && isNumber(sides->first, 1))
      return argument(sides->second, "math.sqrt");
    const ScalarExpr *power = exprs.open(expr);
    if (power->is("math.powf") && isNumber(power->operands[1], -0.5))
      return power->operands[0];
    return nullptr;
  }

  std::optional<double> meanOfSquares(const ScalarExpr *expr, Value input, bool centred) {
    for (auto [mean, addend] : bothWays(expr, kAdd))
      if (std::optional<double> epsilon = exprs.number(addend))
        return isMeanOfSquares(mean, input, centred) ? epsilon : std::nullopt;
    return isMeanOfSquares(expr, input, centred) ? std::optional(0.0) : std::nullopt;
  }

  bool isMeanOfSquares(const ScalarExpr *expr, Value input, bool centred) {
    const ScalarExpr *square = meanArgument(expr);
    if (!square)
      return false;
    auto isRoot = [&](const ScalarExpr *root) {
      return centred ? centredInput(root) == input : isElementOf(root, input);
    };
    square = exprs.open(square);
    if (square->is("math.powf"))
      return isRoot(square->operands[0]) && isNumber(square->operands[1], 2);
    return square->is(kMul) && isRoot(square->operands[0]) && isRoot(square->operands[1]);
  }

  /// What an expression is the mean of, over the columns of a row.
  const ScalarExpr *meanArgument(const ScalarExpr *expr) {
    int64_t columns = exprs.extent(1);
    const ScalarExpr *sum = nullptr;
    if (auto sides = quotient(expr); sides && isNumber(sides->second, double(columns)))
      sum = sides->first;
    for (auto [left, right] : bothWays(expr, kMul))
      if (isNumber(right, 1.0 / double(columns)))
        sum = left;
    sum = sum ? exprs.open(sum) : nullptr;
    bool isOfRow = sum && sum->kind == ScalarExpr::Kind::Sum && sum->dim == 1;
    return isOfRow && sum->size == columns ? sum->operands[0] : nullptr;
  }

  // Nonlinearities

  /// c of an expression c * input^power.
  std::optional<double> power(const ScalarExpr *expr, Value input, unsigned wanted) {
    double number = 1;
    SmallVector<const ScalarExpr *> rest;
    factors(expr, number, rest);
    unsigned found = 0;
    for (const ScalarExpr *factor : rest) {
      if (factor->is("math.powf") && isElementOf(factor->operands[0], input) &&
          isNumber(factor->operands[1], 3))
        found += 3;
      else if (isElementOf(factor, input))
        ++found;
      else
        return std::nullopt;
    }
    return found == wanted ? std::optional(number) : std::nullopt;
  }

  bool isMultiple(const ScalarExpr *expr, Value input, double wanted) {
    std::optional<double> number = power(expr, input, 1);
    return number && isClose(*number, wanted);
  }

  /// Whether an expression is c * (input + 0.044715 input^3).
  bool isTanhArgument(const ScalarExpr *expr, Value input, double c) {
    double number = 1;
    SmallVector<const ScalarExpr *> rest;
    factors(expr, number, rest);
    if (rest.size() != 1 || !isClose(number, c))
      return false;
    for (auto [linear, cubic] : bothWays(rest[0], kAdd)) {
      std::optional<double> cube = power(cubic, input, 3);
      if (isMultiple(linear, input, 1) && cube && isClose(*cube, 0.044715))
        return true;
    }
    return false;
  }

  /// The function 1 / (1 + exp(-y)) as what y makes of it.
  std::optional<ActivationKind> logistic(const ScalarExpr *denominator, Value input) {
    for (auto [one, exponential] : bothWays(denominator, kAdd)) {
      const ScalarExpr *exponent = argument(exponential, "math.exp");
      if (!exponent || !isNumber(one, 1))
        continue;
      if (isMultiple(exponent, input, -1))
        return ActivationKind::Silu;
      if (isTanhArgument(exponent, input, -2 * std::sqrt(2 / M_PI)))
        return ActivationKind::GeluTanh;
    }
    return std::nullopt;
  }

  /// x of 1 + exp(-x).
  Value logisticInput(const ScalarExpr *denominator) {
    for (auto [one, exponential] : bothWays(denominator, kAdd)) {
      const ScalarExpr *exponent = argument(exponential, "math.exp");
      double number = 1;
      SmallVector<const ScalarExpr *> rest;
      if (!exponent || !isNumber(one, 1))
        continue;
      factors(exponent, number, rest);
      if (rest.size() == 1 && rest[0]->isWhole() && number == -1)
        return rest[0]->tensor;
    }
    return {};
  }

  /// 1 + erf(input / sqrt 2) or 1 + tanh(...), which are 2 where gelu is input.
  std::optional<ActivationKind> doubledGate(const ScalarExpr *expr, Value input) {
    // 1 - erf(-y) is what erfc(-y) is written as.
    if (const ScalarExpr *opened = exprs.open(expr);
        opened->is(kSub) && isNumber(opened->operands[0], 1))
      if (const ScalarExpr *inner = argument(opened->operands[1], "math.erf");
          inner && isMultiple(inner, input, -std::sqrt(0.5)))
        return ActivationKind::Gelu;
    for (auto [one, curve] : bothWays(expr, kAdd)) {
      if (!isNumber(one, 1))
        continue;
      if (const ScalarExpr *inner = argument(curve, "math.erf");
          inner && isMultiple(inner, input, std::sqrt(0.5)))
        return ActivationKind::Gelu;
      if (const ScalarExpr *inner = argument(curve, "math.tanh");
          inner && isTanhArgument(inner, input, std::sqrt(2 / M_PI)))
        return ActivationKind::GeluTanh;
    }
    return std::nullopt;
  }

  /// The nonlinearity that an expression is of some tensor.
  std::optional<ActivationPattern> function(const ScalarExpr *expr) {
    const ScalarExpr *opened = exprs.open(expr);
    for (StringRef maximum : {"arith.maximumf", "arith.maxnumf"})
      for (auto [input, zero] : bothWays(opened, maximum))
        if (input->isWhole() && isNumber(zero, 0))
          return ActivationPattern{ActivationKind::Relu, input->tensor, {}};
    if (auto sides = quotient(opened); sides && sides->first->isWhole())
      if (auto kind = logistic(sides->second, sides->first->tensor))
        return ActivationPattern{*kind, sides->first->tensor, {}};
    if (auto sides = quotient(opened); sides && isNumber(sides->first, 1))
      if (Value input = logisticInput(sides->second))
        return ActivationPattern{ActivationKind::Sigmoid, input, {}};
    double number = 1;
    SmallVector<const ScalarExpr *> rest;
    factors(opened, number, rest);
    if (rest.size() != 2)
      return std::nullopt;
    for (auto [input, gate] : {Pair{rest[0], rest[1]}, Pair{rest[1], rest[0]}}) {
      if (!input->isWhole())
        continue;
      if (auto sides = quotient(gate); sides && isNumber(sides->first, 1) && isClose(number, 1))
        if (auto kind = logistic(sides->second, input->tensor))
          return ActivationPattern{*kind, input->tensor, {}};
      if (isClose(number, 0.5))
        if (auto kind = doubledGate(gate, input->tensor))
          return ActivationPattern{*kind, input->tensor, {}};
    }
    return std::nullopt;
  }
};

} // namespace

static std::optional<NormPattern> matchScaledNorm(ScalarExprs &exprs, const ScalarExpr *root,
                                                  bool centred) {
  Matcher matcher(exprs);
  for (auto [scaled, weight] : matcher.bothWays(root, kMul))
    if (std::optional<NormPattern> found = matcher.normalized(scaled, centred)) {
      if ((found->weight = exprs.columnVector(weight)))
        return found;
      if (std::optional<double> gain = exprs.number(weight)) {
        found->gain = *gain;
        return found;
      }
    }
  return matcher.normalized(root, centred);
}

std::optional<NormPattern> matchRMSNorm(ScalarExprs &exprs, const ScalarExpr *root) {
  auto found = matchScaledNorm(exprs, root, /*centred=*/false);
  if (!found)
    return std::nullopt;
  // Of what is centred it would be half a layer normalization, which is seen from further away.
  ScalarExprs deeper(kDeepest, {exprs.extent(0), exprs.extent(1)});
  return Matcher(deeper).centredInput(deeper.whole(found->input)) ? std::nullopt : found;
}

std::optional<NormPattern> matchLayerNorm(ScalarExprs &exprs, const ScalarExpr *root) {
  for (auto [scaled, bias] : Matcher(exprs).bothWays(root, kAdd))
    if (std::optional<NormPattern> found = matchScaledNorm(exprs, scaled, /*centred=*/true))
      if ((found->bias = exprs.columnVector(bias)))
        return found;
  return matchScaledNorm(exprs, root, /*centred=*/true);
}

std::optional<ActivationPattern> matchActivation(ScalarExprs &exprs, const ScalarExpr *root) {
  Matcher matcher(exprs);
  if (auto found = matcher.function(root))
    return found;
  for (auto [gate, up] : matcher.bothWays(root, kMul))
    if (up->isWhole())
      if (auto found = matcher.function(gate)) {
        found->up = up->tensor;
        return found;
      }
  return std::nullopt;
}

std::optional<BinaryPattern> matchBinary(ScalarExprs &exprs, const ScalarExpr *root) {
  root = exprs.open(root);
  for (auto [whole, other] : Matcher(exprs).bothWays(root, kMul))
    if (std::optional<double> factor = exprs.number(other);
        factor && whole->isWhole() && std::isfinite(*factor))
      return BinaryPattern{kMul, whole->tensor, {}, {}, factor};
  for (StringRef operation : {kAdd, kSub, kMul}) {
    if (!root->is(operation))
      continue;
    const ScalarExpr *left = root->operands[0], *right = root->operands[1];
    // A vector that was broadcast is one still.
    if (operation != kSub)
      for (auto [whole, vector] : {std::pair(left, right), std::pair(right, left)})
        if (Value found = whole->isWhole() ? exprs.columnVector(vector) : Value())
          return BinaryPattern{operation, whole->tensor, {}, found, {}};
    if (left->isWhole() && right->isWhole())
      return BinaryPattern{operation, left->tensor, right->tensor, {}, {}};
  }
  return std::nullopt;
}

} // namespace stc
