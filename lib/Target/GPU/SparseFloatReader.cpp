// Layouts of masks and floats: those whose rows have as many values in every four columns, and
// others, whose values are found by counting.
#include "WeightReader.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Bytes of the masks of a step, and its weights.
constexpr int64_t kMaskBytes = sizeof(uint64_t), kStepWeights = kTileRows * kDotColumns;

/// What both share.
class SparseFloatReader : public WeightReader {
protected:
  SparseFloatReader(packed::WeightType type, int64_t laneRows)
      : WeightReader(type, laneRows), element(type.getLayout().getElement()),
        bytes(layout.floatBytes()) {}

  Value masksAt(BlockBuilder &builder, Value tile, Value offset) const {
    return builder.address(builder.address(tile, geometry.masksOffset), offset);
  }
  Value valuesAt(BlockBuilder &builder, Value tile, Value offset) const {
    return builder.address(builder.address(tile, geometry.valuesOffset), offset);
  }

  /// `count` activations from `column` (i32) on, a multiple of `count`, which divides the columns
  /// of a step; zeros for columns that the matrix has not.
  Values loadInputs(BlockBuilder &builder, const TokenInputs &token, Value column,
                    int64_t count) const {
    Words words(builder);
    Type f32 = builder.getF32Type();
    Value zero = builder.constant(f32, 0.0);
    Values inputs;
    bool areWhole = columns % kDotColumns == 0;
    Value exists, whole;
    for (int64_t i = 0; i < count; ++i) {
      if (i == 0 || !areWhole) {
        Value own = words.add(column, i);
        exists = words.isBelow(own, columns);
        Value place =
            builder.address(token[0], words.mul(words.select(exists, own, words.number(0)), 4));
        whole = builder.loadAligned(areWhole ? Type(VectorType::get(count, f32)) : f32, place,
                                    unsigned(areWhole ? 4 * count : 4));
      }
      Value input = areWhole ? vector::ExtractOp::create(builder, whole, i).getResult() : whole;
      inputs.push_back(words.select(exists, input, zero));
    }
    return inputs;
  }

  Value widen(BlockBuilder &builder, Value weight) const {
    return element.isF32()
               ? weight
               : arith::ExtFOp::create(builder, builder.getF32Type(), weight).getResult();
  }

  static Value isSet(Words &words, BlockBuilder &builder, Value mask, int64_t bit) {
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::ne,
                                 words.both(mask, uint32_t(1) << bit), builder.int32(0));
  }

  Type element;
  int64_t bytes; // of a value
};

/// N of every four columns: a lane has four rows of a step, whose values lie together. Activations
/// are chosen for them by the mask.
class FixedFloatReader final : public SparseFloatReader {
public:
  explicit FixedFloatReader(packed::WeightType type)
      : SparseFloatReader(type, kRows),
        loadBytes(kRows * layout.n * bytes % kLaneBytes == 0 ? kLaneBytes : kLaneBytes / 2) {
    static_assert(kSparseFloatColumns % (kUnitSteps * kDotColumns) == 0, "units are whole");
    unitCount = geometry.steps / kUnitSteps;
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &) const override {
    Words words(builder);
    Value four = words.add(words.mul(unit, kWarpLanes), lane); // of rows, in the tile's order
    constexpr int64_t maskBytes = kRows * kDotColumns / 8;
    Value mask = builder.loadAligned(builder.getI16Type(),
                                     masksAt(builder, tile, words.mul(four, maskBytes)), maskBytes,
                                     /*invariant=*/true);
    Values loaded{arith::ExtUIOp::create(builder, builder.getI32Type(), mask)};
    int64_t all = kRows * layout.n * bytes;
    Value start = valuesAt(builder, tile, words.mul(four, all));
    for (int64_t first = 0; first < all; first += loadBytes)
      loaded.push_back(builder.loadAligned(VectorType::get(loadBytes / bytes, element),
                                           builder.address(start, first), unsigned(loadBytes),
                                           /*invariant=*/true));
    return loaded;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Value step = words.add(words.mul(unit, kUnitSteps), words.div(lane, rowLanes()));
    Values x = loadInputs(builder, token, words.mul(step, kDotColumns), kDotColumns);
    Values results(sums);
    int64_t perLoad = loadBytes / bytes;
    for (int64_t row = 0; row < kRows; ++row) {
      Value isThere[kDotColumns];
      for (int64_t bit = 0; bit < kDotColumns; ++bit)
        isThere[bit] = isSet(words, builder, loaded[0], row * kDotColumns + bit);
      for (int64_t i = 0; i < layout.n; ++i) {
        int64_t place = row * layout.n + i;
        Value weight =
            vector::ExtractOp::create(builder, loaded[1 + place / perLoad], place % perLoad);
        results[row] = builder.multiplyAdd(widen(builder, weight), inputOf(words, isThere, x, i),
                                           results[row]);
      }
    }
    return results;
  }

private:
  /// The activation of a row's value `i`: that of the i-th column that is there.
  Value inputOf(Words &words, const Value (&isThere)[kDotColumns], ValueRange x, int64_t i) const {
    if (i == 0) {
      Value found = x[kDotColumns - layout.n];
      for (int64_t column = kDotColumns - layout.n - 1; column >= 0; --column)
        found = words.select(isThere[column], x[column], found);
      return found;
    }
    if (i + 1 == layout.n) {
      Value found = x[i];
      for (int64_t column = i + 1; column < kDotColumns; ++column)
        found = words.select(isThere[column], x[column], found);
      return found;
    }
    // The second of three.
    return words.select(words.both(isThere[0], isThere[1]), x[1], x[2]);
  }

