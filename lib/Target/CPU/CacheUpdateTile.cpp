// stc.cache_update: rounds keys and values and puts them where KVCacheLayout says.
#include "TileLowerings.h"

#include "stc/Target/Kernels/Float8.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

/// Writes the keys and values of one token and key/value head.
class CacheWriter {
public:
  CacheWriter(CacheUpdateOp op, const TargetDescription &target)
      : op(op), builder(op, target),
        layout(cast<KVCacheType>(op.getCache().getType()).getLayout()) {}
  void emit();

private:
  static constexpr int64_t kFloat = sizeof(float);

  Values load(Value matrix, Value token, Value head);
  void writeFloats(const Values &keyVectors, const Values &valueVectors);
  void writeCodes(const Values &keyVectors, const Values &valueVectors);
  /// Stores each lane of `vector`, `stride` bytes apart; lanes from `count` on do not exist.
  void scatter(Value vector, Value address, int64_t stride, int64_t count = kLanes);
  /// The bits that are stored of a vector of floats.
  Value stored(Value vector) {
    if (layout.element == KVElement::Float8)
      return toFloat8Bits(builder, vector);
    return layout.element == KVElement::F16 ? builder.toF16Bits(vector) : vector;
  }

  CacheUpdateOp op;
  KernelBuilder builder;
  KVCacheLayout layout;
  Value keyBlock, keyTile, valueBlock; // of the position and head in work
  Value lane, inBlock;                 // the position within its key tile and block
};

} // namespace

void CacheWriter::emit() {
  auto [keyPointer, valuePointer] = builder.cachePointers(op.getCache(), op.getLayer());
  Value keys = keyPointer, values = valuePointer;
  forEachToken(builder, op.getKeys(), [&](Value token) {
    Value position = builder.add(op.getPosition(), token);
    Value block = arith::DivUIOp::create(builder, position, builder.index(kKVBlock));
    inBlock = arith::RemUIOp::create(builder, position, builder.index(kKVBlock));
    lane = arith::RemUIOp::create(builder, inBlock, builder.index(kKVTile));
    Value tile = arith::DivUIOp::create(builder, inBlock, builder.index(kKVTile));
    builder.loop(builder.index(0), builder.index(layout.kvHeads), 1, [&](Value head) {
      Value number = builder.add(builder.mul(head, layout.blocks()), block);
      keyBlock = builder.address(keys, builder.mul(number, layout.keyBlockBytes()));
      keyTile = builder.address(keyBlock, builder.mul(tile, layout.keyTileBytes()));
      valueBlock = builder.address(values, builder.mul(number, layout.valueBlockBytes()));
      Values keyVectors = load(op.getKeys(), token, head);
      Values valueVectors = load(op.getValues(), token, head);
      if (layout.element == KVElement::Int8)
        writeCodes(keyVectors, valueVectors);
      else
        writeFloats(keyVectors, valueVectors);
    });
  });
}

/// The numbers of a head, zeros behind them.
Values CacheWriter::load(Value matrix, Value token, Value head) {
  Value column = builder.mul(head, layout.headDim);
  Values vectors;
  for (int64_t d = 0; d < layout.headDim; d += kLanes) {
    int64_t left = layout.headDim - d;
    Value mask = left < kLanes ? builder.firstLanes(left) : Value();
    vectors.push_back(
        builder.loadVector(builder.floats(), matrix, {token, builder.add(column, d)}, mask));
  }
  return vectors;
}

void CacheWriter::scatter(Value vector, Value address, int64_t stride, int64_t count) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  for (int64_t i = 0; i < std::min(lanes, count); ++i)
    builder.store(vector::ExtractOp::create(builder, vector, i),
                  builder.address(address, i * stride));
}

void CacheWriter::writeFloats(const Values &keyVectors, const Values &valueVectors) {
  int64_t bytes = layout.elementBytes();
  Value key = builder.address(keyTile, builder.mul(lane, bytes));
  Value value = builder.address(valueBlock, builder.mul(inBlock, layout.paddedDim() * bytes));
  for (auto [v, vector] : llvm::enumerate(keyVectors))
    scatter(stored(vector), builder.address(key, v * kLanes * kLanes * bytes), kLanes * bytes,
            layout.headDim - v * kLanes);
  for (auto [v, vector] : llvm::enumerate(valueVectors))
    builder.store(stored(vector), builder.address(value, v * kLanes * bytes));
}

void CacheWriter::writeCodes(const Values &keyVectors, const Values &valueVectors) {
  VectorType bytes = builder.bytes(kLanes);
  QuantizedVectors quantized = quantizeVectors(builder, keyVectors);
  Value key = builder.address(keyTile, builder.mul(lane, 4));
  for (auto [v, vector] : llvm::enumerate(quantized.codes)) {
    Value offset = builder.constant(builder.ints(), int64_t(128));
    Value codes =
        arith::TruncIOp::create(builder, bytes, arith::AddIOp::create(builder, vector, offset));
    // Four elements lie together.
    codes = vector::BitCastOp::create(builder, builder.ints(kLanes / 4), codes);
    scatter(codes, builder.address(key, v * kLanes * kLanes), 4 * kLanes,
            llvm::divideCeil(layout.headDim - v * kLanes, 4));
  }
  Value scaleOffset = builder.mul(inBlock, kFloat);
  builder.store(quantized.scale,
                builder.address(builder.address(keyBlock, scaleOffset), layout.keyScalesInBlock()));

  quantized = quantizeVectors(builder, valueVectors);
  Value group = arith::DivUIOp::create(builder, inBlock, builder.index(4));
  Value place = arith::RemUIOp::create(builder, inBlock, builder.index(4));
  Value value = builder.address(valueBlock, builder.mul(group, 4 * layout.paddedDim()));
  value = builder.address(value, place);
  for (auto [v, vector] : llvm::enumerate(quantized.codes))
    scatter(arith::TruncIOp::create(builder, bytes, vector), builder.address(value, v * kLanes * 4),
            4);
  builder.store(quantized.scale, builder.address(builder.address(valueBlock, scaleOffset),
                                                 layout.valueScalesInBlock()));
}

void stc::cpu::emitCacheUpdate(CacheUpdateOp op, const TargetDescription &target) {
  CacheWriter(op, target).emit();
}
