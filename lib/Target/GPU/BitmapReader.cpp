// Bitmaps with codes of 4 bits: a warp copies a run of values to shared memory, where its lanes
// find the codes of their rows by counting mask bits.
#include "WeightReader.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Columns of two steps, whose codes share bytes, their bytes of masks, and at most of values.
constexpr int64_t kPairColumns = 2 * kDotColumns, kMaskBytes = 16,
                  kPairBytes = kTileRows * kDotColumns;
/// Pairs of steps of a unit: one for each lane when they are counted. Then they are multiplied in
/// rounds of as many pairs as there are lanes with different rows.
constexpr int64_t kUnitPairs = kWarpLanes;
constexpr int64_t kRows = 2, kRowLanes = kTileRows / kRows, kRoundPairs = kWarpLanes / kRowLanes,
                  kRounds = kUnitPairs / kRoundPairs;
/// Values of a unit, which begin anywhere in sixteen bytes: as words of four that a lane loads, and
/// one more word for what they leave.
constexpr int64_t kValueBytes = kUnitPairs * kPairBytes, kRunBytes = kWarpLanes * kLaneBytes,
                  kRuns = kValueBytes / kRunBytes, kRestBytes = kWarpLanes * 4;
/// Records that say for each half of a pair's rows where those are found: two words of masks, two
/// offsets of values.
constexpr int64_t kRecordBytes = 16, kRecords = kValueBytes + kRestBytes,
                  kHalfBytes = kUnitPairs * kRecordBytes;
/// Copies of the table, so that lanes seldom wait for each other's words; the bytes of an entry.
constexpr int64_t kCopies = 8, kEntries = 256, kEntryBytes = 4 * kCopies;

/// A unit has as many pairs of steps as a warp has lanes, a lane two rows of every fourth of those.
/// The stored codes of two rows and a step are eight bytes at most, of which an entry of a table
/// says which belong to each column, by the rows' eight mask bits.
class BitmapReader final : public ScaledReader {
public:
  explicit BitmapReader(packed::WeightType type)
      : ScaledReader(type, kRows), pairs(geometry.steps / 2) {
    unitCount = llvm::divideCeil(pairs, kUnitPairs);
    atOnce = 1;
  }

  bool boundsUnits() const override { return true; }
  bool isOrdered() const override { return true; }
  int64_t warpBytes() const override { return kRecords + 2 * kHalfBytes; }
  int64_t blockBytes() const override { return kEntries * kEntryBytes; }

  /// Entry `mask`: for each bit a nibble that says which byte its code is, counted from the first
  /// one's, or for a bit that is not set 8, which is no byte.
  void fillShared(BlockBuilder &builder) const override {
    constexpr int64_t kStores = kEntryBytes / kLaneBytes;
    builder.forThreads(kEntries * kStores, [&](Value number) {
      Words words(builder);
      Value thread = builder.toI32(number), mask = words.div(thread, kStores);
      Value entry = words.number(0), rank = words.number(0);
      for (int64_t bit = 0; bit < 2 * kDotColumns; ++bit) {
        Value isSet = words.both(words.right(mask, bit), 1);
        Value nibble = words.select(words.isBelow(isSet, 1), words.number(8), rank);
        entry = words.either(entry, words.left(nibble, 4 * bit));
        rank = words.add(rank, isSet);
      }
      Value four =
          vector::BroadcastOp::create(builder, VectorType::get(4, builder.getI32Type()), entry);
      builder.storeAligned(four, builder.address(blockShared, words.mul(thread, kLaneBytes)),
                           kLaneBytes);
    });
  }

  Values loadCounted(BlockBuilder &builder, Value tile, Value unit, Value lane) const override {
    return {loadMasks(builder, tile, pairOf(builder, unit, lane))};
  }

