// The elementwise operations of stablehlo on one element, in arith and math.
#include "Lowering.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;

namespace stc::stablehlo {

bool isElementwise(Operation *op) {
  return op->hasTrait<OpTrait::Elementwise>() || isa<SelectOp, ClampOp>(op);
}

namespace {

/// Writes one operation on scalars. Constants are folded.
class ScalarWriter {
public:
  ScalarWriter(OpBuilder &builder, Location loc, Operation *op, ValueRange x, ArrayRef<Type> types,
               Type result)
      : builder(builder), loc(loc), op(op), x(x), from(types.front()), to(result),
        type(loweredElement(result)) {}

  Value write() {
    Value made = isa<FloatType>(from) ? ofFloats() : ofIntegers();
    if (!made)
      made = ofAny();
    if (!made)
      op->emitError() << "expected " << op->getName() << " of other elements, got " << from;
    return made;
  }

private:
  template <typename Op, typename... Args> Value make(Args &&...args) {
    return builder.createOrFold<Op>(loc, std::forward<Args>(args)...);
  }
  Value number(double value) {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getFloatAttr(loweredElement(from), value));
  }
  Value integer(int64_t value) {
    return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(from, value));
  }
  bool isBoolean() const { return from.isInteger(1); }

  Value ofFloats();
  Value ofIntegers();
  Value ofAny();
  Value compare();
  Value convert();

  OpBuilder &builder;
  Location loc;
  Operation *op;
  ValueRange x;
  Type from, to, type;
};

Value ScalarWriter::ofFloats() {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](AbsOp) { return make<math::AbsFOp>(x[0]); })
      .Case([&](CbrtOp) { return make<math::CbrtOp>(x[0]); })
      .Case([&](CeilOp) { return make<math::CeilOp>(x[0]); })
      .Case([&](CosineOp) { return make<math::CosOp>(x[0]); })
      .Case([&](ExponentialOp) { return make<math::ExpOp>(x[0]); })
      .Case([&](ExponentialMinusOneOp) { return make<math::ExpM1Op>(x[0]); })
      .Case([&](FloorOp) { return make<math::FloorOp>(x[0]); })
      .Case([&](LogOp) { return make<math::LogOp>(x[0]); })
      .Case([&](LogPlusOneOp) { return make<math::Log1pOp>(x[0]); })
      .Case([&](LogisticOp) {
        Value power = make<math::ExpOp>(make<arith::NegFOp>(x[0]));
        return make<arith::DivFOp>(number(1), make<arith::AddFOp>(power, number(1)));
      })
      .Case([&](NegateOp) { return make<arith::NegFOp>(x[0]); })
      .Case([&](RoundNearestEvenOp) { return make<math::RoundEvenOp>(x[0]); })
      .Case([&](RsqrtOp) { return make<math::RsqrtOp>(x[0]); })
      .Case([&](SignOp) {
        // What is neither above nor below 0 is its own sign.
        Value above = make<arith::CmpFOp>(arith::CmpFPredicate::OGT, x[0], number(0));
        Value below = make<arith::CmpFOp>(arith::CmpFPredicate::OLT, x[0], number(0));
        Value rest = make<arith::SelectOp>(below, number(-1), x[0]);
        return make<arith::SelectOp>(above, number(1), rest);
      })
      .Case([&](SineOp) { return make<math::SinOp>(x[0]); })
      .Case([&](SqrtOp) { return make<math::SqrtOp>(x[0]); })
      .Case([&](TanOp) { return make<math::TanOp>(x[0]); })
      .Case([&](TanhOp) { return make<math::TanhOp>(x[0]); })
      .Case([&](IsFiniteOp) {
        return make<arith::CmpFOp>(arith::CmpFPredicate::OLT, make<math::AbsFOp>(x[0]),
                                   number(std::numeric_limits<double>::infinity()));
      })
      .Case([&](chlo::ErfOp) { return make<math::ErfOp>(x[0]); })
      .Case([&](CustomCallOp) { return make<math::ErfOp>(x[0]); })
      .Case([&](chlo::ErfcOp) { return make<arith::SubFOp>(number(1), make<math::ErfOp>(x[0])); })
      .Case([&](chlo::SquareOp) { return make<arith::MulFOp>(x[0], x[0]); })
      .Case([&](AddOp) { return make<arith::AddFOp>(x[0], x[1]); })
      .Case([&](Atan2Op) { return make<math::Atan2Op>(x[0], x[1]); })
      .Case([&](DivideOp) { return make<arith::DivFOp>(x[0], x[1]); })
      .Case([&](MaximumOp) { return make<arith::MaximumFOp>(x[0], x[1]); })
      .Case([&](MinimumOp) { return make<arith::MinimumFOp>(x[0], x[1]); })
      .Case([&](MultiplyOp) { return make<arith::MulFOp>(x[0], x[1]); })
      .Case([&](PowerOp) { return make<math::PowFOp>(x[0], x[1]); })
      .Case([&](RemainderOp) { return make<arith::RemFOp>(x[0], x[1]); })
      .Case([&](SubtractOp) { return make<arith::SubFOp>(x[0], x[1]); })
      .Case([&](ClampOp) {
        return make<arith::MinimumFOp>(make<arith::MaximumFOp>(x[1], x[0]), x[2]);
      })
      .Default([](Operation *) { return Value(); });
}

