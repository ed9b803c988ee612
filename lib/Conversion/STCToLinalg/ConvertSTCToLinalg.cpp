// convert-stc-to-linalg: elementwise and normalization operations as linalg.generic.
#include "stc/Conversion/Passes.h"
#include "stc/Dialect/Packed/IR/Packed.h"
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

// The order of a sum is the target's choice, and a product may be fused into it.
constexpr auto kRelaxed = arith::FastMathFlags::reassoc | arith::FastMathFlags::contract;

/// The sum over the columns of each row, one number per row, of what `term` makes of an element of
/// `input` and of the same row's number in each of `perRow`.
Value sumOfRows(OpBuilder &builder, Location loc, Value input, ValueRange perRow,
                llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> term) {
  auto type = cast<RankedTensorType>(input.getType());
  FloatType f32 = builder.getF32Type();
  AffineMap rows = AffineMap::get(2, 0, builder.getAffineDimExpr(0));
  auto sumType = RankedTensorType::get({type.getDimSize(0)}, f32);
  Value zeros = linalg::FillOp::create(builder, loc, createFloat(builder, loc, 0, f32),
                                       createEmpty(builder, loc, sumType, input))
                    .getResult(0);
  SmallVector<Value> inputs{input};
  llvm::append_range(inputs, perRow);
  SmallVector<AffineMap> maps(inputs.size() + 1, rows);
  maps[0] = AffineMap::getMultiDimIdentityMap(2, builder.getContext());
  auto sum = linalg::GenericOp::create(builder, loc, sumType, inputs, zeros, maps,
                                       ArrayRef<utils::IteratorType>{kParallel, kReduction},
                                       [&](OpBuilder &builder, Location loc, ValueRange args) {
                                         Value next = arith::AddFOp::create(
                                             builder, loc, args.back(),
                                             term(builder, loc, args.drop_back()), kRelaxed);
                                         linalg::YieldOp::create(builder, loc, next);
                                       });
  return sum.getResult(0);
}

/// sum / columns, in a body.
Value meanOf(OpBuilder &builder, Location loc, Value sum, int64_t columns) {
  return arith::DivFOp::create(builder, loc, sum,
                               createFloat(builder, loc, double(columns), builder.getF32Type()));
}

/// 1 / sqrt(mean + epsilon), in a body.
Value inverseRoot(OpBuilder &builder, Location loc, Value mean, const APFloat &epsilon) {
  FloatType f32 = builder.getF32Type();
  Value shifted = arith::AddFOp::create(builder, loc, mean,
                                        createFloat(builder, loc, epsilon.convertToDouble(), f32));
  return arith::DivFOp::create(builder, loc, createFloat(builder, loc, 1, f32),
                               math::SqrtOp::create(builder, loc, shifted));
}

/// Whether a norm is of whole rows, and its weight a vector.
template <typename Op> bool isWholeRow(Op op) {
  return op.getGroups() == 1 && cast<RankedTensorType>(op.getWeight().getType()).getRank() == 1;
}

struct ConvertRMSNorm : OpConversionPattern<RMSNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(RMSNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!isWholeRow(op))
      return rewriter.notifyMatchFailure(op, "groups become packed.rms_norm");
    Location loc = op.getLoc();
    auto type = cast<RankedTensorType>(op.getType());
    AffineMap rows = AffineMap::get(2, 0, rewriter.getAffineDimExpr(0));
    AffineMap columns = AffineMap::get(2, 0, rewriter.getAffineDimExpr(1));
    AffineMap all = AffineMap::getMultiDimIdentityMap(2, rewriter.getContext());
    Value sum = sumOfRows(rewriter, loc, adaptor.getInput(), {},
                          [](OpBuilder &builder, Location loc, ValueRange args) -> Value {
                            return arith::MulFOp::create(builder, loc, args[0], args[0], kRelaxed);
                          });
    auto normalized = linalg::GenericOp::create(
        rewriter, loc, type, ValueRange{adaptor.getInput(), sum, adaptor.getWeight()},
        createEmpty(rewriter, loc, type, adaptor.getInput()),
        ArrayRef<AffineMap>{all, rows, columns, all},
        ArrayRef<utils::IteratorType>{kParallel, kParallel},
        [&](OpBuilder &builder, Location loc, ValueRange args) {
          Value inverse = inverseRoot(
              builder, loc, meanOf(builder, loc, args[1], type.getDimSize(1)), op.getEpsilon());
          Value scaled = arith::MulFOp::create(builder, loc, args[0], inverse);
          Value result = arith::MulFOp::create(builder, loc, scaled, widen(builder, loc, args[2]));
          linalg::YieldOp::create(builder, loc, result);
        });
    rewriter.replaceOp(op, normalized);
    return success();
  }
};

