// Looks through linalg operations, reshapes, slices and constants, element by element.
#include "ScalarExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace stc {

llvm::StringRef ScalarExpr::name() const {
  return kind == Kind::Apply ? operation->getName().getStringRef() : llvm::StringRef();
}

const ScalarExpr *ScalarExprs::make(ScalarExpr expr) {
  storage.push_back(std::move(expr));
  return &storage.back();
}

unsigned ScalarExprs::addDim(int64_t extent) {
  extents.push_back(extent);
  return extents.size() - 1;
}

const ScalarExpr *ScalarExprs::element(Value tensor, ArrayRef<IndexForm> at, int64_t depth) {
  ScalarExpr expr;
  expr.kind = ScalarExpr::Kind::Element;
  expr.tensor = tensor;
  expr.at.assign(at.begin(), at.end());
  // There is one index into a dimension of size 1.
  for (auto [index, size] : llvm::zip(expr.at, cast<RankedTensorType>(tensor.getType()).getShape()))
    if (size == 1)
      index = {};
  expr.depth = depth;
  return make(expr);
}

const ScalarExpr *ScalarExprs::constant(double value) {
  ScalarExpr expr;
  expr.constant = value;
  return make(expr);
}

const ScalarExpr *ScalarExprs::whole(Value tensor) {
  return element(tensor, {IndexForm::ofDim(0), IndexForm::ofDim(1)});
}

std::optional<double> ScalarExprs::number(const ScalarExpr *expr) {
  expr = open(expr);
  return expr->kind == ScalarExpr::Kind::Constant ? std::optional(expr->constant) : std::nullopt;
}

const ScalarExpr *ScalarExprs::follow(const ScalarExpr *expr,
                                      llvm::function_ref<bool(const ScalarExpr &)> isWanted) {
  while (expr->kind == ScalarExpr::Kind::Element) {
    if (isWanted(*expr))
      return expr;
    const ScalarExpr *opened = openOnce(expr);
    if (opened == expr)
      return nullptr;
    expr = opened;
  }
  return nullptr;
}

Value ScalarExprs::columnVector(const ScalarExpr *expr) {
  Value vector;
  (void)follow(expr, [&](const ScalarExpr &element) {
    if (element.at.size() == 1 && element.at[0].isDim(1))
      vector = element.tensor;
    return false;
  });
  return vector;
}

bool ScalarExprs::same(const ScalarExpr *left, const ScalarExpr *right) {
  auto isSameElement = [](const ScalarExpr *left, const ScalarExpr *right) {
    return left->kind == ScalarExpr::Kind::Element && right->kind == left->kind &&
           left->tensor == right->tensor && left->at == right->at;
  };
  if (left == right || isSameElement(left, right))
    return true;
  left = open(left);
  right = open(right);
  if (left->kind != right->kind || left->operands.size() != right->operands.size())
    return false;
  switch (left->kind) {
  case ScalarExpr::Kind::Element:
    return isSameElement(left, right);
  case ScalarExpr::Kind::Constant:
    return left->constant == right->constant;
  case ScalarExpr::Kind::Index:
    return left->at == right->at;
  case ScalarExpr::Kind::Apply:
    if (left->name() != right->name() ||
        left->operation->getAttrDictionary() != right->operation->getAttrDictionary())
      return false;
    break;
  case ScalarExpr::Kind::Extract:
    if (left->tensor != right->tensor)
      return false;
    break;
  case ScalarExpr::Kind::Sum:
  case ScalarExpr::Kind::Maximum:
  case ScalarExpr::Kind::Softmax:
    if (left->dim != right->dim || left->size != right->size)
      return false;
  }
  return llvm::all_of(llvm::zip(left->operands, right->operands),
                      [&](auto pair) { return same(std::get<0>(pair), std::get<1>(pair)); });
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
  if (expr->kind != ScalarExpr::Kind::Element || expr->tensor == kept)
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
  else if (auto softmax = dyn_cast<linalg::SoftmaxOp>(op))
    opened = openSoftmax(softmax, *expr);
  else if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    opened = openReshape(op, *expr);
  else
    opened = openSlice(op, *expr);
  return opened ? opened : expr;
}

const ScalarExpr *ScalarExprs::openReshape(Operation *op, const ScalarExpr &expr) {
  auto expand = dyn_cast<tensor::ExpandShapeOp>(op);
  Value source = op->getOperand(0);
  SmallVector<ReassociationIndices> groups =
      expand ? expand.getReassociationIndices()
             : cast<tensor::CollapseShapeOp>(op).getReassociationIndices();
  auto wide = cast<RankedTensorType>(expand ? expand.getResultType() : source.getType());
  SmallVector<IndexForm> indices;
  for (auto [narrow, group] : llvm::enumerate(groups)) {
    ArrayRef<int64_t> sizes = wide.getShape().slice(group.front(), group.size());
    if (expand) {
      auto index = linearize(ArrayRef(expr.at).slice(group.front(), group.size()), sizes);
      if (!index)
        return nullptr;
      indices.push_back(*index);
      continue;
    }
    auto split = delinearize(expr.at[narrow], sizes, extents);
    if (!split)
      return nullptr;
    llvm::append_range(indices, *split);
  }
  // What a tensor of rank 0 is expanded to has dimensions of size 1 only.
  return element(source, indices, expr.depth);
}

