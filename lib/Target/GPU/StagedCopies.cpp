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
  findSectionCopies(copies, {firstSlot, state.division.atOnce, offset, bytes, place, bytes},
                    state.share.number, sliceThreads(state), [&](Value inTile) {
                      if (!areValues)
                        return inTile;
                      return isPruned ? prunedPlace(state.division, inTile)
                                      : state.readers.front().stagedPlace(inTile);
                    });
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
