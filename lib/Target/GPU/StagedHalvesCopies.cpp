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
  findSectionCopies(
      state.copies, {firstSlot, state.division.atOnce, offset, bytes, place, tileBytes()},
      state.share.number, state.division.sliceWarps() * builder.getTarget().warpThreads, placeOf);
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
