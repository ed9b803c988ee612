// Rows of tables, by numbers or by places.
#include "Gathers.h"

#include "Attention.h"
#include "ExprMatcher.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace stc {

namespace {

class GatherMatcher : public ExprMatcher {
public:
  using ExprMatcher::ExprMatcher;

  std::optional<GatherPattern> match(Value result);

private:
  /// A row's number without what changes only numbers that are no rows of the table: bounds, and
  /// counting from its end.
  const ScalarExpr *row(const ScalarExpr *expr, int64_t rows);
  /// Whether a condition asks no more than whether a number is one of the rows.
  bool isWithin(const ScalarExpr *expr, int64_t rows);
};

const ScalarExpr *GatherMatcher::row(const ScalarExpr *expr, int64_t rows) {
  const ScalarExpr *opened = exprs.open(expr);
  for (StringRef cast : {"arith.index_castui", "arith.extui"})
    if (opened->is(cast))
      return row(opened->operands[0], rows);
  for (auto [inner, bound] : bothWays(opened, "arith.maxsi"))
    if (std::optional<double> number = exprs.number(bound); number && *number <= 0)
      return row(inner, rows);
  for (auto [inner, bound] : bothWays(opened, "arith.minsi"))
    if (std::optional<double> number = exprs.number(bound); number && *number >= double(rows - 1))
      return row(inner, rows);
  if (opened->is("arith.select")) {
    const ScalarExpr *condition = exprs.open(opened->operands[0]);
    if (condition->is("arith.cmpi") &&
        cast<arith::CmpIOp>(condition->operation).getPredicate() == arith::CmpIPredicate::slt &&
        isNumber(condition->operands[1], 0) &&
        exprs.same(condition->operands[0], opened->operands[2]))
      return row(opened->operands[2], rows);
  }
  return opened;
}

bool GatherMatcher::isWithin(const ScalarExpr *expr, int64_t rows) {
  expr = exprs.open(expr);
  if (expr->is("arith.andi"))
    return isWithin(expr->operands[0], rows) && isWithin(expr->operands[1], rows);
  if (!expr->is("arith.cmpi"))
    return false;
  std::optional<double> bound = exprs.number(expr->operands[1]);
  arith::CmpIPredicate predicate = cast<arith::CmpIOp>(expr->operation).getPredicate();
  if (!bound)
    return false;
  switch (predicate) {
  case arith::CmpIPredicate::sge:
    return *bound <= 0;
  case arith::CmpIPredicate::sgt:
    return *bound < 0;
  case arith::CmpIPredicate::sle:
    return *bound >= double(rows - 1);
  case arith::CmpIPredicate::slt:
    return *bound >= double(rows);
  default:
    return false;
  }
}

std::optional<GatherPattern> GatherMatcher::match(Value result) {
  const ScalarExpr *root = exprs.open(exprs.whole(result)), *condition = nullptr;
  if (root->is("arith.select"))
    if (std::optional<double> other = exprs.number(root->operands[2]);
        other && std::isnan(*other)) {
      condition = root->operands[0];
      root = exprs.open(root->operands[1]);
    }
  if (root->kind != ScalarExpr::Kind::Extract || root->operands.size() != 2)
    return std::nullopt;
  auto table = cast<RankedTensorType>(root->tensor.getType());
  int64_t rows = table.getDimSize(0);
  const ScalarExpr *column = exprs.open(root->operands[1]);
  if (table.getDimSize(1) != exprs.extent(1) || column->kind != ScalarExpr::Kind::Index ||
      !column->at[0].isDim(1) || (condition && !isWithin(condition, rows)))
    return std::nullopt;
  const ScalarExpr *number = row(root->operands[0], rows);
  if (number->kind == ScalarExpr::Kind::Index && number->at[0].isDim(0))
    return GatherPattern{root->tensor, {}};
  if (number->kind != ScalarExpr::Kind::Element || number->at.size() != 1 ||
      !number->at[0].isDim(0) ||
      !cast<RankedTensorType>(number->tensor.getType()).getElementType().isInteger(32))
    return std::nullopt;
  return GatherPattern{root->tensor, number->tensor};
}

} // namespace

std::optional<GatherPattern> matchGather(Value result) {
  if (!isActivations(result.getType()) || !result.getDefiningOp<linalg::LinalgOp>())
    return std::nullopt;
  ScalarExprs exprs(kDeepest, cast<RankedTensorType>(result.getType()).getShape());
  return GatherMatcher(exprs).match(result);
}

Value matchTableOfPlaces(Value rows, Value tokens) {
  auto type = cast<RankedTensorType>(rows.getType());
  if (type.getRank() != 2 || type.isDynamicDim(0) ||
      type.getDimSize(0) != cast<RankedTensorType>(tokens.getType()).getDimSize(0))
    return {};
  ScalarExprs exprs(kDeepest, type.getShape());
  const ScalarExpr *found = exprs.follow(exprs.whole(rows), [&](const ScalarExpr &element) {
    auto table = cast<RankedTensorType>(element.tensor.getType());
    return element.isWhole() && table.getDimSize(1) == type.getDimSize(1) &&
           (element.tensor.getDefiningOp<GetWeightOp>() ||
            matchPattern(element.tensor, m_Constant()));
  });
  return found ? found->tensor : Value();
}

Value matchPlaces(Operation *slice, Value tokens) {
  auto extract = dyn_cast<tensor::ExtractSliceOp>(slice);
  // What is multiplied with activations is a part of a weight.
  bool isAdded = extract && llvm::all_of(extract->getUsers(), [](Operation *user) {
                   auto structured = dyn_cast<linalg::LinalgOp>(user);
                   return structured && structured.getNumReductionLoops() == 0 &&
                          !isa<linalg::TransposeOp>(user);
                 });
  return isAdded ? matchTableOfPlaces(extract.getResult(), tokens) : Value();
}

} // namespace stc
