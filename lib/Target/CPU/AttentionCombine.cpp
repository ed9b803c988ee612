// packed.attention_combine: one query head's result from the pieces of its attention.
#include "TileLowerings.h"

#include "stc/Dialect/Packed/Transforms/VisibleKeys.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

void stc::cpu::emitAttentionCombine(packed::AttentionCombineOp op,
                                    const TargetDescription &target) {
  KernelBuilder builder(op, target);
  KVCacheLayout layout = cast<KVCacheType>(op.getCache().getType()).getLayout();
  int64_t vectors = layout.paddedDim() / kLanes;
  Type f32 = builder.getF32Type();
  Value zero = builder.index(0);
  auto line = [&](Value piece) {
    return builder.add(builder.mul(piece, op.getHeads()), op.getHead());
  };
  auto number = [&](Value piece, int64_t column) {
    return builder.loadElement(op.getPartials(),
                               {line(piece), builder.index(layout.paddedDim() + column)});
  };
  Value maximum = builder.loop(builder.index(1), op.getPieces(), 1, Values{number(zero, 0)},
                               [&](Value piece, ValueRange carried) {
                                 return Values{builder.maximum(number(piece, 0), carried[0])};
                               })[0];
  Values start(vectors, builder.constant(builder.floats(), 0.0));
  start.push_back(builder.constant(f32, 0.0));
  Values sums = builder.loop(zero, op.getPieces(), 1, start, [&](Value piece, ValueRange carried) {
    Values inner(carried);
    Value distance = arith::SubFOp::create(builder, number(piece, 0), maximum);
    Value weight = builder.expOfNegative(distance);
    inner[vectors] = builder.multiplyAdd(number(piece, 1), weight, inner[vectors]);
    Value factor = builder.broadcast(weight);
    for (int64_t v = 0; v < vectors; ++v) {
      Value values = builder.loadVector(builder.floats(), op.getPartials(),
                                        {line(piece), builder.index(v * kLanes)});
      inner[v] = builder.multiplyAdd(values, factor, inner[v]);
    }
    return inner;
  });
  Value sum = builder.maximum(sums[vectors], builder.constant(f32, packed::kSmallestSum));
  Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0), sum);
  inverse = builder.broadcast(inverse);
  Value column = builder.mul(op.getHead(), layout.headDim);
  for (int64_t v = 0; v < vectors; ++v) {
    int64_t left = layout.headDim - v * kLanes;
    Value mask = left < kLanes ? builder.firstLanes(left) : Value();
    builder.storeVector(arith::MulFOp::create(builder, sums[v], inverse), op.getOut(),
                        {zero, builder.add(column, v * kLanes)}, mask);
  }
}
