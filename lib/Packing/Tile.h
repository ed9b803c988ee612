// One tile of 16 rows: between a matrix and its stored bytes.
#ifndef STC_LIB_PACKING_TILE_H
#define STC_LIB_PACKING_TILE_H

#include "stc/Packing/Pack.h"
#include "stc/Support/ProcessorClones.h"

#include <cstring>
#include <vector>

namespace stc {

inline int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Where the code of a row and a column of a tile is. Codes of tiles lie step after step,
/// [steps][16 rows][4 columns], as most layouts have them: what belongs together is together.
inline int64_t codeIndex(int64_t row, int64_t column) {
  return column / kDotColumns * kStepBytes + row * kDotColumns + column % kDotColumns;
}

/// Which of `Count` bytes are not `value`: one bit each, the first the lowest.
template <int Count> STC_ALWAYS_INLINE uint64_t differing(const uint8_t *bytes, uint8_t value) {
  using Vector = uint8_t __attribute__((ext_vector_type(Count)));
  using Bits = bool __attribute__((ext_vector_type(Count)));
  using Integer = unsigned _BitInt(Count);
  Vector vector;
  std::memcpy(&vector, bytes, Count);
  return __builtin_bit_cast(Integer, __builtin_convertvector(vector != value, Bits));
}

/// Bytes the codes of a tile with masks take.
int64_t valueBytes(const Layout &layout, absl::Span<const uint64_t> masks);

/// The values of one tile in the layouts without masks, to and from its unsigned codes. Encoding
/// returns the bytes written without rounding, where they are not known before.
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

/// Sets further bits of an NM tile's masks, those of the lowest free columns, until every row has N
/// of M. Errors: a row that has more already; `firstRow` is for the error.
absl::Status fillMasks(const Layout &layout, int64_t firstRow, absl::Span<uint64_t> masks);

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

  Layout layout;
  TileGeometry geometry;
  std::vector<uint8_t> codes; // as codeIndex says, unsigned, their zero where there is no weight
  std::vector<uint64_t> masks;
  std::vector<uint8_t> stored;
};

/// The same for 16 rows of floats in a layout with masks.
class FloatTileEncoder {
public:
  FloatTileEncoder(const Layout &layout, const TileGeometry &geometry);

  /// `values` are the whole matrix, [rows][columns], already known to fit the element.
  absl::StatusOr<absl::Span<const uint8_t>> encode(absl::Span<const float> values, int64_t rows,
                                                   int64_t columns, int64_t firstRow);

private:
  Layout layout;
  TileGeometry geometry;
  std::vector<uint32_t> bits; // [steps][16][4]
  std::vector<uint64_t> masks;
  std::vector<uint8_t> stored;
};

/// The reverse of FloatTileEncoder::encode for one tile of `values`, the whole matrix.
absl::Status decodeFloatTile(const Layout &layout, const TileGeometry &geometry,
                             absl::Span<const uint8_t> bytes, int64_t offset, int64_t firstRow,
                             int64_t columns, absl::Span<float> values);
/// The masks of a tile.
std::vector<uint64_t> loadMasks(const TileGeometry &geometry, absl::Span<const uint8_t> tile);

/// The bits of a float in a layout's element, and back.
uint32_t elementBits(ElementKind element, float value);
float elementFloat(ElementKind element, uint32_t bits);

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
