// Images: read from files, scaled, and made into what a vision transformer reads.
#ifndef STC_RUNTIME_IMAGE_H
#define STC_RUNTIME_IMAGE_H

#include "stc/Support/Error.h"
#include "stc/Support/ImageSettings.h"

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// Red, green and blue of every pixel, a byte each, row by row from the top.
struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> bytes;
};

/// The most pixels that an image may have.
constexpr int64_t kMostPixels = int64_t(1) << 26;

/// An image of a PNG, JPEG or PPM/PGM (binary, P6 and P5) file. Grey becomes three equal colours,
/// palettes are looked up, transparency is dropped, of 16 bits the higher 8 count; a JPEG is turned
/// as its EXIF orientation says. Errors, with `file`: another format, one that is cut off or
/// broken, a JPEG of CMYK, more than kMostPixels pixels or more than the file can hold.
absl::StatusOr<Image> decodeImage(absl::Span<const uint8_t> bytes, const std::string &file);

/// `image` scaled to height x width as Pillow's Image.resize does it: each output pixel is a mean
/// of input pixels, weighted by the filter stretched to the scale (so that nothing aliases), first
/// along rows, then along columns, with weights of 22 binary digits and rounded to bytes after
/// each.
Image resizeImage(const Image &image, int64_t height, int64_t width, Resample resample);

/// [channels][height][width] floats: scaled, cut to its middle and normalized as `settings` say.
/// Error: an image too small for what is cut out, or of another size where nothing is scaled.
absl::StatusOr<std::vector<float>> imagePixels(const Image &image, const ImageSettings &settings,
                                               const std::string &file);

/// [positions][channels * patch height * patch width]: zeros for class tokens, then the numbers of
/// each patch of `pixels`, row by row from the top. Multiplied with a kernel
/// [outputs][channels][patch height][patch width], this is a convolution whose stride is its size.
std::vector<float> unfoldPatches(absl::Span<const float> pixels, const ImageSettings &settings);

} // namespace stc

#endif // STC_RUNTIME_IMAGE_H
