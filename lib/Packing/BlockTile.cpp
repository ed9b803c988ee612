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
  int64_t groupSteps = geometry.steps / geometry.groups, count = 0;
  for (int64_t step = 0; step < geometry.steps; ++step) {
    if (differing<kStepBytes>(codes + step * kStepBytes, zeroPoint))
      storeCount(step, tile + geometry.indicesOffset + count++ * 2);
    if ((step + 1) % groupSteps == 0)
      storeCount(count, tile + geometry.endsOffset + step / groupSteps * 2);
  }
  // Counts are known now, and with them where the values start.
  int64_t indicesEnd = geometry.indicesOffset + count * 2;
  int64_t valuesOffset = blockValuesOffset(geometry, count), size = blockStepBytes(layout);
  std::memset(tile + indicesEnd, 0, size_t(valuesOffset - indicesEnd));
  uint8_t *out = tile + valuesOffset;
  for (int64_t at = 0; at < count; ++at, out += size) {
    const uint8_t *in = codes + loadCount(tile + geometry.indicesOffset + at * 2) * kStepBytes;
    uint8_t bytes[kStepBytes]; // what no store to the tile can change
    // Taking the zero point away modulo the code's width is flipping its top bit.
    for (int64_t i = 0; i < kStepBytes; ++i)
      bytes[i] = in[i] ^ zeroPoint;
    for (int64_t i = 0; i < kHalf && size == kHalf; ++i)
      bytes[i] = uint8_t(bytes[i] | bytes[i + kHalf] << 4);
    std::memcpy(out, bytes, size_t(size));
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
        codes[step * kStepBytes + i] = value ^ zeroPoint;
      }
    }
  }
  return absl::OkStatus();
}

} // namespace stc
