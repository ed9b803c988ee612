// Numbers that expressions are, for one index of a dimension.
#include "ScalarExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace stc {

/// What an operation of arith or math makes of numbers, of those that tables are computed with.
static std::optional<double> apply(Operation *op, ArrayRef<double> x) {
  using Result = std::optional<double>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case<arith::AddFOp, arith::AddIOp>([&](Operation *) { return Result(x[0] + x[1]); })
      .Case<arith::SubFOp, arith::SubIOp>([&](Operation *) { return Result(x[0] - x[1]); })
      .Case<arith::MulFOp, arith::MulIOp>([&](Operation *) { return Result(x[0] * x[1]); })
      .Case([&](arith::DivFOp) { return Result(x[0] / x[1]); })
      .Case([&](arith::NegFOp) { return Result(-x[0]); })
      .Case<arith::SIToFPOp, arith::UIToFPOp>([&](Operation *) { return Result(x[0]); })
      .Case([&](math::PowFOp) { return Result(std::pow(x[0], x[1])); })
      .Case([&](math::ExpOp) { return Result(std::exp(x[0])); })
      .Case([&](math::LogOp) { return Result(std::log(x[0])); })
      .Case([&](math::SqrtOp) { return Result(std::sqrt(x[0])); })
      .Default([](Operation *) { return Result(); });
}

std::optional<double> ScalarExprs::numberAt(const ScalarExpr *expr, unsigned dim, int64_t at) {
  expr = open(expr);
  auto indexOf = [&](const IndexForm &form) -> std::optional<int64_t> {
    int64_t sum = form.offset;
    for (auto [used, stride] : form.terms) {
      if (used != dim)
        return std::nullopt;
      sum += stride * at;
    }
    return sum;
  };
  switch (expr->kind) {
  case ScalarExpr::Kind::Constant:
    return expr->constant;
  case ScalarExpr::Kind::Index:
    if (std::optional<int64_t> index = indexOf(expr->at[0]))
      return double(*index);
    return std::nullopt;
  case ScalarExpr::Kind::Element: {
    DenseFPElementsAttr values;
    if (!matchPattern(expr->tensor, m_Constant(&values)))
      return std::nullopt;
    auto form = linearize(expr->at, values.getType().getShape());
    std::optional<int64_t> index = form ? indexOf(*form) : std::nullopt;
    if (!index || *index < 0 || *index >= values.getNumElements())
      return std::nullopt;
    APFloat number = values.getValues<APFloat>()[uint64_t(*index)];
    bool inexact;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
    return number.convertToDouble();
  }
  case ScalarExpr::Kind::Apply: {
    SmallVector<double> numbers;
    for (const ScalarExpr *operand : expr->operands) {
      std::optional<double> number = numberAt(operand, dim, at);
      if (!number)
        return std::nullopt;
      numbers.push_back(*number);
    }
    return apply(expr->operation, numbers);
  }
  default:
    return std::nullopt;
  }
}

} // namespace stc
