// convert-stc-to-linalg: elementwise and normalization operations as linalg.generic.
#include "stc/Conversion/Passes.h"
#include "stc/Dialect/STC/Utils/ActivationMath.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/DialectConversion.h"

#include <cmath>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_CONVERTSTCTOLINALGPASS
#include "stc/Conversion/Passes.h.inc"

namespace {

constexpr utils::IteratorType kParallel = utils::IteratorType::parallel;
constexpr utils::IteratorType kReduction = utils::IteratorType::reduction;

/// An empty tensor of `type`, whose dynamic dimension, if any, is the tokens of `like`.
Value createEmpty(OpBuilder &builder, Location loc, RankedTensorType type, Value like) {
  SmallVector<Value> sizes;
  if (type.isDynamicDim(0))
    sizes.push_back(tensor::DimOp::create(builder, loc, like, 0));
  return tensor::EmptyOp::create(builder, loc, type, sizes);
}

Value createFloat(OpBuilder &builder, Location loc, double value, FloatType type) {
  return arith::ConstantFloatOp::create(builder, loc, type, [&] {
    APFloat constant(value);
    bool inexact = false;
    constant.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
    return constant;
  }());
}

/// Weights may be stored narrower than they are computed with.
Value widen(OpBuilder &builder, Location loc, Value value) {
  Type f32 = builder.getF32Type();
  if (value.getType().getIntOrFloatBitWidth() < 32)
    return arith::ExtFOp::create(builder, loc, f32, value);
  if (value.getType().getIntOrFloatBitWidth() > 32)
    return arith::TruncFOp::create(builder, loc, f32, value);
  return value;
}

struct ConvertRMSNorm : OpConversionPattern<RMSNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(RMSNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    MLIRContext *context = rewriter.getContext();
    auto type = cast<RankedTensorType>(op.getType());
    FloatType f32 = rewriter.getF32Type();
    AffineMap rows = AffineMap::get(2, 0, rewriter.getAffineDimExpr(0));
    AffineMap columns = AffineMap::get(2, 0, rewriter.getAffineDimExpr(1));
    AffineMap all = AffineMap::getMultiDimIdentityMap(2, context);

    auto sumType = RankedTensorType::get({type.getDimSize(0)}, f32);
    Value zeros = linalg::FillOp::create(rewriter, loc, createFloat(rewriter, loc, 0, f32),
                                         createEmpty(rewriter, loc, sumType, adaptor.getInput()))
                      .getResult(0);
    // The order of a sum is the target's choice, and a product may be fused into it.
    auto relaxed = arith::FastMathFlags::reassoc | arith::FastMathFlags::contract;
    auto sum = linalg::GenericOp::create(
        rewriter, loc, sumType, adaptor.getInput(), zeros, ArrayRef<AffineMap>{all, rows},
        ArrayRef<utils::IteratorType>{kParallel, kReduction},
        [&](OpBuilder &builder, Location loc, ValueRange args) {
          Value square = arith::MulFOp::create(builder, loc, args[0], args[0], relaxed);
          Value next = arith::AddFOp::create(builder, loc, args[1], square, relaxed);
          linalg::YieldOp::create(builder, loc, next);
        });
    auto normalized = linalg::GenericOp::create(
        rewriter, loc, type, ValueRange{adaptor.getInput(), sum.getResult(0), adaptor.getWeight()},
        createEmpty(rewriter, loc, type, adaptor.getInput()),
        ArrayRef<AffineMap>{all, rows, columns, all},
        ArrayRef<utils::IteratorType>{kParallel, kParallel},
        [&](OpBuilder &builder, Location loc, ValueRange args) {
          Value mean = arith::DivFOp::create(builder, loc, args[1],
                                             createFloat(builder, loc, type.getDimSize(1), f32));
          Value shifted = arith::AddFOp::create(
              builder, loc, mean,
              createFloat(builder, loc, op.getEpsilon().convertToDouble(), f32));
          Value inverse = arith::DivFOp::create(builder, loc, createFloat(builder, loc, 1, f32),
                                                math::SqrtOp::create(builder, loc, shifted));
          Value scaled = arith::MulFOp::create(builder, loc, args[0], inverse);
          Value result = arith::MulFOp::create(builder, loc, scaled, widen(builder, loc, args[2]));
          linalg::YieldOp::create(builder, loc, result);
        });
    rewriter.replaceOp(op, normalized);
    return success();
  }
};

