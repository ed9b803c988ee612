// The one definition of stored weight bytes: which layouts exist, how many bytes they take, and
// where each value, scale and mask lies. The packer, the reference interpreter and code generation
// all read this description.
#ifndef STC_PACKING_LAYOUT_H
#define STC_PACKING_LAYOUT_H

#include "stc/Support/Error.h"

#include <cstdint>
#include <string>

namespace stc {

/// Rows whose values are interleaved so that one vector holds one step of all of them.
constexpr int64_t kTileRows = 16;
/// Consecutive columns a dot-product instruction (vpdpbusd, sdot) consumes per row.
constexpr int64_t kDotColumns = 4;
/// Bytes of a quantized step: 16 rows x 4 columns, one code byte each once unpacked.
constexpr int64_t kStepBytes = kTileRows * kDotColumns;
/// Every section of a tile starts at a multiple of this.
constexpr int64_t kSectionAlignment = 64;
/// Generated code may read this many bytes past a matrix; every packed matrix ends with them.
constexpr int64_t kTailSlack = 128;

enum class LayoutKind : uint8_t {
  Rows,   // row-major floats: embedding tables and norm vectors
  Dense,  // tiles of 16 rows; floats, int8 or int4
  Bitmap, // tiles of 16 rows; one mask bit per weight, only non-zero codes stored
  NM,     // as Bitmap, exactly N of every M consecutive columns stored, so every tile is equal
};
enum class ElementKind : uint8_t { F32, BF16, I8, I4 };

/// A storage format, without a shape.
///
/// A quantized weight is code - zeroPoint() times the scale of its (row, group); codes are
/// unsigned: I4 0..15 with zero point 8, I8 0..255 with zero point 128. An absent (pruned) weight
/// has the code zeroPoint(). Rows are padded to kTileRows (scale 0) and columns to
/// paddedColumns() (code zeroPoint()).
///
/// Tile of a matrix with K = paddedColumns(), G = K / group, S = K / 4 steps; each section starts
/// 64-byte aligned and its size is rounded up to 64:
///   Dense floats: [k][16 rows] values, K = columns (no column padding).
///   Quantized:    scales [G][16] f16;
///     Dense I8:   codes  [S][16 rows][4 columns];
///     Dense I4:   codes  [S/2][16][4]: low nibble = step 2i, high nibble = step 2i + 1;
///     Bitmap/NM:  masks  [S] u64, bit r * 4 + j of mask s = weight (row r, column 4 s + j) stored;
///                 values: non-zero codes in mask order (step, then bit).
///       I8: chunks of one step (Bitmap) or M/4 steps (NM), one code per byte.
///       I4: two lanes. Chunk 2i goes to the low nibbles and chunk 2i + 1 to the high nibbles of
///           the same bytes, both starting at the pair's first byte; the pair takes
///           max(count(2i), count(2i + 1)) bytes (NM: exactly 16 N). A chunk is one step (Bitmap)
///           or M/4 steps (NM). Unused nibbles are zero.
/// A Bitmap matrix starts with a table of (rowTiles + 1) u32: tile offsets in units of 64 bytes
/// from the matrix start; tiles follow. All other matrices have equal tiles of tileBytes().
/// NM stores exactly N codes per row and M-group: rows with fewer non-zeros store explicit
/// zero-point codes at the lowest free columns.
struct Layout {
  LayoutKind kind = LayoutKind::Dense;
  ElementKind element = ElementKind::F32;
  int64_t group = 0;    // columns per scale: 32, 64 or 128; 0 for floats
  int64_t n = 0, m = 0; // NM only

  bool isQuantized() const { return element == ElementKind::I8 || element == ElementKind::I4; }
  bool isSparse() const { return kind == LayoutKind::Bitmap || kind == LayoutKind::NM; }
  int64_t zeroPoint() const { return element == ElementKind::I4 ? 8 : 128; }
  /// Codes per stored byte: 2 for I4, 1 for I8.
  int64_t lanes() const { return element == ElementKind::I4 ? 2 : 1; }
  /// Steps per chunk of the sparse layouts.
  int64_t chunkSteps() const { return kind == LayoutKind::NM ? m / kDotColumns : 1; }
  bool operator==(const Layout &o) const {
    return kind == o.kind && element == o.element && group == o.group && n == o.n && m == o.m;
  }
  /// "dense-int4-g32", "bitmap-int4-g128", "2:4-int8-g32", "dense-bf16", "rows-f32".
  std::string str() const;
};

/// Checks that a layout is one that exists: kinds with their elements (Bitmap and NM need I4 or
/// I8; Rows needs floats), group in {32, 64, 128} exactly for quantized elements, and for NM
/// 0 < n < m, m in {4, 8, 16}.
absl::Status verifyLayout(const Layout &layout);

/// Where the sections of one tile lie, in bytes from the tile's start. Sizes are rounded to 64.
struct TileGeometry {
  int64_t rowTiles = 0;      // ceil(rows / 16)
  int64_t paddedColumns = 0; // K
  int64_t groups = 0;        // G, 0 for floats
  int64_t steps = 0;         // S, 0 for floats
  int64_t scalesOffset = 0, masksOffset = 0, valuesOffset = 0;
  int64_t tileBytes = 0;       // of every tile; 0 for Bitmap, whose tiles differ
  int64_t chunkPairBytes = 0;  // NM: bytes of a chunk pair (I4) or chunk (I8); else 0
  int64_t tableBytes = 0;      // Bitmap's offset table rounded to 64; else 0
};
TileGeometry tileGeometry(const Layout &layout, int64_t rows, int64_t columns);

} // namespace stc

#endif // STC_PACKING_LAYOUT_H
