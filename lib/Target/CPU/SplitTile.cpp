// packed.split_activations: two bf16 numbers for each activation, exactly as Packing's
// splitActivation.
#include "TileLowerings.h"

#include "stc/Packing/Pack.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

class SplitEmitter {
public:
  SplitEmitter(packed::SplitActivationsOp op, const TargetDescription &target)
      : op(op), builder(op, target),
        columns(cast<MemRefType>(op.getInput().getType()).getDimSize(1)),
        half(splitHalfColumns(columns)) {}
  void emit();

private:
  /// Splits the 16 columns from `column` on, of which `present` exist.
  void emitColumns(Value token, Value column, int64_t present);
  /// The bf16 bits, as i32, of f32 bits, to nearest even.
  Value round(Value bits);
  Value bitsOf(int64_t value) { return builder.constant(builder.ints(), value); }
  /// Stores bits of bf16 in an i32 vector.
  void store(Value bits, Value token, Value column);

  packed::SplitActivationsOp op;
  KernelBuilder builder;
  int64_t columns, half;
};

} // namespace

void SplitEmitter::emit() {
  int64_t whole = columns / kLanes * kLanes;
  forEachToken(builder, op.getInput(), [&](Value token) {
    if (whole > 0)
      builder.loop(builder.index(0), builder.index(whole), kLanes,
                   [&](Value column) { emitColumns(token, column, kLanes); });
    for (int64_t column = whole; column < half; column += kLanes)
      emitColumns(token, builder.index(column), columns - column);
  });
}

void SplitEmitter::emitColumns(Value token, Value column, int64_t present) {
  Value lowColumn = builder.add(column, half);
  if (present <= 0) {
    store(bitsOf(0), token, column);
    return store(bitsOf(0), token, lowColumn);
  }
  Value mask = present < kLanes ? builder.firstLanes(present) : Value();
  Value x = builder.loadVector(builder.floats(), op.getInput(), {token, column}, mask);
  Value bits = arith::BitcastOp::create(builder, builder.ints(), x);
  Value magnitude = arith::AndIOp::create(builder, bits, bitsOf(0x7FFFFFFF));
  auto isBelow = [&](int64_t bound) {
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, magnitude, bitsOf(bound));
  };
  // What would round to infinity is cut off, and so are infinity itself and what is not a number.
  Value cut = arith::ShRUIOp::create(builder, bits, bitsOf(16));
  Value high = arith::SelectOp::create(builder, isBelow(0x7F7F8000), round(bits), cut);
  Value value = arith::ShLIOp::create(builder, high, bitsOf(16));
  value = arith::BitcastOp::create(builder, builder.floats(), value);
  Value rest = arith::SubFOp::create(builder, x, value);
  Value low = round(arith::BitcastOp::create(builder, builder.ints(), rest));
  low = arith::SelectOp::create(builder, isBelow(0x7F800000), low, bitsOf(0));
  store(high, token, column);
  store(low, token, lowColumn);
}

Value SplitEmitter::round(Value bits) {
  Value odd = arith::ShRUIOp::create(builder, bits, bitsOf(16));
  odd = arith::AndIOp::create(builder, odd, bitsOf(1));
  Value sum = arith::AddIOp::create(builder, bits, bitsOf(0x7FFF));
  sum = arith::AddIOp::create(builder, sum, odd);
  return arith::ShRUIOp::create(builder, sum, bitsOf(16));
}

void SplitEmitter::store(Value bits, Value token, Value column) {
  auto narrow = VectorType::get(kLanes, builder.getI16Type());
  Value values = arith::TruncIOp::create(builder, narrow, bits);
  values =
      arith::BitcastOp::create(builder, VectorType::get(kLanes, builder.getBF16Type()), values);
  builder.storeVector(values, op.getOut(), {token, column});
}

void stc::cpu::emitSplitActivations(packed::SplitActivationsOp op,
                                    const TargetDescription &target) {
  SplitEmitter(op, target).emit();
}
