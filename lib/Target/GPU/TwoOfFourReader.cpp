// 2:4 with codes of 4 bits: each dot product takes the stored weights of two steps of a row.
#include "WeightReader.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Columns of two steps, whose codes share bytes, and the bytes those are.
constexpr int64_t kPairColumns = 2 * kDotColumns, kPairBytes = 2 * kTileRows;
/// Where a tile has so many columns, all warps of a block find work in units of two pairs per lane.
constexpr int64_t kWideColumns = 4096;

/// The positions of a row's two weights in a step, as two nibbles, the first in the lower one, by
/// the lower three bits of its mask: 3, 5, 6, 9, 10 and 12 differ in those.
constexpr uint32_t kPositionsLow = 0x10313000, kPositionsHigh = 0x00212032;
/// What makes them positions of the second step's activations.
constexpr uint32_t kSecondStep = 0x44444444;

/// A lane's sixteen bytes are eight rows of a pair of steps: two bytes of each, whose low nibbles
/// are the first step's codes and whose high nibbles the second one's. Of the eight activations
/// of a pair, one instruction chooses the four that a row has weights for.
class TwoOfFourReader final : public ScaledReader {
public:
  explicit TwoOfFourReader(packed::WeightType type)
      : ScaledReader(type, kTileRows / 2), pairs(geometry.paddedColumns >= kWideColumns ? 2 : 1),
        pieces(geometry.paddedColumns / (pairs * kPairColumns)) {
    unitCount = unitsFor(pieces);
    atOnce = 4 / pairs;
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Value values = builder.address(
        builder.address(tile, geometry.valuesOffset),
        words.add(words.mul(place.piece, pairs * kPairBytes), words.mul(place.firstRow, 2)));
    Value masks = builder.address(
        builder.address(tile, geometry.masksOffset),
        words.add(words.mul(place.piece, pairs * 16), words.div(place.firstRow, 2)));
    Values loaded;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      loaded.push_back(words.load(builder.address(values, pair * kPairBytes), 4, true));
      for (int64_t step : {0, 1})
        loaded.push_back(words.load(builder.address(masks, pair * 16 + step * 8), 1, true));
    }
    llvm::append_range(loaded, loadScales(builder, tile, place.column, place.firstRow));
    return loaded;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Value x = words.load(builder.address(token[0], place.column), 2 * pairs, false);
    Values products(laneRows, emptySum(builder));
    for (int64_t pair = 0; pair < pairs; ++pair)
      addPair(builder, loaded.slice(3 * pair, 3), words.part(x, 2 * pair),
              words.part(x, 2 * pair + 1), products);
    return addScaled(builder, loaded.drop_front(3 * pairs), products, place.column, token, sums,
                     place.isPresent, 1.0 / 16);
  }

private:
  Place placeOf(BlockBuilder &builder, Value unit, Value lane) const {
    return ScaledReader::placeOf(builder, unit, lane, pieces, pairs * kPairColumns);
  }

  /// Adds the products of 16 times the weights of a pair, whose values and two masks `loaded` are,
  /// and the activations of its steps.
  void addPair(BlockBuilder &builder, ValueRange loaded, Value first, Value second,
               Values &products) const {
    Words words(builder);
    // Byte i of word h of each step: the positions of row 4 h + i.
    Value positions[2][2];
    for (int64_t step : {0, 1}) {
      uint32_t added = step == 0 ? 0 : kSecondStep;
      Value low = words.number(kPositionsLow + added), high = words.number(kPositionsHigh + added);
      Value masks = words.both(loaded[1 + step], 0x77777777);
      positions[0][step] = words.permute(low, high, masks);
      positions[1][step] = words.permute(low, high, words.right(masks, 16));
    }
    for (int64_t two = 0; two < laneRows / 2; ++two) {
      // Signed nibbles in the upper halves of bytes, where a code is 8 more than its weight.
      Value bytes = words.part(loaded[0], two);
      Value low = words.flip(words.both(words.left(bytes, 4), 0xF0F0F0F0), 0x80808080);
      Value high = words.flip(words.both(bytes, 0xF0F0F0F0), 0x80808080);
      Value *ofRows = positions[two / 2];
      Value selectors = words.permute(ofRows[0], ofRows[1], two % 2 == 0 ? 0x5140 : 0x7362);
      for (int64_t i : {0, 1}) {
        Value &product = products[2 * two + i];
        Value weights = words.permute(low, high, i == 0 ? 0x5410 : 0x7632);
        // Only the lower half of a selector counts.
        Value x = words.permute(first, second, words.right(selectors, 16 * i));
        product = builder.dot4(weights, Bytes::Signed, x, Bytes::Signed, product);
      }
    }
  }

  int64_t pairs;  // of steps that a lane takes at once
  int64_t pieces; // of a tile: so many pairs each
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createTwoOfFourReader(packed::WeightType type) {
  return std::make_unique<TwoOfFourReader>(type);
}