  static constexpr int64_t kRows = 4, kUnitSteps = kWarpLanes * kRows / kTileRows;

  int64_t loadBytes; // of values, at once
};

/// Others: a warp copies the values of some steps to shared memory. Then its lanes go through the
/// steps together, so that what they read there lies together: each has two columns of one row.
class CountedFloatReader final : public SparseFloatReader {
public:
  explicit CountedFloatReader(packed::WeightType type)
      : SparseFloatReader(type, 1), unitSteps(kUnitBytes / (kStepWeights * bytes)) {
    unitCount = llvm::divideCeil(geometry.steps, unitSteps);
    atOnce = 1;
    fixedBytes = isOrdered() ? 0 : unitSteps * kStepWeights * layout.n / layout.m * bytes;
    runs = llvm::divideCeil(isOrdered() ? kUnitBytes : fixedBytes, kRunBytes);
  }

  bool boundsUnits() const override { return true; }
  bool isOrdered() const override { return layout.kind == LayoutKind::Bitmap; }
  int64_t warpBytes() const override { return recordsOffset() + unitSteps * kRecordBytes; }

  Values loadCounted(BlockBuilder &builder, Value tile, Value unit, Value lane) const override {
    return {loadMasks(builder, tile, unit, lane)};
  }

  Value countBytes(BlockBuilder &builder, ValueRange counted, Value unit,
                   Value lane) const override {
    Words words(builder);
    Value ones = words.add(words.countOnes(words.part(counted[0], 0)),
                           words.countOnes(words.part(counted[0], 1)));
    // The other lanes have the same steps again.
    return words.select(words.isBelow(lane, unitSteps), words.mul(ones, bytes), words.number(0));
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &at) const override {
    Words words(builder);
    Values loaded{loadMasks(builder, tile, unit, lane)};
    Value begin = at.begin, size = at.size;
    if (!isOrdered()) {
      int64_t all = geometry.steps * kStepWeights * layout.n / layout.m * bytes;
      auto atMost = [&](Value value) -> Value {
        return arith::MinUIOp::create(builder, value, builder.int32(all));
      };
      begin = words.mul(unit, fixedBytes);
      size = arith::SubIOp::create(builder, atMost(words.add(begin, fixedBytes)), atMost(begin));
      begin = atMost(begin);
    }
    // From an aligned place on; lanes that find nothing there load what others do.
    Value shift = words.both(begin, kLaneBytes - 1);
    Value end = words.add(shift, size);
    Value start = valuesAt(builder, tile, arith::SubIOp::create(builder, begin, shift));
    auto loadRun = [&](int64_t run, int64_t laneBytes) {
      Value offset = words.add(words.mul(lane, laneBytes), run * kRunBytes);
      Value last = words.both(end, ~uint32_t(laneBytes - 1));
      offset = arith::MinUIOp::create(builder, offset, last);
      loaded.push_back(words.load(builder.address(start, offset), laneBytes / 4, true));
    };
    for (int64_t run = 0; run < runs; ++run)
      loadRun(run, kLaneBytes);
    if (isOrdered()) // what the shift moves behind the runs
      loadRun(runs, kRestBytes);
    loaded.push_back(shift);
    return loaded;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    // No lane is still at what was here before.
    NVVM::SyncWarpOp::create(builder, builder.int32(-1));
    auto storeRun = [&](int64_t run, int64_t laneBytes) {
      Value own = builder.address(warpShared, words.mul(lane, laneBytes));
      builder.storeAligned(loaded[1 + run], builder.address(own, run * kRunBytes),
                           unsigned(laneBytes));
    };
    for (int64_t run = 0; run < runs; ++run)
      storeRun(run, kLaneBytes);
    if (isOrdered())
      storeRun(runs, kRestBytes);
    storeRecords(builder, loaded.front(), loaded.back(), lane);
    NVVM::SyncWarpOp::create(builder, builder.int32(-1));

    Value row = words.rem(lane, kTileRows), side = words.div(lane, kTileRows);
    Value ofHalf = words.mul(words.div(row, kTileRows / 2), kRecordBytes / 2);
    Value records = builder.address(builder.address(warpShared, recordsOffset()), ofHalf);
    Value bit = words.add(words.mul(words.rem(row, kTileRows / 2), kDotColumns),
                          words.mul(side, kLaneColumns));
    Value below = words.add(words.shiftLeft(words.number(1), bit), ~uint32_t(0));
    Value sum = sums[0], zero = builder.constant(builder.getF32Type(), 0.0);
    for (int64_t step = 0; step < unitSteps; ++step) {
      Value record = words.load(builder.address(records, step * kRecordBytes), 2, false);
      Value mask = words.part(record, 0);
      Value before = words.countOnes(words.both(mask, below));
      Value place = words.add(words.part(record, 1), words.mul(before, bytes));
      Value own = arith::ShRUIOp::create(builder, mask, bit);
      Value column =
          words.add(words.mul(unit, unitSteps * kDotColumns), words.mul(side, kLaneColumns));
      Values x = loadInputs(builder, token, words.add(column, step * kDotColumns), kLaneColumns);
      for (int64_t i = 0; i < kLaneColumns; ++i) {
        Value weight =
            builder.loadAligned(element, builder.address(warpShared, place), unsigned(bytes));
        weight = words.select(isSet(words, builder, own, i), widen(builder, weight), zero);
        sum = builder.multiplyAdd(weight, x[i], sum);
        if (i == 0)
          place = words.add(place, words.mul(words.both(own, 1), bytes));
      }
    }
    return {sum};
  }

private:
  int64_t recordsOffset() const {
    return runs * kRunBytes + (isOrdered() ? kWarpLanes * kRestBytes : kLaneBytes);
  }

