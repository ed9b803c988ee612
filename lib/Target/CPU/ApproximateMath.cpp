// stc-approximate-math: f32 functions as arithmetic that vectorizes.
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/CPU/TargetDescription.h"

#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_APPROXIMATEMATHPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

/// Applies `patterns` to the operations of type `Ops` alone: the rest of the module is large, and
/// simplifying it is not this pass's job.
template <typename... Ops> LogicalResult applyTo(Operation *root, RewritePatternSet &&patterns) {
  SmallVector<Operation *> operations;
  root->walk([&](Operation *op) {
    if (isa<Ops...>(op) && getElementTypeOrSelf(op->getResult(0).getType()).isF32())
      operations.push_back(op);
  });
  GreedyRewriteConfig config;
  config.setStrictness(GreedyRewriteStrictness::ExistingOps);
  return applyOpPatternsGreedily(operations, std::move(patterns), config);
}

class ApproximateMath final : public impl::ApproximateMathPassBase<ApproximateMath> {
public:
  using ApproximateMathPassBase::ApproximateMathPassBase;

  void runOnOperation() override {
    auto description = cpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    RewritePatternSet functions(&getContext());
    populateMathPolynomialApproximationPatterns(functions, [](StringRef name) {
      return llvm::is_contained({math::ExpOp::getOperationName(), math::ErfOp::getOperationName(),
                                 math::TanhOp::getOperationName()},
                                name);
    });
    if (failed(
            applyTo<math::ExpOp, math::ErfOp, math::TanhOp>(getOperation(), std::move(functions))))
      return signalPassFailure();
    if (description->hasFma())
      return;
    // A library call per lane would be made instead.
    RewritePatternSet fused(&getContext());
    math::populateExpansionPatterns(fused, {"fma"});
    if (failed(applyTo<math::FmaOp>(getOperation(), std::move(fused))))
      signalPassFailure();
  }
};

} // namespace
} // namespace stc
