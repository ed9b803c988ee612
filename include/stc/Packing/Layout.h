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
/// The group of layouts with scales of rows, which is that of activations.
constexpr int64_t kRowScaleGroup = 128;
/// Most columns of activations that share one scale where all of a token do: sums of products of
/// signed bytes, or of codes less a zero point, over so many columns are integers of 32 bits.
constexpr int64_t kMostWholeColumns = 65536;
static_assert(kMostWholeColumns * 255 * 127 < int64_t(1) << 31);
/// Sparse layouts of floats pad their columns to a multiple of this, so that every M divides it and
/// matrix instructions take whole ones.
constexpr int64_t kSparseFloatColumns = 32;
/// Bytes of a quantized step: 16 rows x 4 columns, one code byte each once unpacked.
constexpr int64_t kStepBytes = kTileRows * kDotColumns;
/// Every section of a tile starts at a multiple of this.
constexpr int64_t kSectionAlignment = 64;
/// Generated code may read this many bytes past a matrix; every packed matrix ends with them.
constexpr int64_t kTailSlack = 128;

enum class LayoutKind : uint8_t {
  Rows,   // row-major floats: embedding tables and norm vectors
  Dense,  // tiles of 16 rows; floats, int8, int4, int3 or int2
  Bitmap, // tiles of 16 rows; one mask bit per weight, only non-zero codes or floats stored
  NM,     // as Bitmap, exactly N of every M consecutive columns stored, so every tile is equal
  Pairs,  // tiles of 16 rows; exactly N bytes of position and value for 16 consecutive columns
  Block,  // tiles of 16 rows; whole steps of 16 rows x 4 columns stored, or absent
};
enum class ElementKind : uint8_t { F32, BF16, I8, I4, F16, I3, I2 };

