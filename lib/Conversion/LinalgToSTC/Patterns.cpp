// Normalizations, nonlinearities and arithmetic, in the spellings that model code has.
#include "Patterns.h"

#include <cmath>

using namespace mlir;

namespace stc {

namespace {

constexpr llvm::StringLiteral kMul = "arith.mulf", kDiv = "arith.divf", kAdd = "arith.addf",
                              kSub = "arith.subf";

using Pair = std::pair<const ScalarExpr *, const ScalarExpr *>;

/// Constants of f32 programs are f32.
bool isClose(double value, double wanted) {
  return std::abs(value - wanted) <= 1e-6 * std::abs(wanted);
}

/// One match over the expressions of one root.
class Matcher {
public:
  explicit Matcher(ScalarExprs &exprs) : exprs(exprs) {}

  /// Both orders of a binary operation's operands, none for other expressions.
  SmallVector<Pair, 2> bothWays(const ScalarExpr *expr, StringRef operation) {
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

  const ScalarExpr *argument(const ScalarExpr *expr, StringRef operation) {
    expr = exprs.open(expr);
    return expr->is(operation) ? expr->operands[0] : nullptr;
  }

  bool isNumber(const ScalarExpr *expr, double wanted) {
    std::optional<double> value = exprs.number(expr);
    return value && (wanted == 0 ? *value == 0 : isClose(*value, wanted));
  }

  bool isElementOf(const ScalarExpr *expr, Value tensor) {
    return expr->isWhole() && expr->tensor == tensor;
  }

  // Normalization

  /// The factors of input / sqrt(mean(input^2) + epsilon).
  std::optional<NormPattern> normalized(const ScalarExpr *expr) {
    for (auto [input, factor] : bothWays(expr, kMul))
      if (const ScalarExpr *mean = inverseRoot(factor); mean && input->isWhole())
        if (std::optional<double> epsilon = meanOfSquares(mean, input->tensor))
          return NormPattern{input->tensor, {}, *epsilon};
    if (auto sides = quotient(expr); sides && sides->first->isWhole())
      if (const ScalarExpr *mean = argument(sides->second, "math.sqrt"))
        if (std::optional<double> epsilon = meanOfSquares(mean, sides->first->tensor))
          return NormPattern{sides->first->tensor, {}, *epsilon};
    return std::nullopt;
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

  std::optional<double> meanOfSquares(const ScalarExpr *expr, Value input) {
    for (auto [mean, addend] : bothWays(expr, kAdd))
      if (std::optional<double> epsilon = exprs.number(addend))
        return isMeanOfSquares(mean, input) ? epsilon : std::nullopt;
    return isMeanOfSquares(expr, input) ? std::optional(0.0) : std::nullopt;
  }

  bool isMeanOfSquares(const ScalarExpr *expr, Value input) {
    int64_t columns = cast<RankedTensorType>(input.getType()).getDimSize(1);
    const ScalarExpr *sum = nullptr;
    if (auto sides = quotient(expr); sides && isNumber(sides->second, double(columns)))
      sum = sides->first;
    for (auto [left, right] : bothWays(expr, kMul))
      if (isNumber(right, 1.0 / double(columns)))
        sum = left;
    sum = sum ? exprs.open(sum) : nullptr;
    if (!sum || sum->kind != ScalarExpr::Kind::RowSum || sum->size != columns)
      return false;
    const ScalarExpr *square = exprs.open(sum->operands[0]);
    if (square->is("math.powf"))
      return isElementOf(square->operands[0], input) && isNumber(square->operands[1], 2);
    return square->is(kMul) && isElementOf(square->operands[0], input) &&
           isElementOf(square->operands[1], input);
  }

  // Nonlinearities

  /// The numbers' product and the other factors of a product or a quotient by a number.
  void factors(const ScalarExpr *expr, double &number, SmallVectorImpl<const ScalarExpr *> &rest) {
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

private:
  ScalarExprs &exprs;
};

} // namespace

std::optional<NormPattern> matchNorm(ScalarExprs &exprs, const ScalarExpr *root) {
  Matcher matcher(exprs);
  for (auto [scaled, weight] : matcher.bothWays(root, kMul))
    if (std::optional<NormPattern> found = matcher.normalized(scaled))
      if ((found->weight = exprs.columnVector(weight)))
        return found;
  return std::nullopt;
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
    if (left->isWhole() && right->isWhole())
      return BinaryPattern{operation, left->tensor, right->tensor, {}, {}};
    if (operation == kSub)
      return std::nullopt;
    for (auto [whole, vector] : {Pair{left, right}, Pair{right, left}})
      if (Value found = whole->isWhole() ? exprs.columnVector(vector) : Value())
        return BinaryPattern{operation, whole->tensor, {}, found, {}};
  }
  return std::nullopt;
}

} // namespace stc
