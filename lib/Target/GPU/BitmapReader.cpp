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
/// one more word for what they leave. In shared memory others may lie before them, which are read.
constexpr int64_t kValueBytes = kUnitPairs * kPairBytes, kRunBytes = kWarpLanes * kLaneBytes,
                  kRuns = kValueBytes / kRunBytes, kRestBytes = kWarpLanes * 4, kFront = kLaneBytes;
/// Runs that are loaded always: enough where half the weights are zero.
constexpr int64_t kUsualRuns = kRuns - 1;
/// What says for each half of a pair's rows where those are found: two words of masks, and two
/// offsets of values in a word. The second halves' are in banks that the first ones' leave.
constexpr int64_t kMaskRecord = 8, kPlaceRecord = 4, kOtherBanks = 16,
                  kMaskRecords = kFront + kValueBytes + kRestBytes,
                  kHalfMasks = kUnitPairs * kMaskRecord + kOtherBanks,
                  kPlaceRecords = kMaskRecords + 2 * kHalfMasks,
                  kHalfPlaces = kUnitPairs * kPlaceRecord + kOtherBanks,
                  kWarpBytes = kPlaceRecords + 2 * kHalfPlaces;
/// Entries of the table. There are copies of it, so that lanes seldom wait for each other's words:
/// one for each lane where multiprocessors have room.
constexpr int64_t kEntries = 256, kFewCopies = 8, kRoomyBytes = 160 << 10;

/// A unit has as many pairs of steps as a warp has lanes, a lane two rows of every fourth of those.
/// The stored codes of two rows and a step are those just before and just behind the place where
/// the second row begins, four bytes each at most. They stay where they are: an entry of a table
/// says, by the rows' eight mask bits, which activations come beside each of those bytes, and where
/// none does.
class BitmapReader final : public ScaledReader {
public:
  explicit BitmapReader(packed::WeightType type)
      : ScaledReader(type, kRows), pairs(geometry.steps / 2) {
    unitCount = llvm::divideCeil(pairs, kUnitPairs);
    atOnce = 1;
  }

  bool boundsUnits() const override { return true; }
  bool isOrdered() const override { return true; }
  int64_t warpBytes() const override { return kWarpBytes; }
  int64_t blockBytes(const TargetDescription &target) const override {
    return kEntries * copies(target) * 4;
  }