  /// The masks of the lane's step, two words; of a step that does not exist, zeros.
  Value loadMasks(BlockBuilder &builder, Value tile, Value unit, Value lane) const {
    Words words(builder);
    Value step = words.add(words.mul(unit, unitSteps), words.rem(lane, unitSteps));
    Value exists = words.isBelow(step, geometry.steps);
    Value offset = words.mul(words.select(exists, step, words.number(0)), kMaskBytes);
    Value masks = words.load(masksAt(builder, tile, offset), 2, true);
    return words.select(exists, masks, builder.constant(masks.getType(), int64_t(0)));
  }

  /// Of each step and half of its rows the mask, and where its values begin. `shift`: where those
  /// of the unit do.
  void storeRecords(BlockBuilder &builder, Value masks, Value shift, Value lane) const {
    Words words(builder);
    Value lower = words.part(masks, 0), upper = words.part(masks, 1);
    Value first = words.mul(words.countOnes(lower), bytes);
    Value both = words.add(first, words.mul(words.countOnes(upper), bytes));
    Value begin = words.add(shift, words.addLanes(both, lane, 1, unitSteps).first);
    auto four = VectorType::get(4, builder.getI32Type());
    Value record = vector::FromElementsOp::create(
        builder, four, ValueRange{lower, begin, upper, words.add(begin, first)});
    Value place = words.mul(words.rem(lane, unitSteps), kRecordBytes);
    builder.storeAligned(
        record, builder.address(builder.address(warpShared, recordsOffset()), place), kRecordBytes);
  }

  /// Most bytes of a unit's values, and those that a warp loads at once: 16 in a lane, or four of
  /// what is left. Columns of a lane in a step.
  static constexpr int64_t kUnitBytes = 2048, kRunBytes = kWarpLanes * kLaneBytes, kRestBytes = 4,
                           kRecordBytes = 16, kLaneColumns = 2;

  int64_t unitSteps;
  int64_t fixedBytes; // of a unit's values, where they do not vary
  int64_t runs;
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createSparseFloatReader(packed::WeightType type) {
  Layout layout = type.getLayout().getLayout();
  if (layout.kind == LayoutKind::NM && layout.m == kDotColumns)
    return std::make_unique<FixedFloatReader>(type);
  return std::make_unique<CountedFloatReader>(type);
}
