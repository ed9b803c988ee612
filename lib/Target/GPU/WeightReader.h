// How the lanes of a warp read a row tile: one class per family of layouts.
#ifndef STC_LIB_TARGET_GPU_WEIGHTREADER_H
#define STC_LIB_TARGET_GPU_WEIGHTREADER_H

#include "BlockBuilder.h"

#include <memory>

namespace stc::gpu {

/// What a tile is multiplied by: the addresses of one token's row of each input of packed.matmul
/// (codes, scales and sums, or floats).
using TokenInputs = Values;

/// Reads tiles of 16 rows unit by unit. A unit is what the lanes of a warp load together, 16 bytes
/// of weights each, and covers all rows of some columns; a lane adds up the products of
/// `rowsPerLane` consecutive rows of the tile, for some of the unit's columns.
class WeightReader {
public:
  virtual ~WeightReader() = default;

  /// Rows that one lane adds up, a power of two; lanes l, l + 1, ... of the same columns have the
  /// rows behind each other.
  int64_t rowsPerLane() const { return laneRows; }
  /// Lanes that have different rows of the same columns.
  int64_t rowLanes() const { return kTileRows / laneRows; }
  /// Units of a tile.
  int64_t units() const { return unitCount; }

  /// Bytes of a tile; 0 where they differ.
  int64_t tileBytes() const { return geometry.tileBytes; }

  /// What a lane holds of unit `unit` (i32, below units()) of a tile that begins at `tile`, a
  /// pointer to global memory. Only loads, so that they can be started long before their use.
  virtual Values load(BlockBuilder &builder, Value tile, Value unit, Value lane) const = 0;
  /// `sums` (f32, one per row of the lane) plus the products of the unit's weights and a token.
  virtual Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                          const TokenInputs &token, ValueRange sums) const = 0;

  /// Where row tile `tile` (index) of a weight begins.
  Value tileAddress(BlockBuilder &builder, Value weight, Value tile) const;

  /// The reader of a weight.
  static std::unique_ptr<WeightReader> create(packed::WeightType type);

protected:
  WeightReader(packed::WeightType type, int64_t laneRows)
      : layout(type.getLayout().getLayout()),
        geometry(tileGeometry(layout, type.getRows(), type.getColumns())),
        columns(type.getColumns()), laneRows(laneRows) {}

  Layout layout;
  TileGeometry geometry;
  int64_t columns;
  int64_t laneRows;
  int64_t unitCount = 0;
};

/// Readers of families of layouts.
std::unique_ptr<WeightReader> createDenseReader(packed::WeightType type);
std::unique_ptr<WeightReader> createFloatReader(packed::WeightType type);
std::unique_ptr<WeightReader> createMaskReader(packed::WeightType type);
std::unique_ptr<WeightReader> createPairsReader(packed::WeightType type);
std::unique_ptr<WeightReader> createBlockReader(packed::WeightType type);

/// Scales, and zeros where there are any, of a lane's rows in a quantized layout; the part of
/// readers that all of those share.
class ScaledReader : public WeightReader {
protected:
  using WeightReader::WeightReader;

  /// Loads the scales of the lane's rows (and their zeros) for the columns from `column` (i32) on.
  Values loadScales(BlockBuilder &builder, Value tile, Value column, Value firstRow) const;
  /// How many values loadScales gives.
  int64_t scaleValues() const { return layout.asymmetric ? 2 : 1; }
  /// The sums that dot products of the lane's rows start from: what unsigned codes have to be
  /// corrected by, once per group; zero where another lane of the row has that.
  Values startingSums(BlockBuilder &builder, ValueRange scales, Value column,
                      const TokenInputs &token) const;
  /// sums + products (i32) * weight scale * activation scale. `factor` corrects products that are
  /// too large by a constant.
  Values addScaled(BlockBuilder &builder, ValueRange scales, ValueRange products, Value column,
                   const TokenInputs &token, ValueRange sums, Value isPresent = {},
                   double factor = 1) const;
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_WEIGHTREADER_H
