// Products of 2:4 weights by tensor cores that leave out what is not stored (mma.sp, wgmma.sp).
//
// PTX ISA, "Matrix Fragments for sparse mma.m16n8k64": of 64 columns in 16 chunks of four, thread t
// of four has activations of chunks t, t + 4, t + 8 and t + 12, and weights of chunks 2 t, 2 t + 1,
// 2 t + 8 and 2 t + 9. In what order the 64 columns are taken does not matter, as long as both
// sides agree: instructions get step 4 t + j in the place of chunk 4 j + t, so that a thread's
// activations are 16 bytes that follow each other. Warpgroups, whose weights are the same for each
// of their warps, read activations from shared memory in the order of the columns: there the step
// of a chunk is its number.
#include "StagedMatmul.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// Bytes of the mask of a step, and of the values of one that shares them with no other.
constexpr int64_t kMaskBytes = 8, kPrunedStepBytes = 2 * kTileRows;

Value StagedMatmul::unitPlace(State &state, Value unit) {
  Words words(builder);
  Value place = words.add(words.mul(unit, kUnitBytes), state.division.buffers * state.places.end);
  if (state.operands)
    place = words.add(place, state.operands);
  return builder.address(state.share.staging, place);
}

/// The places of the weights of one row that an instruction wants from this thread, from the masks
/// of 64 columns: threads 0 and 1 of four have those of the first eight chunks, each of one row,
/// threads 2 and 3 of the others.
Value StagedMatmul::placesOf(State &state, Value masks) {
  Words words(builder);
  Value part = state.share.part, half = words.div(part, 2), row = words.rem(part, 2);
  // Chunk 8 half + k is step 4 (k % 4) + 2 half + k / 4, or in order; a byte of its mask is of the
  // row pair.
  bool isInOrder = state.division.usesWarpgroups;
  Value start = words.mul(half, (isInOrder ? 8 : 2) * kMaskBytes);
  start = builder.address(masks, words.add(start, state.share.rowPair));
  Value bytes[8];
  for (int64_t k = 0; k < 8; ++k) {
    int64_t step = isInOrder ? k : 4 * (k % 4) + k / 4;
    Value byte =
        builder.loadAligned(builder.getI8Type(), builder.address(start, step * kMaskBytes), 1);
    bytes[k] = arith::ExtUIOp::create(builder, builder.getI32Type(), byte);
  }
  auto joined = [&](int64_t first) -> Value { // bytes of every other chunk
    Value low = words.permute(bytes[first], bytes[first + 2], 0x0040);
    Value high = words.permute(bytes[first + 4], bytes[first + 6], 0x0040);
    return words.permute(low, high, 0x5410);
  };
  // The row's nibbles of all eight, in order.
  Value shift = words.mul(row, 4);
  Value even = arith::ShRUIOp::create(builder, joined(0), shift);
  Value odd = words.shiftLeft(joined(1), words.flip(shift, 4));
  Value mask = words.choose(words.number(0x0F0F0F0F), even, odd);
  return placesOfMasks(builder, mask);
}

int64_t StagedMatmul::exchangedBit(const Division &division) const {
  if (!division.usesWarpgroups)
    return 0x40;
  return layout.lanes() == 1 ? 0x20 : 0; // nibbles of all threads are in different banks already
}

/// What the threads of a warp read at once are 32 bytes of up to four steps, of which two are half
/// of 64 columns apart, or in order four columns.
Value StagedMatmul::prunedPlace(const Division &division, Value offset) {
  Words words(builder);
  int64_t bit = exchangedBit(division);
  if (bit == 0)
    return offset;
  int64_t distance = division.usesWarpgroups ? 2 : 3 - layout.lanes();
  return words.flip(offset, words.both(words.right(offset, distance), bit));
}

