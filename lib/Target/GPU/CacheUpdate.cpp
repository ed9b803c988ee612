// stc.cache_update: rounds keys and values and puts them where KVCacheLayout says.
#include "CacheUpdate.h"
#include "BlockLowerings.h"

#include "stc/Target/Kernels/Float8.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Writes the keys and values of one token after the other.
class CacheWriter {
public:
  CacheWriter(CacheUpdateOp op, const TargetDescription &target)
      : op(op), builder(op, target),
        layout(cast<KVCacheType>(op.getCache().getType()).getLayout()) {}
  void emit();

private:
  void writeFloats(Value token);
  void storeFloat(Value x, Value address);
  void writeCodes(Value token);
  /// Quantizes a head's numbers, zeros behind them; each lane has every warpThreads-th four.
  QuantizedLanes quantizeHead(Value matrix, Value token, Value head);
  /// Calls `body` with each four of the lane below `count`: its number and its codes.
  void forEachFour(const QuantizedLanes &quantized, int64_t count,
                   function_ref<void(Value four, ValueRange codes)> body);
  void storeScale(Value scale, Value block, int64_t scales);
  /// Where the block in work of a head begins.
  Value blockOf(Value pointer, Value head, int64_t blockBytes) {
    Value number = builder.add(builder.times(head, layout.blocks()), block);
    return builder.address(pointer, builder.times(number, blockBytes));
  }

  CacheUpdateOp op;
  RowBuilder builder;
  KVCacheLayout layout;
  Value keys, values;
  Value block, inBlock, tile, inTile; // of the position in work
};

} // namespace

void CacheWriter::emit() {
  std::tie(keys, values) = builder.cachePointers(op.getCache(), op.getLayer());
  keys = builder.global(keys);
  values = builder.global(values);
  forEachToken(builder, op.getKeys(), [&](Value token) {
    Value position = builder.add(op.getPosition(), token);
    block = builder.quotient(position, kKVBlock);
    inBlock = builder.remainder(position, kKVBlock);
    tile = builder.quotient(inBlock, kKVTile);
    inTile = builder.remainder(inBlock, kKVTile);
    if (layout.element == KVElement::Int8)
      writeCodes(token);
    else
      writeFloats(token);
  });
  builder.barrier();
}

//===----------------------------------------------------------------------===//
// Floats: each thread takes single numbers
//===----------------------------------------------------------------------===//

Value stc::gpu::toStoredFloat(RowBuilder &builder, KVElement element, Value x) {
  if (element == KVElement::Float8)
    return toFloat8Bits(builder, x);
  if (element != KVElement::F16)
    return x;
  Type f32 = builder.getF32Type();
  x = builder.maximum(x, builder.constant(f32, -65504.0));
  x = builder.minimum(x, builder.constant(f32, 65504.0));
  return arith::TruncFOp::create(builder, builder.getF16Type(), x);
}

void CacheWriter::storeFloat(Value x, Value address) {
  builder.storeAligned(toStoredFloat(builder, layout.element, x), address,
                       unsigned(layout.elementBytes()));
}

void CacheWriter::writeFloats(Value token) {
  int64_t bytes = layout.elementBytes();
  int64_t headDim = layout.headDim, padded = layout.paddedDim();
  builder.forThreads(layout.kvHeads * headDim, [&](Value number) {
    Value head = builder.quotient(number, headDim), d = builder.remainder(number, headDim);
    Value address = blockOf(keys, head, layout.keyBlockBytes());
    address = builder.address(address, builder.times(tile, layout.keyTileBytes()));
    Value place = builder.add(builder.times(d, kKVTile), inTile);
    storeFloat(builder.loadElement(op.getKeys(), {token, number}),
               builder.address(address, builder.times(place, bytes)));
  });
  builder.forThreads(layout.kvHeads * padded, [&](Value number) {
    Value head = builder.quotient(number, padded), d = builder.remainder(number, padded);
    // Zeros behind the head.
    Value column = builder.add(builder.times(head, headDim), builder.smaller(d, headDim - 1));
    Value x = builder.loadElement(op.getValues(), {token, column});
    if (padded != headDim)
      x = builder.choose(builder.isBelow(d, headDim), x,
                         builder.constant(builder.getF32Type(), 0.0));
    Value address = blockOf(values, head, layout.valueBlockBytes());
    Value place = builder.add(builder.times(inBlock, padded), d);
    storeFloat(x, builder.address(address, builder.times(place, bytes)));
  });
}