  Value countBytes(BlockBuilder &builder, ValueRange counted, Value unit,
                   Value lane) const override {
    Words words(builder);
    Value ones[4];
    for (int64_t i = 0; i < 4; ++i)
      ones[i] = words.countOnes(words.part(counted[0], i));
    Value bytes =
        arith::MaxUIOp::create(builder, words.add(ones[0], ones[1]), words.add(ones[2], ones[3]));
    return ifExists(builder, pairOf(builder, unit, lane), bytes);
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &at) const override {
    Words words(builder);
    Values loaded{loadMasks(builder, tile, pairOf(builder, unit, lane))};
    // From an aligned place on; lanes that find nothing there load what others do.
    Value shift = words.both(at.begin, kLaneBytes - 1);
    Value begin = arith::SubIOp::create(builder, at.begin, shift);
    Value end = words.both(words.add(shift, at.size), ~uint32_t(kLaneBytes - 1));
    Value values = builder.address(builder.address(tile, geometry.valuesOffset), begin);
    auto place = [&](Value offset) {
      return builder.address(values, arith::MinUIOp::create(builder, offset, end).getResult());
    };
    Value own = words.mul(lane, kLaneBytes);
    for (int64_t run = 0; run < kRuns; ++run)
      loaded.push_back(words.load(place(words.add(own, run * kRunBytes)), 4, true));
    loaded.push_back(words.load(place(words.add(words.mul(lane, 4), kValueBytes)), 1, true));
    loaded.push_back(shift);
    for (int64_t round = 0; round < kRounds; round += groupRounds()) {
      Value column = columnOf(builder, unit, lane, round);
      llvm::append_range(loaded, loadScales(builder, tile, column, firstRow(words, lane)));
    }
    return loaded;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Value masks = loaded[0], shift = loaded[2 + kRuns];
    ValueRange scales = loaded.drop_front(3 + kRuns);
    // No lane is still at what was here before.
    syncWarp(builder);
    storeValues(builder, loaded.slice(1, kRuns + 1), lane);
    storeRecords(builder, masks, shift, unit, lane);
    syncWarp(builder);

    Lane own(words, lane);
    own.table = builder.address(blockShared, words.mul(words.rem(lane, kCopies), 4));
    Value half = words.mul(words.div(own.number, kRowLanes / 2), kHalfBytes);
    Value record = words.add(half, words.mul(words.div(lane, kRowLanes), kRecordBytes));
    Value records = builder.address(builder.address(warpShared, kRecords), record);
    Values results(sums);
    for (int64_t first = 0; first < kRounds; first += groupRounds()) {
      Values products(kRows, words.number(0));
      for (int64_t round = first; round < first + groupRounds(); ++round) {
        Value four =
            words.load(builder.address(records, round * kRoundPairs * kRecordBytes), 4, false);
        Value column = columnOf(builder, unit, lane, round);
        Value x = words.load(builder.address(token[0], column), 2, false);
        for (int64_t step : {0, 1})
          addStep(builder, own, words.part(four, step), words.part(four, 2 + step), step,
                  words.part(x, step), products);
      }
      int64_t each = scaleValues();
      results = addScaled(builder, scales.slice(first / groupRounds() * each, each), products,
                          columnOf(builder, unit, lane, first), token, results, {}, 1.0 / 16);
    }
    return results;
  }

private:
  /// What a lane needs to know of its two rows: their number in pairs, how their bits are taken
  /// from the masks of a step and half, which bits lie before, and its copy of the table.
  struct Lane {
    Lane(Words &words, Value lane) : number(words.rem(lane, kRowLanes)) {
      Value byte = words.rem(number, kRowLanes / 2);
      selector = words.add(byte, 0x4440);
      before = words.add(words.shiftLeft(words.number(1), words.mul(byte, 8)), ~uint32_t(0));
    }
    Value number, selector, before, table;
  };

  /// Rounds whose columns have the same scales.
  int64_t groupRounds() const { return layout.group / (kRoundPairs * kPairColumns); }
  Value firstRow(Words &words, Value lane) const {
    return words.mul(words.rem(lane, kRowLanes), kRows);
  }

  static void syncWarp(BlockBuilder &builder) {
    NVVM::SyncWarpOp::create(builder, builder.int32(-1));
  }

  bool isUneven() const { return pairs % kUnitPairs != 0; }

  /// The pair that a lane counts, which may lie behind the last.
  Value pairOf(BlockBuilder &builder, Value unit, Value lane) const {
    Words words(builder);
    return words.add(words.mul(unit, kUnitPairs), lane);
  }
  /// `value`, or zero for a pair that does not exist.
  Value ifExists(BlockBuilder &builder, Value pair, Value value) const {
    Words words(builder);
    return words.select(words.isBelow(pair, pairs), value, words.number(0));
  }

