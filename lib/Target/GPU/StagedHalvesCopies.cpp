// What products of 16-bit floats by tensor cores multiply comes to shared memory, portion by
// portion.
#include "StagedHalves.h"

#include "HalfProducts.h"
#include "WarpgroupProducts.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// Bytes that are copied by one instruction, and those of a portion of a token.
constexpr int64_t kCopyBytes = 16, kTokenChunks = kPortionBytes16 / kCopyBytes;

/// Copies of a portion of each slot's tile. Of four columns, whose 128 bytes are those of all
/// banks, and the next four the halves of rows change places.
void StagedHalves::findTileCopies(State &state, Value firstSlot) {
  Words words(builder);
  constexpr int64_t bankBytes = 128;
  copySection(state, firstSlot, geometry.valuesOffset, tileBytes(), 0, [&](Value offset) {
    Value isOdd = words.rem(words.div(offset, bankBytes), 2);
    return words.flip(offset, words.mul(isOdd, kCopyBytes));
  });
}

void StagedHalves::copySection(State &state, Value firstSlot, int64_t offset, int64_t bytes,
                               int64_t place, function_ref<Value(Value)> placeOf) {
  Words words(builder);
  int64_t threads = state.division.sliceWarps() * builder.getTarget().warpThreads;
  int64_t perTile = bytes / kCopyBytes, count = state.division.atOnce * perTile;
  Value thread = state.share.number;
  auto fromOf = [&](Value tile, Value inTile) -> Value {
    Value slot = builder.add(firstSlot, builder.toIndex(tile));
    return builder.address(builder.address(tileAddress(tileOf(slot)), offset), inTile);
  };
  auto toOf = [&](Value tile, Value inTile) {
    return words.add(words.mul(tile, tileBytes()), placeOf(inTile));
  };
  // A thread's copies are as far from each other as its first one allows: what differs is known.
  bool isInOne = perTile % threads == 0, isInSome = threads % perTile == 0;
  if ((isInOne || isInSome) && (count % threads == 0 || count < threads)) {
    Value tile = isInOne ? words.number(0) : words.div(thread, perTile);
    Value inTile = words.mul(isInOne ? thread : words.rem(thread, perTile), kCopyBytes), from;
    Value to = toOf(tile, inTile);
    Value exists = count < threads ? words.isBelow(thread, count) : Value();
    for (int64_t first = 0; first < count; first += threads) {
      int64_t skipped = first / perTile, rest = first % perTile * kCopyBytes;
      if (first == 0 || (rest == 0 && !tilesFollow()))
        from = fromOf(words.add(tile, skipped), inTile);
      int64_t more = rest + (tilesFollow() ? skipped * geometry.tileBytes : 0);
      state.copies.push_back(
          {from, more, to, place + skipped * tileBytes() + rest, kCopyBytes, bytes, exists});
    }
    return;
  }
  for (int64_t first = 0; first < count; first += threads) {
    Value number = words.add(thread, first);
    Value exists = count - first < threads ? words.isBelow(number, count) : Value();
    if (exists)
      number = arith::MinUIOp::create(builder, number, builder.int32(count - 1));
    Value tile = words.div(number, perTile);
    Value inTile = words.mul(words.rem(number, perTile), kCopyBytes);
    state.copies.push_back(
        {fromOf(tile, inTile), 0, toOf(tile, inTile), place, kCopyBytes, bytes, exists});
  }
}

/// Copies of a portion of each token. What tokens that are not there would have stays unknown.
void StagedHalves::findTokenCopies(State &state) {
  Words words(builder);
  const Division &division = state.division;
  int64_t threads = division.sliceWarps() * builder.getTarget().warpThreads;
  int64_t tokensAtOnce = threads / kTokenChunks;
  Value token = words.div(state.share.number, kTokenChunks);
  Value chunk = words.rem(state.share.number, kTokenChunks);
  Value matrix = narrowInput();
  int64_t rowBytes = BlockBuilder::rowBytes(cast<MemRefType>(matrix.getType()));
  Value from = builder.rowAddress(matrix, state.block.first);
  from = builder.address(from, builder.mul(builder.toIndex(token), rowBytes));
  from = builder.global(builder.address(from, words.mul(chunk, kCopyBytes)));
  // Where tokens at once are fewer than the eight that chunks are exchanged by, there are two ways.
  auto placeOf = [&](Value token) {
    return division.usesWarpgroups ? warpgroupPlace(builder, token, chunk)
                                   : placeOfChunk(token, chunk);
  };
  Value places[2] = {placeOf(token), Value()};
  places[1] = places[0];
  if (tokensAtOnce % kMatrixRows != 0) {
    Value next = placeOf(words.add(token, tokensAtOnce));
    places[1] = arith::SubIOp::create(builder, next, builder.int32(tokensAtOnce * kPortionBytes16));
  }
  int64_t partBytes = rowBytes / terms;
  for (int64_t part = 0; part < terms; ++part)
    for (int64_t first = 0; first < division.tokens; first += tokensAtOnce) {
      Value exists;
      if (state.block.present)
        exists = words.isBelow(words.add(token, first), state.block.present);
      else if (division.tokens - first < tokensAtOnce)
        exists = words.isBelow(token, division.tokens - first);
      Value to = places[first / tokensAtOnce % 2];
      int64_t toMore =
          weightBytes(division) + part * tokenBytes(division) + first * kPortionBytes16;
      state.copies.push_back({from, part * partBytes + first * rowBytes, to, toMore, kCopyBytes,
                              kPortionBytes16, exists});
    }
}

Value StagedHalves::placeOfChunk(Value token, Value chunk) {
  return warpgroupPlace(builder, token, chunk);
}

/// Waits for the portion that is next, and until no thread of the slice reads the one before any
/// more.
void StagedHalves::await(State &state) {
  NVVM::CpAsyncWaitGroupOp::create(builder, state.division.buffers - 2);
  if (state.division.usesWarpgroups)
    fenceCopies(builder);
  waitForSlice(state);
}

void StagedHalves::waitForSlice(State &state) {
  if (state.division.sliceWarps() == 1) {
    NVVM::SyncWarpOp::create(builder, builder.int32(-1));
    return;
  }
  int64_t threads = state.division.sliceWarps() * builder.getTarget().warpThreads;
  // Barrier 0 is the block's.
  Value number = Words(builder).add(state.share.slice, 1);
  NVVM::BarrierOp::create(builder, TypeRange(), number, builder.int32(threads),
                          NVVM::BarrierReductionAttr(), Value());
}
