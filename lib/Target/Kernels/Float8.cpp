// Floats of 8 bits (e4m3) in kernels.
#include "stc/Target/Kernels/Float8.h"

#include "stc/Packing/KVCache.h"

using namespace mlir;
using namespace stc;

/// The type of `type`'s shape with other elements.
static Type withElement(Type type, Type element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), element);
  return element;
}

Value stc::float8ToScaledF32(BaseKernelBuilder &builder, Value bits) {
  Type type = bits.getType(), words = withElement(type, builder.getI16Type());
  // The sign, twice, and seven bits at f16's places.
  Value wide = arith::ExtSIOp::create(builder, words, bits);
  wide = arith::ShLIOp::create(builder, wide, builder.constant(words, int64_t(7)));
  wide = arith::AndIOp::create(builder, wide, builder.constant(words, int64_t(0xBFFF - 0x10000)));
  return builder.toF32(
      arith::BitcastOp::create(builder, withElement(type, builder.getF16Type()), wide));
}

Value stc::toFloat8Bits(BaseKernelBuilder &builder, Value x) {
  Type floats = x.getType(), words = withElement(floats, builder.getI32Type());
  auto number = [&](int64_t value) { return builder.constant(words, value); };
  auto bitsOf = [&](Value x) -> Value { return arith::BitcastOp::create(builder, words, x); };
  x = builder.maximum(x, builder.constant(floats, -double(kLargestFloat8)));
  x = builder.minimum(x, builder.constant(floats, double(kLargestFloat8)));
  Value bits = bitsOf(x);
  Value magnitude = arith::AndIOp::create(builder, bits, number(0x7FFFFFFF));
  // Beside 2^14 the lowest bit of a float is 2^-9, that of subnormals.
  Value small = arith::AddFOp::create(builder, arith::BitcastOp::create(builder, floats, magnitude),
                                      builder.constant(floats, 16384.0));
  small = arith::SubIOp::create(builder, bitsOf(small), number(0x46800000));
  Value odd = arith::ShRUIOp::create(builder, magnitude, number(20));
  odd = arith::AndIOp::create(builder, odd, number(1));
  Value normal = arith::AddIOp::create(builder, magnitude, number(0x7FFFF - (120 << 23)));
  normal = arith::AddIOp::create(builder, normal, odd);
  normal = arith::ShRUIOp::create(builder, normal, number(20));
  Value isSmall =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, magnitude, number(121 << 23));
  Value result = arith::SelectOp::create(builder, isSmall, small, normal);
  Value sign = arith::ShRUIOp::create(builder, bits, number(24));
  sign = arith::AndIOp::create(builder, sign, number(0x80));
  result = arith::OrIOp::create(builder, result, sign);
  return arith::TruncIOp::create(builder, withElement(floats, builder.getI8Type()), result);
}
