// Constants, indices, and tensors of the same elements in other shapes.
#include "Lowering.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace stc::stablehlo {

/// The numbers of a constant, also of those that a file holds beside the text; null if they are not
/// there.
static DenseElementsAttr numbersOf(ElementsAttr value) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    bool isSplat = false;
    bool fits =
        blob && DenseElementsAttr::isValidRawBuffer(resource.getType(), blob->getData(), isSplat);
    return fits ? DenseElementsAttr::getFromRawBuffer(resource.getType(), blob->getData())
                : DenseElementsAttr();
  }
  return dyn_cast<DenseElementsAttr>(value);
}

static LogicalResult lower(Lowering &lowering, ConstantOp op) {
  DenseElementsAttr numbers = numbersOf(op.getValue());
  if (!numbers)
    return op.emitError("expected dense numbers, got another kind of attribute");
  RankedTensorType type = loweredType(op.getType()).clone(numbers.getElementType());
  Value made = arith::ConstantOp::create(lowering.builder, lowering.loc, numbers.reshape(type));
  lowering.set(op.getResult(), lowering.widen(made), {});
  return success();
}

static LogicalResult lower(Lowering &lowering, IotaOp op) {
  RankedTensorType type = loweredType(op.getType());
  SmallVector<int64_t> dims = loweredDims(op.getType(), {int64_t(op.getIotaDimension())});
  if (dims.empty()) {
    TypedAttr zero = lowering.builder.getZeroAttr(type.getElementType());
    lowering.set(op.getResult(), lowering.splat(type, zero), {});
    return success();
  }
  AffineMap map = lowering.builder.getMultiDimIdentityMap(unsigned(type.getRank()));
  SmallVector<utils::IteratorType> iterators(size_t(type.getRank()), utils::IteratorType::parallel);
  Type element = type.getElementType();
  Value made = lowering.generic(
      {}, lowering.empty(type), map, iterators, [&](OpBuilder &body, Location loc, ValueRange) {
        Value index = linalg::IndexOp::create(body, loc, uint64_t(dims[0]));
        Type integer = isa<FloatType>(element) ? body.getI64Type() : element;
        Value number = arith::IndexCastOp::create(body, loc, integer, index);
        return integer == element ? number
                                  : arith::SIToFPOp::create(body, loc, element, number).getResult();
      });
  lowering.set(op.getResult(), made, {});
  return success();
}

static LogicalResult lower(Lowering &lowering, BroadcastInDimOp op) {
  Value operand = lowering.get(op.getOperand());
  RankedTensorType type = loweredType(op.getType());
  if (TypedAttr constant = splatOf(operand)) {
    lowering.set(op.getResult(), lowering.splat(type, constant), op->getOperands());
    return success();
  }
  SmallVector<int64_t> targets;
  for (int64_t dim : keptDims(op.getOperand().getType()))
    targets.push_back(op.getBroadcastDimensions()[size_t(dim)]);
  targets = loweredDims(op.getType(), targets);
  // Dimensions in the order of the result first.
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(targets.size())));
  llvm::sort(order, [&](int64_t a, int64_t b) { return targets[size_t(a)] < targets[size_t(b)]; });
  Value made = lowering.transpose(operand, order);
  if (made.getType() != type) {
    SmallVector<int64_t> added = otherDims(type.getRank(), {targets});
    made = linalg::BroadcastOp::create(lowering.builder, lowering.loc, made, lowering.empty(type),
                                       added)
               ->getResult(0);
  }
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

static LogicalResult lower(Lowering &lowering, ReshapeOp op) {
  Value made = lowering.reshape(lowering.get(op.getOperand()), loweredType(op.getType()));
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

static LogicalResult lower(Lowering &lowering, TransposeOp op) {
  SmallVector<int64_t> order = loweredDims(op.getOperand().getType(), op.getPermutation());
  Value operand = lowering.get(op.getOperand());
  TypedAttr constant = splatOf(operand);
  Value made = constant ? lowering.splat(loweredType(op.getType()), constant)
                        : lowering.transpose(operand, order);
  lowering.set(op.getResult(), made, op->getOperands());
  return success();
}

LogicalResult lowerShape(Lowering &lowering, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<ConstantOp, IotaOp, BroadcastInDimOp, ReshapeOp, TransposeOp>(
          [&](auto op) { return lower(lowering, op); })
      .Default([](Operation *op) {
        return op->emitError() << "expected an operation that stablehlo-to-linalg lowers, got "
                               << op->getName();
      });
}

} // namespace stc::stablehlo
