// How the lanes of a warp read a row tile: one class per family of layouts.
#ifndef STC_LIB_TARGET_GPU_WEIGHTREADER_H
#define STC_LIB_TARGET_GPU_WEIGHTREADER_H

#include "BlockBuilder.h"

#include <memory>

namespace stc::gpu {

/// What a tile is multiplied by: the addresses of one token's row of each input of packed.matmul
/// (codes, scales and sums, or floats).
using TokenInputs = Values;

/// What has to be known of a unit before it can be loaded (i32): where units are ordered, where its
/// bytes lie among the values of a tile, and how many those are; where tiles differ in their units,
/// how many steps the tile has stored. Null where a layout says it.
struct UnitPlace {
  Value begin, size;
  Value stored;
};

/// Reads tiles of 16 rows unit by unit. A unit is what the lanes of a warp load together, 16 bytes
/// of weights each, and covers all rows of some columns; a lane adds up the products of
/// `rowsPerLane` rows of the tile, for some of the unit's columns.
class WeightReader {
public:
  virtual ~WeightReader() = default;

  /// Rows that one lane adds up, a power of two.
  int64_t rowsPerLane() const { return laneRows; }
  /// The row of the tile (i32) that is number `number` of lane `rowLane` (both i32) of those.
  virtual Value rowOf(BlockBuilder &builder, Value rowLane, Value number) const;
  /// Lanes that have different rows of the same columns.
  int64_t rowLanes() const { return kTileRows / laneRows; }
  /// Units of a tile, or the most of any where they differ.
  int64_t units() const { return unitCount; }
  /// Whether units past a tile's last may be loaded and multiplied too: they add nothing.
  virtual bool boundsUnits() const { return false; }
  /// Whether tiles differ in their units; how many steps a tile has stored then (i32), which takes
  /// a load, and the units of those.
  virtual bool variesUnits() const { return false; }
  virtual Value storedSteps(BlockBuilder &builder, Value tile) const;
  virtual Value unitsOf(BlockBuilder &builder, Value stored) const;
  /// Units whose loads a lane should have under way at once, so that they fit into registers.
  int64_t unitsAtOnce() const { return atOnce; }

  /// Lets a lane take more of a unit, where its products can then be scaled once; units() are
  /// fewer.
  virtual void takeMore() {}
  /// Bytes that `load` takes for each lane, in pieces of 4, 8 or 16 at multiples of those, if units
  /// may come by way of shared memory; else 0.
  virtual int64_t laneBytes() const { return 0; }
  /// Starts copies of what `load` would take of a unit, to `slot` in shared memory: laneBytes() for
  /// each lane of a warp. Each lane copies what it reads itself.
  void copyUnit(BlockBuilder &builder, Value tile, Value unit, Value lane, Value slot) const;
  /// What `load` would have given, from such copies.
  Values loadCopied(BlockBuilder &builder, Value unit, Value lane, Value slot) const;

  /// What a lane holds of unit `unit` (i32, below units()) of a tile that begins at `tile`, a
  /// pointer to global memory. Little but loads, so that they can be started long before their use.
  virtual Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
                      const UnitPlace &at) const = 0;
  /// Whether a unit is only found by the sizes of those before it (then units past the last may be
  /// loaded too, and have no bytes).
  virtual bool isOrdered() const { return false; }
  /// Where they are: a lane's share of a unit's bytes (i32), from what it loaded for that.
  virtual Values loadCounted(BlockBuilder &builder, Value tile, Value unit, Value lane) const;
  virtual Value countBytes(BlockBuilder &builder, ValueRange counted, Value unit, Value lane) const;

  /// Bytes of shared memory that a warp, and that a block needs to multiply; `multiply` contains
  /// barriers of warps if there are any. `fillShared` writes what the block's has to hold, before a
  /// barrier of the block.
  virtual int64_t warpBytes() const { return 0; }
  virtual int64_t blockBytes(const TargetDescription &) const { return 0; }
  virtual void fillShared(BlockBuilder &) const {}
  /// Sets where those begin.
  void useShared(Value ofWarp, Value ofBlock) {
    warpShared = ofWarp;
    blockShared = ofBlock;
  }
  /// `sums` (f32, one per row of the lane) plus the products of the unit's weights and a token.
  virtual Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                          const TokenInputs &token, ValueRange sums) const = 0;

  /// Whether a table says where tiles begin.
  bool hasTable() const { return layout.hasTable(); }
  /// What it says of row tile `tile` (index) of a weight (i32), which takes a load.
  Value tileStart(BlockBuilder &builder, Value weight, Value tile) const;
  /// Where row tile `tile` (index) of a weight begins; `start` is of it where there is a table.
  Value tileAddress(BlockBuilder &builder, Value weight, Value tile, Value start) const;

  /// The reader of a weight.
  static std::unique_ptr<WeightReader> create(packed::WeightType type);

