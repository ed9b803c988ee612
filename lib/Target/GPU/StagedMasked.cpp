// 16-bit floats with masks times activations of 16 bits by tensor cores of dense matrices: values
// and masks come to shared memory as they are stored, and each portion gets its zeros there, once
// for all tokens.
#include "StagedHalves.h"

#include "HalfProducts.h"
#include "WarpgroupProducts.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

constexpr int64_t kCopyBytes = 16, kValueBytes = 2;
/// Steps of a portion, and the bytes of its masks in a tile: of each step two words, of eight rows.
constexpr int64_t kPortionSteps = kPortionColumns16 / kDotColumns;
constexpr int64_t kMaskWords = 2 * kPortionSteps, kMasksBytes = sizeof(uint32_t) * kMaskWords;
/// Weights of a portion of a tile, and their bytes with zeros.
constexpr int64_t kPortionWeights = kPortionColumns16 * kTileRows;
constexpr int64_t kWholeBytes = kPortionWeights * kValueBytes;
/// Pairs of steps whose weights a lane loads before it stores them.
constexpr int64_t kPairsAtOnce = 4;
/// A word of a mask beside the place of its first value.
constexpr int64_t kRecordBytes = 2 * sizeof(uint32_t);

/// Prepared weights lie row by row, 64 columns each, as tokens do. A warp prepares two steps at a
/// time: each lane four columns of a row, from the next values of its row. Where these are is known
/// where every four columns have as many values. Else lanes count those of a word of masks each and
/// add up what those before have: each word's place then is in the warp's records.
///
/// Of N:M every portion has as many values. Of a bitmap they are counted before the first portion:
/// a table in shared memory has of each tile where the values of its portions begin. What is copied
/// of them begins at a multiple of 16 bytes.
class StagedMasked final : public StagedHalves {
public:
  using StagedHalves::StagedHalves;

private:
  bool isBitmap() const { return layout.kind == LayoutKind::Bitmap; }
  /// Whether every four columns have as many values.
  bool isFixed() const { return !isBitmap() && layout.m == kDotColumns; }
  /// Bytes that a portion of a tile has at most, with what alignment adds.
  int64_t valueBytes() const {
    return isBitmap() ? kWholeBytes + kCopyBytes : kWholeBytes * layout.n / layout.m;
  }
  int64_t tileBytes() const override { return valueBytes() + kMasksBytes; }
  bool prepares() const override { return true; }
  bool preparesAll() const override { return true; }
  /// f16 weights times activations that are sums of two bf16 are such sums themselves.
  int64_t weightTerms() const override { return layout.element == ElementKind::F16 ? terms : 1; }
  ElementKind productElement() const override {
    return weightTerms() == 2 ? ElementKind::BF16 : layout.element;
  }
  int64_t ownBytes(const Division &division) const override {
    return builder.warps() * recordsBytes() + division.atOnce * tableBytes();
  }
  int64_t recordsBytes() const { return isFixed() ? 0 : kMaskWords * kRecordBytes; }
  /// Of a tile's part of the table: where each portion's values begin, and where the last one ends.
  int64_t tableBytes() const { return isBitmap() ? sizeof(uint32_t) * (portions() + 1) : 0; }

  void findTileCopies(State &state, Value firstSlot) override;
  void startOwnCopies(State &state, Value number, Value end, Value start) override;
  Values loadAhead(State &state, Value number) override;
  void prepare(State &state, Value buffer, ValueRange ahead, Value prepared) override;
  void findPlaces(State &state, Value firstSlot) override;
  Values loadWeights(State &state, Value buffer, int64_t step, int64_t tile, bool isLow) override;
  void multiplyPortion(State &state, Value buffer, ValueRange ahead, Values &sums) override;

  /// Where the place (i32, in values behind a tile's first) of portion `number` (index) is kept.
  Value tableEntry(State &state, Value tile, Value number);
  /// Fills the table for the tiles from slot `firstSlot` (index) on.
  void countTiles(State &state, Value firstSlot);
  void countTile(State &state, Value firstSlot, Value tile);

