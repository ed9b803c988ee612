// The formats of images, one function each. All take the bytes of a whole file.
#ifndef STC_LIB_RUNTIME_IMAGE_DECODERS_H
#define STC_LIB_RUNTIME_IMAGE_DECODERS_H

#include "stc/Runtime/Image.h"

namespace stc {

absl::StatusOr<Image> decodePng(absl::Span<const uint8_t> bytes, const std::string &file);
absl::StatusOr<Image> decodeJpeg(absl::Span<const uint8_t> bytes, const std::string &file);
absl::StatusOr<Image> decodePpm(absl::Span<const uint8_t> bytes, const std::string &file);

/// An error unless an image of these sizes is one that is read.
absl::Status checkImageSize(int64_t height, int64_t width, const std::string &file);

/// The EXIF orientation, 1 to 8, that the content of a JPEG's APP1 segment says; 1 where it says
/// none. (CIPA DC-008-2019, "Exif", sections 4.5.2 to 4.6.4.)
int exifOrientation(absl::Span<const uint8_t> segment);
/// `image` turned and mirrored so that its orientation is 1.
Image orient(const Image &image, int orientation);

} // namespace stc

#endif // STC_LIB_RUNTIME_IMAGE_DECODERS_H