/// Keeps the norm of rows of f32 one operation.
struct KeepRMSNorm : OpConversionPattern<RMSNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(RMSNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto isFloat = [](Value value) {
      return cast<RankedTensorType>(value.getType()).getElementType().isF32();
    };
    if (!isFloat(adaptor.getInput()) || !isFloat(adaptor.getWeight()) ||
        cast<RankedTensorType>(adaptor.getWeight().getType()).getRank() != 1)
      return rewriter.notifyMatchFailure(op, "packed.rms_norm is of f32");
    auto type = cast<RankedTensorType>(op.getType());
    Value out = createEmpty(rewriter, op.getLoc(), type, adaptor.getInput());
    rewriter.replaceOpWithNewOp<packed::RMSNormOp>(op, type, adaptor.getInput(),
                                                   adaptor.getWeight(), out, op.getGroupsAttr(),
                                                   op.getEpsilonAttr(), UnitAttr());
    return success();
  }
};

struct ConvertLayerNorm : OpConversionPattern<LayerNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(LayerNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!isWholeRow(op))
      return rewriter.notifyMatchFailure(op, "groups become packed.rms_norm");
    Location loc = op.getLoc();
    auto type = cast<RankedTensorType>(op.getType());
    int64_t width = type.getDimSize(1);
    AffineMap rows = AffineMap::get(2, 0, rewriter.getAffineDimExpr(0));
    AffineMap columns = AffineMap::get(2, 0, rewriter.getAffineDimExpr(1));
    AffineMap all = AffineMap::getMultiDimIdentityMap(2, rewriter.getContext());
    Value sum = sumOfRows(rewriter, loc, adaptor.getInput(), {},
                          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
    // Of the distances from the mean: squares of the values themselves would cancel.
    Value squares = sumOfRows(rewriter, loc, adaptor.getInput(), sum,
                              [&](OpBuilder &builder, Location loc, ValueRange args) -> Value {
                                Value mean = meanOf(builder, loc, args[1], width);
                                Value x = arith::SubFOp::create(builder, loc, args[0], mean);
                                return arith::MulFOp::create(builder, loc, x, x, kRelaxed);
                              });
    SmallVector<Value> inputs{adaptor.getInput(), sum, squares, adaptor.getWeight()};
    SmallVector<AffineMap> maps{all, rows, rows, columns};
    if (adaptor.getBias()) {
      inputs.push_back(adaptor.getBias());
      maps.push_back(columns);
    }
    maps.push_back(all);
    auto normalized = linalg::GenericOp::create(
        rewriter, loc, type, inputs, createEmpty(rewriter, loc, type, adaptor.getInput()), maps,
        ArrayRef<utils::IteratorType>{kParallel, kParallel},
        [&](OpBuilder &builder, Location loc, ValueRange args) {
          Value centred =
              arith::SubFOp::create(builder, loc, args[0], meanOf(builder, loc, args[1], width));
          Value inverse =
              inverseRoot(builder, loc, meanOf(builder, loc, args[2], width), op.getEpsilon());
          Value result = arith::MulFOp::create(builder, loc, centred, inverse);
          result = arith::MulFOp::create(builder, loc, result, widen(builder, loc, args[3]));
          if (adaptor.getBias())
            result = arith::AddFOp::create(builder, loc, result, widen(builder, loc, args[4]));
          linalg::YieldOp::create(builder, loc, result);
        });
    rewriter.replaceOp(op, normalized);
    return success();
  }
};

