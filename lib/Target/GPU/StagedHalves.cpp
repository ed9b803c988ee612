// Dense bf16 and f16 weights times activations of the same type by tensor cores: both come through
// shared memory.
#include "StagedHalves.h"

#include "HalfProducts.h"
#include "WarpgroupProducts.h"
#include "Words.h"

#include "stc/Packing/Pack.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include <optional>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

constexpr int64_t kPortionColumns = kPortionColumns16, kPortionBytes = kPortionBytes16;
static_assert(kPortionBytes == kWarpgroupRowBytes);
constexpr int64_t kSteps = kPortionColumns / kStepColumns;
/// Bytes that are copied by one instruction, and of a column of a tile.
constexpr int64_t kCopyBytes = 16, kColumnBytes = 2 * kTileRows;
constexpr int64_t kTileBytes = kPortionColumns * kColumnBytes;
constexpr int64_t kMostSlots = 8, kMostSlotsTogether = 16, kMostTokens = 256;
/// Most row tiles, and groups of kFragmentTokens tokens, that a warp multiplies: 64 registers of
/// sums, of which a thread of 512 has 128. Of tiles that four warps take together each has one.
constexpr int64_t kWarpTiles = 2, kWarpFragments = 8, kTogetherFragments = 16;
constexpr int64_t kFewestTokensTogether = 64;
/// Portions of a slice in shared memory: one that is multiplied, the others on their way.
constexpr int64_t kFewestBuffers = 2, kMostBuffers = 4;
/// Of shared memory, in percent, where warpgroups prepare all weights: what two portions of those
/// with two numbers for each activation take, of bitmaps, and two that are prepared.
constexpr int64_t kSharePrepared = 97;

int64_t shareOf(const TargetDescription &target, packed::WeightType weight) {
  if (!target.hasWarpgroupMma)
    return kShare;
  return takesMaskedHalves(weight) ? kSharePrepared : kShareTogether;
}

} // namespace

bool stc::gpu::takesHalves(packed::WeightType weight) {
  Layout layout = weight.getLayout().getLayout();
  return layout.kind == LayoutKind::Dense && layout.floatBytes() == 2 &&
         weight.getColumns() % kPortionColumns == 0;
}

//===----------------------------------------------------------------------===//
// Who does what
//===----------------------------------------------------------------------===//

StagedHalves::StagedHalves(packed::MatmulTileOp op, const TargetDescription &target)
    : TensorMatmul(op, target),
      freeBytes(freeSharedBytes(op, target, shareOf(target, type), alignmentGap())) {
  int64_t width = cast<MemRefType>(narrowInput().getType()).getDimSize(1);
  terms = width / splitHalfColumns(type.getColumns());
}

SmallVector<int64_t> StagedHalves::blockSizes() const {
  packed::MatmulTileOp op = this->op;
  SmallVector<int64_t> sizes;
  // A piece of fewer tokens is whole where it has all of them.
  int64_t most = op.getToken() ? op.getConfig().getPieceTokens() : kMostTokens;
  for (int64_t tokens : {kMostTokens, int64_t(128), int64_t(64), int64_t(32), int64_t(8)}) {
    if (tokens > most && tokens > 8)
      continue;
    Division division = divide(tokens);
    // Between what warpgroups are for and the next fewer there is more; and of what all is
    // prepared, fewer tokens are rather multiplied while more is.
    bool isForFewer = preparesAll() && tokens == kMostTokens && division.usesWarpgroups &&
                      !division.overlaps && divide(tokens / 2).overlaps;
    if (division.slices > 0 && !isForFewer &&
        (tokens != kFewestTokensTogether || division.usesWarpgroups))
      sizes.push_back(tokens);
  }
  return sizes;
}

int64_t StagedHalves::tileBytes() const { return kTileBytes; }

int64_t StagedHalves::tokenBytes(const Division &division) {
  return division.tokens * kPortionBytes;
}

