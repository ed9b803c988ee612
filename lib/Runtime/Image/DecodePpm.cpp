// Binary PPM and PGM files of 8 or 16 bits (the formats P6 and P5 of Netpbm).
#include "Decoders.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace stc {

namespace {

/// The next number of the header, behind white space and comments; -1 where there is none.
int64_t nextNumber(absl::Span<const uint8_t> bytes, size_t &at) {
  while (at < bytes.size() && (absl::ascii_isspace(bytes[at]) || bytes[at] == '#')) {
    if (bytes[at] == '#')
      while (at < bytes.size() && bytes[at] != '\n')
        ++at;
    else
      ++at;
  }
  constexpr int64_t most = int64_t(1) << 40;
  int64_t value = -1;
  for (; at < bytes.size() && absl::ascii_isdigit(bytes[at]); ++at)
    value = std::min(most, (value < 0 ? 0 : value) * 10 + (bytes[at] - '0'));
  return value;
}

} // namespace

absl::StatusOr<Image> decodePpm(absl::Span<const uint8_t> bytes, const std::string &file) {
  bool isGrey = bytes[1] == '5';
  size_t at = 2;
  Image image;
  image.width = nextNumber(bytes, at);
  image.height = nextNumber(bytes, at);
  int64_t largest = nextNumber(bytes, at);
  constexpr int64_t mostOfByte = 255, mostOfTwo = 65535;
  if (image.width < 0 || image.height < 0 || largest < 1 || largest > mostOfTwo)
    return formatError({file, "PPM", at}, "a width, a height and a largest value up to 65535",
                       "another header");
  STC_RETURN_IF_ERROR(checkImageSize(image.height, image.width, file));
  ++at; // one white space
  size_t sampleBytes = largest > mostOfByte ? 2 : 1;
  size_t samples = size_t(image.height * image.width) * (isGrey ? 1 : 3);
  size_t left = at <= bytes.size() ? bytes.size() - at : 0;
  if (left < samples * sampleBytes)
    return formatError({file, "PPM", at}, absl::StrCat(samples * sampleBytes, " bytes of pixels"),
                       absl::StrCat(left));
  image.bytes.reserve(size_t(image.height * image.width) * 3);
  for (size_t i = 0; i < samples; ++i, at += sampleBytes) {
    int64_t value = sampleBytes == 2 ? bytes[at] << 8 | bytes[at + 1] : bytes[at];
    auto byte = uint8_t((std::min(value, largest) * mostOfByte + largest / 2) / largest);
    image.bytes.insert(image.bytes.end(), isGrey ? 3 : 1, byte);
  }
  return image;
}

} // namespace stc
