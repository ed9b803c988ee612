// Tiles of position and value pairs.
#include "Tile.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

/// Where pair `number` of the 16 columns of chunk `chunk` of a row lies in the values.
int64_t pairOffset(const Layout &layout, int64_t chunk, int64_t row, int64_t number) {
  constexpr int64_t vectorPairs = kStepBytes / kTileRows;
  int64_t pair = chunk * layout.n + number; // of the row, in order
  return pair / vectorPairs * kStepBytes + row * vectorPairs + pair % vectorPairs;
}

} // namespace

absl::Status encodePairs(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                         int64_t firstRow, uint8_t *values) {
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  for (int64_t row = 0; row < kTileRows; ++row)
    for (int64_t chunk = 0; chunk < geometry.paddedColumns / layout.m; ++chunk) {
      const uint8_t *in = codes + row * geometry.paddedColumns + chunk * layout.m;
      uint32_t kept = 0;
      for (int64_t i = 0; i < layout.m; ++i)
        kept |= uint32_t(in[i] != zeroPoint) << i;
      int64_t count = __builtin_popcount(kept);
      if (count > layout.n)
        return tooManyError(layout, firstRow + row, chunk * layout.m, count);
      for (; count < layout.n; ++count)
        kept |= ~kept & (kept + 1); // the lowest free column
      for (int64_t number = 0; number < layout.n; ++number, kept &= kept - 1) {
        int position = __builtin_ctz(kept);
        // Taking the zero point away modulo 16 is flipping the top bit.
        values[pairOffset(layout, chunk, row, number)] =
            uint8_t((in[position] ^ zeroPoint) << 4 | position);
      }
    }
  return absl::OkStatus();
}

absl::Status decodePairs(const Layout &layout, const TileGeometry &geometry, const uint8_t *values,
                         int64_t offset, uint8_t *codes) {
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  for (int64_t row = 0; row < kTileRows; ++row)
    for (int64_t chunk = 0; chunk < geometry.paddedColumns / layout.m; ++chunk) {
      uint8_t *out = codes + row * geometry.paddedColumns + chunk * layout.m;
      int last = -1;
      for (int64_t number = 0; number < layout.n; ++number) {
        int64_t at = pairOffset(layout, chunk, row, number);
        int position = values[at] & 15;
        if (position <= last)
          return packedError(layout, offset + at, absl::StrCat("a position above ", last),
                             absl::StrCat(position));
        out[position] = uint8_t(values[at] >> 4 ^ zeroPoint);
        last = position;
      }
    }
  return absl::OkStatus();
}

} // namespace stc