/// A storage format, without a shape.
///
/// A quantized weight is code - zeroPoint() times the scale of its (row, group); codes are
/// unsigned: I2 0..3 with zero point 2, I3 0..7 with 4, I4 0..15 with 8, I8 0..255 with 128. An
/// absent (pruned) weight has the code zeroPoint(). Scales are finite f16 and may be negative or
/// zero. Rows are padded to kTileRows (scale 0) and, in quantized layouts, columns to K = columns
/// rounded up to a multiple of the group; what lies in the padding has the code zeroPoint()
/// (floats: 0), so its mask bit is clear in a Bitmap. All numbers are little endian. Rows of a tile
/// count from its first row.
///
/// An asymmetric layout gives every (row, group) a zero of its own: weight = (code - zero) * scale.
/// Padding columns then hold the code of their row's zero; padded rows have the zero zeroPoint().
///
/// A layout with minimums gives every (row, group) an f16 minimum instead: weight = code * scale -
/// minimum, with the code as it is stored. Minimums are finite. Padding columns hold the code 0;
/// padded rows have the minimum 0 and, as in every layout, codes zeroPoint().
///
/// A layout with scales of rows has one scale, and if it is asymmetric one zero, for all columns of
/// a row. Its group of 128 columns is that of activations: their scales, and the sums of products,
/// stay those of groups, so that 32 bits hold a sum however many columns there are.
///
/// Rows: values [rows][columns], no tiles and no padding but the final rounding up to 64 bytes.
/// Tile of every other matrix, with K = paddedColumns, G = K / group, S = K / 4 steps; each section
/// starts 64-byte aligned, its size is rounded up to 64, and what the rounding adds is zero bytes:
///   Dense floats: values [K][16 rows], K = columns (no column padding).
///   Bitmap/NM floats: K = columns rounded up to kSparseFloatColumns; masks [S] u64 as below;
///   values:
///                 the stored weights in mask order, step after step without gaps. A weight is
///                 stored if it is not zero once rounded to the element, and a stored zero of NM
///                 has no sign.
///   Quantized:    scales [G][16 rows] f16; if asymmetric: zeros [G][16 rows] u8 (with scales of
///                 rows [1][16 rows] of both); with minimums: minimums [G][16 rows] f16; then
///     Dense I8:   codes  [S][16 rows][4 columns];
///     Dense I4:   codes  [S/2][16][4]: low nibble = step 2i, high nibble = step 2i + 1;
///     Dense I2:   codes  [S/4][16][4]: bits 2l and 2l + 1 = step 4i + l;
///     Dense I3:   codes  [S/8][3][16][4]: two vectors with the low two bits of steps 8i..8i+3 and
///                 8i+4..8i+7 (as I2), and one whose bit s is the highest bit of step 8i + s;
///     Bitmap/NM:  masks  [S] u64, bit r * 4 + j of mask s = weight (row r, column 4 s + j) stored;
///                 values: codes of the stored weights in mask order (step, then bit), in chunks
///                 of chunkSteps() steps: one step (Bitmap) or M/4 steps (NM).
///       I8: one code per byte, chunk after chunk without gaps.
///       I4: two lanes. Chunk 2i goes to the low nibbles and chunk 2i + 1 to the high nibbles of
///           the same bytes, both starting at the pair's first byte; the pair takes
///           max(count(2i), count(2i + 1)) bytes (NM: exactly 16 N), the next pair follows without
///           a gap. Nibbles past the shorter chunk's count are zero. (The number of chunks is
///           even: K is a multiple of 32 and a chunk covers at most 16 columns.)
///     Pairs (I4): vectors of 64 bytes, 4 for each of 16 rows. Byte = (w & 15) << 4 | position with
///                 w = code - 8 as a 4-bit two's complement number and position = column mod 16;
///                 positions ascend within 16 columns of a row. M = 16; vectors per N:
///       N = 1: [K/64][16 rows][4 chunks of 16 columns];  N = 2: [K/32][16 rows][2 chunks][2];
///       N = 4: [K/16][16 rows][4];                       N = 8: [K/16][2][16 rows][4], the first
///                 vector with the first four pairs of every row, the second with the others.
///     Block:      ends [G] u16, the number of stored steps in groups 0..g; indices [P] u16, the
///                 numbers of the stored steps, ascending, P = the last of ends; values:
///       I8: [P][16 rows][4 columns], code - 128 as a signed byte.
///       I4: [P][32]: w = code - 8 as a 4-bit two's complement number, low nibble of byte i =
///           position i of [16 rows][4 columns] (rows 0..7), high nibble = position i + 32.
/// Bitmap stores exactly the weights whose code differs from zeroPoint() (floats: from 0), Block
/// exactly the steps that have such a weight. Matrices of both start with a table of (rowTiles + 1)
/// u32, rounded up to 64 bytes with zeros: where each tile starts, and where the last one ends, in
/// units of 64 bytes from the matrix start; tiles follow each other without gaps, the first right
/// after the table. All other matrices have equal tiles of tileBytes. NM and Pairs store exactly N
/// codes per row and M consecutive columns, in padded rows and columns too: where fewer are
/// non-zero, explicit zeroPoint() codes (floats: zeros) at the lowest free columns fill up. Every
/// matrix ends with kTailSlack zero bytes.
struct Layout {
  LayoutKind kind = LayoutKind::Dense;
  ElementKind element = ElementKind::F32;
  int64_t group = 0;       // columns per scale: 16 (Dense), 32, 64 or 128; 0 for floats
  int64_t n = 0, m = 0;    // NM and Pairs only
  bool asymmetric = false; // Dense and quantized only: zeros are stored
  bool perRow = false;     // quantized only: scales are those of rows, and the group is 128
  bool minimums = false;   // Dense and quantized only: minimums are stored