int64_t StagedHalves::weightBytes(const Division &division) const {
  int64_t bytes = division.atOnce * tileBytes();
  return division.usesWarpgroups ? llvm::alignTo(bytes, kWarpgroupAlignment) : bytes;
}

/// Bytes of shared memory from the first that may be used to where a fragment's tokens can be.
int64_t StagedHalves::alignmentGap() const {
  return builder.getTarget().hasWarpgroupMma ? kWarpgroupAlignment - kBarrierBytes : 0;
}

bool StagedHalves::fitOverlapping(Division &division, int64_t slices) const {
  if (!division.usesWarpgroups || portions() < slices ||
      slices * division.sliceWarps() != builder.warps())
    return false;
  auto take = [&](int64_t parts, int64_t preparedPortions, int64_t fewest, int64_t most) {
    int64_t bytes = (freeBytes - ownBytes(division)) / slices;
    bytes -= preparedPortions * preparedBytes(division);
    division.parts = parts;
    division.preparedPortions = preparedPortions;
    division.buffers = std::min(most, bytes / bufferBytes(division));
    return division.buffers >= fewest;
  };
  // With halves there are as many portions on the way in less memory; but then weights are prepared
  // in less time.
  if (prepares())
    return take(1, 3, kMostBuffers, kMostBuffers) || take(2, 2, kFewestBuffers, kMostBuffers);
  // Whole portions need one buffer more for as much on the way, and how many there are is known.
  if (partsTogether() == 1 && portions() % slices == 0 &&
      take(1, 0, kMostBuffers, kMostBuffers + 1))
    return true;
  return take(2, 0, kFewestBuffers, kMostBuffers);
}

bool StagedHalves::fit(Division &division, int64_t slices) const {
  int64_t bytes = freeBytes - ownBytes(division);
  if (slices * division.atOnce * division.tokens * kTokenBytes > bytes)
    return false;
  division.slices = slices;
  division.overlaps = fitOverlapping(division, slices);
  if (division.overlaps)
    return true;
  division.parts = 1;
  division.preparedPortions = preparesAll() ? 1 : 0;
  bytes = bytes / slices - division.preparedPortions * preparedBytes(division);
  division.buffers = std::min(kMostBuffers, bytes / bufferBytes(division));
  if (division.buffers < kFewestBuffers)
    division.slices = 0;
  return division.slices > 0;
}