  /// The masks of a pair: two words of each step.
  Value loadMasks(BlockBuilder &builder, Value tile, Value pair) const {
    Words words(builder);
    Value offset = words.mul(ifExists(builder, pair, pair), kMaskBytes);
    return words.load(builder.address(builder.address(tile, geometry.masksOffset), offset), 4,
                      true);
  }

  /// The column that a lane multiplies in a round; an existing one in any case.
  Value columnOf(BlockBuilder &builder, Value unit, Value lane, int64_t round) const {
    Words words(builder);
    Value pair = words.add(words.mul(unit, kUnitPairs), words.div(lane, kRowLanes));
    pair = words.add(pair, round * kRoundPairs);
    return words.mul(ifExists(builder, pair, pair), kPairColumns);
  }

  void storeValues(BlockBuilder &builder, ValueRange values, Value lane) const {
    Words words(builder);
    Value own = builder.address(warpShared, words.mul(lane, kLaneBytes));
    for (int64_t run = 0; run < kRuns; ++run)
      builder.storeAligned(values[run], builder.address(own, run * kRunBytes), kLaneBytes);
    own = builder.address(warpShared, words.mul(lane, 4));
    builder.storeAligned(values[kRuns], builder.address(own, kValueBytes), 4);
  }

  /// Finds what lies before a lane's pair of the unit, whose values begin `shift` bytes behind
  /// where they were stored.
  void storeRecords(BlockBuilder &builder, Value masks, Value shift, Value unit, Value lane) const {
    Words words(builder);
    Value pair = pairOf(builder, unit, lane);
    Value parts[4], ones[4]; // lower and upper rows of the first step, of the second
    for (int64_t i = 0; i < 4; ++i) {
      parts[i] = ifExists(builder, pair, words.part(masks, i));
      ones[i] = words.countOnes(parts[i]);
    }
    Value size =
        arith::MaxUIOp::create(builder, words.add(ones[0], ones[1]), words.add(ones[2], ones[3]));
    Value begin = words.add(shift, words.addLanes(size, lane, 1, kWarpLanes).first);
    Value start =
        builder.address(builder.address(warpShared, kRecords), words.mul(lane, kRecordBytes));
    auto store = [&](int64_t half, Value first, Value second) {
      Value record =
          vector::FromElementsOp::create(builder, VectorType::get(4, builder.getI32Type()),
                                         ValueRange{parts[half], parts[2 + half], first, second});
      builder.storeAligned(record, builder.address(start, half * kHalfBytes), kRecordBytes);
    };
    store(0, begin, begin);
    store(1, words.add(begin, ones[0]), words.add(begin, ones[2]));
  }

  /// Adds the products of 16 times the weights of a step's two rows. `masks` are those of a half,
  /// whose codes begin at `begin`, in the lower or for the second step the upper half of bytes.
  void addStep(BlockBuilder &builder, const Lane &own, Value masks, Value begin, int64_t step,
               Value x, Values &products) const {
    Words words(builder);
    Value entry = words.permute(masks, words.number(0), own.selector);
    entry = words.load(builder.address(own.table, words.mul(entry, kEntryBytes)), 1, false);
    Value first = words.add(begin, words.countOnes(words.both(masks, own.before)));
    Value aligned = builder.address(warpShared, words.both(first, ~3u));
    Value stored[3], codes[2];
    for (int64_t i = 0; i < 3; ++i)
      stored[i] = words.load(builder.address(aligned, 4 * i), 1, false);
    // Codes in the lower halves of bytes, less the zero point: their highest bits flip.
    Value bits = words.add(words.mul(first, 8), 4 * step);
    for (int64_t i : {0, 1}) {
      codes[i] = words.funnel(stored[i + 1], stored[i], bits);
      codes[i] = words.flip(words.both(codes[i], 0x0F0F0F0F), 0x08080808);
    }
    for (int64_t row = 0; row < kRows; ++row) {
      // In the upper half of a byte a weight is 16 times as large. Only the lower half of a
      // selector counts.
      Value weights = builder.permuteBytesOrSigns(codes[0], codes[1], words.right(entry, 16 * row));
      products[row] = builder.dot4(words.left(weights, 4), /*aSigned=*/true, x, /*bSigned=*/true,
                                   products[row]);
    }
  }

  int64_t pairs; // of a tile's steps
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createBitmapReader(packed::WeightType type) {
  return std::make_unique<BitmapReader>(type);
}
