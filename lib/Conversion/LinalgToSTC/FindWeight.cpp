// The weights of linear layers, from what products read.
#include "FindWeight.h"

#include "ScalarExpr.h"

#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace stc {

namespace {

/// The elements of `values` at an index that depends on a row (dimension 0) and a column of `type`.
DenseElementsAttr rearranged(DenseElementsAttr values, const IndexForm &index,
                             RankedTensorType type) {
  if (values.isSplat())
    return DenseElementsAttr::get(type, values.getSplatValue<Attribute>());
  int64_t strides[2] = {0, 0};
  for (auto [dim, stride] : index.terms) {
    if (dim > 1)
      return {};
    strides[dim] += stride;
  }
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  int64_t last = index.offset + strides[0] * (rows - 1) + strides[1] * (columns - 1);
  size_t size = type.getElementTypeBitWidth() / 8;
  ArrayRef<char> from = values.getRawData();
  if (index.offset < 0 || (uint64_t(last) + 1) * size > from.size())
    return {};
  std::vector<char> bytes(size_t(rows * columns) * size);
  char *to = bytes.data();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column, to += size)
      std::copy_n(from.data() +
                      size_t(index.offset + strides[0] * row + strides[1] * column) * size,
                  size, to);
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

/// The weight that is `weight` with its rows as columns, made beside it.
Value transposed(OpBuilder &builder, GetWeightOp get, RankedTensorType type) {
  auto module = get->getParentOfType<ModuleOp>();
  SymbolTable symbols(module);
  auto weight = symbols.lookup<WeightOp>(get.getWeight());
  if (!weight || !weight.getSource() || weight.getSlice() || weight.getOffset() ||
      weight.getPrune() || weight.getQuant())
    return {};
  OpBuilder::InsertionGuard guard(builder);
  std::string name =
      (weight.getSymName() + (weight.getTransposed() ? ".rows" : ".transposed")).str();
  auto turned = symbols.lookup<WeightOp>(name);
  if (!turned) {
    builder.setInsertionPointAfter(weight);
    turned = WeightOp::create(builder, weight.getLoc(), builder.getStringAttr(name),
                              TypeAttr::get(type), weight.getSourceAttr(), {}, {},
                              weight.getTransposed() ? UnitAttr() : builder.getUnitAttr(), {}, {},
                              {}, {}, {});
  }
  builder.setInsertionPointAfter(get);
  return GetWeightOp::create(builder, get.getLoc(), type,
                             FlatSymbolRefAttr::get(turned.getSymNameAttr()));
}

} // namespace

Value findWeight(OpBuilder &builder, Value right, AffineMap map, AffineExpr outputs,
                 AffineExpr inputs) {
  auto type = dyn_cast<RankedTensorType>(right.getType());
  if (!type || type.getRank() != 2 || !type.hasStaticShape() ||
      !isa<FloatType>(type.getElementType()))
    return {};
  bool isStraight = map.getResults() == ArrayRef<AffineExpr>{outputs, inputs};
  if (!isStraight && map.getResults() != ArrayRef<AffineExpr>{inputs, outputs})
    return {};
  SmallVector<int64_t> shape(type.getShape());
  SmallVector<IndexForm> at{IndexForm::ofDim(0), IndexForm::ofDim(1)};
  if (!isStraight) {
    std::swap(shape[0], shape[1]);
    std::swap(at[0], at[1]);
  }
  ScalarExprs exprs(kDeepest, shape);
  // The tensor that all elements come from, and whether it has them in place.
  const ScalarExpr *origin = nullptr;
  Value placed;
  (void)exprs.follow(exprs.element(right, at), [&](const ScalarExpr &element) {
    origin = &element;
    if (element.isWhole() &&
        cast<RankedTensorType>(element.tensor.getType()).getShape() == ArrayRef<int64_t>(shape))
      placed = element.tensor;
    return false;
  });
  if (isStraight && !placed)
    placed = right;
  auto isStored = [](Value value) {
    return value && (isa<BlockArgument>(value) || value.getDefiningOp<GetWeightOp>() ||
                     matchPattern(value, m_Constant()));
  };
  auto made = cast<RankedTensorType>(origin->tensor.getType()).clone(shape);
  if (isStored(placed))
    return placed;
  DenseElementsAttr values;
  auto get = origin->tensor.getDefiningOp<GetWeightOp>();
  if (get && origin->isElementAt(1, 0))
    return transposed(builder, get, made);
  if (!matchPattern(origin->tensor, m_Constant(&values)))
    return placed;
  auto index = linearize(origin->at, values.getType().getShape());
  DenseElementsAttr moved = index ? rearranged(values, *index, made) : DenseElementsAttr();
  return moved ? arith::ConstantOp::create(builder, right.getLoc(), moved).getResult() : placed;
}

} // namespace stc
