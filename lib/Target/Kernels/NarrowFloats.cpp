// Activations as numbers of 16 bits, by arithmetic on their bits.
#include "stc/Target/Kernels/NarrowFloats.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace {

/// Arithmetic on the bits of f32, scalar or vector.
class FloatBits {
public:
  FloatBits(ImplicitLocOpBuilder &builder, Value x)
      : builder(builder), floatType(x.getType()), intType(typeOf(builder.getI32Type())),
        bits(arith::BitcastOp::create(builder, intType, x)),
        magnitude(arith::AndIOp::create(builder, bits, number(0x7FFFFFFF))) {}

  Type typeOf(Type element) const {
    auto vector = dyn_cast<VectorType>(floatType);
    return vector ? Type(vector.clone(element)) : element;
  }
  Value number(int64_t value) {
    auto attribute = builder.getI32IntegerAttr(static_cast<int32_t>(value));
    if (auto vector = dyn_cast<VectorType>(intType))
      return arith::ConstantOp::create(builder,
                                       DenseElementsAttr::get(vector, attribute.getValue()));
    return arith::ConstantOp::create(builder, attribute);
  }
  Value isBelow(int64_t bound) {
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, magnitude, number(bound));
  }
  /// The bf16 bits of f32 bits, to nearest even.
  Value round(Value value) {
    Value odd = arith::ShRUIOp::create(builder, value, number(16));
    odd = arith::AndIOp::create(builder, odd, number(1));
    Value sum = arith::AddIOp::create(builder, value, number(0x7FFF));
    sum = arith::AddIOp::create(builder, sum, odd);
    return arith::ShRUIOp::create(builder, sum, number(16));
  }

  ImplicitLocOpBuilder &builder;
  Type floatType, intType;
  Value bits, magnitude;
};

constexpr int64_t kInfinity = 0x7F800000;

} // namespace

std::pair<Value, Value> stc::splitFloat(ImplicitLocOpBuilder &builder, Value x) {
  FloatBits own(builder, x);
  // What would round to infinity is cut off, and so are infinity itself and what is not a number.
  Value cut = arith::ShRUIOp::create(builder, own.bits, own.number(16));
  Value high = arith::SelectOp::create(builder, own.isBelow(0x7F7F8000), own.round(own.bits), cut);
  Value value = arith::ShLIOp::create(builder, high, own.number(16));
  value = arith::BitcastOp::create(builder, own.floatType, value);
  Value rest = arith::SubFOp::create(builder, x, value);
  Value low = own.round(arith::BitcastOp::create(builder, own.intType, rest));
  low = arith::SelectOp::create(builder, own.isBelow(kInfinity), low, own.number(0));
  return {high, low};
}

Value stc::roundToHalf(ImplicitLocOpBuilder &builder, Value x) {
  // 65520, from which on numbers round to infinity, and 65504, the largest one.
  constexpr int64_t cutFrom = 0x477FF000, largest = 0x477FE000;
  FloatBits own(builder, x);
  Value sign = arith::AndIOp::create(builder, own.bits, own.number(0x80000000));
  Value most = arith::OrIOp::create(builder, sign, own.number(largest));
  most = arith::BitcastOp::create(builder, own.floatType, most);
  Value isInfinite = arith::CmpIOp::create(builder, arith::CmpIPredicate::uge, own.magnitude,
                                           own.number(kInfinity));
  Value stays = arith::OrIOp::create(builder, own.isBelow(cutFrom), isInfinite);
  Value bounded = arith::SelectOp::create(builder, stays, x, most);
  Value half = arith::TruncFOp::create(builder, own.typeOf(builder.getF16Type()), bounded);
  half = arith::BitcastOp::create(builder, own.typeOf(builder.getI16Type()), half);
  return arith::ExtUIOp::create(builder, own.intType, half);
}