  /// Parts of a tile, of some of its steps, that warps of a slice prepare, and those of each warp.
  int64_t tileUnits(const Division &division) const {
    return std::clamp<int64_t>(division.sliceWarps() / division.atOnce, 1, kPortionSteps / 2);
  }
  int64_t warpUnits(const Division &division) const {
    return llvm::divideCeil(division.atOnce * tileUnits(division), division.sliceWarps());
  }
  /// The number (i32) of unit `unit` of this warp, which has one if it is below all.
  Value unitOf(State &state, int64_t unit);
  /// Prepares a unit. `shift` (i32): values in the tile's buffer before the portion's first; null:
  /// none.
  void prepareUnit(State &state, Value buffer, Value unit, Value shift, Value prepared);
  /// Writes the records of a portion of a tile whose masks begin at `masks`.
  Value storeRecords(State &state, Value masks, Value shift);
  /// Two of a row's four weights, whose bits are the lower two of `mask`: values at `place`, or
  /// zeros. Gives the place of the next value too.
  std::pair<Value, Value> loadPair(Value mask, Value place);

  Value ownTile;     // values of the tile of which this thread copies some
  Value weightChunk; // i32: the chunk that a lane reads first of its rows
};

} // namespace

bool stc::gpu::takesMaskedHalves(packed::WeightType weight) {
  Layout layout = weight.getLayout().getLayout();
  return layout.isSparseFloat() && layout.floatBytes() == kValueBytes &&
         weight.getColumns() % kPortionColumns16 == 0 && !takesPrunedHalves(weight);
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

Value StagedMasked::tableEntry(State &state, Value tile, Value number) {
  Words words(builder);
  Value place = words.add(words.mul(tile, portions() + 1), builder.toI32(number));
  Value table = builder.address(state.ownMemory, builder.warps() * recordsBytes());
  return builder.address(table, words.mul(place, sizeof(uint32_t)));
}

/// Each lane counts a portion's values, and adds what those before have.
void StagedMasked::countTile(State &state, Value firstSlot, Value tile) {
  Words words(builder);
  int64_t lanes = builder.getTarget().warpThreads;
  constexpr int64_t loadWords = kCopyBytes / sizeof(uint32_t);
  Value slot = builder.add(firstSlot, builder.toIndex(tile));
  Value masks = builder.address(tileAddress(tileOf(slot)), geometry.masksOffset);
  Value lane = builder.toIndex(state.share.lane);
  Values counted = builder.loop(
      builder.index(0), builder.index(llvm::alignTo(portions(), lanes)), lanes,
      ValueRange{words.number(0)}, [&](Value first, ValueRange before) -> Values {
        Value number = builder.add(first, lane);
        Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, number,
                                             builder.index(portions()));
        Value own = arith::MinUIOp::create(builder, number, builder.index(portions() - 1));
        own = builder.address(masks, builder.mul(own, kMasksBytes));
        Value count = words.number(0);
        for (int64_t word = 0; word < kMaskWords; word += loadWords) {
          Value some = words.load(builder.address(own, word * sizeof(uint32_t)), loadWords, true);
          for (int64_t i = 0; i < loadWords; ++i)
            count = words.add(count, words.countOnes(words.part(some, i)));
        }
        count = words.select(exists, count, words.number(0));
        auto [inWarp, all] = words.addLanes(count, state.share.lane, 1, lanes);
        Value begin = words.add(before[0], inWarp);
        builder.ifThen(exists, [&] {
          builder.storeAligned(begin, tableEntry(state, tile, number), sizeof(uint32_t));
        });
        return {words.add(before[0], all)};
      });
  Value isFirst = words.isBelow(state.share.lane, 1);
  builder.ifThen(isFirst, [&] {
    Value entry = tableEntry(state, tile, builder.index(portions()));
    builder.storeAligned(counted[0], entry, sizeof(uint32_t));
  });
}