protected:
  WeightReader(packed::WeightType type, int64_t laneRows)
      : layout(type.getLayout().getLayout()),
        geometry(tileGeometry(layout, type.getRows(), type.getColumns())),
        columns(type.getColumns()), laneRows(laneRows) {}

  /// Loads `bytes` bytes of weights, or starts to copy them, or loads what was copied.
  Value fetch(BlockBuilder &builder, Type type, Value address, int64_t bytes) const;

  Layout layout;
  TileGeometry geometry;
  int64_t columns;
  int64_t laneRows;
  int64_t unitCount = 0;
  int64_t atOnce = 4;
  Value warpShared, blockShared;

private:
  /// Where fetched bytes go, or have gone: those of all lanes that are fetched together lie
  /// together.
  struct Stage {
    Value slot, lane;
    bool isCopied;
    int64_t bytes = 0; // fetched before
  };
  mutable Stage *stage = nullptr;
};

/// Bytes that a lane loads at once.
constexpr int64_t kLaneBytes = 16;

/// Readers of families of layouts.
std::unique_ptr<WeightReader> createDenseReader(packed::WeightType type);
std::unique_ptr<WeightReader> createFloatReader(packed::WeightType type);
std::unique_ptr<WeightReader> createSparseFloatReader(packed::WeightType type);
std::unique_ptr<WeightReader> createBitmapReader(packed::WeightType type);
std::unique_ptr<WeightReader> createMaskReader(packed::WeightType type);
std::unique_ptr<WeightReader> createTwoOfFourReader(packed::WeightType type);
std::unique_ptr<WeightReader> createPairsReader(packed::WeightType type);
std::unique_ptr<WeightReader> createBlockReader(packed::WeightType type);

/// Scales, and zeros where there are any, of a lane's rows in a quantized layout; the part of
/// readers that all of those share.
class ScaledReader : public WeightReader {
protected:
  using WeightReader::WeightReader;

  /// Where a lane is: which of the tile's pieces (of all rows and some columns) it takes part of.
  struct Place {
    Value piece;     // its number in the tile
    Value column;    // its first column
    Value firstRow;  // of the lane
    Value isPresent; // null: always; what a lane does that has no piece must not count
  };
  /// Units are as many neighbouring pieces as a warp's lanes have place for. A tile has `pieces` of
  /// `pieceColumns` columns each. `anyUnit`: the unit may be past the tile's last.
  Place placeOf(BlockBuilder &builder, Value unit, Value lane, int64_t pieces, int64_t pieceColumns,
                bool anyUnit = false) const;
  /// Units of so many pieces.
  int64_t unitsFor(int64_t pieces) const;

  /// Loads the scales of `rows` rows, by default the lane's (and their zeros or minimums) for the
  /// columns from `column` (i32) on.
  Values loadScales(BlockBuilder &builder, Value tile, Value column, Value firstRow,
                    int64_t rows) const;
  Values loadScales(BlockBuilder &builder, Value tile, Value column, Value firstRow) const {
    return loadScales(builder, tile, column, firstRow, laneRows);
  }
  /// Bytes that it loads for the lane's rows.
  int64_t scaleBytes() const {
    return laneRows * (2 + (layout.minimums ? 2 : 0) + (layout.asymmetric ? 1 : 0));
  }
  /// How many values loadScales gives.
  int64_t scaleValues() const { return layout.isShifted() ? 2 : 1; }
  /// Zero as the sums that dot products start from. So that they need no conversion, which takes
  /// eight times as long as an addition on NVIDIA's GPUs, integers are the bits of f32 numbers of
  /// which a unit is the last bit: those around 1.5 * 2^23, for sums between -2^22 and 2^22, which
  /// those of a group are (128 * 127 * 255).
  static Value emptySum(BlockBuilder &builder) { return builder.int32(kEmptySum); }
  /// The sums that dot products of the lane's rows start from: what unsigned codes have to be
  /// corrected by, once per group; empty where another lane of the row has that, and where minimums
  /// are subtracted by `addScaled`.
  Values startingSums(BlockBuilder &builder, ValueRange scales, Value column,
                      const TokenInputs &token) const;
  /// sums + products (i32, from an empty sum on) * weight scale * activation scale, and minus the
  /// minimum times the sum of the group's activations, once per group. `factor` corrects products
  /// that are too large by a constant.
  Values addScaled(BlockBuilder &builder, ValueRange scales, ValueRange products, Value column,
                   const TokenInputs &token, ValueRange sums, Value isPresent = {},
                   double factor = 1) const;

private:
  static constexpr int32_t kEmptySum = 0x4B400000; // the bits of 1.5 * 2^23
  /// What the activations of the group of `column` sum up to, times the layout's factor (i32), if
  /// that is the group's first column, else zero.
  Value correctionOf(BlockBuilder &builder, Value column, const TokenInputs &token) const;
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_WEIGHTREADER_H