/// Parts of tensors, and tensors made of parts.
const ScalarExpr *ScalarExprs::openSlice(Operation *op, const ScalarExpr &expr) {
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return isa<RankedTensorType>(cast.getSource().getType())
               ? element(cast.getSource(), expr.at, expr.depth)
               : nullptr;
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (!slice.hasUnitStride())
      return nullptr;
    SmallVector<IndexForm> indices;
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    const IndexForm *next = expr.at.begin();
    for (auto [dim, offset] : llvm::enumerate(slice.getStaticOffsets())) {
      if (ShapedType::isDynamic(offset))
        return nullptr;
      IndexForm index = dropped[dim] ? IndexForm() : *next++;
      index.offset += offset;
      indices.push_back(index);
    }
    return element(slice.getSource(), indices, expr.depth);
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    unsigned dim = concat.getDim();
    SmallVector<IndexForm, 4> indices(expr.at);
    std::optional<int64_t> largest = indices[dim].largest(extents);
    for (Value part : concat.getInputs()) {
      int64_t size = cast<RankedTensorType>(part.getType()).getDimSize(dim);
      if (!largest || ShapedType::isDynamic(size) || indices[dim].offset < 0)
        return nullptr;
      if (*largest < size)
        return element(part, indices, expr.depth);
      indices[dim].offset -= size;
      *largest -= size;
    }
    return nullptr;
  }
  auto insert = dyn_cast<tensor::InsertSliceOp>(op);
  if (!insert || !insert.hasUnitStride() ||
      insert.getSourceType().getRank() != insert.getDestType().getRank())
    return nullptr;
  SmallVector<IndexForm, 4> indices(expr.at);
  for (auto [dim, offset, size] :
       llvm::enumerate(insert.getStaticOffsets(), insert.getStaticSizes())) {
    // A dimension that is not cut: what is written there has the same one.
    if (offset == 0 && size == insert.getDestType().getDimSize(dim) && !ShapedType::isDynamic(size))
      continue;
    if (offset == 0 && ShapedType::isDynamic(size)) {
      auto empty = insert.getDest().getDefiningOp<tensor::EmptyOp>();
      for (Value dest = insert.getDest(); auto before = dest.getDefiningOp<tensor::InsertSliceOp>();
           dest = before.getDest())
        empty = before.getDest().getDefiningOp<tensor::EmptyOp>();
      if (!empty || empty.getMixedSizes()[dim] != insert.getMixedSizes()[dim])
        return nullptr;
      continue;
    }
    std::optional<int64_t> largest = indices[dim].largest(extents);
    if (!largest || ShapedType::isDynamic(offset) || ShapedType::isDynamic(size))
      return nullptr;
    if (*largest < offset || indices[dim].offset >= offset + size)
      return element(insert.getDest(), expr.at, expr.depth);
    if (indices[dim].offset < offset || *largest >= offset + size)
      return nullptr;
    indices[dim].offset -= offset;
  }
  return element(insert.getSource(), indices, expr.depth);
}

const ScalarExpr *ScalarExprs::openSoftmax(linalg::SoftmaxOp op, const ScalarExpr &expr) {
  const IndexForm &index = expr.at[op.getDimension()];
  if (op->getNumResults() != 1 || index.terms.size() != 1 || !index.isDim(index.terms[0].first))
    return nullptr;
  ScalarExpr softmax;
  softmax.kind = ScalarExpr::Kind::Softmax;
  softmax.dim = index.terms[0].first;
  softmax.size = extents[softmax.dim];
  softmax.operands = {element(op.getInput(), expr.at, expr.depth + 1)};
  return make(softmax);
}

unsigned ScalarExprs::reducedDim(const ScalarExpr &expr, int64_t size) {
  for (unsigned dim = extents.size(); dim-- > 0;)
    if (extents[dim] == size &&
        llvm::none_of(expr.at, [&](const IndexForm &index) { return index.uses(dim); }))
      return dim;
  return addDim(size);
}