void StagedMasked::countTiles(State &state, Value firstSlot) {
  Words words(builder);
  int64_t atOnce = state.division.atOnce, warps = builder.warps();
  for (int64_t first = 0; first < atOnce; first += warps) {
    Value tile = words.add(builder.warp(), first);
    auto count = [&] { countTile(state, firstSlot, tile); };
    if (atOnce - first < warps)
      builder.ifThen(words.isBelow(tile, atOnce), count);
    else
      count();
  }
  builder.barrier();
}

void StagedMasked::findTileCopies(State &state, Value firstSlot) {
  copySection(state, firstSlot, geometry.masksOffset, kMasksBytes, valueBytes());
  if (!isBitmap())
    return copySection(state, firstSlot, geometry.valuesOffset, valueBytes(), 0);
  countTiles(state, firstSlot);
  Words words(builder);
  int64_t perTile = state.division.sliceWarps() * builder.getTarget().warpThreads;
  perTile /= state.division.atOnce;
  Value slot = builder.toIndex(words.div(state.share.number, perTile));
  ownTile =
      builder.address(tileAddress(tileOf(builder.add(firstSlot, slot))), geometry.valuesOffset);
}

void StagedMasked::startOwnCopies(State &state, Value number, Value end, Value start) {
  if (!isBitmap())
    return;
  Words words(builder);
  int64_t perTile = state.division.sliceWarps() * builder.getTarget().warpThreads;
  perTile /= state.division.atOnce;
  Value tile = words.div(state.share.number, perTile);
  Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, number, end);
  builder.ifThen(exists, [&] {
    Value entry = tableEntry(state, tile, number);
    constexpr int64_t perCopy = kCopyBytes / kValueBytes;
    Value first = words.div(words.load(entry, 1, false), perCopy);
    Value last = words.load(builder.address(entry, sizeof(uint32_t)), 1, false);
    last = words.div(words.add(last, perCopy - 1), perCopy);
    Value from = builder.address(ownTile, words.mul(first, kCopyBytes));
    Value to = builder.address(start, words.mul(tile, tileBytes()));
    Value count = builder.toIndex(arith::SubIOp::create(builder, last, first));
    Value own = builder.toIndex(words.rem(state.share.number, perTile));
    builder.loop(own, count, perTile, [&](Value chunk) {
      Value offset = builder.mul(chunk, kCopyBytes);
      NVVM::CpAsyncOp::create(builder, builder.address(to, offset), builder.address(from, offset),
                              kCopyBytes, NVVM::LoadCacheModifierKind::CG, Value());
    });
  });
}

//===----------------------------------------------------------------------===//
// Zeros
//===----------------------------------------------------------------------===//

Value StagedMasked::unitOf(State &state, int64_t unit) {
  Words words(builder);
  Value warp = words.div(state.share.number, builder.getTarget().warpThreads);
  return words.add(warp, unit * state.division.sliceWarps());
}

/// Of a bitmap, the values before a portion's first in each unit's buffer.
Values StagedMasked::loadAhead(State &state, Value number) {
  Values loaded;
  if (!isBitmap())
    return loaded;
  Words words(builder);
  const Division &division = state.division;
  for (int64_t unit = 0; unit < warpUnits(division); ++unit) {
    Value tile = words.div(unitOf(state, unit), tileUnits(division));
    tile = arith::MinUIOp::create(builder, tile, builder.int32(division.atOnce - 1));
    Value begin = words.load(tableEntry(state, tile, number), 1, false);
    loaded.push_back(words.rem(begin, kCopyBytes / kValueBytes));
  }
  return loaded;
}

void StagedMasked::prepare(State &state, Value buffer, ValueRange ahead, Value prepared) {
  Words words(builder);
  const Division &division = state.division;
  int64_t units = division.atOnce * tileUnits(division);
  for (int64_t i = 0; i < warpUnits(division); ++i) {
    Value unit = unitOf(state, i);
    auto make = [&] {
      prepareUnit(state, buffer, unit, isBitmap() ? ahead[i] : Value(), prepared);
    };
    if (units < (i + 1) * division.sliceWarps())
      builder.ifThen(words.isBelow(unit, units), make);
    else
      make();
  }
}

