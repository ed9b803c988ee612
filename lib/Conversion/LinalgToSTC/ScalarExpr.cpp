// Looks through linalg operations, reshapes and constants, element by element.
#include "ScalarExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace stc {

bool ScalarExpr::isWhole() const {
  return kind == Kind::Element && map.getNumResults() == 2 && map.isIdentity();
}

const ScalarExpr *ScalarExprs::make(ScalarExpr expr) {
  storage.push_back(std::move(expr));
  return &storage.back();
}

const ScalarExpr *ScalarExprs::element(Value tensor, AffineMap map, int64_t depth) {
  ScalarExpr expr;
  expr.kind = ScalarExpr::Kind::Element;
  expr.tensor = tensor;
  expr.map = map;
  expr.depth = depth;
  return make(expr);
}

const ScalarExpr *ScalarExprs::constant(double value) {
  ScalarExpr expr;
  expr.kind = ScalarExpr::Kind::Constant;
  expr.constant = value;
  return make(expr);
}

const ScalarExpr *ScalarExprs::whole(Value tensor) {
  return element(tensor, AffineMap::getMultiDimIdentityMap(2, tensor.getContext()), 0);
}

std::optional<double> ScalarExprs::number(const ScalarExpr *expr) {
  expr = open(expr);
  return expr->kind == ScalarExpr::Kind::Constant ? std::optional(expr->constant) : std::nullopt;
}

Value ScalarExprs::columnVector(const ScalarExpr *expr) {
  while (expr->kind == ScalarExpr::Kind::Element) {
    if (expr->map.getNumResults() == 1 &&
        expr->map.getResult(0) == getAffineDimExpr(1, expr->map.getContext()))
      return expr->tensor;
    const ScalarExpr *opened = openOnce(expr);
    if (opened == expr)
      return {};
    expr = opened;
  }
  return {};
}

const ScalarExpr *ScalarExprs::open(const ScalarExpr *expr) {
  const ScalarExpr *opened = openOnce(expr);
  while (opened != expr) {
    expr = opened;
    opened = openOnce(expr);
  }
  return expr;
}

const ScalarExpr *ScalarExprs::openOnce(const ScalarExpr *expr) {
  if (expr->kind != ScalarExpr::Kind::Element)
    return expr;
  if (DenseElementsAttr values; matchPattern(expr->tensor, m_Constant(&values))) {
    if (values.isSplat() && isa<FloatType>(values.getElementType()))
      return constant(values.getSplatValue<APFloat>().convertToDouble());
    return expr;
  }
  Operation *op = expr->tensor.getDefiningOp();
  if (!op || expr->depth >= limit)
    return expr;
  const ScalarExpr *opened = nullptr;
  if (auto structured = dyn_cast<linalg::LinalgOp>(op))
    opened = openLinalg(structured, *expr);
  else if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    opened = openReshape(op, *expr);
  return opened ? opened : expr;
}

/// Reshapes that only add or remove dimensions of size 1.
const ScalarExpr *ScalarExprs::openReshape(Operation *op, const ScalarExpr &expr) {
  auto expand = dyn_cast<tensor::ExpandShapeOp>(op);
  Value source = op->getOperand(0);
  SmallVector<ReassociationIndices> groups =
      expand ? expand.getReassociationIndices()
             : cast<tensor::CollapseShapeOp>(op).getReassociationIndices();
  auto wide = cast<RankedTensorType>(expand ? expand.getResultType() : source.getType());
  AffineExpr zero = getAffineConstantExpr(0, op->getContext());
  SmallVector<AffineExpr> indices(expand ? groups.size() : wide.getRank(), zero);
  for (auto [narrow, group] : llvm::enumerate(groups)) {
    SmallVector<int64_t> large;
    for (int64_t dim : group)
      if (wide.getDimSize(dim) != 1)
        large.push_back(dim);
    if (large.size() > 1)
      return nullptr;
    if (large.empty())
      continue;
    if (expand)
      indices[narrow] = expr.map.getResult(large[0]);
    else
      indices[large[0]] = expr.map.getResult(narrow);
  }
  return element(source, AffineMap::get(2, 0, indices, op->getContext()), expr.depth);
}

