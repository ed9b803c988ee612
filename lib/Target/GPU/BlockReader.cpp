// Stored steps of 16 rows x 4 columns, as many as a tile has.
#include "WeightReader.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Rows of a step that a lane's words belong to, and how far those are that the words' upper halves
/// belong to, with codes of 4 bits.
constexpr int64_t kWordRows = kLaneBytes / kDotColumns, kUpperRows = kTileRows / 2;
/// Where tiles have so many units, a lane has two of them under way.
constexpr int64_t kManyUnits = 128;

/// A piece is a stored step; a lane's sixteen bytes are four of its rows, or with codes of 4 bits
/// twice four.
class BlockReader final : public ScaledReader {
public:
  explicit BlockReader(packed::WeightType type)
      : ScaledReader(type,
                     type.getLayout().getLayout().codeBits() == 4 ? 2 * kWordRows : kWordRows),
        isFour(layout.codeBits() == 4) {
    unitCount = unitsFor(geometry.steps);
    // Not more, as tiles end anywhere among them.
    atOnce = unitCount >= kManyUnits ? 2 : 1;
  }

  bool boundsUnits() const override { return true; }
  bool variesUnits() const override { return true; }

  Value storedSteps(BlockBuilder &builder, Value tile) const override {
    int64_t last = geometry.endsOffset + (geometry.groups - 1) * sizeof(uint16_t);
    return loadShort(builder, builder.address(tile, last));
  }

  Value unitsOf(BlockBuilder &builder, Value stored) const override {
    Words words(builder);
    int64_t perUnit = kWarpLanes / rowLanes();
    return words.div(words.add(stored, perUnit - 1), perUnit);
  }

  Value rowOf(BlockBuilder &builder, Value rowLane, Value number) const override {
    Words words(builder);
    Value row = words.add(words.mul(rowLane, kWordRows), number);
    if (!isFour)
      return row;
    Value isUpper = words.div(number, kWordRows);
    return words.add(row, words.mul(isUpper, kUpperRows - kWordRows));
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &at) const override {
    Words words(builder);
    Value stored = at.stored;
    Value number = words.add(words.mul(unit, kWarpLanes / rowLanes()), words.div(lane, rowLanes()));
    Value isPresent = words.isBelow(number, stored), zero = builder.int32(0);
    number = words.select(isPresent, number, zero);
    Value index = builder.address(builder.address(tile, geometry.indicesOffset),
                                  words.mul(number, sizeof(uint16_t)));
    index = loadShort(builder, index);
    // Values begin behind the indices.
    Value offset = words.add(words.mul(stored, sizeof(uint16_t)), kSectionAlignment - 1);
    offset = words.both(offset, -kSectionAlignment);
    offset = words.add(offset, words.mul(number, blockStepBytes(layout)));
    offset = words.add(offset, words.mul(rowLane(words, lane), kLaneBytes));
    Value values = builder.address(builder.address(tile, geometry.indicesOffset), offset);
    // What needs the index comes later, as everything behind that would wait too.
    return {words.load(values, 4, /*invariant=*/true), index, isPresent, tile};
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Value isPresent = loaded[2];
    // Without stored steps there is no index either.
    Value column = words.mul(words.select(isPresent, loaded[1], builder.int32(0)), kDotColumns);
    // Codes come with an offset of 128, without which they are signed as dot products take them.
    Value x = words.flip(words.load(builder.address(token[0], column), 1, false), 0x80808080);
    Value firstRow = words.mul(rowLane(words, lane), kWordRows);
    Values results;
    for (int64_t half = 0; half < laneRows / kWordRows; ++half) {
      Value row = words.add(firstRow, half * kUpperRows);
      Values scales = loadScales(builder, loaded[3], column, row, kWordRows);
      Values products;
      for (int64_t i = 0; i < kWordRows; ++i) {
        Value weights = words.part(loaded[0], i);
        // In the upper half of a byte a weight is 16 times as large.
        if (isFour)
          weights = words.both(words.left(weights, half == 0 ? 4 : 0), 0xF0F0F0F0);
        products.push_back(
            builder.dot4(weights, Bytes::Signed, x, Bytes::Signed, emptySum(builder)));
      }
      llvm::append_range(results, addScaled(builder, scales, products, column, token,
                                            sums.slice(half * kWordRows, kWordRows), isPresent,
                                            isFour ? 1.0 / 16 : 1));
    }
    return results;
  }

private:
  Value rowLane(Words &words, Value lane) const { return words.rem(lane, rowLanes()); }

  static Value loadShort(BlockBuilder &builder, Value address) {
    Value value = builder.loadAligned(builder.getIntegerType(16), address, 2, /*invariant=*/true);
    return arith::ExtUIOp::create(builder, builder.getI32Type(), value);
  }

  bool isFour; // codes of 4 bits
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createBlockReader(packed::WeightType type) {
  return std::make_unique<BlockReader>(type);
}