Value StagedMasked::storeRecords(State &state, Value masks, Value shift) {
  Words words(builder);
  Value lane = state.share.lane;
  Value mask = words.load(builder.address(masks, words.mul(lane, sizeof(uint32_t))), 1, false);
  Value begin =
      words.addLanes(words.countOnes(mask), lane, 1, builder.getTarget().warpThreads).first;
  if (shift)
    begin = words.add(begin, shift);
  Value records = builder.address(state.ownMemory, words.mul(builder.warp(), recordsBytes()));
  // No lane is still at what was there before.
  NVVM::SyncWarpOp::create(builder, builder.int32(-1));
  auto two = VectorType::get(2, builder.getI32Type());
  builder.storeAligned(vector::FromElementsOp::create(builder, two, ValueRange{mask, begin}),
                       builder.address(records, words.mul(lane, kRecordBytes)), kRecordBytes);
  NVVM::SyncWarpOp::create(builder, builder.int32(-1));
  return records;
}

std::pair<Value, Value> StagedMasked::loadPair(Value mask, Value place) {
  Words words(builder);
  auto load = [&](Value place) -> Value {
    Value bits = builder.loadAligned(builder.getI16Type(), place, kValueBytes);
    return arith::ExtUIOp::create(builder, builder.getI32Type(), bits);
  };
  Value first = words.both(mask, 1), second = words.both(mask, 2);
  Value next = builder.address(place, words.mul(first, kValueBytes));
  Value pair = words.permute(load(place), load(next), 0x5410);
  Value kept = words.add(words.mul(first, 0xFFFF), words.mul(second, 0x7FFF8000));
  static_assert(kValueBytes == 2, "the second bit is the bytes of a value");
  return {words.both(pair, kept), builder.address(next, second)};
}

