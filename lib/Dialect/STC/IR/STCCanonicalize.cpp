// Folders and canonicalization patterns of the stc operations.
#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace stc;

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// A layer that only hands its input on is no layer.
OpFoldResult LayerOp::fold(FoldAdaptor) {
  Block &block = getBody().front();
  auto yield = cast<YieldOp>(block.getTerminator());
  bool empty = &block.front() == yield.getOperation();
  if (empty && yield.getValue() == block.getArgument(0))
    return getInput();
  return {};
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// relu(relu(x)) = relu(x).
OpFoldResult ActivationOp::fold(FoldAdaptor) {
  auto inner = getInput().getDefiningOp<ActivationOp>();
  if (inner && getKind() == ActivationKind::Relu && inner.getKind() == ActivationKind::Relu)
    return inner.getResult();
  return {};
}

namespace {

/// activation(gate) * up is what gated_activation computes in one pass over memory.
struct FormGatedActivation : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::MulFOp op, PatternRewriter &rewriter) const override {
    for (auto [factor, up] :
         {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      auto activation = factor.getDefiningOp<ActivationOp>();
      // With another use the activation would be computed twice.
      if (!activation || !activation->hasOneUse())
        continue;
      rewriter.replaceOpWithNewOp<GatedActivationOp>(op, activation.getInput(), up,
                                                     activation.getKind());
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no factor is an activation with one use");
  }
};

//===----------------------------------------------------------------------===//
// Linear
//===----------------------------------------------------------------------===//

/// Whether `value` reads a weight whose inline value is zero everywhere.
bool isZeroWeight(Value value) {
  auto get = value.getDefiningOp<GetWeightOp>();
  if (!get)
    return false;
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(get, get.getWeightAttr());
  auto elements = weight ? dyn_cast_or_null<DenseElementsAttr>(weight.getValueAttr()) : nullptr;
  return elements &&
         llvm::all_of(elements.getValues<APFloat>(), [](const APFloat &x) { return x.isZero(); });
}

/// A bias of zeros adds nothing.
struct DropZeroBias : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LinearOp op, PatternRewriter &rewriter) const override {
    if (!op.getBias() || !isZeroWeight(op.getBias()))
      return rewriter.notifyMatchFailure(op, "no bias of zeros");
    rewriter.modifyOpInPlace(op, [&] { op.getBiasMutable().clear(); });
    return success();
  }
};

} // namespace

void ActivationOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FormGatedActivation>(context);
}

void LinearOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropZeroBias>(context);
}