  /// Entry `mask`: in the lower half a nibble for each of four bytes, the last ones of which are
  /// the first row's codes, that says which activation belongs to it, or 4, which is zero; in the
  /// upper half the same of the second row, whose codes come first.
  void fillShared(BlockBuilder &builder) const override {
    // Two threads write the copies of an entry, beginning with different ones.
    int64_t stores = copies(builder.getTarget()) * 4 / kLaneBytes / 2;
    builder.forThreads(2 * kEntries, [&](Value number) {
      Words words(builder);
      Value thread = builder.toI32(number), mask = words.div(thread, 2);
      Value upper = words.number(0x4444), lower = upper, rank = words.number(0);
      for (int64_t column = 0; column < kDotColumns; ++column) {
        // What follows pushes codes of the first row towards the lower end.
        Value pushed = words.either(words.right(lower, 4), words.number(column << 12));
        lower = words.select(isClear(words, mask, column), lower, pushed);
        // The second row's nibble at its rank: less by what makes 4 the column's number.
        Value isOther = isClear(words, mask, kDotColumns + column);
        Value less = words.shiftLeft(words.number(4 - column), rank);
        Value placed = arith::SubIOp::create(builder, upper, less);
        upper = words.select(isOther, upper, placed);
        rank = words.select(isOther, rank, words.add(rank, 4));
      }
      Value entry = words.either(lower, words.left(upper, 16));
      Value four =
          vector::BroadcastOp::create(builder, VectorType::get(4, builder.getI32Type()), entry);
      Value first = words.mul(words.rem(thread, 2), stores);
      Value start = builder.address(blockShared, words.mul(mask, 2 * stores * kLaneBytes));
      for (int64_t i = 0; i < stores; ++i) {
        Value place = words.add(first, words.rem(words.add(mask, i), stores));
        builder.storeAligned(four, builder.address(start, words.mul(place, kLaneBytes)),
                             kLaneBytes);
      }
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
    Value end = words.add(shift, at.size);
    Value values = builder.address(builder.address(tile, geometry.valuesOffset), begin);
    auto loadRun = [&](int64_t run) {
      int64_t bytes = runBytes(run);
      Value offset = words.add(words.mul(lane, bytes), run * kRunBytes);
      Value last = words.both(end, ~uint32_t(bytes - 1));
      offset = arith::MinUIOp::create(builder, offset, last);
      return words.load(builder.address(values, offset), bytes / 4, /*invariant=*/true);
    };
    for (int64_t run = 0; run < kUsualRuns; ++run)
      loaded.push_back(loadRun(run));
    Type four = loaded.back().getType(), one = builder.getI32Type();
    auto branch = scf::IfOp::create(builder, TypeRange{four, one}, isUnusual(words, end),
                                    /*withElseRegion=*/true);
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(branch.thenBlock());
      Value run = loadRun(kUsualRuns), rest = loadRun(kRuns);
      scf::YieldOp::create(builder, ValueRange{run, rest});
      // Nobody looks at what is not there.
      builder.setInsertionPointToStart(branch.elseBlock());
      run = LLVM::UndefOp::create(builder, four);
      rest = LLVM::UndefOp::create(builder, one);
      scf::YieldOp::create(builder, ValueRange{run, rest});
    }
    llvm::append_range(loaded, branch.getResults());
    loaded.push_back(shift);
    loaded.push_back(end);
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
    ValueRange scales = loaded.drop_front(4 + kRuns);
    // No lane is still at what was here before.
    syncWarp(builder);
    storeValues(builder, loaded.slice(1, kRuns + 1), loaded[3 + kRuns], lane);
    storeRecords(builder, masks, shift, unit, lane);
    syncWarp(builder);

    Lane own(words, lane);
    int64_t tables = copies(builder.getTarget());
    own.table = builder.address(blockShared, words.mul(words.rem(lane, tables), 4));
    own.entryBytes = 4 * tables;
    Value half = words.div(own.number, kRowLanes / 2), pair = words.div(lane, kRowLanes);
    auto recordsOf = [&](int64_t start, int64_t ofHalf, int64_t record) {
      Value offset = words.add(words.mul(half, ofHalf), words.mul(pair, record));
      return builder.address(builder.address(warpShared, start), offset);
    };
    Value maskRecords = recordsOf(kMaskRecords, kHalfMasks, kMaskRecord);
    Value placeRecords = recordsOf(kPlaceRecords, kHalfPlaces, kPlaceRecord);
    Values results(sums);
    for (int64_t first = 0; first < kRounds; first += groupRounds()) {
      Values products(kRows, emptySum(builder));
      for (int64_t round = first; round < first + groupRounds(); ++round) {
        int64_t ahead = round * kRoundPairs;
        Value masks = words.load(builder.address(maskRecords, ahead * kMaskRecord), 2, false);
        Value places = words.load(builder.address(placeRecords, ahead * kPlaceRecord), 1, false);
        Value column = columnOf(builder, unit, lane, round);
        Value x = words.load(builder.address(token[0], column), 2, false);
        for (int64_t step : {0, 1})
          addStep(builder, own, words.part(masks, step), words.right(places, 16 * step), step,
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
  /// from the masks of a step and half, which bits lie before the second row's, and its copy of the
  /// table, whose entries are `entryBytes` apart.
  struct Lane {
    Lane(Words &words, Value lane) : number(words.rem(lane, kRowLanes)) {
      Value byte = words.rem(number, kRowLanes / 2);
      selector = words.add(byte, 0x4440);
      Value bit = words.add(words.mul(byte, 8), kDotColumns);
      before = words.add(words.shiftLeft(words.number(1), bit), ~uint32_t(0));
    }
    Value number, selector, before, table;
    int64_t entryBytes = 0;
  };

  static int64_t copies(const TargetDescription &target) {
    return target.sharedBytes >= kRoomyBytes ? kWarpLanes : kFewCopies;
  }
  static Value isClear(Words &words, Value mask, int64_t bit) {
    return words.isBelow(words.both(words.right(mask, bit), 1), 1);
  }

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

  /// Bytes that a lane loads of a run.
  static int64_t runBytes(int64_t run) { return run < kRuns ? kLaneBytes : 4; }
  /// Whether a unit whose values end at `end`, counted from where they are loaded, has more than
  /// the usual runs. A warp's lanes agree.
  static Value isUnusual(Words &words, Value end) {
    return words.isBelow(words.number(kUsualRuns * kRunBytes - 1), end);
  }

  /// Stores values as weights, to which codes turn when their highest bits flip: nibbles that are
  /// signed.
  void storeValues(BlockBuilder &builder, ValueRange values, Value end, Value lane) const {
    Words words(builder);
    auto store = [&](int64_t run) {
      Value flips = words.number(0x88888888);
      if (runBytes(run) != 4)
        flips = vector::BroadcastOp::create(builder, values[run].getType(), flips);
      Value own = builder.address(warpShared, words.mul(lane, runBytes(run)));
      builder.storeAligned(words.flip(values[run], flips),
                           builder.address(own, kFront + run * kRunBytes), runBytes(run));
    };
    for (int64_t run = 0; run < kUsualRuns; ++run)
      store(run);
    builder.ifThen(isUnusual(words, end), [&] {
      store(kUsualRuns);
      store(kRuns);
    });
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
    // The bytes of the first row that may lie before the second one's. Half a byte more in the
    // first step, so that its codes come to the upper halves of bytes.
    Value places = words.mul(words.add(begin, kFront - kDotColumns), 0x00010001);
    places = words.add(places, ~uint32_t(0));
    for (int64_t half : {0, 1}) {
      if (half == 1)
        places = words.add(places, words.either(ones[0], words.left(ones[2], 16)));
      Value two = vector::FromElementsOp::create(builder, VectorType::get(2, builder.getI32Type()),
                                                 ValueRange{parts[half], parts[2 + half]});
      auto recordOf = [&](int64_t start, int64_t record) {
        return builder.address(builder.address(warpShared, start), words.mul(lane, record));
      };
      builder.storeAligned(two, recordOf(kMaskRecords + half * kHalfMasks, kMaskRecord),
                           kMaskRecord);
      builder.storeAligned(places, recordOf(kPlaceRecords + half * kHalfPlaces, kPlaceRecord),
                           kPlaceRecord);
    }
  }

  /// Adds the products of 16 times the weights of a step's two rows. `masks` are those of a half,
  /// whose first bytes begin at `begin` (its lower 16 bits); of the first step a byte before that,
  /// as its weights are the lower halves of bytes.
  void addStep(BlockBuilder &builder, const Lane &own, Value masks, Value begin, int64_t step,
               Value x, Values &products) const {
    Words words(builder);
    Value entry = words.permute(masks, words.number(0), own.selector);
    entry = words.load(builder.address(own.table, words.mul(entry, own.entryBytes)), 1, false);
    Value first = words.add(begin, words.countOnes(words.both(masks, own.before)));
    Value aligned = builder.address(warpShared, words.both(first, 0xFFFC));
    Value stored[3];
    for (int64_t i = 0; i < 3; ++i)
      stored[i] = words.load(builder.address(aligned, 4 * i), 1, false);
    Value bits = words.add(words.mul(first, 8), step == 0 ? 4 : 0);
    for (int64_t row = 0; row < kRows; ++row) {
      // In the upper half of a byte a weight is 16 times as large.
      Value weights = words.both(words.funnel(stored[row + 1], stored[row], bits), 0xF0F0F0F0);
      // Only the lower half of a selector counts.
      Value inputs = words.permute(x, words.number(0), words.right(entry, 16 * row));
      products[row] = builder.dot4(weights, Bytes::Signed, inputs, Bytes::Signed, products[row]);
    }
  }

  int64_t pairs; // of a tile's steps
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createBitmapReader(packed::WeightType type) {
  return std::make_unique<BitmapReader>(type);
}
