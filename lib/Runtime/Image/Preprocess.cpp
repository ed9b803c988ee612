// An image of any size as the numbers that a vision transformer reads: what ViTImageProcessor and
// DeiTImageProcessor of Hugging Face transformers make of it.
#include "stc/Runtime/Image.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

Image scaled(const Image &image, const ImageSettings &settings) {
  int64_t height = settings.resizeHeight, width = settings.resizeWidth;
  if (int64_t edge = settings.shortestEdge) {
    // The longer edge follows, rounded down.
    height = image.height <= image.width ? edge : edge * image.height / image.width;
    width = image.width <= image.height ? edge : edge * image.width / image.height;
  }
  return height == 0 ? image : resizeImage(image, height, width, settings.resample);
}

std::string sizeText(const Image &image) {
  return absl::StrCat(image.width, " x ", image.height, " pixels");
}

} // namespace

absl::StatusOr<std::vector<float>> imagePixels(const Image &image, const ImageSettings &settings,
                                               const std::string &file) {
  // One that is thousands of times as long as it is wide would need as much memory.
  int64_t edge = settings.shortestEdge, shorter = std::min(image.height, image.width);
  if (edge != 0 && edge * edge > kMostPixels * shorter / std::max(image.height, image.width))
    return formatError({file, "size", {}}, "an image whose edges are of more alike lengths",
                       sizeText(image));
  Image whole = scaled(image, settings);
  bool crops = settings.cropHeight != 0;
  if (crops ? whole.height < settings.height || whole.width < settings.width
            : whole.height != settings.height || whole.width != settings.width)
    return formatError({file, "size", {}},
                       absl::StrCat(crops ? "at least " : "", settings.width, " x ",
                                    settings.height, " pixels, as the model does not scale images"),
                       sizeText(whole));
  int64_t top = (whole.height - settings.height) / 2, left = (whole.width - settings.width) / 2;
  std::vector<float> pixels;
  pixels.reserve(size_t(settings.pixelNumbers()));
  for (int64_t channel = 0; channel < settings.channels; ++channel) {
    double mean = settings.mean[size_t(channel)], deviation = settings.deviation[size_t(channel)];
    for (int64_t y = top; y < top + settings.height; ++y)
      for (int64_t x = left; x < left + settings.width; ++x) {
        uint8_t byte = whole.bytes[size_t((y * whole.width + x) * settings.channels + channel)];
        pixels.push_back(float((double(byte) * settings.rescale - mean) / deviation));
      }
  }
  return pixels;
}

std::vector<float> unfoldPatches(absl::Span<const float> pixels, const ImageSettings &settings) {
  int64_t rows = settings.height / settings.patchHeight;
  int64_t columns = settings.width / settings.patchWidth;
  std::vector<float> unfolded(size_t(settings.positions() * settings.patchNumbers()));
  float *out = unfolded.data() + settings.classTokens * settings.patchNumbers();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      for (int64_t channel = 0; channel < settings.channels; ++channel)
        for (int64_t y = 0; y < settings.patchHeight; ++y) {
          int64_t line = channel * settings.height + row * settings.patchHeight + y;
          const float *from = pixels.data() + line * settings.width + column * settings.patchWidth;
          out = std::copy_n(from, settings.patchWidth, out);
        }
  return unfolded;
}

} // namespace stc