StagedHalves::Division StagedHalves::divide(int64_t tokens) const {
  Division division{};
  division.tokens = tokens;
  bool isTogether = builder.getTarget().hasWarpgroupMma;
  division.atOnce = std::min<int64_t>(isTogether ? kMostSlotsTogether : kMostSlots,
                                      llvm::bit_floor(uint64_t(slots())));
  if (isTogether && division.atOnce % kWarpgroupWarps == 0 && tokens >= kFewestTokensTogether) {
    Division together = division;
    together.usesWarpgroups = true;
    together.warpTiles = 1;
    together.warpFragments = std::min(kTogetherFragments, tokens / kFragmentTokens);
    together.tokenWarps = tokens / (together.warpFragments * kFragmentTokens);
    auto fitsTogether = [&] {
      for (int64_t slices = builder.warps() / together.sliceWarps(); slices > 0; slices /= 2)
        if (fit(together, slices))
          return true;
      return false;
    };
    // What is prepared takes much memory and much time: rather fewer slots while products are under
    // way.
    std::optional<Division> fitting;
    do {
      if (fitsTogether()) {
        if (together.overlaps || !preparesAll())
          return together;
        if (!fitting)
          fitting = together;
      }
      together.atOnce /= 2;
    } while (preparesAll() && together.atOnce % kWarpgroupWarps == 0);
    if (fitting)
      return *fitting;
  }
  division.warpTiles = std::min(division.atOnce, kWarpTiles);
  // As much for each warp as leaves all of them something and has room.
  for (int64_t count = std::min(tokens / kFragmentTokens, kWarpFragments); count > 0; count /= 2) {
    division.warpFragments = count;
    division.tokenWarps = tokens / (count * kFragmentTokens);
    int64_t slices = builder.warps() / division.sliceWarps();
    if (slices > 0 && fit(division, slices))
      return division;
  }
  // Else some warps have nothing to do.
  division.warpFragments = std::min(tokens / kFragmentTokens, kWarpFragments);
  division.tokenWarps = tokens / (division.warpFragments * kFragmentTokens);
  for (int64_t slices = builder.warps() / division.sliceWarps() / 2; slices > 0; slices /= 2)
    if (fit(division, slices))
      break;
  return division;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void StagedHalves::findPlaces(State &state, Value) {
  Words words(builder);
  const Division &division = state.division;
  Value lane = state.share.lane;
  Value inMatrix = words.rem(lane, kMatrixRows);
  Value second = words.rem(words.div(lane, kMatrixRows), 2), last = words.div(lane, 16);
  // Matrices of weights: rows from 0 and from 8 on, then the same eight columns later.
  Value column = words.add(words.mul(last, kMatrixRows), inMatrix);
  Value half = words.flip(second, words.div(inMatrix, 4));
  Value ofWarp = words.mul(state.rowWarp, division.warpTiles * kTileBytes);
  state.weightPlace = words.add(
      ofWarp, words.add(words.mul(column, kColumnBytes), words.mul(half, kMatrixRowBytes)));
  // Of tokens: the first eight columns and the next ones, then the same of the next eight tokens.
  Value token = words.add(words.mul(last, kFragmentTokens), inMatrix);
  token = words.add(token, words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens));
  state.tokenPlace = words.mul(token, kPortionBytes);
  state.tokenChunk = words.flip(second, inMatrix);
}

Values StagedHalves::loadWeights(State &state, Value buffer, int64_t step, int64_t tile, bool) {
  Value row = builder.address(builder.address(state.share.staging, buffer), state.weightPlace);
  row = builder.address(row, tile * kTileBytes + step * kStepColumns * kColumnBytes);
  return loadMatrices(builder, row, 4, /*isTransposed=*/true);
}

Values StagedHalves::loadInputs(State &state, Value buffer, int64_t step, int64_t part,
                                int64_t fragment) {
  const Division &division = state.division;
  Words words(builder);
  Value chunk = words.flip(state.tokenChunk, uint32_t(2 * step));
  Value place = words.add(state.tokenPlace, words.mul(chunk, kCopyBytes));
  Value row = builder.address(builder.address(state.share.staging, buffer), place);
  row = builder.address(row, weightBytes(division) + part * tokenBytes(division));
  row = builder.address(row, fragment * kFragmentTokens * kPortionBytes);
  return loadMatrices(builder, row, division.warpFragments == 1 ? 2 : 4, /*isTransposed=*/false);
}

void StagedHalves::multiplyPortion(State &state, Value buffer, ValueRange, Values &sums) {
  const Division &division = state.division;
  if (division.usesWarpgroups) {
    startTogether(state, buffer, Value(), 0, sums);
    return waitForProducts(builder, 0, sums);
  }
  for (int64_t step = 0; step < kSteps; ++step) {
    SmallVector<Values> weights, low;
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      weights.push_back(loadWeights(state, buffer, step, tile, /*isLow=*/false));
      if (weightTerms() == 2)
        low.push_back(loadWeights(state, buffer, step, tile, /*isLow=*/true));
    }
    // The smaller ones first.
    for (int64_t part = terms - 1; part >= 0; --part) {
      Values inputs;
      for (int64_t fragment = 0; fragment < division.warpFragments; fragment += 2)
        llvm::append_range(inputs, loadInputs(state, buffer, step, part, fragment));
      auto add = [&](ArrayRef<Values> weights) {
        for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
          for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
            int64_t place = (tile * division.warpFragments + fragment) * kFragmentValues;
            addHalfProducts(builder, productElement(), weights[tile],
                            ValueRange(inputs).slice(2 * fragment, 2),
                            MutableArrayRef<Value>(sums).slice(place, kFragmentValues));
          }
      };
      if (part == 0 && weightTerms() == 2)
        add(low);
      add(weights);
    }
  }
}

