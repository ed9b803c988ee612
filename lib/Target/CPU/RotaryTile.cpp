// packed.rotary: rotates pairs of every head by the token's angles.
#include "TileLowerings.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

std::pair<Value, Value> stc::cpu::rotatePairs(KernelBuilder &builder, Value a, Value b, Value cos,
                                              Value sin) {
  auto multiply = [&](Value x, Value y) -> Value { return arith::MulFOp::create(builder, x, y); };
  return {arith::SubFOp::create(builder, multiply(a, cos), multiply(b, sin)),
          arith::AddFOp::create(builder, multiply(a, sin), multiply(b, cos))};
}

/// Pairs [pair, pair + 16) of the head that starts at column `head`, or those the mask keeps.
static void rotateHalves(packed::RotaryOp op, KernelBuilder &builder, Value token, Value head,
                         Value pair, int64_t pairs, Value mask) {
  VectorType type = builder.floats();
  Value columnA = builder.add(head, pair), columnB = builder.add(columnA, pairs);
  Value a = builder.loadVector(type, op.getInput(), {token, columnA}, mask);
  Value b = builder.loadVector(type, op.getInput(), {token, columnB}, mask);
  Value cos = builder.loadVector(type, op.getCos(), {token, pair}, mask);
  Value sin = builder.loadVector(type, op.getSin(), {token, pair}, mask);
  auto [first, second] = rotatePairs(builder, a, b, cos, sin);
  builder.storeVector(first, op.getOut(), {token, columnA}, mask);
  builder.storeVector(second, op.getOut(), {token, columnB}, mask);
}

/// The same for 16 pairs of neighbours.
static void rotateNeighbours(packed::RotaryOp op, KernelBuilder &builder, Value token, Value head,
                             Value pair) {
  VectorType type = builder.floats(), wide = builder.floats(2 * kLanes);
  Value column = builder.add(head, builder.mul(pair, 2));
  Value x = builder.loadVector(wide, op.getInput(), {token, column});
  auto halves = vector::DeinterleaveOp::create(builder, x);
  Value cos = builder.loadVector(type, op.getCos(), {token, pair});
  Value sin = builder.loadVector(type, op.getSin(), {token, pair});
  auto [first, second] = rotatePairs(builder, halves.getRes1(), halves.getRes2(), cos, sin);
  builder.storeVector(vector::InterleaveOp::create(builder, first, second), op.getOut(),
                      {token, column});
}

static void rotateOneNeighbour(packed::RotaryOp op, KernelBuilder &builder, Value token, Value head,
                               Value pair) {
  Value columnA = builder.add(head, builder.mul(pair, 2)), columnB = builder.add(columnA, 1);
  auto [first, second] = rotatePairs(builder, builder.loadElement(op.getInput(), {token, columnA}),
                                     builder.loadElement(op.getInput(), {token, columnB}),
                                     builder.loadElement(op.getCos(), {token, pair}),
                                     builder.loadElement(op.getSin(), {token, pair}));
  memref::StoreOp::create(builder, first, op.getOut(), ValueRange{token, columnA});
  memref::StoreOp::create(builder, second, op.getOut(), ValueRange{token, columnB});
}

/// Copies what follows the rotated columns of a head, unless it is there already.
static void copyRest(packed::RotaryOp op, KernelBuilder &builder, Value token, Value head,
                     int64_t begin, int64_t end) {
  if (op.getInput() == op.getOut())
    return;
  for (int64_t column = begin; column < end; column += kLanes) {
    Value mask = end - column < kLanes ? builder.firstLanes(end - column) : Value();
    Value place = builder.add(head, column);
    Value x = builder.loadVector(builder.floats(), op.getInput(), {token, place}, mask);
    builder.storeVector(x, op.getOut(), {token, place}, mask);
  }
}

void stc::cpu::emitRotary(packed::RotaryOp op, const TargetDescription &target) {
  KernelBuilder builder(op, target);
  int64_t pairs = cast<MemRefType>(op.getCos().getType()).getDimSize(1);
  int64_t columns = cast<MemRefType>(op.getInput().getType()).getDimSize(1);
  int64_t headDim = op.getHeadColumns();
  int64_t whole = pairs / kLanes * kLanes;
  Value zero = builder.index(0);
  auto rotateHead = [&](Value token, Value head) {
    bool interleaved = op.getInterleaved();
    copyRest(op, builder, token, head, 2 * pairs, headDim);
    if (whole > 0)
      builder.loop(zero, builder.index(whole), kLanes, [&](Value pair) {
        if (interleaved)
          rotateNeighbours(op, builder, token, head, pair);
        else
          rotateHalves(op, builder, token, head, pair, pairs, {});
      });
    if (whole == pairs)
      return;
    if (interleaved)
      builder.loop(builder.index(whole), builder.index(pairs), 1,
                   [&](Value pair) { rotateOneNeighbour(op, builder, token, head, pair); });
    else
      rotateHalves(op, builder, token, head, builder.index(whole), pairs,
                   builder.firstLanes(pairs - whole));
  };
  forEachToken(builder, op.getInput(), [&](Value token) {
    if (columns == headDim)
      return rotateHead(token, zero);
    builder.loop(zero, builder.index(columns), headDim,
                 [&](Value head) { rotateHead(token, head); });
  });
}
