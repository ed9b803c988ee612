// What products by tensor cores multiply comes to shared memory, portion by portion.
#include "StagedMatmul.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// Copies of `bytes` of each portion of each slot's tile, which begin `offset` behind the tile.
void StagedMatmul::findTileCopies(State &state, SmallVectorImpl<PortionCopy> &copies,
                                  Value firstSlot, int64_t offset, int64_t bytes, int64_t place,
                                  bool areValues) {
  Words words(builder);
  int64_t threads = sliceThreads(state), perTile = bytes / kCopyBytes;
  int64_t count = state.division.atOnce * perTile;
  auto fromOf = [&](Value tile, Value inTile) -> Value {
    Value slot = builder.add(firstSlot, builder.toIndex(tile));
    return builder.address(builder.address(tileAddress(tileOf(slot)), offset), inTile);
  };
  auto toOf = [&](Value tile, Value inTile) -> Value {
    Value to = inTile;
    if (areValues)
      to = isPruned ? prunedPlace(state.division, inTile)
                    : state.readers.front().stagedPlace(inTile);
    return words.add(words.add(words.mul(tile, bytes), to), place);
  };
  Value thread = state.share.number, zero = builder.int32(0);
  // A thread's copies are as far from each other as its first one allows: what differs is known.
  bool isInOne = perTile % threads == 0, isInSome = threads % perTile == 0;
  if ((isInOne || isInSome) && count % threads == 0) {
    Value tile = isInOne ? zero : words.div(thread, perTile);
    Value inTile = words.mul(isInOne ? thread : words.rem(thread, perTile), kCopyBytes);
    Value from, to = toOf(tile, inTile);
    for (int64_t first = 0; first < count; first += threads) {
      int64_t skipped = first / perTile, rest = first % perTile * kCopyBytes;
      bool isNew = first == 0 || (rest == 0 && !tilesFollow());
      if (isNew)
        from = fromOf(words.add(tile, skipped), inTile);
      int64_t more = rest + (tilesFollow() ? skipped * geometry.tileBytes : 0);
      copies.push_back({from, more, to, skipped * bytes + rest, kCopyBytes, bytes, Value()});
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
    copies.push_back({fromOf(tile, inTile), 0, toOf(tile, inTile), 0, kCopyBytes, bytes, exists});
  }
}

/// Copies of `bytes` of each portion of each token of an input, in pieces of `pieceBytes`. What
/// tokens that are not there would have stays unknown.
void StagedMatmul::findTokenCopies(State &state, unsigned input, int64_t bytes, int64_t pieceBytes,
                                   int64_t place, bool areCodes) {
  Words words(builder);
  int64_t threads = sliceThreads(state), perToken = bytes / pieceBytes;
  int64_t tokens = state.block.count, atOnce = std::max<int64_t>(1, threads / perToken);
  assert(threads % perToken == 0 && "a token has few pieces");
  Value token = words.div(state.share.number, perToken);
  Value piece = words.rem(state.share.number, perToken);
  Value inToken = words.mul(piece, pieceBytes);
  Value matrix = op.getInputs()[input];
  int64_t rowBytes = BlockBuilder::rowBytes(cast<MemRefType>(matrix.getType()));
  Value from = builder.rowAddress(matrix, state.block.first);
  from = builder.address(from, builder.mul(builder.toIndex(token), rowBytes));
  from = builder.global(builder.address(from, inToken));
  bool areShared = areCodes && state.division.usesWarpgroups;
  if (areCodes && isPruned &&
      !areShared) // two tokens' 64 bytes of an instruction are in different banks
    inToken = words.flip(inToken, words.mul(words.rem(token, 2), kSparseColumns));
  else if (areCodes && !areShared) // four tokens' 32 bytes of a span are in different banks
    inToken = words.flip(inToken, words.mul(words.rem(token, 4), 2 * kCopyBytes));
  Value to;
  if (areShared) {
    to = warpgroupPlace(builder, token, piece);
  } else {
    assert((areCodes || atOnce % (kWarpgroupFragments * kFragmentTokens) == 0 || tokens <= atOnce ||
            !ordersFactors(state.division)) &&
           "copies are known distances apart");
    Value number = areCodes ? token : factorPlace(state.division, token);
    to = words.add(words.mul(number, bytes), inToken);
  }
  to = words.add(to, place);
  for (int64_t first = 0; first < tokens; first += atOnce) {
    Value exists;
    if (state.block.present)
      exists = words.isBelow(words.add(token, first), state.block.present);
    else if (tokens - first < atOnce)
      exists = words.isBelow(token, tokens - first);
    state.copies.push_back({from, first * rowBytes, to, first * bytes, pieceBytes, bytes, exists});
  }
}

void StagedMatmul::findCopies(State &state, Value firstSlot) {
  int64_t bytes = 4 * portionGroups(), rows = portionGroups() * kTileRows;
  const Places &places = state.places;
  findTokenCopies(state, 0, kPortionColumns, kCopyBytes, 0, true);
  int64_t pieceBytes = std::min(bytes, kCopyBytes);
  if (!sumsRows)
    findTokenCopies(state, 1, bytes, pieceBytes, places.inputScales, false);
  if (needsInputSums(state.division) && !sumsRows)
    findTokenCopies(state, 2, bytes, pieceBytes, places.inputSums, false);
  SmallVectorImpl<PortionCopy> &apart =
      keepsApart(state.division) ? state.prunedCopies : state.copies;
  findTileCopies(state, apart, firstSlot, geometry.valuesOffset, valueBytes(), places.values, true);
  if (isPruned)
    findTileCopies(state, apart, firstSlot, geometry.masksOffset, maskBytes(), places.masks, false);
  if (hasGroupScales())
    findTileCopies(state, state.copies, firstSlot, geometry.scalesOffset, 2 * rows, places.scales,
                   false);
  if (hasGroupZeros())
    findTileCopies(state, state.copies, firstSlot, geometry.zerosOffset, rows, places.zeros, false);
  if (layout.minimums)
    findTileCopies(state, state.copies, firstSlot, geometry.minimumsOffset, 2 * rows,
                   places.minimums, false);
}

/// Waits for the portion that is next, and until no thread of the slice reads the one before any
/// more.
void StagedMatmul::await(State &state) {
  NVVM::CpAsyncWaitGroupOp::create(builder, state.division.portionsAhead() - 1);
  if (state.division.usesWarpgroups)
    fenceCopies(builder);
  waitForSlice(state);
}

void StagedMatmul::waitForSlice(State &state) {
  if (state.division.fillsAll()) {
    NVVM::SyncWarpOp::create(builder, builder.int32(-1));
    return;
  }
  // Barrier 0 is the block's.
  Value number = arith::AddIOp::create(builder, state.share.slice, builder.int32(1));
  NVVM::BarrierOp::create(builder, TypeRange(), number, builder.int32(sliceThreads(state)),
                          NVVM::BarrierReductionAttr(), Value());
}
