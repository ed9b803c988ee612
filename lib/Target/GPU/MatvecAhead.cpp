// A weight matrix times one token: what has to be known of tiles before they are loaded.
#include "MatvecEmitter.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

Value MatvecEmitter::factAddress(Value slot, Fact fact) {
  Value offset = arith::MulIOp::create(builder, slot, builder.int32(kFactBytes));
  return builder.address(builder.address(facts, offset),
                         static_cast<int64_t>(fact * sizeof(uint32_t)));
}

void MatvecEmitter::storeFacts(function_ref<Value(Value)> iterationOf) {
  for (auto [s, stream] : llvm::enumerate(streams)) {
    if (!stream.reader->hasTable())
      continue;
    builder.forThreads(atOnce + kPrefetchedAhead, [&, s = s, &stream = stream](Value number) {
      packed::MatmulTileOp op = stream.op;
      Value tile = tileOf(stream, iterationOf(number)), slot = slotOf(number, s);
      Value start = stream.reader->tileStart(builder, op.getWeight(), tile);
      Value end = stream.reader->tileStart(builder, op.getWeight(), builder.add(tile, 1));
      builder.storeAligned(start, factAddress(slot, kStart), 4);
      builder.storeAligned(end, factAddress(slot, kEnd), 4);
      if (!stream.reader->variesUnits())
        return;
      tile = stream.reader->tileAddress(builder, op.getWeight(), tile, start);
      builder.storeAligned(stream.reader->storedSteps(builder, tile), factAddress(slot, kStored),
                           4);
    });
  }
  builder.barrier();
}

void MatvecEmitter::prefetchTile(const Stream &stream, Value iteration, Value slot) {
  Value isFirst =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, builder.thread(), builder.int32(0));
  builder.ifThen(isFirst, [&] {
    Value size = arith::SubIOp::create(builder, factOf(slot, kEnd), factOf(slot, kStart));
    size = arith::MulIOp::create(builder, size, builder.int32(kSectionAlignment));
    builder.prefetchBulk(tileAddress(stream, iteration, slot), size);
  });
}

int64_t MatvecEmitter::countBytes() const {
  int64_t units = 0;
  for (const Stream &stream : streams)
    if (stream.reader->isOrdered())
      units = std::max(units, stream.chunks * stream.atOnce * builder.warps());
  return units * static_cast<int64_t>(sizeof(uint32_t));
}

/// Where the bytes of a unit are counted: behind the sums, for the last few tiles.
Value MatvecEmitter::countAddress(Value slot, Value unit) {
  Value place = arith::AndIOp::create(builder, slot, builder.int32(kCountedTiles - 1));
  place = arith::MulIOp::create(builder, place, builder.int32(countBytes()));
  Value offset = arith::MulIOp::create(builder, unit, builder.int32(sizeof(uint32_t)));
  return builder.address(counts, arith::AddIOp::create(builder, place, offset).getResult());
}

/// Adds up what lies before a unit, the lanes of a warp together.
UnitPlace MatvecEmitter::placeOf(const Stream &stream, Value slot, Value unit) {
  Value zero = builder.int32(0), before = zero;
  for (int64_t first = 0; first < stream.reader->units(); first += kWarpLanes) {
    Value other = arith::AddIOp::create(builder, lane, builder.int32(first));
    Value isBefore = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, other, unit);
    other = arith::SelectOp::create(builder, isBefore, other, zero);
    Value size = builder.loadAligned(builder.getI32Type(), countAddress(slot, other), 4);
    size = arith::SelectOp::create(builder, isBefore, size, zero);
    before = arith::AddIOp::create(builder, before, size);
  }
  return {builder.reduceLanes(Reduction::Sum, before, builder.getTarget().warpThreads - 1),
          builder.loadAligned(builder.getI32Type(), countAddress(slot, unit), 4), Value()};
}

/// What a warp counts of a tile.
Values MatvecEmitter::loadCounted(const Stream &stream, Value tile) {
  Values counted;
  for (int64_t i = 0; i < stream.chunks * stream.atOnce; ++i)
    llvm::append_range(counted, stream.reader->loadCounted(
                                    builder, tile, unitOf(stream, builder.int32(0), i), lane));
  return counted;
}

void MatvecEmitter::storeCounts(const Stream &stream, Value slot, Values counted) {
  int64_t units = stream.chunks * stream.atOnce;
  size_t each = counted.size() / units;
  Value isWriter = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, lane, builder.int32(0));
  for (int64_t i = 0; i < units; ++i) {
    Value unit = unitOf(stream, builder.int32(0), i);
    Value bytes =
        stream.reader->countBytes(builder, ValueRange(counted).slice(i * each, each), unit, lane);
    bytes = builder.reduceLanes(Reduction::Sum, bytes, builder.getTarget().warpThreads - 1);
    builder.ifThen(
        isWriter, [&] { builder.storeAligned(bytes, countAddress(slot, unit), sizeof(uint32_t)); });
  }
}
