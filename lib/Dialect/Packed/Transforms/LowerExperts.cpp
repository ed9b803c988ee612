// packed-lower-experts: stc.expert as work on the tokens that chose it.
#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_LOWEREXPERTSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

class LowerExperts final : public impl::LowerExpertsPassBase<LowerExperts> {
public:
  void runOnOperation() override {
    SmallVector<ExpertOp> experts;
    getOperation().walk([&](ExpertOp op) { experts.push_back(op); });
    for (ExpertOp op : experts)
      lower(op);
  }

private:
  static void lower(ExpertOp op);
};

/// Whether the token's gate is not 0.
Value isChosen(ImplicitLocOpBuilder &builder, ExpertOp op, Value token) {
  Value gate =
      tensor::ExtractOp::create(builder, op.getGates(), ValueRange{token, op.getIndex()});
  Value zero = arith::ConstantOp::create(builder, builder.getZeroAttr(gate.getType()));
  return arith::CmpFOp::create(builder, arith::CmpFPredicate::UNE, gate, zero);
}

/// How many tokens chose the expert. Every thread counts them for itself: fewer than wait for it.
Value countTokens(ImplicitLocOpBuilder &builder, ExpertOp op, Value tokens) {
  Value zero = arith::ConstantIndexOp::create(builder, 0);
  Value one = arith::ConstantIndexOp::create(builder, 1);
  auto loop = scf::ForOp::create(builder, zero, tokens, one, zero);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value counts = arith::SelectOp::create(
      builder, isChosen(builder, op, loop.getInductionVar()), one, zero);
  Value sum = arith::AddIOp::create(builder, loop.getRegionIterArg(0), counts);
  scf::YieldOp::create(builder, sum);
  return loop.getResult(0);
}

void LowerExperts::lower(ExpertOp op) {
  ImplicitLocOpBuilder builder(op.getLoc(), op);
  auto inputType = cast<RankedTensorType>(op.getInput().getType());
  bool isOneToken = inputType.getDimSize(0) == 1;
  Value zero = arith::ConstantIndexOp::create(builder, 0);
  Value tokens, count, isUsed;
  if (isOneToken) {
    isUsed = isChosen(builder, op, zero);
  } else {
    tokens = tensor::DimOp::create(builder, op.getInput(), zero);
    count = countTokens(builder, op, tokens);
    isUsed = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, count, zero);
  }
  auto branch = scf::IfOp::create(builder, op.getResult().getType(), isUsed, /*withElse=*/true);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    Value input = op.getInput(), selected;
    if (!isOneToken) {
      auto numbers = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
      Value empty = tensor::EmptyOp::create(builder, numbers, tokens);
      selected = packed::SelectTokensOp::create(builder, numbers, op.getGates(), op.getIndex(),
                                                empty)
                     .getResult();
      Value rows = tensor::EmptyOp::create(builder, inputType, count);
      input = packed::GatherTokensOp::create(builder, inputType, op.getInput(), selected, rows)
                  .getResult();
    }
    Block &body = op.getBody().front();
    Value own = body.getTerminator()->getOperand(0);
    body.getArgument(0).replaceAllUsesWith(input);
    body.getTerminator()->erase();
    if (own == body.getArgument(0))
      own = input;
    branch.thenBlock()->getOperations().splice(branch.thenBlock()->end(), body.getOperations());
    builder.setInsertionPointToEnd(branch.thenBlock());
    auto sum = packed::ScatterAddOp::create(builder, op.getAccumulator().getType(), own,
                                            op.getGates(), op.getIndex(), selected,
                                            op.getAccumulator());
    scf::YieldOp::create(builder, sum.getResult());
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, op.getAccumulator());
  }
  op.getResult().replaceAllUsesWith(branch.getResult(0));
  op.erase();
}

} // namespace
} // namespace stc
