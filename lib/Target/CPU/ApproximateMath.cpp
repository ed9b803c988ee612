// stc-approximate-math: f32 functions as arithmetic that vectorizes.
#include "stc/Target/CPU/Passes.h"

#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_APPROXIMATEMATHPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

class ApproximateMath final : public impl::ApproximateMathPassBase<ApproximateMath> {
public:
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return llvm::is_contained({math::ExpOp::getOperationName(), math::ErfOp::getOperationName(),
                                 math::TanhOp::getOperationName()},
                                name);
    });
    // Only the functions themselves are visited; the rest of the module is not simplified here.
    SmallVector<Operation *> functions;
    getOperation().walk([&](Operation *op) {
      if (isa<math::ExpOp, math::ErfOp, math::TanhOp>(op))
        functions.push_back(op);
    });
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingOps);
    if (failed(applyOpPatternsGreedily(functions, std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
} // namespace stc
