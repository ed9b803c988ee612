// Which way up a camera was held, as its images say.
#include "Decoders.h"

#include <cstring>

namespace stc {

int exifOrientation(absl::Span<const uint8_t> segment) {
  constexpr char kExif[] = "Exif\0";
  if (segment.size() < 14 || std::memcmp(segment.data(), kExif, 6) != 0)
    return 1;
  absl::Span<const uint8_t> tiff = segment.subspan(6);
  bool isLittle = tiff[0] == 'I';
  auto number = [&](uint64_t at, int count) -> uint64_t {
    uint64_t value = 0;
    if (at + uint64_t(count) > tiff.size())
      return 0;
    for (int i = 0; i < count; ++i)
      value = value << 8 | tiff[at + uint64_t(isLittle ? count - 1 - i : i)];
    return value;
  };
  constexpr uint64_t magic = 42, orientationTag = 0x0112, shortType = 3, entryBytes = 12;
  if (number(2, 2) != magic)
    return 1;
  uint64_t directory = number(4, 4);
  uint64_t entries = number(directory, 2);
  for (uint64_t i = 0; i < entries; ++i) {
    uint64_t entry = directory + 2 + i * entryBytes;
    if (entry + entryBytes > tiff.size())
      break;
    if (number(entry, 2) != orientationTag || number(entry + 2, 2) != shortType)
      continue;
    uint64_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

Image orient(const Image &image, int orientation) {
  if (orientation == 1)
    return image;
  // From 5 on rows and columns change places; then the result's rows, columns or both are read
  // backwards.
  bool transposes = orientation >= 5;
  bool flipsRows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  bool flipsColumns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  Image turned{
      transposes ? image.width : image.height, transposes ? image.height : image.width, {}};
  turned.bytes.resize(image.bytes.size());
  uint8_t *out = turned.bytes.data();
  for (int64_t y = 0; y < turned.height; ++y)
    for (int64_t x = 0; x < turned.width; ++x, out += 3) {
      int64_t row = flipsRows ? turned.height - 1 - y : y;
      int64_t column = flipsColumns ? turned.width - 1 - x : x;
      if (transposes)
        std::swap(row, column);
      std::memcpy(out, image.bytes.data() + 3 * (row * image.width + column), 3);
    }
  return turned;
}

} // namespace stc