const ScalarExpr *ScalarExprs::openLinalg(linalg::LinalgOp op, const ScalarExpr &expr) {
  if (!op.hasPureTensorSemantics() || op.getNumDpsInits() != 1 || op->getNumResults() != 1)
    return nullptr;
  // Which loop is which index.
  SmallVector<IndexForm> loops(op.getNumLoops());
  SmallVector<bool> known(op.getNumLoops());
  AffineMap results = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  for (auto [index, wanted] : llvm::zip(results.getResults(), expr.at))
    if (auto dim = dyn_cast<AffineDimExpr>(index)) {
      loops[dim.getPosition()] = wanted;
      known[dim.getPosition()] = true;
    }
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  if (reductions.size() > 1)
    return nullptr;
  unsigned dim = 0;
  int64_t size = 0;
  if (!reductions.empty()) {
    size = op.getStaticLoopRanges()[reductions[0]];
    dim = size == 1 ? 0 : reducedDim(expr, size);
    loops[reductions[0]] = size == 1 ? IndexForm() : IndexForm::ofDim(dim);
    known[reductions[0]] = true;
  }
  if (llvm::is_contained(known, false))
    return nullptr;
  if (!reductions.empty())
    return openReduction(op, expr, loops, dim, size);
  return evaluateBody(op, expr, loops, op.getBlock()->getTerminator()->getOperand(0));
}

const ScalarExpr *ScalarExprs::openReduction(linalg::LinalgOp op, const ScalarExpr &expr,
                                             ArrayRef<IndexForm> loops, unsigned dim,
                                             int64_t size) {
  Operation *next = op.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
  BlockArgument before = op.getMatchingBlockArgument(op.getDpsInitOperand(0));
  std::optional<double> start = number(element(op.getDpsInits()[0], expr.at, expr.depth));
  if (!next || next->getBlock() != op.getBlock() || next->getNumOperands() != 2 || !start ||
      (next->getOperand(0) == before) == (next->getOperand(1) == before))
    return nullptr;
  bool isSum = isa<arith::AddFOp>(next);
  // The least number of f32 stands for minus infinity.
  if (isSum ? *start != 0 : !isa<arith::MaximumFOp, arith::MaxNumFOp>(next) || *start > -3.4e38)
    return nullptr;
  const ScalarExpr *operand =
      evaluateBody(op, expr, loops, next->getOperand(next->getOperand(0) == before ? 1 : 0));
  // One number is its own sum and its own maximum.
  if (!operand || size == 1)
    return operand;
  ScalarExpr reduced;
  reduced.kind = isSum ? ScalarExpr::Kind::Sum : ScalarExpr::Kind::Maximum;
  reduced.operands = {operand};
  reduced.dim = dim;
  reduced.size = size;
  return make(reduced);
}

const ScalarExpr *ScalarExprs::evaluateBody(linalg::LinalgOp op, const ScalarExpr &expr,
                                            ArrayRef<IndexForm> loops, Value yielded) {
  Known known;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (!isa<ShapedType>(input->get().getType())) {
      FloatAttr value;
      if (!matchPattern(input->get(), m_Constant(&value)))
        return nullptr;
      known[argument] = constant(value.getValueAsDouble());
      continue;
    }
    SmallVector<IndexForm> at;
    for (AffineExpr index : op.getMatchingIndexingMap(input).getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(index);
      auto zero = dyn_cast<AffineConstantExpr>(index);
      if (!dim && (!zero || zero.getValue() != 0))
        return nullptr;
      at.push_back(dim ? loops[dim.getPosition()] : IndexForm());
    }
    known[argument] = element(input->get(), at, expr.depth + 1);
  }
  return evaluate(yielded, loops, known);
}

/// A value of a body, whose arguments are known.
const ScalarExpr *ScalarExprs::evaluate(Value value, ArrayRef<IndexForm> loops, Known &known) {
  if (const ScalarExpr *found = known.lookup(value))
    return found;
  if (FloatAttr number; matchPattern(value, m_Constant(&number)))
    return known[value] = constant(number.getValueAsDouble());
  if (IntegerAttr number; matchPattern(value, m_Constant(&number)))
    return known[value] = constant(double(number.getInt()));
  Operation *op = value.getDefiningOp();
  if (auto index = dyn_cast_or_null<linalg::IndexOp>(op)) {
    ScalarExpr expr;
    expr.kind = ScalarExpr::Kind::Index;
    expr.at = {loops[index.getDim()]};
    return known[value] = make(expr);
  }
  auto extract = dyn_cast_or_null<tensor::ExtractOp>(op);
  if (!op || op->getNumResults() != 1 || op->getNumOperands() == 0 || op->getNumRegions() != 0 ||
      !isa<FloatType, IntegerType, IndexType>(value.getType()) ||
      (!extract && !isa<arith::ArithDialect, math::MathDialect>(op->getDialect())))
    return nullptr;
  SmallVector<const ScalarExpr *, 2> operands;
  for (Value operand : extract ? extract.getIndices() : op->getOperands()) {
    const ScalarExpr *inner = evaluate(operand, loops, known);
    if (!inner)
      return nullptr;
    operands.push_back(inner);
  }
  // Widening changes no number, and indices are small.
  if (isa<arith::ExtFOp, arith::ExtSIOp, arith::IndexCastOp>(op))
    return known[value] = operands[0];
  ScalarExpr expr;
  expr.kind = extract ? ScalarExpr::Kind::Extract : ScalarExpr::Kind::Apply;
  expr.tensor = extract ? extract.getTensor() : Value();
  expr.operation = op;
  expr.operands = operands;
  return known[value] = make(expr);
}

} // namespace stc