void StagedMasked::prepareUnit(State &state, Value buffer, Value unit, Value shift,
                               Value prepared) {
  Words words(builder);
  int64_t tileUnits = this->tileUnits(state.division);
  Value tile = words.div(unit, tileUnits), lane = state.share.lane;
  Value values =
      builder.address(builder.address(state.share.staging, buffer), words.mul(tile, tileBytes()));
  Value masks = builder.address(values, valueBytes());
  // Lanes are 16 rows of each of two steps, whose eight columns are a chunk of 16 bytes of a row.
  constexpr int64_t pairWords = 4;
  int64_t count = kPortionSteps / 2 / tileUnits;
  Value firstPair = words.mul(words.rem(unit, tileUnits), count);
  Value row = words.rem(lane, kTileRows), step = words.div(lane, kTileRows);
  Value word = words.add(words.mul(step, 2), words.div(row, kTileRows / 2));
  word = words.add(word, words.mul(firstPair, pairWords));
  Value bit = words.mul(words.rem(row, kTileRows / 2), kDotColumns);
  Value below = words.add(words.shiftLeft(words.number(1), bit), ~uint32_t(0));
  Value start, own; // of what says which values there are, and of a lane's values
  if (isFixed()) {
    start = builder.address(masks, words.mul(word, sizeof(uint32_t)));
    Value before = words.add(words.mul(firstPair, 2 * kTileRows), lane);
    own = builder.address(values, words.mul(before, layout.n * kValueBytes));
  } else {
    start = builder.address(storeRecords(state, masks, shift), words.mul(word, kRecordBytes));
  }
  Value to = builder.address(prepared, words.mul(tile, kWholeBytes));
  to = builder.address(to, words.mul(step, kCopyBytes / 2));
  auto two = VectorType::get(2, builder.getI32Type());
  auto loadFour = [&](int64_t pair) -> std::array<Value, 2> {
    Value mask, place;
    if (isFixed()) {
      mask = words.load(builder.address(start, pair * pairWords * sizeof(uint32_t)), 1, false);
      place = builder.address(own, pair * 2 * kTileRows * layout.n * kValueBytes);
    } else {
      Value record = words.load(builder.address(start, pair * pairWords * kRecordBytes), 2, false);
      mask = words.part(record, 0);
      Value before = words.countOnes(words.both(mask, below));
      place = words.add(words.part(record, 1), before);
      place = builder.address(values, words.mul(place, kValueBytes));
    }
    mask = arith::ShRUIOp::create(builder, mask, bit);
    auto [first, next] = loadPair(mask, place);
    return {first, loadPair(words.right(mask, 2), next).first};
  };
  // Nobody knows that what is stored is not what is loaded next: so some loads come together.
  for (int64_t begin = 0; begin < count; begin += kPairsAtOnce) {
    int64_t end = std::min(count, begin + kPairsAtOnce);
    SmallVector<std::array<Value, 2>> loaded;
    for (int64_t pair = begin; pair < end; ++pair)
      loaded.push_back(loadFour(pair));
    for (int64_t pair = begin; pair < end; ++pair) {
      Value inTile = warpgroupPlace(builder, row, words.add(firstPair, uint32_t(pair)));
      Value place = builder.address(to, inTile);
      auto store = [&](Value first, Value second, int64_t offset) {
        builder.storeAligned(
            vector::FromElementsOp::create(builder, two, ValueRange{first, second}),
            builder.address(place, offset), 8);
      };
      auto [first, second] = loaded[pair - begin];
      if (weightTerms() == 2) {
        SplitPair halves[2] = {splitHalves(builder, first), splitHalves(builder, second)};
        store(halves[0].low, halves[1].low, preparedTermBytes(state.division));
        first = halves[0].high;
        second = halves[1].high;
      }
      store(first, second, 0);
    }
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Rows from 0 and from 8 on, then the same eight columns later.
void StagedMasked::findPlaces(State &state, Value firstSlot) {
  StagedHalves::findPlaces(state, firstSlot);
  Words words(builder);
  Value row = words.rem(state.share.lane, kTileRows);
  Value ofWarp = words.mul(state.rowWarp, state.division.warpTiles * kWholeBytes);
  state.weightPlace = words.add(ofWarp, words.mul(row, kPortionBytes16));
  weightChunk = words.flip(words.div(state.share.lane, kTileRows), words.rem(row, kMatrixRows));
}

Values StagedMasked::loadWeights(State &state, Value, int64_t step, int64_t tile, bool isLow) {
  Words words(builder);
  int64_t prepared = firstPrepared(state.division);
  if (isLow)
    prepared += preparedTermBytes(state.division);
  Value start = builder.address(state.share.staging, prepared);
  Value place = words.mul(words.flip(weightChunk, uint32_t(2 * step)), kCopyBytes);
  Value row = builder.address(start, words.add(state.weightPlace, place));
  return loadMatrices(builder, builder.address(row, tile * kWholeBytes), 4,
                      /*isTransposed=*/false);
}

void StagedMasked::multiplyPortion(State &state, Value buffer, ValueRange ahead, Values &sums) {
  const Division &division = state.division;
  Value prepared = builder.int32(firstPrepared(division));
  prepare(state, buffer, ahead, builder.address(state.share.staging, prepared));
  if (division.usesWarpgroups)
    fenceCopies(builder);
  waitForSlice(state);
  if (!division.usesWarpgroups)
    return StagedHalves::multiplyPortion(state, buffer, ahead, sums);
  startTogether(state, buffer, prepared, 0, sums);
  waitForProducts(builder, 0, sums);
}

std::unique_ptr<MatmulEmitter> stc::gpu::createStagedMasked(packed::MatmulTileOp op,
                                                            const TargetDescription &target) {
  auto type = cast<packed::WeightType>(op.getWeight().getType());
  if (!takesMaskedHalves(type) || op.getInputs().size() != 2 ||
      !cast<MemRefType>(op.getInputs()[1].getType()).isDynamicDim(0))
    return nullptr;
  auto emitter = std::make_unique<StagedMasked>(op, target);
  if (emitter->blockSizes().empty())
    return nullptr;
  return emitter;
}