void StagedHalves::multiplyTogether(State &state, Value buffer, ElementKind element,
                                    ArrayRef<std::array<Value, 4>> weights, Values &sums) {
  addWarpgroupHalves(builder, element, weights, inputsTogether(state, buffer), sums);
}

Values StagedHalves::multiplyPortions(State &state) {
  const Division &division = state.division;
  Words words(builder);
  // Warps beyond the last slice have nothing to do.
  auto boundary = [&](Value number) -> Value {
    number = arith::MinUIOp::create(builder, number, builder.int32(division.slices));
    return builder.toIndex(words.div(words.mul(number, portions()), division.slices));
  };
  Value begin = boundary(state.share.slice), end = boundary(words.add(state.share.slice, 1));
  if (division.overlaps)
    return multiplyOverlapping(state, begin, end);
  int64_t bytes = bufferBytes(division), last = (division.buffers - 1) * bytes;
  auto copy = [&](Value number, Value buffer) {
    Value start = builder.address(state.share.staging, buffer);
    startOwnCopies(state, number, end, start);
    copyPortion(state.copies, number, end, start);
  };
  for (int64_t i = 0; i < division.buffers - 1; ++i)
    copy(builder.add(begin, i), builder.int32(i * bytes));
  // Of the next portion, or of the last one again.
  auto aheadOf = [&](Value number) {
    return loadAhead(state, arith::MinUIOp::create(builder, number, builder.index(portions() - 1)));
  };
  int64_t sumCount = division.warpTiles * division.warpFragments * kFragmentValues;
  Values carried(sumCount, builder.constant(builder.getF32Type(), 0.0));
  carried.push_back(builder.int32(0));
  carried.append(aheadOf(begin));
  carried = builder.loop(begin, end, 1, carried, [&](Value number, ValueRange values) -> Values {
    Values sums(values.take_front(sumCount));
    Value buffer = values[sumCount];
    auto unless = [&](int64_t limit, int64_t instead, int64_t step) -> Value {
      Value isThere =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, buffer, builder.int32(limit));
      return words.select(isThere, builder.int32(instead), words.add(buffer, uint32_t(step)));
    };
    Values next = aheadOf(builder.add(number, 1));
    await(state);
    copy(builder.add(number, division.buffers - 1), unless(0, last, -bytes));
    multiplyPortion(state, buffer, values.drop_front(sumCount + 1), sums);
    sums.push_back(unless(last, 0, bytes));
    sums.append(next);
    return sums;
  });
  carried.truncate(sumCount);
  return carried;
}

void StagedHalves::storeRows(State &state, Value memory, ValueRange sums) {
  Words words(builder);
  const Division &division = state.division;
  if (takesNeighbours(division))
    return storeNeighbours(state, memory, sums);
  int64_t tileSums = division.tokens * kTokenBytes;
  Value tile = words.add(words.mul(state.share.slice, division.atOnce),
                         words.mul(state.rowWarp, division.warpTiles));
  Value token = words.add(words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens),
                          words.mul(state.share.part, 2));
  Value place = words.add(words.mul(tile, tileSums), words.mul(token, kTokenBytes));
  place = words.add(place, words.mul(state.share.rowPair, sizeof(float)));
  Value start = builder.address(memory, place);
  for (int64_t i = 0; i < static_cast<int64_t>(sums.size()); ++i) {
    int64_t value = i % kFragmentValues, fragment = i / kFragmentValues;
    int64_t inTile = fragment % division.warpFragments * kFragmentTokens + value % 2;
    builder.storeAligned(sums[i],
                         builder.address(start, fragment / division.warpFragments * tileSums +
                                                    inTile * kTokenBytes +
                                                    value / 2 * kMatrixRows * 4),
                         sizeof(float));
  }
}

