// What the lowerings of all operations share.
#include "Lowering.h"

#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace stc::stablehlo {

Type loweredElement(Type element) {
  return element.isF16() || element.isBF16() ? Float32Type::get(element.getContext()) : element;
}

SmallVector<int64_t> keptDims(Type type) {
  SmallVector<int64_t> kept;
  for (auto [dim, size] : llvm::enumerate(cast<RankedTensorType>(type).getShape()))
    if (size != 1)
      kept.push_back(int64_t(dim));
  return kept;
}

RankedTensorType loweredType(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape;
  for (int64_t dim : keptDims(type))
    shape.push_back(tensor.getDimSize(dim));
  return RankedTensorType::get(shape, loweredElement(tensor.getElementType()));
}

SmallVector<int64_t> loweredDims(Type type, ArrayRef<int64_t> dims) {
  SmallVector<int64_t> kept = keptDims(type), lowered;
  for (int64_t dim : dims)
    if (const int64_t *found = llvm::find(kept, dim); found != kept.end())
      lowered.push_back(found - kept.begin());
  return lowered;
}

TypedAttr splatOf(Value value) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat())
    return {};
  return cast<TypedAttr>(elements.getSplatValue<Attribute>());
}

void Lowering::set(Value value, Value lowered, ValueRange dependsOn) {
  values.map(value, lowered);
  if (llvm::any_of(dependsOn, [&](Value other) { return isVariable(other); }))
    variable.insert(value);
}

Value Lowering::empty(RankedTensorType type) {
  return tensor::EmptyOp::create(builder, loc, type.getShape(), type.getElementType());
}

Value Lowering::filled(RankedTensorType type, Value element) {
  return linalg::FillOp::create(builder, loc, element, empty(type)).getResult(0);
}

Value Lowering::splat(RankedTensorType type, TypedAttr element) {
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(type, ArrayRef<Attribute>(element)));
}

Value Lowering::element(Value tensor) {
  if (TypedAttr constant = splatOf(tensor))
    return arith::ConstantOp::create(builder, loc, constant);
  return tensor::ExtractOp::create(builder, loc, tensor, ValueRange());
}

Value Lowering::reshape(Value value, RankedTensorType type) {
  auto from = cast<RankedTensorType>(value.getType());
  type = type.clone(from.getElementType());
  if (from == type)
    return value;
  DenseElementsAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return arith::ConstantOp::create(builder, loc, constant.reshape(type));
  auto groups = getReassociationIndicesForReshape(from, type);
  if (groups && from.getRank() > type.getRank())
    return tensor::CollapseShapeOp::create(builder, loc, type, value, *groups);
  if (groups && from.getRank() < type.getRank())
    return tensor::ExpandShapeOp::create(builder, loc, type, value, *groups);
  return reshape(reshape(value, type.clone({from.getNumElements()})), type);
}

Value Lowering::transpose(Value value, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> order(permutation);
  // One transpose in place of two.
  if (auto before = value.getDefiningOp<linalg::TransposeOp>()) {
    for (int64_t &dim : order)
      dim = before.getPermutation()[size_t(dim)];
    value = before.getInput();
  }
  if (llvm::equal(order, llvm::seq<int64_t>(0, int64_t(order.size()))))
    return value;
  auto from = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  for (int64_t dim : order)
    shape.push_back(from.getDimSize(dim));
  return linalg::TransposeOp::create(builder, loc, value, empty(from.clone(shape)), order)
      ->getResult(0);
}

Value Lowering::widen(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  Type element = loweredElement(type.getElementType());
  if (element == type.getElementType())
    return value;
  if (TypedAttr constant = splatOf(value)) {
    APFloat number = cast<FloatAttr>(constant).getValue();
    bool inexact;
    number.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &inexact);
    return splat(type.clone(element), FloatAttr::get(element, number));
  }
  AffineMap map = builder.getMultiDimIdentityMap(unsigned(type.getRank()));
  SmallVector<utils::IteratorType> iterators(size_t(type.getRank()), utils::IteratorType::parallel);
  return generic(value, empty(type.clone(element)), {map, map}, iterators,
                 [&](OpBuilder &body, Location loc, ValueRange arguments) -> Value {
                   return arith::ExtFOp::create(body, loc, element, arguments[0]);
                 });
}

Value Lowering::generic(ValueRange inputs, Value out, ArrayRef<AffineMap> maps,
                        ArrayRef<utils::IteratorType> iterators, Body body) {
  return linalg::GenericOp::create(builder, loc, out.getType(), inputs, out, maps, iterators,
                                   [&](OpBuilder &inner, Location loc, ValueRange arguments) {
                                     linalg::YieldOp::create(inner, loc,
                                                             body(inner, loc, arguments));
                                   })
      .getResult(0);
}

} // namespace stc::stablehlo
