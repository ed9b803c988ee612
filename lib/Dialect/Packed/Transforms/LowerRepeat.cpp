// packed-lower-repeat: stc.repeat as a loop over calls of the layer function.
#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_LOWERREPEATPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

class LowerRepeat final : public impl::LowerRepeatPassBase<LowerRepeat> {
public:
  void runOnOperation() override {
    SmallVector<RepeatOp> repeats;
    getOperation().walk([&](RepeatOp op) { repeats.push_back(op); });
    for (RepeatOp op : repeats)
      if (failed(lower(op)))
        return signalPassFailure();
  }

private:
  static LogicalResult lower(RepeatOp op) {
    OpBuilder builder(op);
    Location loc = op.getLoc();
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
    if (!callee)
      return op.emitOpError("expects a callee that exists, but got ") << op.getCalleeAttr();
    // Parameters: hidden state, layer index, captures, weights.
    auto weightTypes = callee.getArgumentTypes().drop_front(2 + op.getCaptures().size());
    for (Type type : weightTypes)
      if (!isa<packed::WeightType>(type))
        return op.emitOpError("expects packed weights, but got ") << type;

    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    Value calls = arith::ConstantIndexOp::create(builder, loc, op.getCalls());
    Value first = arith::ConstantIndexOp::create(builder, loc, op.getFirst());
    auto loop = scf::ForOp::create(
        builder, loc, zero, calls, one, op.getInput(),
        [&](OpBuilder &builder, Location loc, Value call, ValueRange state) {
          SmallVector<Value> operands{state[0], arith::AddIOp::create(builder, loc, first, call)};
          llvm::append_range(operands, op.getCaptures());
          if (!weightTypes.empty()) {
            Value row = call;
            if (op.getRow())
              row = arith::AddIOp::create(builder, loc, op.getRow(), call);
            auto weights =
                packed::WeightRowOp::create(builder, loc, weightTypes, row, op.getWeights());
            llvm::append_range(operands, weights.getResults());
          }
          auto result = func::CallOp::create(builder, loc, callee, operands);
          scf::YieldOp::create(builder, loc, result.getResults());
        });
    op->replaceAllUsesWith(loop);
    op->erase();
    return success();
  }
};

} // namespace
} // namespace stc
