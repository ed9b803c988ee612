// N of 16 columns as bytes of a position and a weight.
#include "WeightReader.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Columns that a position counts, and the words of their activations.
constexpr int64_t kChunkColumns = 16, kChunkWords = kChunkColumns / kDotColumns;

/// Where a tile has so many vectors, all warps of a block find work in units of two per lane.
constexpr int64_t kManyVectors = 256;

/// A lane's sixteen bytes are four rows of a vector, four pairs each. With N = 4 and 8 those are of
/// one chunk of 16 columns, with less of two or four. Two neighbouring vectors share scales.
class PairsReader final : public ScaledReader {
public:
  explicit PairsReader(packed::WeightType type)
      : ScaledReader(type, kLaneBytes / kDotColumns),
        chunks(std::max<int64_t>(1, kDotColumns / layout.n)),
        vectorsPerChunk(std::max<int64_t>(1, layout.n / kDotColumns)),
        vectors(geometry.paddedColumns / (chunks * kChunkColumns) * vectorsPerChunk) {
    bool isWide = vectors >= kManyVectors && 2 * vectorColumns() <= layout.group;
    perPiece = isWide ? 2 : 1;
    unitCount = unitsFor(vectors / perPiece);
    atOnce = 4 / perPiece;
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Value offset = words.add(words.mul(place.piece, perPiece * kStepBytes),
                             words.mul(place.firstRow, kDotColumns));
    Value start = builder.address(builder.address(tile, geometry.valuesOffset), offset);
    Values loaded;
    for (int64_t vector = 0; vector < perPiece; ++vector)
      loaded.push_back(
          words.load(builder.address(start, vector * kStepBytes), 4, /*invariant=*/true));
    llvm::append_range(loaded, loadScales(builder, tile, place.column, place.firstRow));
    return loaded;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Values products(laneRows, emptySum(builder));
    for (int64_t vector = 0; vector < perPiece; ++vector) {
      // Of the same columns or of those behind.
      int64_t ahead = vectorsPerChunk > 1 ? 0 : vector * vectorColumns();
      Values inputs = loadInputs(builder, builder.address(token[0], place.column), ahead);
      for (int64_t row = 0; row < laneRows; row += 2) {
        Value pairs[2], x[2];
        for (int64_t i : {0, 1})
          pairs[i] = words.part(loaded[vector], row + i);
        if (chunks == 1) {
          std::tie(x[0], x[1]) = selectForTwo(words, pairs[0], pairs[1], inputs);
        } else {
          for (int64_t i : {0, 1})
            x[i] = selectInputs(words, pairs[i], inputs);
        }
        for (int64_t i : {0, 1}) {
          // In the upper half of a byte a weight is 16 times as large.
          Value weights = words.both(pairs[i], 0xF0F0F0F0);
          products[row + i] =
              builder.dot4(weights, Bytes::Signed, x[i], Bytes::Signed, products[row + i]);
        }
      }
    }
    return addScaled(builder, loaded.drop_front(perPiece), products, place.column, token, sums,
                     place.isPresent, 1.0 / 16);
  }

private:
  /// Columns that a vector has pairs of, or its share where several have the same.
  int64_t vectorColumns() const { return chunks * kChunkColumns / vectorsPerChunk; }

  Place placeOf(BlockBuilder &builder, Value unit, Value lane) const {
    Words words(builder);
    Place place =
        ScaledReader::placeOf(builder, unit, lane, vectors / perPiece, perPiece * vectorColumns());
    if (vectorsPerChunk > perPiece)
      place.column = words.mul(words.div(place.piece, vectorsPerChunk), kChunkColumns);
    return place;
  }

  /// The activations of a vector's chunks, four words each, `ahead` columns behind `start`.
  Values loadInputs(BlockBuilder &builder, Value start, int64_t ahead) const {
    Words words(builder);
    Values inputs;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      Value four =
          words.load(builder.address(start, ahead + chunk * kChunkColumns), kChunkWords, false);
      // Codes come with an offset of 128, without which they are signed as dot products take them.
      for (int64_t i = 0; i < kChunkWords; ++i)
        inputs.push_back(words.flip(words.part(four, i), 0x80808080));
    }
    return inputs;
  }

  /// The activations that four pairs of each of two rows belong to, all of the same chunk.
  static std::pair<Value, Value> selectForTwo(Words &words, Value first, Value second,
                                              ValueRange x) {
    // Positions of both rows as the nibbles of the same bytes.
    Value nibbles = words.choose(words.number(0x0F0F0F0F), first, words.left(second, 4));
    Value inHalf = words.both(nibbles, 0x77777777);
    // Byte i of the first or the second half of a chunk.
    Value half =
        words.either(words.both(words.right(nibbles, 1), 0x44444444), words.number(0x32103210));
    // Two pairs of the first row and two of the second, in turn; then the others.
    Value mixed[2];
    for (int64_t i : {0, 1}) {
      // Only the lower half of a selector counts.
      Value own = words.right(inHalf, 16 * i);
      mixed[i] = words.permute(words.permute(x[0], x[1], own), words.permute(x[2], x[3], own),
                               words.right(half, 16 * i));
    }
    return {words.permute(mixed[0], mixed[1], 0x6420), words.permute(mixed[0], mixed[1], 0x7531)};
  }

  /// The activations that four pairs of a row belong to, of several chunks.
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
    if (chunks == 2)
      return words.permute(selected[0], selected[1], 0x7610);
    return words.permute(words.permute(selected[0], selected[1], 0x0050),
                         words.permute(selected[2], selected[3], 0x7200), 0x7610);
  }

  int64_t chunks;          // of 16 columns in a vector
  int64_t vectorsPerChunk; // or vectors of a chunk
  int64_t vectors;         // of a tile
  int64_t perPiece;        // vectors that a lane takes at once
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createPairsReader(packed::WeightType type) {
  return std::make_unique<PairsReader>(type);
}
