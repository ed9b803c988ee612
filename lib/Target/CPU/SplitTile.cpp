// packed.split_activations: one or two numbers of 16 bits for each activation, exactly as Packing's
// roundActivation and splitActivation.
#include "TileLowerings.h"

#include "stc/Packing/Pack.h"
#include "stc/Target/Kernels/NarrowFloats.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

class SplitEmitter {
public:
  SplitEmitter(packed::SplitActivationsOp op, const TargetDescription &target)
      : op(op), builder(op, target),
        columns(cast<MemRefType>(op.getInput().getType()).getDimSize(1)),
        half(splitHalfColumns(columns)),
        element(cast<MemRefType>(op.getOut().getType()).getElementType()),
        isSplit(cast<MemRefType>(op.getOut().getType()).getDimSize(1) > half) {}
  void emit();

private:
  /// Splits the 16 columns from `column` on, of which `present` exist.
  void emitColumns(Value token, Value column, int64_t present);
  Value bitsOf(int64_t value) { return builder.constant(builder.ints(), value); }
  /// Stores 16 bits of each number of an i32 vector.
  void store(Value bits, Value token, Value column);

  packed::SplitActivationsOp op;
  KernelBuilder builder;
  int64_t columns, half;
  Type element;
  bool isSplit; // into two numbers
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
  auto storeBoth = [&](Value high, Value low) {
    store(high, token, column);
    if (isSplit)
      store(low, token, builder.add(column, half));
  };
  if (present <= 0)
    return storeBoth(bitsOf(0), bitsOf(0));
  Value mask = present < kLanes ? builder.firstLanes(present) : Value();
  Value x = builder.loadVector(builder.floats(), op.getInput(), {token, column}, mask);
  if (element.isF16())
    return storeBoth(roundToHalf(builder, x), Value());
  auto [high, low] = splitFloat(builder, x);
  storeBoth(high, low);
}

void SplitEmitter::store(Value bits, Value token, Value column) {
  auto narrow = VectorType::get(kLanes, builder.getI16Type());
  Value values = arith::TruncIOp::create(builder, narrow, bits);
  values = arith::BitcastOp::create(builder, VectorType::get(kLanes, element), values);
  builder.storeVector(values, op.getOut(), {token, column});
}

void stc::cpu::emitSplitActivations(packed::SplitActivationsOp op,
                                    const TargetDescription &target) {
  SplitEmitter(op, target).emit();
}