  /// Bits of a code; 0 for floats.
  int64_t codeBits() const;
  /// Whether it is one of floats with masks.
  bool isSparseFloat() const { return !isQuantized() && hasMasks(); }
  /// Bytes of a stored float; 0 for codes.
  int64_t floatBytes() const;
  bool isQuantized() const { return codeBits() != 0; }
  /// Whether absent weights take no room of their own.
  bool isSparse() const { return kind >= LayoutKind::Bitmap; }
  bool hasMasks() const { return kind == LayoutKind::Bitmap || kind == LayoutKind::NM; }
  /// Whether a matrix starts with a table of its tiles, whose sizes depend on what is stored.
  bool hasTable() const { return kind == LayoutKind::Bitmap || kind == LayoutKind::Block; }
  int64_t zeroPoint() const { return (int64_t(1) << codeBits()) >> 1; }
  /// Columns that share a scale in a matrix of so many: the group, or all.
  int64_t scaleColumns(int64_t columns) const { return perRow ? columns : group; }
  /// Whether every (row, group) says itself which weight its code 0 is: by a zero or a minimum.
  bool isShifted() const { return asymmetric || minimums; }
  /// What a group's sum of activation codes is multiplied by to correct a dot product of unsigned
  /// codes: minus the zero point, or -1 where every row has its own zero or minimum.
  int64_t sumFactor() const { return isShifted() ? -1 : -zeroPoint(); }
  /// What is added to the codes of activations, modulo 256. Pairs and Block store signed weights,
  /// so that activations are the unsigned operand of their dot products.
  int64_t activationOffset() const {
    return kind == LayoutKind::Pairs || kind == LayoutKind::Block ? 128 : 0;
  }
  /// Steps whose codes share a byte in dense layouts, chunks in those with masks: 4 for I2 (and the
  /// low bits of I3), 2 for I4, 1 for I8.
  /// Floats have bytes of their own.
  int64_t lanes() const { return !isQuantized() || codeBits() == 8 ? 1 : codeBits() == 4 ? 2 : 4; }
  /// Steps of a dense layout whose codes share vectors: the next ones start in a vector of their
  /// own. 1, 2, 8 and 4 for I8, I4, I3 and I2.
  int64_t denseSteps() const { return element == ElementKind::I3 ? 8 : lanes(); }
  /// Steps per chunk of the layouts with masks.
  int64_t chunkSteps() const { return kind == LayoutKind::NM ? m / kDotColumns : 1; }
  bool operator==(const Layout &o) const {
    return kind == o.kind && element == o.element && group == o.group && n == o.n && m == o.m &&
           asymmetric == o.asymmetric && perRow == o.perRow && minimums == o.minimums;
  }
  bool operator!=(const Layout &o) const { return !(*this == o); }
  /// "dense-int4-g32", "dense-int3-g128-asym", "dense-int2-g16-min", "dense-int4-row",
  /// "bitmap-int4-g128", "2:4-int8-g32", "4:16-pairs-int4-g128", "block-int4-g128", "dense-bf16",
  /// "2:4-bf16", "rows-f32".
  std::string str() const;
};

/// Checks that a layout is one that exists: kinds with their elements (Rows: floats; Dense: any;
/// Bitmap and NM: floats, I4 or I8; Block: I4 or I8; Pairs: I4), group in {32, 64, 128} exactly for
/// quantized elements and 128 with scales of rows, in Dense also 16 unless the element is I3 (whose
/// vectors cover 32 columns), for NM 0 < n < m, m in {4, 8, 16}, for Pairs n in {1, 2, 4, 8}, m =
/// 16 and with n = 1 a group of 64 or 128 (a vector covers 64 columns), zeros or minimums, not
/// both, only in Dense quantized layouts, and no minimums of rows.
absl::Status verifyLayout(const Layout &layout);

/// Most steps of a Block matrix, whose steps are counted with 16 bits.
constexpr int64_t kMaxBlockSteps = 65535;

/// Where the sections of one tile lie, in bytes from the tile's start. Sizes are rounded to 64.
struct TileGeometry {
  int64_t rowTiles = 0;      // ceil(rows / 16)
  int64_t paddedColumns = 0; // K: columns, for quantized layouts rounded up to the group
  int64_t groups = 0;        // G, 0 for floats
  int64_t scaleGroups = 0;   // scales of a row: G, or 1 with scales of rows
  int64_t steps = 0;         // S, 0 for floats without masks
  int64_t scalesOffset = 0;
  int64_t zerosOffset = 0;                   // asymmetric layouts, else 0
  int64_t minimumsOffset = 0;                // layouts with minimums, else 0
  int64_t masksOffset = 0;                   // Bitmap and NM; else valuesOffset
  int64_t endsOffset = 0, indicesOffset = 0; // Block, else 0
  int64_t valuesOffset = 0;   // Block: of a tile without stored steps; see blockValuesOffset
  int64_t tileBytes = 0;      // of every tile; 0 where there is a table, and for Rows (no tiles)
  int64_t chunkPairBytes = 0; // NM: bytes of a chunk pair (I4) or chunk (others); else 0
  int64_t tableBytes = 0;     // of the table of Bitmap and Block, rounded to 64; else 0
};
/// The geometry of a layout verifyLayout accepts and of rows and columns in [1, 2^31).
TileGeometry tileGeometry(const Layout &layout, int64_t rows, int64_t columns);

/// Where the values of a Block tile with `stored` steps start, and how many bytes each takes.
int64_t blockValuesOffset(const TileGeometry &geometry, int64_t stored);
int64_t blockStepBytes(const Layout &layout);

} // namespace stc

#endif // STC_PACKING_LAYOUT_H
