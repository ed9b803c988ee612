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
/// has the code zeroPoint(). Scales are finite f16 and may be negative or zero. Rows are padded to
/// kTileRows (scale 0) and, in quantized layouts, columns to K = columns rounded up to a multiple
/// of the group; what lies in the padding has the code zeroPoint() (floats: 0), so its mask bit is
/// clear in a Bitmap. All numbers are little endian. Rows of a tile count from its first row.
///
/// Rows: values [rows][columns], no tiles and no padding but the final rounding up to 64 bytes.
/// Tile of every other matrix, with K = paddedColumns, G = K / group, S = K / 4 steps; each section
/// starts 64-byte aligned, its size is rounded up to 64, and what the rounding adds is zero bytes:
///   Dense floats: values [K][16 rows], K = columns (no column padding).
///   Quantized:    scales [G][16 rows] f16, then
///     Dense I8:   codes  [S][16 rows][4 columns];
///     Dense I4:   codes  [S/2][16][4]: low nibble = step 2i, high nibble = step 2i + 1;
///     Bitmap/NM:  masks  [S] u64, bit r * 4 + j of mask s = weight (row r, column 4 s + j) stored;
///                 values: codes of the stored weights in mask order (step, then bit), in chunks
///                 of chunkSteps() steps: one step (Bitmap) or M/4 steps (NM).
///       I8: one code per byte, chunk after chunk without gaps.
///       I4: two lanes. Chunk 2i goes to the low nibbles and chunk 2i + 1 to the high nibbles of
///           the same bytes, both starting at the pair's first byte; the pair takes
///           max(count(2i), count(2i + 1)) bytes (NM: exactly 16 N), the next pair follows without
///           a gap. Nibbles past the shorter chunk's count are zero. (The number of chunks is
///           even: K is a multiple of 32 and a chunk covers at most 16 columns.)
/// Bitmap stores exactly the weights whose code differs from zeroPoint(). A Bitmap matrix starts
/// with a table of (rowTiles + 1) u32, rounded up to 64 bytes with zeros: where each tile starts,
/// and where the last one ends, in units of 64 bytes from the matrix start; tiles follow each other
/// without gaps, the first right after the table. All other matrices have equal tiles of tileBytes.
/// NM stores exactly N codes per row and M consecutive columns, in padded rows and columns too:
/// where fewer are non-zero, explicit zeroPoint() codes at the lowest free columns fill up.
/// Every matrix ends with kTailSlack zero bytes.
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
  int64_t paddedColumns = 0; // K: columns, for quantized layouts rounded up to the group
  int64_t groups = 0;        // G, 0 for floats
  int64_t steps = 0;         // S, 0 for floats
  int64_t scalesOffset = 0, masksOffset = 0, valuesOffset = 0;
  int64_t tileBytes = 0;      // of every tile; 0 for Bitmap (tiles differ) and Rows (no tiles)
  int64_t chunkPairBytes = 0; // NM: bytes of a chunk pair (I4) or chunk (I8); else 0
  int64_t tableBytes = 0;     // Bitmap's offset table rounded to 64; else 0
};
/// The geometry of a layout verifyLayout accepts and of rows and columns in [1, 2^31).
TileGeometry tileGeometry(const Layout &layout, int64_t rows, int64_t columns);

} // namespace stc

#endif // STC_PACKING_LAYOUT_H
