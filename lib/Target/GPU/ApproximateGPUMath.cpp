// stc-approximate-gpu-math: functions as arithmetic, so that no device library is linked.
#include "stc/Target/GPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_APPROXIMATEGPUMATHPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// sin(x) or, a quarter of a turn further, cos(x) of an f64: x = q pi / 2 + r with |r| <= pi / 4,
/// pi / 2 in three parts of which q times the first two is exact; then Taylor's polynomials, whose
/// remainders are below 1e-13 there.
Value expandAngle(ImplicitLocOpBuilder &builder, Value x, bool isCosine) {
  Type f64 = builder.getF64Type(), i64 = builder.getI64Type();
  auto real = [&](double value) -> Value {
    return arith::ConstantOp::create(builder, builder.getF64FloatAttr(value));
  };
  auto integer = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, builder.getI64IntegerAttr(value));
  };
  auto fma = [&](Value a, Value b, Value c) -> Value {
    return math::FmaOp::create(builder, a, b, c);
  };
  // Adding 1.5 * 2^52 rounds to an integer, which is then in the lowest bits.
  Value magic = real(6755399441055744.0);
  Value shifted = fma(x, real(0.63661977236758134308), magic);
  Value quarter =
      arith::AndIOp::create(builder, arith::BitcastOp::create(builder, i64, shifted), integer(3));
  Value q = arith::SubFOp::create(builder, shifted, magic);
  Value r = x;
  for (double part :
       {-1.57079632673412561417e+00, -6.07710050630396597660e-11, -2.02226624879595063154e-21})
    r = fma(q, real(part), r);
  Value square = arith::MulFOp::create(builder, r, r);
  auto polynomial = [&](std::initializer_list<double> coefficients) {
    Value sum;
    for (double coefficient : coefficients)
      sum = sum ? fma(sum, square, real(coefficient)) : real(coefficient);
    return sum;
  };
  Value sine = polynomial(
      {1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0});
  sine = arith::MulFOp::create(builder, sine, r);
  Value cosine = polynomial({-1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320,
                             -1.0 / 720, 1.0 / 24, -0.5, 1.0});
  if (isCosine)
    quarter = arith::AddIOp::create(builder, quarter, integer(1));
  auto isSet = [&](int64_t bit) -> Value {
    Value masked = arith::AndIOp::create(builder, quarter, integer(bit));
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, masked, integer(0));
  };
  Value value = arith::SelectOp::create(builder, isSet(1), cosine, sine);
  Value negated = arith::NegFOp::create(builder, f64, value);
  return arith::SelectOp::create(builder, isSet(2), negated, value);
}

class ApproximateGPUMath final : public impl::ApproximateGPUMathPassBase<ApproximateGPUMath> {
public:
  void runOnOperation() override {
    SmallVector<Operation *> angles, functions;
    getOperation().walk([&](Operation *op) {
      if (isa<math::SinOp, math::CosOp>(op) && op->getResult(0).getType().isF64())
        angles.push_back(op);
      else if (isa<math::ExpOp, math::ErfOp, math::TanhOp>(op) &&
               getElementTypeOrSelf(op->getResult(0).getType()).isF32())
        functions.push_back(op);
    });
    for (Operation *op : angles) {
      ImplicitLocOpBuilder builder(op->getLoc(), op);
      Value value = expandAngle(builder, op->getOperand(0), isa<math::CosOp>(op));
      op->getResult(0).replaceAllUsesWith(value);
      op->erase();
    }
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return llvm::is_contained({math::ExpOp::getOperationName(), math::ErfOp::getOperationName(),
                                 math::TanhOp::getOperationName()},
                                name);
    });
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingOps);
    if (failed(applyOpPatternsGreedily(functions, std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
} // namespace stc