const ScalarExpr *ScalarExprs::openLinalg(linalg::LinalgOp op, const ScalarExpr &expr) {
  if (!op.hasPureTensorSemantics() || op.getNumDpsInits() != 1 || op->getNumResults() != 1)
    return nullptr;
  MLIRContext *context = op.getContext();
  OpOperand *init = op.getDpsInitOperand(0);
  AffineMap results = op.getMatchingIndexingMap(init);
  // Which loop is which row or column.
  SmallVector<AffineExpr> loops(op.getNumLoops());
  for (auto [index, wanted] : llvm::zip(results.getResults(), expr.map.getResults()))
    if (auto dim = dyn_cast<AffineDimExpr>(index))
      loops[dim.getPosition()] = wanted;
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  AffineExpr columns = getAffineDimExpr(1, context);
  int64_t size = 0;
  if (!reductions.empty()) {
    // A sum over the columns of a row: the row must not depend on the column.
    if (reductions.size() != 1)
      return nullptr;
    for (AffineExpr loop : loops)
      if (loop && loop.isFunctionOfDim(1))
        return nullptr;
    loops[reductions[0]] = columns;
    size = op.getStaticLoopRanges()[reductions[0]];
  }
  if (llvm::is_contained(loops, AffineExpr()) || ShapedType::isDynamic(size))
    return nullptr;

  llvm::DenseMap<Value, const ScalarExpr *> known;
  Block *body = op.getBlock();
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (!isa<ShapedType>(input->get().getType())) {
      FloatAttr value;
      if (!matchPattern(input->get(), m_Constant(&value)))
        return nullptr;
      known[argument] = constant(value.getValueAsDouble());
      continue;
    }
    AffineMap map = op.getMatchingIndexingMap(input).replaceDimsAndSymbols(loops, {}, 2, 0);
    known[argument] = element(input->get(), map, expr.depth + 1);
  }
  Value yielded = body->getTerminator()->getOperand(0);
  if (reductions.empty())
    return evaluate(yielded, known);

  auto add = yielded.getDefiningOp<arith::AddFOp>();
  BlockArgument sum = op.getMatchingBlockArgument(init);
  std::optional<double> start = number(element(init->get(), expr.map, expr.depth));
  if (!add || !start || *start != 0 || (add.getLhs() == sum) == (add.getRhs() == sum))
    return nullptr;
  const ScalarExpr *summand = evaluate(add.getLhs() == sum ? add.getRhs() : add.getLhs(), known);
  if (!summand)
    return nullptr;
  ScalarExpr rowSum;
  rowSum.kind = ScalarExpr::Kind::RowSum;
  rowSum.operands = {summand};
  rowSum.size = size;
  return make(rowSum);
}

/// A value of a body, whose arguments are known.
const ScalarExpr *ScalarExprs::evaluate(Value value,
                                        llvm::DenseMap<Value, const ScalarExpr *> &known) {
  if (const ScalarExpr *found = known.lookup(value))
    return found;
  FloatAttr number;
  if (matchPattern(value, m_Constant(&number)))
    return known[value] = constant(number.getValueAsDouble());
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumResults() != 1 || op->getNumOperands() == 0 || op->getNumRegions() != 0 ||
      !isa<FloatType>(value.getType()))
    return nullptr;
  SmallVector<const ScalarExpr *, 2> operands;
  for (Value operand : op->getOperands()) {
    const ScalarExpr *inner = evaluate(operand, known);
    if (!inner)
      return nullptr;
    operands.push_back(inner);
  }
  // Widening changes no number.
  if (isa<arith::ExtFOp>(op))
    return known[value] = operands[0];
  ScalarExpr expr;
  expr.kind = ScalarExpr::Kind::Apply;
  expr.name = op->getName().getStringRef();
  expr.operands = operands;
  return known[value] = make(expr);
}

} // namespace stc