/// stc.activation and stc.gated_activation, which differ in the factor only.
template <typename Op> struct ConvertActivation : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;
  LogicalResult matchAndRewrite(Op op, typename Op::Adaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto type = cast<RankedTensorType>(op.getType());
    AffineMap all = AffineMap::getMultiDimIdentityMap(2, rewriter.getContext());
    ValueRange inputs = adaptor.getOperands();
    auto result = linalg::GenericOp::create(
        rewriter, loc, type, inputs, createEmpty(rewriter, loc, type, inputs[0]),
        SmallVector<AffineMap>(inputs.size() + 1, all),
        ArrayRef<utils::IteratorType>{kParallel, kParallel},
        [&](OpBuilder &builder, Location loc, ValueRange args) {
          Value value = createActivation(builder, loc, op.getKind(), args[0]);
          if (inputs.size() == 2)
            value = arith::MulFOp::create(builder, loc, value, args[1]);
          linalg::YieldOp::create(builder, loc, value);
        });
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct ConvertRotaryTable : OpConversionPattern<RotaryTableOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(RotaryTableOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    FloatType f64 = rewriter.getF64Type(), f32 = rewriter.getF32Type();
    auto type = cast<RankedTensorType>(op.getCos().getType());
    AffineMap columns = AffineMap::get(2, 0, rewriter.getAffineDimExpr(1));
    AffineMap all = AffineMap::getMultiDimIdentityMap(2, rewriter.getContext());
    auto frequencyType = RankedTensorType::get({type.getDimSize(1)}, f64);
    Value frequencies = arith::ConstantOp::create(
        rewriter, loc, DenseElementsAttr::get(frequencyType, op.getInverseFrequencies()));
    Value cosEmpty = createEmpty(rewriter, loc, type, adaptor.getTokens());
    Value sinEmpty = createEmpty(rewriter, loc, type, adaptor.getTokens());
    auto table = linalg::GenericOp::create(
        rewriter, loc, TypeRange{type, type}, frequencies, ValueRange{cosEmpty, sinEmpty},
        ArrayRef<AffineMap>{columns, all, all}, ArrayRef<utils::IteratorType>{kParallel, kParallel},
        [&](OpBuilder &builder, Location loc, ValueRange args) {
          Value token = linalg::IndexOp::create(builder, loc, 0);
          Value position = arith::AddIOp::create(builder, loc, adaptor.getPosition(), token);
          Value integer = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), position);
          Value angle = arith::MulFOp::create(
              builder, loc, arith::SIToFPOp::create(builder, loc, f64, integer), args[0]);
          Value cos =
              arith::TruncFOp::create(builder, loc, f32, math::CosOp::create(builder, loc, angle));
          Value sin =
              arith::TruncFOp::create(builder, loc, f32, math::SinOp::create(builder, loc, angle));
          linalg::YieldOp::create(builder, loc, ValueRange{cos, sin});
        });
    rewriter.replaceOp(op, table);
    return success();
  }
};

class ConvertSTCToLinalg final : public impl::ConvertSTCToLinalgPassBase<ConvertSTCToLinalg> {
public:
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    ConversionTarget target(*context);
    target.addIllegalOp<RMSNormOp, ActivationOp, GatedActivationOp, RotaryTableOp>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    RewritePatternSet patterns(context);
    patterns.add<ConvertRMSNorm, ConvertActivation<ActivationOp>,
                 ConvertActivation<GatedActivationOp>, ConvertRotaryTable>(context);
    if (failed(applyPartialConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace stc
