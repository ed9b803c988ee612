// stc-expand-narrow-floats: conversions of 16-bit floats as arithmetic of integers.
#include "BlockBuilder.h"

#include "stc/Target/GPU/Passes.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_EXPANDNARROWFLOATSPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

bool isNarrow(Value value) {
  Type type = getElementTypeOrSelf(value.getType());
  return type.isF16() || type.isBF16();
}

class ExpandNarrowFloats final : public impl::ExpandNarrowFloatsPassBase<ExpandNarrowFloats> {
public:
  void runOnOperation() override {
    SmallVector<Operation *> conversions;
    getOperation().walk([&](Operation *op) {
      if ((isa<arith::ExtFOp>(op) && isNarrow(op->getOperand(0))) ||
          (isa<arith::TruncFOp>(op) && isNarrow(op->getResult(0))))
        conversions.push_back(op);
    });
    for (Operation *op : conversions)
      if (failed(expand(op)))
        return signalPassFailure();
  }

private:
  static LogicalResult expand(Operation *op) {
    BaseKernelBuilder builder(op, {/*fma=*/true, /*convertsHalf=*/false});
    Value x = op->getOperand(0);
    Type type = x.getType(), resultType = op->getResult(0).getType();
    bool widens = isa<arith::ExtFOp>(op);
    if (!getElementTypeOrSelf(widens ? resultType : type).isF32() ||
        (!widens && !getElementTypeOrSelf(resultType).isF16()))
      return op->emitOpError("expects f16 or bf16 to f32, or f32 to f16");
    Value result = widens ? builder.toF32(x) : builder.toF16Bits(x);
    if (!widens)
      result = arith::BitcastOp::create(builder, resultType, result);
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
    return success();
  }
};

} // namespace
} // namespace stc