Value ScalarWriter::ofIntegers() {
  auto logical = [&](auto booleans, auto integers) {
    return isBoolean() ? booleans() : integers();
  };
  auto andI = [&] { return make<arith::AndIOp>(x[0], x[1]); };
  auto orI = [&] { return make<arith::OrIOp>(x[0], x[1]); };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](AbsOp) { return isBoolean() ? Value() : make<math::AbsIOp>(x[0]); })
      .Case([&](NegateOp) { return isBoolean() ? Value() : make<arith::SubIOp>(integer(0), x[0]); })
      .Case([&](NotOp) { return make<arith::XOrIOp>(x[0], integer(-1)); })
      .Case([&](AddOp) { return logical(orI, [&] { return make<arith::AddIOp>(x[0], x[1]); }); })
      .Case([&](AndOp) { return andI(); })
      .Case([&](DivideOp) { return isBoolean() ? Value() : make<arith::DivSIOp>(x[0], x[1]); })
      .Case(
          [&](MaximumOp) { return logical(orI, [&] { return make<arith::MaxSIOp>(x[0], x[1]); }); })
      .Case([&](MinimumOp) {
        return logical(andI, [&] { return make<arith::MinSIOp>(x[0], x[1]); });
      })
      .Case([&](MultiplyOp) {
        return logical(andI, [&] { return make<arith::MulIOp>(x[0], x[1]); });
      })
      .Case([&](OrOp) { return orI(); })
      .Case([&](PowerOp) { return isBoolean() ? Value() : make<math::IPowIOp>(x[0], x[1]); })
      .Case([&](RemainderOp) { return isBoolean() ? Value() : make<arith::RemSIOp>(x[0], x[1]); })
      .Case([&](SubtractOp) { return isBoolean() ? Value() : make<arith::SubIOp>(x[0], x[1]); })
      .Case([&](XorOp) { return make<arith::XOrIOp>(x[0], x[1]); })
      .Case([&](ClampOp) {
        return isBoolean() ? Value() : make<arith::MinSIOp>(make<arith::MaxSIOp>(x[1], x[0]), x[2]);
      })
      .Default([](Operation *) { return Value(); });
}

Value ScalarWriter::ofAny() {
  if (isa<CompareOp>(op))
    return compare();
  if (isa<ConvertOp>(op))
    return convert();
  return isa<SelectOp>(op) ? make<arith::SelectOp>(x[0], x[1], x[2]) : Value();
}

Value ScalarWriter::compare() {
  ComparisonDirection direction = cast<CompareOp>(op).getComparisonDirection();
  if (isa<FloatType>(from)) {
    using P = arith::CmpFPredicate;
    P predicate = direction == ComparisonDirection::EQ   ? P::OEQ
                  : direction == ComparisonDirection::NE ? P::UNE
                  : direction == ComparisonDirection::GE ? P::OGE
                  : direction == ComparisonDirection::GT ? P::OGT
                  : direction == ComparisonDirection::LE ? P::OLE
                                                         : P::OLT;
    return make<arith::CmpFOp>(predicate, x[0], x[1]);
  }
  using P = arith::CmpIPredicate;
  // Of booleans, true is the larger one.
  bool isUnsigned = isBoolean() || cast<CompareOp>(op).getCompareType() == ComparisonType::UNSIGNED;
  P predicate = direction == ComparisonDirection::EQ   ? P::eq
                : direction == ComparisonDirection::NE ? P::ne
                : direction == ComparisonDirection::GE ? (isUnsigned ? P::uge : P::sge)
                : direction == ComparisonDirection::GT ? (isUnsigned ? P::ugt : P::sgt)
                : direction == ComparisonDirection::LE ? (isUnsigned ? P::ule : P::sle)
                                                       : (isUnsigned ? P::ult : P::slt);
  return make<arith::CmpIOp>(predicate, x[0], x[1]);
}

Value ScalarWriter::convert() {
  bool toFloat = isa<FloatType>(to);
  if (isa<FloatType>(from)) {
    if (toFloat)
      return x[0];
    if (to.isInteger(1))
      return make<arith::CmpFOp>(arith::CmpFPredicate::UNE, x[0], number(0));
    return make<arith::FPToSIOp>(type, x[0]);
  }
  if (toFloat)
    return isBoolean() ? make<arith::UIToFPOp>(type, x[0]) : make<arith::SIToFPOp>(type, x[0]);
  if (from == to)
    return x[0];
  if (to.isInteger(1))
    return make<arith::CmpIOp>(arith::CmpIPredicate::ne, x[0], integer(0));
  if (from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth())
    return make<arith::TruncIOp>(type, x[0]);
  return isBoolean() ? make<arith::ExtUIOp>(type, x[0]) : make<arith::ExtSIOp>(type, x[0]);
}

} // namespace

Value createScalar(OpBuilder &builder, Location loc, Operation *op, ValueRange operands,
                   ArrayRef<Type> types, Type result) {
  return ScalarWriter(builder, loc, op, operands, types, result).write();
}

} // namespace stc::stablehlo
