// Tiles of position and value pairs.
#include "Tile.h"
#include "stc/Support/ProcessorClones.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

/// M of all pairs: a position takes four bits.
constexpr int kPairColumns = 16;
/// Pairs of a row in a vector.
constexpr int kVectorPairs = kStepBytes / kTileRows;

/// Where pair `number` of the 16 columns of chunk `chunk` of a row lies in the values.
int64_t pairOffset(const Layout &layout, int64_t chunk, int64_t row, int64_t number) {
  int64_t pair = chunk * layout.n + number; // of the row, in order
  return pair / kVectorPairs * kStepBytes + row * kVectorPairs + pair % kVectorPairs;
}

} // namespace

/// The pairs of all rows and chunks, N for each. Returns where (chunk and row) there are more than
/// N non-zero codes first, or -1.
template <int N>
STC_ALWAYS_INLINE int64_t encodeChunksOf(const Layout &layout, int64_t chunks, const uint8_t *codes,
                                         uint8_t *values) {
  const Layout own = layout; // which no store to values can change
  uint8_t zeroPoint = uint8_t(own.zeroPoint());
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int64_t row = 0; row < kTileRows; ++row) {
      uint8_t in[kPairColumns], pairs[N]; // those of the row
      for (int64_t first = 0; first < kPairColumns; first += kDotColumns)
        std::memcpy(in + first, codes + codeIndex(row, chunk * kPairColumns + first), kDotColumns);
      auto kept = uint32_t(differing<kPairColumns>(in, zeroPoint));
      int64_t count = __builtin_popcount(kept);
      if (count > N)
        return chunk * kTileRows + row;
      for (; count < N; ++count)
        kept |= ~kept & (kept + 1); // the lowest free column
      for (int number = 0; number < N; ++number, kept &= kept - 1) {
        int position = __builtin_ctz(kept);
        // Taking the zero point away modulo 16 is flipping the top bit.
        pairs[number] = uint8_t((in[position] ^ zeroPoint) << 4 | position);
      }
      constexpr int together = N < kVectorPairs ? N : kVectorPairs;
      for (int number = 0; number < N; number += together)
        std::memcpy(values + pairOffset(own, chunk, row, number), pairs + number, together);
    }
  return -1;
}

STC_PROCESSOR_CLONES
static int64_t encodeChunks(const Layout &layout, int64_t chunks, const uint8_t *codes,
                            uint8_t *values) {
  switch (layout.n) {
  case 1:
    return encodeChunksOf<1>(layout, chunks, codes, values);
  case 2:
    return encodeChunksOf<2>(layout, chunks, codes, values);
  case 4:
    return encodeChunksOf<4>(layout, chunks, codes, values);
  default:
    return encodeChunksOf<8>(layout, chunks, codes, values);
  }
}

absl::Status encodePairs(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                         int64_t firstRow, uint8_t *values) {
  int64_t bad = encodeChunks(layout, geometry.paddedColumns / kPairColumns, codes, values);
  if (bad < 0)
    return absl::OkStatus();
  int64_t row = bad % kTileRows, column = bad / kTileRows * kPairColumns, count = 0;
  for (int64_t i = 0; i < kPairColumns; ++i)
    count += codes[codeIndex(row, column + i)] != layout.zeroPoint();
  return tooManyError(layout, firstRow + row, column, count);
}

absl::Status decodePairs(const Layout &layout, const TileGeometry &geometry, const uint8_t *values,
                         int64_t offset, uint8_t *codes) {
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  for (int64_t row = 0; row < kTileRows; ++row)
    for (int64_t chunk = 0; chunk < geometry.paddedColumns / kPairColumns; ++chunk) {
      int last = -1;
      for (int64_t number = 0; number < layout.n; ++number) {
        int64_t at = pairOffset(layout, chunk, row, number);
        int position = values[at] & 15;
        if (position <= last)
          return packedError(layout, offset + at, absl::StrCat("a position above ", last),
                             absl::StrCat(position));
        codes[codeIndex(row, chunk * kPairColumns + position)] =
            uint8_t(values[at] >> 4 ^ zeroPoint);
        last = position;
      }
    }
  return absl::OkStatus();
}

} // namespace stc
