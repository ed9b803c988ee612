// stc.cache_update: keys go to tiles of 16 positions, values to rows.
#include "TileLowerings.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

void stc::cpu::emitCacheUpdate(CacheUpdateOp op, const TargetDescription &target) {
  KernelBuilder builder(op, target);
  auto cache = cast<KVCacheType>(op.getCache().getType());
  int64_t heads = cache.getKvHeads(), headDim = cache.getHeadDim();
  auto [keys, values] = builder.cacheBuffers(op.getCache(), op.getLayer());
  // Structured bindings cannot be captured.
  Value keyBuffer = keys, valueBuffer = values;
  Value zero = builder.index(0), lanes = builder.index(kLanes);
  int64_t whole = headDim / kLanes * kLanes;
  forEachToken(builder, op.getKeys(), [&](Value token) {
    Value position = builder.add(op.getPosition(), token);
    Value tile = arith::DivUIOp::create(builder, position, lanes);
    Value lane = arith::RemUIOp::create(builder, position, lanes);
    builder.loop(zero, builder.index(heads), 1, [&](Value head) {
      Value column = builder.mul(head, headDim);
      builder.loop(zero, builder.index(headDim), 1, [&](Value element) {
        Value key = builder.loadElement(op.getKeys(), {token, builder.add(column, element)});
        memref::StoreOp::create(builder, key, keyBuffer, ValueRange{head, tile, element, lane});
      });
      auto copy = [&](Value element, Value mask) {
        Value value = builder.loadVector(builder.floats(), op.getValues(),
                                         {token, builder.add(column, element)}, mask);
        builder.storeVector(value, valueBuffer, {head, position, element}, mask);
      };
      if (whole > 0)
        builder.loop(zero, builder.index(whole), kLanes, [&](Value element) { copy(element, {}); });
      if (whole < headDim)
        copy(builder.index(whole), builder.firstLanes(headDim - whole));
    });
  });
}
