// Parts of tensors, and tensors made of parts.
#include "Lowering.h"

#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace stc::stablehlo {

namespace {

/// The numbers of those dimensions that stay.
SmallVector<OpFoldResult> pick(OpBuilder &builder, ArrayRef<int64_t> dims,
                               ArrayRef<int64_t> numbers) {
  SmallVector<OpFoldResult> picked;
  for (int64_t dim : dims)
    picked.push_back(builder.getIndexAttr(numbers[size_t(dim)]));
  return picked;
}

/// Starts that lie in 0 ... largest, of those dimensions that stay.
SmallVector<OpFoldResult> clampedStarts(Lowering &lowering, ArrayRef<int64_t> dims,
                                        ValueRange starts, ArrayRef<int64_t> shape,
                                        ArrayRef<int64_t> sizes) {
  OpBuilder &builder = lowering.builder;
  SmallVector<OpFoldResult> result;
  for (int64_t dim : dims) {
    int64_t most = shape[size_t(dim)] - sizes[size_t(dim)];
    Value start = lowering.get(starts[size_t(dim)]);
    if (auto known = dyn_cast_or_null<IntegerAttr>(splatOf(start))) {
      int64_t number = known.getValue().getSExtValue();
      result.push_back(builder.getIndexAttr(std::clamp<int64_t>(number, 0, most)));
      continue;
    }
    Value index = arith::IndexCastOp::create(builder, lowering.loc, builder.getIndexType(),
                                             lowering.element(start));
    auto number = [&](int64_t value) {
      return arith::ConstantIndexOp::create(builder, lowering.loc, value);
    };
    index = arith::MaxSIOp::create(builder, lowering.loc, index, number(0));
    result.push_back(
        arith::MinSIOp::create(builder, lowering.loc, index, number(most)).getResult());
  }
  return result;
}

SmallVector<OpFoldResult> ones(OpBuilder &builder, size_t count) {
  return SmallVector<OpFoldResult>(count, builder.getIndexAttr(1));
}

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

LogicalResult lower(Lowering &lowering, SliceOp op) {
  OpBuilder &builder = lowering.builder;
  Value operand = lowering.get(op.getOperand());
  RankedTensorType type = loweredType(op.getType());
  Value made = operand;
  if (operand.getType() != type) {
    SmallVector<int64_t> dims = keptDims(op.getOperand().getType());
    made = tensor::ExtractSliceOp::create(
        builder, lowering.loc, type, operand, pick(builder, dims, op.getStartIndices()),
        pick(builder, dims, cast<RankedTensorType>(op.getType()).getShape()),
        pick(builder, dims, op.getStrides()));
  }
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

LogicalResult lower(Lowering &lowering, DynamicSliceOp op) {
  OpBuilder &builder = lowering.builder;
  Value operand = lowering.get(op.getOperand());
  RankedTensorType type = loweredType(op.getType());
  SmallVector<int64_t> dims = keptDims(op.getOperand().getType());
  Value made = operand;
  if (operand.getType() != type)
    made = tensor::ExtractSliceOp::create(
        builder, lowering.loc, type, operand,
        clampedStarts(lowering, dims, op.getStartIndices(), shapeOf(op.getOperand()),
                      op.getSliceSizes()),
        pick(builder, dims, op.getSliceSizes()), ones(builder, dims.size()));
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

LogicalResult lower(Lowering &lowering, DynamicUpdateSliceOp op) {
  OpBuilder &builder = lowering.builder;
  SmallVector<int64_t> dims = keptDims(op.getOperand().getType());
  Value update = lowering.get(op.getUpdate()), operand = lowering.get(op.getOperand());
  Value made = update;
  if (update.getType() != operand.getType())
    made = tensor::InsertSliceOp::create(
        builder, lowering.loc, update, operand,
        clampedStarts(lowering, dims, op.getStartIndices(), shapeOf(op.getOperand()),
                      shapeOf(op.getUpdate())),
        pick(builder, dims, shapeOf(op.getUpdate())), ones(builder, dims.size()));
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

LogicalResult lower(Lowering &lowering, ConcatenateOp op) {
  RankedTensorType type = loweredType(op.getType());
  SmallVector<int64_t> dims = keptDims(op.getType());
  SmallVector<int64_t> along = loweredDims(op.getType(), {int64_t(op.getDimension())});
  SmallVector<Value> parts;
  for (Value input : op.getInputs()) {
    // A part that is one element wide has lost the dimension that all are joined along.
    SmallVector<int64_t> shape;
    for (int64_t dim : dims)
      shape.push_back(shapeOf(input)[size_t(dim)]);
    parts.push_back(lowering.reshape(lowering.get(input), type.clone(shape)));
  }
  Value made = parts[0];
  if (parts.size() > 1)
    made =
        tensor::ConcatOp::create(lowering.builder, lowering.loc, type, uint64_t(along[0]), parts);
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

LogicalResult lower(Lowering &lowering, PadOp op) {
  OpBuilder &builder = lowering.builder;
  auto isNegative = [](int64_t number) { return number < 0; };
  if (llvm::any_of(op.getEdgePaddingLow(), isNegative) ||
      llvm::any_of(op.getEdgePaddingHigh(), isNegative) ||
      llvm::any_of(op.getInteriorPadding(), [](int64_t number) { return number != 0; }))
    return op.emitError("expected padding at the edges that is not negative, got other padding");
  RankedTensorType type = loweredType(op.getType());
  Value operand = lowering.get(op.getOperand());
  SmallVector<int64_t> dims = keptDims(op.getType());
  Value made = operand;
  if (operand.getType() != type)
    made = tensor::InsertSliceOp::create(
        builder, lowering.loc, operand,
        lowering.filled(type, lowering.element(lowering.get(op.getPaddingValue()))),
        pick(builder, dims, op.getEdgePaddingLow()), pick(builder, dims, shapeOf(op.getOperand())),
        ones(builder, dims.size()));
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

} // namespace

LogicalResult lowerSlice(Lowering &lowering, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<SliceOp, DynamicSliceOp, DynamicUpdateSliceOp, ConcatenateOp, PadOp>(
          [&](auto op) { return lower(lowering, op); })
      .Default([](Operation *) { return failure(); });
}

} // namespace stc::stablehlo
