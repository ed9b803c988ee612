// How an image becomes what a vision transformer reads, and what the model makes of it.
#ifndef STC_SUPPORT_IMAGESETTINGS_H
#define STC_SUPPORT_IMAGESETTINGS_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// How pixels are interpolated, numbered as Pillow (PIL.Image.Resampling) and
/// preprocessor_config.json number them.
enum class Resample { Nearest, Lanczos, Bilinear, Bicubic, Box, Hamming };

/// A vision transformer's input and output (Dosovitskiy et al. 2021), and what stands in front of
/// it: the image processor of Hugging Face transformers. Lengths are in pixels.
struct ImageSettings {
  int64_t height = 0, width = 0; // what the model reads; 0: it reads no images
  int64_t patchHeight = 0, patchWidth = 0;
  int64_t channels = 3;    // red, green, blue
  int64_t classTokens = 0; // positions in front of the patches': CLS, and DeiT's distillation token
  /// Classifying heads, of which head i reads position i; a label's logit is their mean. 0: none.
  int64_t classifiers = 0;
  bool isMultiLabel = false; // labels do not exclude each other: probabilities are sigmoids
  std::vector<std::string> labels;

  /// The image is scaled to this size, or its shorter edge to `shortestEdge` unless that is 0, then
  /// cut to the middle; sizes of 0: as it is.
  int64_t resizeHeight = 0, resizeWidth = 0, shortestEdge = 0;
  int64_t cropHeight = 0, cropWidth = 0;
  Resample resample = Resample::Bilinear;
  /// Bytes become (byte * rescale - mean) / deviation, per channel.
  double rescale = 1.0 / 255;
  std::vector<double> mean = {0.5, 0.5, 0.5}, deviation = {0.5, 0.5, 0.5};

  int64_t patches() const { return (height / patchHeight) * (width / patchWidth); }
  int64_t positions() const { return classTokens + patches(); }
  int64_t patchNumbers() const { return channels * patchHeight * patchWidth; }
  int64_t pixelNumbers() const { return channels * height * width; }
};

/// The largest height and width of an image that a model reads.
constexpr int64_t kLargestImageSize = 1 << 14;

/// The settings as text: a line `key=value key=value ...`, then a line for each label.
std::string formatImageSettings(const ImageSettings &settings);
/// Reads that text. Errors: missing or unknown keys, numbers out of range, more or fewer labels.
absl::StatusOr<ImageSettings> parseImageSettings(absl::string_view text);

} // namespace stc

#endif // STC_SUPPORT_IMAGESETTINGS_H