//===----------------------------------------------------------------------===//
// Codes: each warp takes the key or the value of a head
//===----------------------------------------------------------------------===//

QuantizedLanes CacheWriter::quantizeHead(Value matrix, Value token, Value head) {
  int64_t lanes = builder.getTarget().warpThreads;
  Value begin = builder.times(head, layout.headDim);
  Value first = builder.times(builder.toIndex(builder.lane()), kFour);
  Values inputs;
  for (int64_t d = 0; d < layout.paddedDim(); d += lanes * kFour)
    inputs.append(builder.loadFour(matrix, token, begin, builder.plus(first, d), layout.headDim,
                                   d + lanes * kFour <= layout.headDim));
  return builder.quantize(inputs, lanes - 1);
}

void CacheWriter::forEachFour(const QuantizedLanes &quantized, int64_t count,
                              function_ref<void(Value, ValueRange)> body) {
  int64_t lanes = builder.getTarget().warpThreads;
  Value lane = builder.toIndex(builder.lane());
  for (int64_t first = 0; first < count; first += lanes) {
    Value four = builder.plus(lane, first);
    builder.guard(
        first + lanes > count, [&] { return builder.isBelow(four, count); },
        [&] { body(four, ArrayRef(quantized.codes).slice(first / lanes * kFour, kFour)); });
  }
}

void CacheWriter::storeScale(Value scale, Value block, int64_t scales) {
  builder.ifThen(builder.isBelow(builder.lane(), 1), [&] {
    Value address = builder.address(block, builder.times(inBlock, sizeof(float)));
    builder.storeAligned(scale, builder.address(address, scales), sizeof(float));
  });
}

void CacheWriter::writeCodes(Value token) {
  builder.forWarps(layout.kvHeads, builder.warps(), [&](Value head) {
    QuantizedLanes quantized = quantizeHead(op.getKeys(), token, head);
    Value block = blockOf(keys, head, layout.keyBlockBytes());
    Value start = builder.address(block, builder.times(tile, layout.keyTileBytes()));
    start = builder.address(start, builder.times(inTile, kFour));
    // Four elements lie together; codes are stored plus 128, modulo 256.
    forEachFour(quantized, llvm::divideCeil(layout.headDim, kFour),
                [&](Value four, ValueRange codes) {
                  Value word = builder.packBytes(codes);
                  word = arith::XOrIOp::create(builder, word, builder.int32(int32_t(0x80808080)));
                  builder.storeAligned(
                      word, builder.address(start, builder.times(four, kFour * kKVTile)), kFour);
                });
    storeScale(quantized.scale, block, layout.keyScalesInBlock());
  });
  // Other warps than those of the keys begin.
  builder.forWarps(
      layout.kvHeads, builder.warps(),
      [&](Value head) {
        QuantizedLanes quantized = quantizeHead(op.getValues(), token, head);
        Value block = blockOf(values, head, layout.valueBlockBytes());
        // Four positions of each element lie together.
        Value group = builder.quotient(inBlock, kFour);
        Value start = builder.address(block, builder.times(group, kFour * layout.paddedDim()));
        start = builder.address(start, builder.remainder(inBlock, kFour));
        forEachFour(quantized, layout.paddedDim() / kFour, [&](Value four, ValueRange codes) {
          Value address = builder.address(start, builder.times(four, kFour * kFour));
          for (auto [i, code] : llvm::enumerate(codes))
            builder.storeAligned(arith::TruncIOp::create(builder, builder.getI8Type(), code),
                                 builder.address(address, i * kFour), 1);
        });
        storeScale(quantized.scale, block, layout.valueScalesInBlock());
      },
      layout.kvHeads);
}

void stc::gpu::emitCacheUpdate(CacheUpdateOp op, const TargetDescription &target) {
  CacheWriter(op, target).emit();
}
