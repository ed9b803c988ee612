// Tiles of floats with masks: only the weights that are not zero are stored.
#include "Tile.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstring>

namespace stc {

uint32_t elementBits(ElementKind element, float value) {
  if (element == ElementKind::F32)
    return floatBits(value);
  return element == ElementKind::F16 ? floatToHalf(value) : floatToBfloat16(value);
}

float elementFloat(ElementKind element, uint32_t bits) {
  if (element == ElementKind::F16)
    return halfToFloat(uint16_t(bits));
  return floatFromBits(element == ElementKind::F32 ? bits : bits << 16);
}

FloatTileEncoder::FloatTileEncoder(const Layout &layout, const TileGeometry &geometry)
    : layout(layout), geometry(geometry), bits(size_t(geometry.steps * kStepBytes)),
      masks(size_t(geometry.steps)),
      stored(size_t(geometry.valuesOffset + geometry.steps * kStepBytes * layout.floatBytes() +
                    kSectionAlignment)) {}

absl::StatusOr<absl::Span<const uint8_t>> FloatTileEncoder::encode(absl::Span<const float> values,
                                                                   int64_t rows, int64_t columns,
                                                                   int64_t firstRow) {
  std::fill(bits.begin(), bits.end(), 0);
  std::fill(masks.begin(), masks.end(), 0);
  for (int64_t row = 0; row < std::min(kTileRows, rows - firstRow); ++row) {
    const float *in = values.data() + (firstRow + row) * columns;
    for (int64_t column = 0; column < columns; ++column) {
      uint32_t value = elementBits(layout.element, in[column]);
      // Zeros of either sign, those that rounding made among them, are no weights.
      if (elementFloat(layout.element, value) == 0)
        continue;
      int64_t step = column / kDotColumns, bit = row * kDotColumns + column % kDotColumns;
      bits[size_t(step * kStepBytes + bit)] = value;
      masks[size_t(step)] |= uint64_t(1) << bit;
    }
  }
  if (layout.kind == LayoutKind::NM)
    STC_RETURN_IF_ERROR(fillMasks(layout, firstRow, absl::MakeSpan(masks)));
  std::fill_n(stored.begin(), geometry.valuesOffset, uint8_t(0));
  std::memcpy(stored.data() + geometry.masksOffset, masks.data(), masks.size() * 8);
  uint8_t *out = stored.data() + geometry.valuesOffset;
  for (size_t step = 0; step < masks.size(); ++step)
    for (uint64_t mask = masks[step]; mask; mask &= mask - 1) {
      // The lower bytes are the whole of a shorter element.
      std::memcpy(out, &bits[step * size_t(kStepBytes) + size_t(__builtin_ctzll(mask))],
                  size_t(layout.floatBytes()));
      out += layout.floatBytes();
    }
  int64_t end = out - stored.data(), rounded = roundUp(end, kSectionAlignment);
  std::fill(stored.begin() + end, stored.begin() + rounded, uint8_t(0));
  return absl::Span<const uint8_t>(stored.data(), size_t(rounded));
}

absl::Status decodeFloatTile(const Layout &layout, const TileGeometry &geometry,
                             absl::Span<const uint8_t> bytes, int64_t offset, int64_t firstRow,
                             int64_t columns, absl::Span<float> values) {
  std::vector<uint64_t> masks = loadMasks(geometry, bytes);
  int64_t count = 0;
  for (uint64_t mask : masks)
    count += __builtin_popcountll(mask);
  int64_t needed = geometry.valuesOffset + roundUp(count * layout.floatBytes(), kSectionAlignment);
  if (needed != int64_t(bytes.size()))
    return packedError(layout, offset + geometry.masksOffset,
                       absl::StrCat("masks of a tile of ", bytes.size(), " bytes"),
                       absl::StrCat("masks of ", needed, " bytes"));
  int64_t rows = int64_t(values.size()) / columns;
  const uint8_t *in = bytes.data() + geometry.valuesOffset;
  for (int64_t step = 0; step < geometry.steps; ++step)
    for (uint64_t mask = masks[size_t(step)]; mask; mask &= mask - 1) {
      uint32_t value = 0;
      std::memcpy(&value, in, size_t(layout.floatBytes()));
      in += layout.floatBytes();
      int64_t bit = __builtin_ctzll(mask), row = firstRow + bit / kDotColumns;
      // What is stored in padding is compared with what packing writes there.
      if (int64_t column = step * kDotColumns + bit % kDotColumns; row < rows && column < columns)
        values[size_t(row * columns + column)] = elementFloat(layout.element, value);
    }
  return absl::OkStatus();
}

} // namespace stc
