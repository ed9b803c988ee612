// Tiles of which only the steps with a weight are stored.
#include "Tile.h"

#include "absl/strings/str_cat.h"

#include <cstring>

namespace stc {

namespace {

constexpr int64_t kHalf = kStepBytes / 2;

uint16_t loadCount(const uint8_t *bytes) {
  uint16_t count;
  std::memcpy(&count, bytes, sizeof(count));
  return count;
}

void storeCount(int64_t value, uint8_t *bytes) {
  uint16_t count = uint16_t(value);
  std::memcpy(bytes, &count, sizeof(count));
}

} // namespace

int64_t encodeBlocks(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                     uint8_t *tile) {
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  int64_t groupSteps = geometry.steps / geometry.groups;
  std::vector<uint8_t> stored; // differences from the zero point, [16][4] per stored step
  int64_t count = 0;
  for (int64_t step = 0; step < geometry.steps; ++step) {
    uint8_t bytes[kStepBytes], any = 0;
    for (int64_t i = 0; i < kStepBytes; ++i) {
      int64_t row = i / kDotColumns, column = step * kDotColumns + i % kDotColumns;
      // Taking the zero point away modulo the code's width is flipping its top bit.
      bytes[i] = codes[row * geometry.paddedColumns + column] ^ zeroPoint;
      any |= bytes[i];
    }
    if (any) {
      stored.insert(stored.end(), bytes, bytes + kStepBytes);
      storeCount(step, tile + geometry.indicesOffset + count++ * 2);
    }
    if ((step + 1) % groupSteps == 0)
      storeCount(count, tile + geometry.endsOffset + step / groupSteps * 2);
  }
  // Counts are known now, and with them where the values start.
  int64_t indicesEnd = geometry.indicesOffset + count * 2;
  int64_t valuesOffset = blockValuesOffset(geometry, count);
  std::memset(tile + indicesEnd, 0, size_t(valuesOffset - indicesEnd));
  uint8_t *out = tile + valuesOffset;
  for (int64_t at = 0; at < count; ++at) {
    const uint8_t *in = stored.data() + at * kStepBytes;
    for (int64_t i = 0; i < blockStepBytes(layout); ++i)
      *out++ = layout.lanes() == 1 ? in[i] : uint8_t(in[i] | in[i + kHalf] << 4);
  }
  return out - tile;
}

absl::Status decodeBlocks(const Layout &layout, const TileGeometry &geometry,
                          absl::Span<const uint8_t> bytes, int64_t offset, uint8_t *codes) {
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  int64_t groupSteps = geometry.steps / geometry.groups;
  const uint8_t *ends = bytes.data() + geometry.endsOffset;
  int64_t last = 0;
  for (int64_t group = 0; group < geometry.groups; ++group) {
    int64_t end = loadCount(ends + group * 2);
    if (end < last || end > last + groupSteps)
      return packedError(layout, offset + geometry.endsOffset + group * 2,
                         absl::StrCat("from ", last, " to ", last + groupSteps, " stored steps"),
                         absl::StrCat(end));
    last = end;
  }
  int64_t valuesOffset = blockValuesOffset(geometry, last);
  int64_t needed = valuesOffset + roundUp(last * blockStepBytes(layout), kSectionAlignment);
  if (needed != int64_t(bytes.size()))
    return packedError(layout, offset + geometry.endsOffset,
                       absl::StrCat("steps of a tile of ", bytes.size(), " bytes"),
                       absl::StrCat(last, " steps, which take ", needed));
  int64_t number = 0;
  for (int64_t group = 0; group < geometry.groups; ++group) {
    int64_t lowest = group * groupSteps, limit = lowest + groupSteps;
    for (; number < loadCount(ends + group * 2); ++number) {
      int64_t at = geometry.indicesOffset + number * 2;
      int64_t step = loadCount(bytes.data() + at);
      if (step < lowest || step >= limit)
        return packedError(layout, offset + at,
                           absl::StrCat("a step from ", lowest, " to ", limit - 1),
                           absl::StrCat(step));
      lowest = step + 1;
      const uint8_t *in = bytes.data() + valuesOffset + number * blockStepBytes(layout);
      for (int64_t i = 0; i < kStepBytes; ++i) {
        uint8_t value = layout.lanes() == 1 ? in[i] : in[i % kHalf] >> (i / kHalf * 4) & 15;
        codes[i / kDotColumns * geometry.paddedColumns + step * kDotColumns + i % kDotColumns] =
            value ^ zeroPoint;
      }
    }
  }
  return absl::OkStatus();
}

} // namespace stc
