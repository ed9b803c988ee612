// Stored steps of 16 rows x 4 columns, as many as a tile has.
#include "WeightReader.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// A piece is a stored step; a lane has four of its rows. With codes of 4 bits lanes that have
/// different rows load the same sixteen bytes and take one of their halves.
class BlockReader final : public ScaledReader {
public:
  explicit BlockReader(packed::WeightType type)
      : ScaledReader(type, kLaneBytes / kDotColumns), isFour(layout.codeBits() == 4) {
    unitCount = unitsFor(geometry.steps);
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
    // Without stored steps there is no index either.
    Value column = words.mul(words.select(isPresent, index, zero), kDotColumns);

    // Values begin behind the indices.
    Value offset = words.add(words.mul(stored, sizeof(uint16_t)), kSectionAlignment - 1);
    offset = words.both(offset, -kSectionAlignment);
    offset = words.add(offset, words.mul(number, blockStepBytes(layout)));
    offset = words.add(
        offset,
        words.mul(isFour ? words.rem(rowLane(words, lane), 2) : rowLane(words, lane), kLaneBytes));
    Value values = builder.address(builder.address(tile, geometry.indicesOffset), offset);
    // Scales are loaded when the index is here, as what is loaded after it would wait too.
    return {words.load(values, 4, /*invariant=*/true), column, isPresent, tile};
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Value column = loaded[1], isPresent = loaded[2];
    Value firstRow = words.mul(rowLane(words, lane), laneRows);
    Values scales = loadScales(builder, loaded[3], column, firstRow);
    // Codes come with an offset of 128, without which they are signed as dot products take them.
    Value x = words.flip(words.load(builder.address(token[0], column), 1, false), 0x80808080);
    // The low nibbles of a step are rows 0 to 7.
    Value shift;
    if (isFour)
      shift =
          words.select(words.isBelow(rowLane(words, lane), 2), builder.int32(4), builder.int32(0));
    Values products;
    for (int64_t row = 0; row < laneRows; ++row) {
      Value weights = words.part(loaded[0], row);
      // In the upper half of a byte a weight is 16 times as large.
      if (isFour)
        weights = words.both(arith::ShLIOp::create(builder, weights, shift), 0xF0F0F0F0);
      products.push_back(
          builder.dot4(weights, /*aSigned=*/true, x, /*bSigned=*/true, builder.int32(0)));
    }
    return addScaled(builder, scales, products, column, token, sums, isPresent,
                     isFour ? 1.0 / 16 : 1);
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
