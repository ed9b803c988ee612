// Floats with masks become vectors, by instructions of each target.
#include "MicroOps.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

/// Bytes that one lookup chooses among, and gives.
static constexpr int64_t kTable = 16;
/// Floats that a row of positions spreads: one for each bit of a byte.
static constexpr int64_t kByteFloats = 8;

namespace {

class FloatExpander {
public:
  FloatExpander(KernelBuilder &builder, MaskedFloats floats)
      : builder(builder), floats(floats), element(floats.element),
        size(element.getIntOrFloatBitWidth() / 8), wholes(builder.getIntegerType(8 * size)) {}

  Value lower() {
    using Lookup = TargetDescription::Lookup;
    if (builder.getTarget().has("avx512f"))
      return withExpansion();
    switch (builder.getTarget().byteLookup()) {
    case Lookup::Generic:
      return generic();
    case Lookup::Gather:
      return withExpandingLoad();
    default:
      return withLookups();
    }
  }

private:
  /// vpexpandps of what is f32 already.
  Value withExpansion() {
    Value values = builder.toF32(builder.load(VectorType::get(kLanes, element), floats.address));
    return callIntrinsic(builder, "llvm.x86.avx512.mask.expand.v16f32", builder.floats(),
                         {values, builder.constant(builder.floats(), 0.0), maskBits()});
  }

  /// LLVM's expanding load, where it is a few instructions (viota and vrgather).
  Value withExpandingLoad() {
    auto type = VectorType::get(kLanes, wholes);
    Value zero = builder.constant(type, int64_t(0));
    // Floats are where their size divides the address; LLVM would load others one by one.
    return asFloats(LLVM::masked_expandload::create(builder, type, floats.address, maskBits(), zero,
                                                    uint64_t(size)));
  }

  /// Eight mask bits choose a row of positions, by which the floats at their address are spread.
  Value withLookups() {
    Value address = floats.address;
    Value halves[2];
    for (int64_t half : {0, 1}) {
      Value bits = bitsOf(half * kByteFloats, kByteFloats);
      if (half == 1)
        address = after(address, bitsOf(0, kByteFloats), 2);
      halves[half] = spreadByte(address, bits);
    }
    return joinVectors(builder, {halves[0], halves[1]});
  }

  /// The eight floats of a byte of the mask.
  Value spreadByte(Value address, Value bits) {
    int64_t rowBytes = element.isF16() ? kTable : 2 * kTable;
    Value row = arith::MulIOp::create(builder, bits, builder.constant(bits.getType(), rowBytes));
    Value positions = builder.load(builder.bytes(rowBytes), builder.address(table(), row));
    Value values = builder.load(builder.bytes(kTable), address);
    // f16 become f32 once they are spread, bf16 and f32 where they are spread to.
    if (element.isF16()) {
      Value spread = lookUpBytes(builder, values, positions);
      return builder.toF32(
          vector::BitCastOp::create(builder, VectorType::get(kByteFloats, element), spread));
    }
    Value second = values;
    if (element.isF32()) {
      Value low =
          arith::AndIOp::create(builder, bits, builder.constant(bits.getType(), int64_t(15)));
      second = builder.load(builder.bytes(kTable), after(address, low, 1));
    }
    return vector::BitCastOp::create(builder, builder.floats(kByteFloats),
                                     lookUpTwice(values, second, positions));
  }

  Value lookUpTwice(Value first, Value second, Value positions) {
    if (builder.getTarget().byteLookup() == TargetDescription::Lookup::Pshufb256)
      return callIntrinsic(builder, "llvm.x86.avx2.pshuf.b", positions.getType(),
                           {joinVectors(builder, {first, second}), positions});
    Values halves = splitVector(builder, positions, 2);
    return joinVectors(
        builder, {lookUpBytes(builder, first, halves[0]), lookUpBytes(builder, second, halves[1])});
  }

