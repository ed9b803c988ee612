// N of 16 columns as bytes of a position and a weight.
#include "WeightReader.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Columns that a position counts, and the words of their activations.
constexpr int64_t kChunkColumns = 16, kChunkWords = kChunkColumns / kDotColumns;

/// A lane's sixteen bytes are four rows of a vector, four pairs each. With N = 4 and 8 those are of
/// one chunk of 16 columns, with less of two or four.
class PairsReader final : public ScaledReader {
public:
  explicit PairsReader(packed::WeightType type)
      : ScaledReader(type, kLaneBytes / kDotColumns),
        chunks(std::max<int64_t>(1, kDotColumns / layout.n)),
        vectorsPerChunk(std::max<int64_t>(1, layout.n / kDotColumns)),
        vectors(geometry.paddedColumns / (chunks * kChunkColumns) * vectorsPerChunk) {
    unitCount = unitsFor(vectors);
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Value offset =
        words.add(words.mul(place.piece, kStepBytes), words.mul(place.firstRow, kDotColumns));
    Value start = builder.address(builder.address(tile, geometry.valuesOffset), offset);
    Values loaded{words.load(start, 4, /*invariant=*/true)};
    llvm::append_range(loaded, loadScales(builder, tile, place.column, place.firstRow));
    return loaded;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Value start = builder.address(token[0], place.column);
    Values inputs;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      Value four = words.load(builder.address(start, chunk * kChunkColumns), kChunkWords, false);
      // Codes come with an offset of 128, without which they are signed as dot products take them.
      for (int64_t i = 0; i < kChunkWords; ++i)
        inputs.push_back(words.flip(words.part(four, i), 0x80808080));
    }
    Values products;
    for (int64_t row = 0; row < laneRows; ++row) {
      Value pairs = words.part(loaded[0], row);
      Value x = selectInputs(words, pairs, inputs);
      // In the upper half of a byte a weight is 16 times as large.
      Value weights = words.both(pairs, 0xF0F0F0F0);
      products.push_back(
          builder.dot4(weights, /*aSigned=*/true, x, /*bSigned=*/true, builder.int32(0)));
    }
    return addScaled(builder, loaded.drop_front(1), products, place.column, token, sums,
                     place.isPresent, 1.0 / 16);
  }

private:
  Place placeOf(BlockBuilder &builder, Value unit, Value lane) const {
    Words words(builder);
    Place place = ScaledReader::placeOf(builder, unit, lane, vectors, chunks * kChunkColumns);
    if (vectorsPerChunk > 1)
      place.column = words.mul(words.div(place.piece, vectorsPerChunk), kChunkColumns);
    return place;
  }

  /// The activations that four pairs of a row belong to.
  Value selectInputs(Words &words, Value pairs, ValueRange inputs) const {
    // Positions as the nibbles of 16 bits: byte 0 gets the first two, byte 2 the others.
    Value nibbles = words.choose(words.number(0x000F000F), pairs, words.right(pairs, 4));
    nibbles = words.permute(nibbles, nibbles, 0x0020);
    Value inHalf = words.both(nibbles, 0x7777);
    // Byte i of the first or the second half of a chunk.
    Value half = words.either(words.both(words.right(nibbles, 1), 0x4444), words.number(0x3210));
    Values selected;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      ValueRange x = inputs.slice(chunk * kChunkWords, kChunkWords);
      Value low = words.permute(x[0], x[1], inHalf), high = words.permute(x[2], x[3], inHalf);
      selected.push_back(words.permute(low, high, half));
    }
    // Of every result those bytes are kept whose pairs are of its chunk.
    if (chunks == 1)
      return selected[0];
    if (chunks == 2)
      return words.permute(selected[0], selected[1], 0x7610);
    return words.permute(words.permute(selected[0], selected[1], 0x0050),
                         words.permute(selected[2], selected[3], 0x7200), 0x7610);
  }

  int64_t chunks;          // of 16 columns in a vector
  int64_t vectorsPerChunk; // or vectors of a chunk
  int64_t vectors;         // of a tile
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createPairsReader(packed::WeightType type) {
  return std::make_unique<PairsReader>(type);
}
