// The choice of experts by scores in destination style.
#include "stc/Dialect/Packed/IR/PackedRouting.h"

#include "Destination.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace stc::packed;

#define GET_OP_CLASSES
#include "stc/Dialect/Packed/IR/PackedRoutingOps.cpp.inc"

static int64_t columnsOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape().back();
}

void GroupedGateOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  destinationEffects(*this, effects);
}

LogicalResult GroupedGateOp::verify() {
  int64_t experts = columnsOf(getScores());
  if (getCorrection() && columnsOf(getCorrection()) != experts)
    return emitOpError("expects a correction of ")
           << experts << " numbers (C4), but got " << columnsOf(getCorrection());
  if (failed(stc::verifyGroupedChoice(*this, stc::groupedChoiceOf(*this, experts))))
    return failure();
  if (cast<ShapedType>(getOut().getType()).getShape() !=
      cast<ShapedType>(getScores().getType()).getShape())
    return emitOpError("expects out of the scores' shape (C6), but got ") << getOut().getType();
  return verifyDestination(*this);
}
