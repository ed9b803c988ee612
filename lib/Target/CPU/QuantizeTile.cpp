// packed.quantize_activations: codes, scales and sums, exactly as Packing's quantizeActivations.
#include "TileLowerings.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

class QuantizeEmitter {
public:
  QuantizeEmitter(packed::QuantizeActivationsOp op, const TargetDescription &target)
      : op(op), builder(op, target), group(op.getGroup()), columns(op.getColumns()) {}
  void emit();

private:
  /// Lanes of the input's columns from `column` on, or of those that the order names there.
  Value loadColumns(Value token, Value column, Value mask);
  /// Quantizes the group with number `number`, of whose columns `present` exist.
  void emitGroup(Value token, Value number, int64_t present);

  packed::QuantizeActivationsOp op;
  KernelBuilder builder;
  int64_t group, columns;
};

} // namespace

void QuantizeEmitter::emit() {
  int64_t whole = columns / group;
  forEachToken(builder, op.getInput(), [&](Value token) {
    if (whole > 0)
      builder.loop(builder.index(0), builder.index(whole), 1,
                   [&](Value number) { emitGroup(token, number, group); });
    if (columns % group != 0)
      emitGroup(token, builder.index(whole), columns % group);
  });
}

Value QuantizeEmitter::loadColumns(Value token, Value column, Value mask) {
  if (!op.getOrder())
    return builder.loadVector(builder.floats(), op.getInput(), {token, column}, mask);
  // Lanes that a mask leaves out read column 0 of the order, and nothing of the input.
  Value order = builder.loadVector(builder.floats(), op.getOrder(), column, mask);
  Value places = arith::FPToSIOp::create(builder, builder.ints(), order);
  if (!mask)
    mask = builder.firstLanes(kLanes);
  return vector::GatherOp::create(builder, builder.floats(), op.getInput(),
                                  ValueRange{token, builder.index(0)}, places, mask,
                                  builder.constant(builder.floats(), 0.0));
}

void QuantizeEmitter::emitGroup(Value token, Value number, int64_t present) {
  Value first = builder.mul(number, group);
  Values inputs;
  for (int64_t offset = 0; offset < present; offset += kLanes) {
    Value mask = present - offset < kLanes ? builder.firstLanes(present - offset) : Value();
    inputs.push_back(loadColumns(token, builder.add(first, offset), mask));
  }
  QuantizedVectors quantized = quantizeVectors(builder, inputs);
  Value total = builder.constant(builder.ints(), int64_t(0));
  for (int64_t offset = 0; offset < group; offset += kLanes) {
    Value codes = builder.constant(builder.bytes(kLanes), int64_t(0));
    if (offset < present) {
      Value integers = quantized.codes[offset / kLanes];
      total = arith::AddIOp::create(builder, total, integers);
      codes = arith::TruncIOp::create(builder, builder.bytes(kLanes), integers);
    }
    if (op.getOffset() != 0) // 128, modulo 256
      codes =
          arith::XOrIOp::create(builder, codes, builder.constant(codes.getType(), int64_t(-128)));
    builder.storeVector(codes, op.getCodes(), {token, builder.add(first, offset)});
  }
  Value sum = vector::ReductionOp::create(builder, vector::CombiningKind::ADD, total);
  sum = arith::MulIOp::create(builder, sum,
                              builder.constant(builder.getI32Type(), int64_t(op.getSumFactor())));
  memref::StoreOp::create(builder, quantized.scale, op.getScales(), ValueRange{token, number});
  memref::StoreOp::create(builder, sum, op.getSums(), ValueRange{token, number});
}

QuantizedVectors stc::cpu::quantizeVectors(KernelBuilder &builder, ValueRange inputs) {
  VectorType floats = builder.floats(), ints = builder.ints();
  Value largest;
  for (Value x : inputs) {
    // Magnitudes of floats are ordered as their bits are.
    Value bits = arith::BitcastOp::create(builder, ints, x);
    bits = arith::AndIOp::create(builder, bits, builder.constant(ints, int64_t(0x7FFFFFFF)));
    largest = largest ? arith::MaxUIOp::create(builder, largest, bits).getResult() : bits;
  }
  Type f32 = builder.getF32Type();
  Value bits = vector::ReductionOp::create(builder, vector::CombiningKind::MAXUI, largest);
  Value magnitude = arith::BitcastOp::create(builder, f32, bits);
  Value scale = arith::DivFOp::create(builder, magnitude, builder.constant(f32, 127.0));
  Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0), scale);
  // Infinite where all is zero, or too small for a scale: zeros, of padding too, must stay zeros.
  Value infinity = builder.constant(f32, std::numeric_limits<double>::infinity());
  Value isFinite = arith::CmpFOp::create(builder, arith::CmpFPredicate::OLT, inverse, infinity);
  inverse = arith::SelectOp::create(builder, isFinite, inverse, builder.constant(f32, 0.0));
  inverse = builder.broadcast(inverse);

  QuantizedVectors result{{}, scale};
  Value lowest = builder.constant(floats, -127.0), highest = builder.constant(floats, 127.0);
  for (Value x : inputs) {
    Value rounded = builder.roundToEven(arith::MulFOp::create(builder, x, inverse));
    // Only what no promise covers is outside; NaN becomes the lowest code.
    rounded = builder.minimum(builder.maximum(rounded, lowest), highest);
    result.codes.push_back(arith::FPToSIOp::create(builder, ints, rounded));
  }
  return result;
}

void stc::cpu::emitQuantizeActivations(packed::QuantizeActivationsOp op,
                                       const TargetDescription &target) {
  QuantizeEmitter(op, target).emit();
}