/// Writes a warp's sums where rows p and p + 8 of the instruction are neighbours in memory.
void StagedHalves::storeNeighbours(State &state, Value memory, ValueRange sums) {
  Words words(builder);
  const Division &division = state.division;
  int64_t tileSums = division.tokens * kTokenBytes;
  Value tile = words.add(words.mul(state.share.slice, division.atOnce),
                         words.mul(state.rowWarp, division.warpTiles));
  Value token = words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens);
  Value start =
      builder.address(memory, words.add(words.mul(tile, tileSums), words.mul(token, kTokenBytes)));
  int64_t perTile = division.warpFragments * kFragmentValues;
  for (int64_t i = 0; i < division.warpTiles; ++i)
    storeSums(state.share, builder.address(start, i * tileSums), sums.slice(i * perTile, perTile));
}

void StagedHalves::emitBlock(const TokenBlock &block) {
  Division division = divide(block.count);
  Words words(builder);
  State state{block, division, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  int64_t sliceBytes = this->sliceBytes(division);
  int64_t sumBytes = division.atOnce * block.count * kTokenBytes;
  // The sums come where the copies were.
  int64_t slicesBytes = division.slices * std::max(sliceBytes, sumBytes);
  Value memory = builder.scratch(alignmentGap() + slicesBytes + ownBytes(division));
  memory = builder.address(memory, alignmentGap());
  state.ownMemory = builder.address(memory, slicesBytes);
  Share &share = state.share;
  Value warp = setPlaces(share);
  Value inSlice = words.rem(warp, division.sliceWarps());
  share.slice = words.div(warp, division.sliceWarps());
  share.number = words.add(words.mul(inSlice, builder.getTarget().warpThreads), share.lane);
  share.staging = builder.address(memory, words.mul(share.slice, sliceBytes));
  state.rowWarp = words.rem(inSlice, division.rowWarps());
  state.tokenWarp = words.div(inSlice, division.rowWarps());
  auto emitSlots = [&](Value firstSlot) {
    state.copies.clear();
    findPlaces(state, firstSlot);
    findTileCopies(state, firstSlot);
    if (division.overlaps && prepares())
      state.codeCopies = std::exchange(state.copies, {});
    findTokenCopies(state);
    Values sums = multiplyPortions(state);
    if (finishesOwn(state)) {
      finishTogether(state, firstSlot, memory, sums);
      return builder.barrier();
    }
    builder.barrier();
    auto store = [&] { storeRows(state, memory, sums); };
    if (division.slices * division.sliceWarps() == builder.warps())
      store();
    else
      builder.ifThen(words.isBelow(share.slice, division.slices), store);
    builder.barrier();
    finishSlots(firstSlot, division.atOnce, division.slices, block, memory);
    builder.barrier();
  };
  if (slots() == division.atOnce)
    return emitSlots(builder.index(0));
  builder.loop(builder.index(0), builder.index(slots()), division.atOnce, emitSlots);
}

std::unique_ptr<MatmulEmitter> stc::gpu::createStagedHalves(packed::MatmulTileOp op,
                                                            const TargetDescription &target) {
  auto type = cast<packed::WeightType>(op.getWeight().getType());
  // Rows of a number of tokens that is known may be in shared memory already.
  if (!takesHalves(type) || op.getInputs().size() != 2 ||
      !cast<MemRefType>(op.getInputs()[1].getType()).isDynamicDim(0))
    return nullptr;
  auto emitter = std::make_unique<StagedHalves>(op, target);
  if (emitter->blockSizes().empty())
    return nullptr;
  return emitter;
}
