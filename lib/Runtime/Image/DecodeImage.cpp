// Images of all formats.
#include "Decoders.h"

#include "absl/strings/str_cat.h"

#include <cstring>

namespace stc {

absl::Status checkImageSize(int64_t height, int64_t width, const std::string &file) {
  if (height < 1 || width < 1)
    return formatError({file, "size", {}}, "one pixel or more", absl::StrCat(width, " x ", height));
  if (height > kMostPixels / width)
    return formatError({file, "size", {}}, absl::StrCat("at most ", kMostPixels, " pixels"),
                       absl::StrCat(width, " x ", height));
  return absl::OkStatus();
}

absl::StatusOr<Image> decodeImage(absl::Span<const uint8_t> bytes, const std::string &file) {
  auto beginsWith = [&](absl::string_view magic) {
    return bytes.size() >= magic.size() &&
           std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  if (beginsWith("\x89PNG\r\n\x1a\n"))
    return decodePng(bytes, file);
  if (beginsWith("\xff\xd8\xff"))
    return decodeJpeg(bytes, file);
  if (beginsWith("P6") || beginsWith("P5"))
    return decodePpm(bytes, file);
  return formatError({file, "", {}}, "a PNG, JPEG or binary PPM image",
                     bytes.empty() ? "an empty file" : "another kind of file");
}

} // namespace stc
