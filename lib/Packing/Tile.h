// One tile of 16 rows: between a matrix and its stored bytes.
#ifndef STC_LIB_PACKING_TILE_H
#define STC_LIB_PACKING_TILE_H

#include "stc/Packing/Pack.h"

#include <vector>

namespace stc {

inline int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Bytes the values of a tile with masks take.
int64_t valueBytes(const Layout &layout, absl::Span<const uint64_t> masks);

/// The values of one tile in the layouts without masks, to and from codes [16][paddedColumns],
/// unsigned. Encoding returns the bytes written without rounding, where they are not known before.
int64_t encodeDense(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                    uint8_t *values);
void decodeDense(const Layout &layout, const TileGeometry &geometry, const uint8_t *values,
                 uint8_t *codes);
/// Fails where a row has more than N non-zero codes; `firstRow` is for the error.
absl::Status encodePairs(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                         int64_t firstRow, uint8_t *values);
/// Fails where positions do not ascend; `offset` is that of the values, for the error.
absl::Status decodePairs(const Layout &layout, const TileGeometry &geometry, const uint8_t *values,
                         int64_t offset, uint8_t *codes);
/// Writes all sections but the scales and returns the tile's bytes.
int64_t encodeBlocks(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                     uint8_t *tile);
/// `bytes` is the whole tile, `offset` where it starts. Steps that are not stored are left alone.
absl::Status decodeBlocks(const Layout &layout, const TileGeometry &geometry,
                          absl::Span<const uint8_t> bytes, int64_t offset, uint8_t *codes);

/// Turns 16 rows of codes into a tile's stored bytes. Unpacking encodes what it decoded again and
/// compares, so that stored bytes are valid exactly if they are what packing writes.
class TileEncoder {
public:
  TileEncoder(const Layout &layout, const TileGeometry &geometry);

  /// The stored bytes of the tile that starts at `firstRow`; they live until the next call. Errors:
  /// a row with more than N non-zero codes in a group of M columns.
  absl::StatusOr<absl::Span<const uint8_t>> encode(const QuantizedMatrix &matrix, int64_t firstRow);

private:
  void loadCodes(const QuantizedMatrix &matrix, int64_t firstRow);
  void storeScales(const QuantizedMatrix &matrix, int64_t firstRow);
  uint64_t nonZeroMask(int64_t step) const;
  absl::Status fillMasks(int64_t firstRow);
  int64_t encodeMasked(uint8_t *out) const;
  uint8_t *compact(int64_t step, uint8_t *out) const;

  Layout layout;
  TileGeometry geometry;
  std::vector<uint8_t> codes; // [16][paddedColumns], unsigned, their zero where there is no weight
  std::vector<uint64_t> masks;
  std::vector<uint8_t> stored;
};

/// The reverse of TileEncoder::encode for one tile of `matrix`, whose codes, scales and zeros are
/// already sized. Checks what memory safety and lossless decoding need; `offset` is where `bytes`
/// starts in the packed matrix, for errors.
absl::Status decodeTile(const Layout &layout, const TileGeometry &geometry,
                        absl::Span<const uint8_t> bytes, int64_t offset, int64_t firstRow,
                        QuantizedMatrix &matrix);

/// More than N non-zero codes of a row in M columns.
absl::Status tooManyError(const Layout &layout, int64_t row, int64_t column, int64_t count);

/// An error at a byte of a packed matrix.
absl::Status packedError(const Layout &layout, int64_t offset, absl::string_view expected,
                         absl::string_view got);

} // namespace stc

#endif // STC_LIB_PACKING_TILE_H
