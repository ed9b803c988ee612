// Operations of stablehlo on elements as linalg.generic.
#include "Lowering.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace stc::stablehlo {

/// Whether all elements are a float for which `holds` is true.
static bool isAll(Value value, llvm::function_ref<bool(const APFloat &)> holds) {
  auto number = dyn_cast_or_null<FloatAttr>(splatOf(value));
  return number && holds(number.getValue());
}

/// The operand that an operation gives as it is, where that can be seen; null otherwise.
static Value neutral(Operation *op, ArrayRef<Value> operands) {
  if (auto convert = dyn_cast<ConvertOp>(op))
    return operands[0].getType() == loweredType(convert.getType()) ? operands[0] : Value();
  if (isa<SelectOp>(op)) {
    auto chosen = dyn_cast_or_null<IntegerAttr>(splatOf(operands[0]));
    return chosen ? operands[chosen.getValue().isZero() ? 2 : 1] : Value();
  }
  if (operands.size() != 2)
    return {};
  auto isNeutral = [&](Value value) {
    if (isa<AddOp>(op))
      return isAll(value, [](const APFloat &number) { return number.isZero(); });
    if (isa<MultiplyOp>(op))
      return isAll(value, [](const APFloat &number) { return number.isExactlyValue(1); });
    return isa<MaximumOp>(op) && isAll(value, [](const APFloat &number) {
             return number.isInfinity() && number.isNegative();
           });
  };
  return isNeutral(operands[1]) ? operands[0] : isNeutral(operands[0]) ? operands[1] : Value();
}

LogicalResult lowerElementwise(Lowering &lowering, Operation *op) {
  SmallVector<Value> operands;
  SmallVector<Type> types;
  for (Value operand : op->getOperands()) {
    operands.push_back(lowering.get(operand));
    types.push_back(cast<RankedTensorType>(operand.getType()).getElementType());
  }
  Value result = op->getResult(0);
  RankedTensorType type = loweredType(result.getType());
  Type element = cast<RankedTensorType>(result.getType()).getElementType();
  if (auto compare = dyn_cast<CompareOp>(op);
      compare && compare.getCompareType() == ComparisonType::TOTALORDER)
    return op->emitError("expected a comparison of type FLOAT, SIGNED or UNSIGNED, got TOTALORDER");
  if (Value same = neutral(op, operands)) {
    lowering.set(result, same, op->getOperands());
    return success();
  }
  // Constants are written into the body; the others are its inputs.
  SmallVector<Value> scalars(operands.size()), inputs;
  SmallVector<AffineMap> maps;
  unsigned rank = unsigned(type.getRank());
  for (auto [scalar, operand] : llvm::zip_equal(scalars, operands)) {
    if (TypedAttr constant = splatOf(operand)) {
      scalar = arith::ConstantOp::create(lowering.builder, lowering.loc, constant);
      continue;
    }
    inputs.push_back(operand);
    bool isSingle = cast<RankedTensorType>(operand.getType()).getRank() == 0;
    maps.push_back(isSingle ? AffineMap::get(rank, 0, op->getContext())
                            : lowering.builder.getMultiDimIdentityMap(rank));
  }
  bool failedScalar = false;
  auto body = [&](OpBuilder &builder, Location loc, ValueRange arguments) -> Value {
    SmallVector<Value> all(scalars);
    size_t used = 0;
    for (Value &scalar : all)
      if (!scalar)
        scalar = arguments[used++];
    Value made = createScalar(builder, loc, op, all, types, element);
    failedScalar = !made;
    return made ? made : all[0];
  };
  if (inputs.empty()) {
    Value made = body(lowering.builder, lowering.loc, {});
    TypedAttr constant;
    if (failedScalar)
      return failure();
    Value whole = matchPattern(made, m_Constant(&constant)) ? lowering.splat(type, constant)
                                                            : lowering.filled(type, made);
    lowering.set(result, whole, op->getOperands());
    return success();
  }
  maps.push_back(lowering.builder.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  Value made = lowering.generic(inputs, lowering.empty(type), maps, iterators, body);
  if (failedScalar)
    return failure();
  lowering.set(result, made, op->getOperands());
  return success();
}

} // namespace stc::stablehlo