/// What one element of an elementwise operation is.
Value createElement(OpBuilder &builder, Location loc, ActivationOp op, ValueRange args) {
  return createActivation(builder, loc, op.getKind(), args[0]);
}
Value createElement(OpBuilder &builder, Location loc, GatedActivationOp op, ValueRange args) {
  Value gate = args[0], up = args[1];
  auto constant = [&](const APFloat &value, double sign = 1) {
    return createFloat(builder, loc, sign * value.convertToDouble(), builder.getF32Type());
  };
  if (!op.getLimit().isZero()) {
    Value most = constant(op.getLimit());
    gate = arith::MinimumFOp::create(builder, loc, gate, most);
    up = arith::MaximumFOp::create(builder, loc, arith::MinimumFOp::create(builder, loc, up, most),
                                   constant(op.getLimit(), -1));
  }
  if (!op.getOffset().isZero())
    up = arith::AddFOp::create(builder, loc, up, constant(op.getOffset()));
  return arith::MulFOp::create(builder, loc, createActivation(builder, loc, op.getKind(), gate),
                               up);
}
Value createElement(OpBuilder &builder, Location loc, ScaleOp op, ValueRange args) {
  double factor = op.getFactor().convertToDouble();
  return arith::MulFOp::create(builder, loc, args[0],
                               createFloat(builder, loc, factor, builder.getF32Type()));
}
Value createElement(OpBuilder &builder, Location loc, ClampOp op, ValueRange args) {
  double limit = op.getLimit().convertToDouble();
  FloatType f32 = builder.getF32Type();
  Value below =
      arith::MinimumFOp::create(builder, loc, args[0], createFloat(builder, loc, limit, f32));
  return arith::MaximumFOp::create(builder, loc, below, createFloat(builder, loc, -limit, f32));
}
Value createElement(OpBuilder &builder, Location loc, SoftCapOp op, ValueRange args) {
  double cap = op.getCap().convertToDouble();
  FloatType f32 = builder.getF32Type();
  Value scaled =
      arith::MulFOp::create(builder, loc, args[0], createFloat(builder, loc, 1 / cap, f32));
  return arith::MulFOp::create(builder, loc, math::TanhOp::create(builder, loc, scaled),
                               createFloat(builder, loc, cap, f32));
}

/// Operations whose elements depend on the same elements of their operands.
template <typename Op> struct ConvertElementwise : OpConversionPattern<Op> {
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
          linalg::YieldOp::create(builder, loc, createElement(builder, loc, op, args));
        });
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct ConvertPositions : OpConversionPattern<PositionsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(PositionsOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto type = cast<RankedTensorType>(op.getType());
    AffineMap all = AffineMap::getMultiDimIdentityMap(1, rewriter.getContext());
    auto positions = linalg::GenericOp::create(
        rewriter, loc, type, ValueRange(), createEmpty(rewriter, loc, type, adaptor.getTokens()),
        all, kParallel, [&](OpBuilder &builder, Location loc, ValueRange) {
          Value token = linalg::IndexOp::create(builder, loc, 0);
          Value position = arith::AddIOp::create(builder, loc, adaptor.getPosition(), token);
          linalg::YieldOp::create(
              builder, loc,
              arith::IndexCastOp::create(builder, loc, builder.getI32Type(), position).getResult());
        });
    rewriter.replaceOp(op, positions);
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
          auto finish = [&](Value value) -> Value {
            double scale = op.getScale().convertToDouble();
            if (scale != 1)
              value =
                  arith::MulFOp::create(builder, loc, value, createFloat(builder, loc, scale, f64));
            return arith::TruncFOp::create(builder, loc, f32, value);
          };
          Value cos = finish(math::CosOp::create(builder, loc, angle));
          Value sin = finish(math::SinOp::create(builder, loc, angle));
          linalg::YieldOp::create(builder, loc, ValueRange{cos, sin});
        });
    rewriter.replaceOp(op, table);
    return success();
  }
};

class ConvertSTCToLinalg final : public impl::ConvertSTCToLinalgPassBase<ConvertSTCToLinalg> {
public:
  using ConvertSTCToLinalgPassBase::ConvertSTCToLinalgPassBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    ConversionTarget target(*context);
    target.addIllegalOp<RMSNormOp, LayerNormOp, ActivationOp, GatedActivationOp, ScaleOp, ClampOp,
                        SoftCapOp, RotaryTableOp, PositionsOp>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    RewritePatternSet patterns(context);
    patterns.add<ConvertRMSNorm, ConvertLayerNorm, ConvertElementwise<ActivationOp>,
                 ConvertElementwise<GatedActivationOp>, ConvertElementwise<ScaleOp>,
                 ConvertElementwise<ClampOp>, ConvertElementwise<SoftCapOp>, ConvertRotaryTable,
                 ConvertPositions>(context);
    if (keepNorms)
      patterns.add<KeepRMSNorm>(context, /*benefit=*/2);
    if (failed(applyPartialConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace stc