  /// For each of the 256 patterns of eight mask bits, the positions of the bytes that each float
  /// takes; 128 takes a zero. bf16 are the upper bytes of an f32. Four f32 are all that a lookup
  /// chooses among, so that the upper four count from where theirs begin.
  Value table() {
    StringRef name = element.isF32()   ? "stc_expand_f32"
                     : element.isF16() ? "stc_expand_f16"
                                       : "stc_expand_bf16";
    return constantTable(builder, name, [&] {
      SmallVector<int64_t> words;
      int64_t slot = element.isF16() ? 2 : 4;
      for (unsigned mask = 0; mask < 256; ++mask) {
        SmallVector<uint8_t> row;
        int64_t next = 0;
        for (int64_t bit = 0; bit < kByteFloats; ++bit) {
          if (element.isF32() && bit == kByteFloats / 2)
            next = 0;
          bool isSet = mask >> bit & 1;
          row.append(slot - size, 128);
          for (int64_t byte = 0; byte < size; ++byte)
            row.push_back(isSet ? uint8_t(next * size + byte) : 128);
          next += isSet;
        }
        for (size_t i = 0; i < row.size(); i += 8) {
          uint64_t word = 0;
          for (size_t byte = 0; byte < 8; ++byte)
            word |= uint64_t(row[i + byte]) << (8 * byte);
          words.push_back(int64_t(word));
        }
      }
      return words;
    });
  }

  /// Float by float in memory: right everywhere.
  Value generic() {
    Value result = builder.stackBuffer(kLanes * size);
    Type i64 = builder.getI64Type();
    Value mask = arith::ExtUIOp::create(builder, i64, floats.mask);
    Value zero = builder.constant(i64, int64_t(0)), one = builder.constant(i64, int64_t(1));
    Value absent = builder.constant(wholes, int64_t(0));
    builder.loop(builder.index(0), builder.index(kLanes), 1, zero,
                 [&](Value index, ValueRange carried) -> Values {
                   Value bit = arith::ShRUIOp::create(builder, mask, builder.toI64(index));
                   bit = arith::AndIOp::create(builder, bit, one);
                   Value place = arith::MulIOp::create(builder, carried[0], number(size));
                   Value value = builder.load(wholes, builder.address(floats.address, place));
                   Value isSet =
                       arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, bit, zero);
                   value = arith::SelectOp::create(builder, isSet, value, absent);
                   builder.store(value, builder.address(result, builder.mul(index, size)));
                   return {arith::AddIOp::create(builder, carried[0], bit)};
                 });
    return asFloats(builder.load(VectorType::get(kLanes, wholes), result));
  }

  Value asFloats(Value values) {
    auto type = VectorType::get(kLanes, element);
    return builder.toF32(vector::BitCastOp::create(builder, type, values));
  }
  Value maskBits() {
    auto bits = VectorType::get(kLanes, builder.getI1Type());
    return LLVM::BitcastOp::create(builder, bits, floats.mask);
  }
  Value number(int64_t value) { return builder.constant(builder.getI64Type(), value); }
  /// `count` bits of the mask from bit `first` on.
  Value bitsOf(int64_t first, int64_t count) {
    Value mask = arith::ExtUIOp::create(builder, builder.getI64Type(), floats.mask);
    if (first > 0)
      mask = arith::ShRUIOp::create(builder, mask, number(first));
    return arith::AndIOp::create(builder, mask, number((int64_t(1) << count) - 1));
  }
  /// What lies behind the floats of set `bits`, which are those of `rows` rows.
  Value after(Value address, Value bits, int64_t rows) {
    if (floats.perRow > 0)
      return builder.address(address, rows * floats.perRow * size);
    Value count = math::CtPopOp::create(builder, bits);
    return builder.address(address, arith::MulIOp::create(builder, count, number(size)));
  }

  KernelBuilder &builder;
  MaskedFloats floats;
  Type element;
  int64_t size; // bytes of a stored float
  Type wholes;  // a stored float as an integer
};

} // namespace

Value stc::cpu::expandFloats(KernelBuilder &builder, const MaskedFloats &floats) {
  return FloatExpander(builder, floats).lower();
}