void StagedMatmul::makeUnit(State &state, Value start, Value unit) {
  Words words(builder);
  Value part = state.share.part, half = words.div(part, 2), odd = words.rem(part, 2);
  Value tile = words.div(unit, kPortionPairs), pair = words.rem(unit, kPortionPairs);
  auto ofUnit = [&](int64_t place, int64_t tileBytes) {
    Value offset =
        words.add(words.mul(tile, tileBytes), words.mul(pair, tileBytes / kPortionPairs));
    return builder.address(builder.address(start, offset), place);
  };
  // This thread's chunks 2 t + 8 h + n are steps 8 (t % 2) + t / 2 + 2 h + 4 n, or in order. A word
  // has a step's two weights of each row, and in nibbles those of two steps, of which this thread
  // wants one, or in order both.
  bool isNibbles = layout.lanes() == 2, isInOrder = state.division.usesWarpgroups;
  int64_t stepBytes = kPrunedStepBytes / layout.lanes(), bit = exchangedBit(state.division);
  Value values = ofUnit(state.places.values, valueBytes());
  Value offset = isInOrder ? words.mul(part, 2 * stepBytes) : words.mul(odd, 8 * stepBytes);
  offset = words.add(offset, words.mul(state.share.rowPair, 4));
  if (!isNibbles && !isInOrder)
    offset = words.add(offset, words.mul(half, stepBytes));
  Value place = prunedPlace(state.division, offset);
  auto load = [&](int64_t more) {
    int64_t exchanged = more & bit;
    Value from = builder.address(values, words.flip(place, exchanged));
    return words.load(builder.address(from, more - exchanged), 1, false);
  };
  Value operands[kUnitWords];
  for (int64_t h : {0, 1}) {
    Value steps[2];
    for (int64_t n : {0, 1}) {
      Value word;
      if (!isInOrder)
        word = load((2 * h + 4 * n) * stepBytes);
      else
        word = load((8 * h + (isNibbles ? 0 : n)) * stepBytes);
      if (isNibbles) { // they become the upper half of a byte
        if (!isInOrder)
          word = words.shiftLeft(word, words.flip(words.mul(half, 4), 4));
        else
          word = words.left(word, n == 0 ? 4 : 0);
        word = words.both(word, 0xF0F0F0F0);
      }
      // Without the zero point codes are signed weights.
      steps[n] = words.flip(word, 0x80808080);
    }
    operands[2 * h] = words.permute(steps[0], steps[1], 0x5410);
    operands[2 * h + 1] = words.permute(steps[0], steps[1], 0x7632);
  }
  Value to = builder.address(unitPlace(state, unit), words.mul(state.share.lane, 4));
  Value places = placesOf(state, ofUnit(state.places.masks, maskBytes()));
  int64_t lanes = builder.getTarget().warpThreads;
  builder.storeAligned(places, builder.address(to, lanes * kUnitWords * 4), 4);
  auto four = VectorType::get(kUnitWords, builder.getI32Type());
  builder.storeAligned(vector::FromElementsOp::create(builder, four, operands),
                       builder.address(to, words.mul(state.share.lane, 4 * (kUnitWords - 1))), 16);
}

void StagedMatmul::makeOperands(State &state, Value start) {
  Words words(builder);
  int64_t units = state.division.atOnce * kPortionPairs, warps = state.division.sliceWarps();
  Value warp = words.div(state.share.number, builder.getTarget().warpThreads);
  for (int64_t first = 0; first < units; first += warps) {
    Value unit = words.add(warp, first);
    auto make = [&] { makeUnit(state, start, unit); };
    if (units - first < warps)
      builder.ifThen(words.isBelow(unit, units), make);
    else
      make();
  }
}

std::pair<std::array<Value, 4>, Value> StagedMatmul::loadUnit(State &state, int64_t tile,
                                                              int64_t pair) {
  Words words(builder);
  int64_t lanes = builder.getTarget().warpThreads;
  Value first = words.mul(state.rowWarp, state.division.warpTiles * kPortionPairs);
  Value unit =
      builder.address(unitPlace(state, words.add(first, pair)), tile * kPortionPairs * kUnitBytes);
  Value own = words.load(builder.address(unit, words.mul(state.share.lane, 4 * kUnitWords)),
                         kUnitWords, false);
  Value places = builder.address(unit, words.mul(state.share.lane, 4));
  places = words.load(builder.address(places, lanes * kUnitWords * 4), 1, false);
  return {{words.part(own, 0), words.part(own, 1), words.part(own, 2), words.part(own, 3)}, places};
}

void StagedMatmul::addPruned(State &state, Value inputs, int64_t group, Values &sums) {
  const Division &division = state.division;
  Words words(builder);
  Value token = words.add(words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens),
                          state.share.rowPair);
  // Of odd tokens both halves of a portion are exchanged.
  Value place = words.add(words.mul(state.share.part, kCopyBytes),
                          words.mul(words.rem(token, 2), kSparseColumns));
  Value row = words.mul(token, kPortionColumns);
  int64_t pairs = layout.group / kSparseColumns;
  for (int64_t pair = group * pairs; pair < (group + 1) * pairs; ++pair) {
    Value start = builder.address(inputs, words.add(row, words.flip(place, pair * kSparseColumns)));
    SmallVector<Values> codes;
    for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment) {
      Value own = words.load(builder.address(start, fragment * kFragmentTokens * kPortionColumns),
                             4, false);
      codes.push_back(
          {words.part(own, 0), words.part(own, 1), words.part(own, 2), words.part(own, 3)});
    }
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      auto [weights, places] = loadUnit(state, tile, pair);
      for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
        addSparseProducts(
            weights, places, codes[fragment],
            MutableArrayRef<Value>(sums).slice(
                (tile * division.warpFragments + fragment) * kFragmentValues, kFragmentValues));
    }
  }
}
