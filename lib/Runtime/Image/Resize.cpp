// Scaling of images, as Pillow defines it: its documentation's "filters", which are stretched to
// the scale where an image shrinks.
#include "stc/Runtime/Image.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

constexpr int64_t kChannels = 3;
constexpr double kPi = 3.14159265358979323846;

double sinc(double x) { return x == 0 ? 1 : std::sin(kPi * x) / (kPi * x); }

/// Beyond this distance a filter is 0.
double supportOf(Resample resample) {
  switch (resample) {
  case Resample::Nearest:
  case Resample::Box:
    return 0.5;
  case Resample::Bilinear:
  case Resample::Hamming:
    return 1;
  case Resample::Bicubic:
    return 2;
  case Resample::Lanczos:
    return 3;
  }
  return 0;
}

double filterAt(Resample resample, double x) {
  double distance = std::abs(x);
  switch (resample) {
  case Resample::Nearest:
  case Resample::Box: // of two equally near pixels the one behind counts
    return x > -0.5 && x <= 0.5 ? 1 : 0;
  case Resample::Bilinear:
    return std::max(0.0, 1 - distance);
  case Resample::Hamming:
    return distance >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * std::cos(kPi * x));
  case Resample::Bicubic: { // Keys 1981, with a = -0.5
    constexpr double a = -0.5;
    if (distance < 1)
      return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
    return distance < 2 ? a * (((distance - 5) * distance + 8) * distance - 4) : 0;
  }
  case Resample::Lanczos:
    return distance < 3 ? sinc(x) * sinc(x / 3) : 0;
  }
  return 0;
}

/// The input pixels that an output pixel is a mean of, and their weights in units of 2^-22.
struct Window {
  int64_t first = 0;
  std::vector<int64_t> weights;
};
constexpr int kWeightBits = 22;

std::vector<Window> windows(int64_t from, int64_t to, Resample resample) {
  double scale = double(from) / double(to), stretch = std::max(1.0, scale);
  double support = supportOf(resample) * stretch;
  std::vector<Window> result(static_cast<size_t>(to));
  std::vector<double> weights;
  for (int64_t i = 0; i < to; ++i) {
    Window &window = result[size_t(i)];
    double center = (double(i) + 0.5) * scale;
    if (resample == Resample::Nearest) {
      window.first = std::min(int64_t(center), from - 1);
      window.weights = {int64_t(1) << kWeightBits};
      continue;
    }
    window.first = std::max<int64_t>(0, int64_t(center - support + 0.5));
    int64_t end = std::min(from, int64_t(center + support + 0.5));
    weights.clear();
    double sum = 0;
    for (int64_t at = window.first; at < end; ++at) {
      weights.push_back(filterAt(resample, (double(at) - center + 0.5) / stretch));
      sum += weights.back();
    }
    for (double weight : weights) {
      double share = sum != 0 ? weight / sum : weight;
      window.weights.push_back(
          int64_t(share * double(1 << kWeightBits) + (share < 0 ? -0.5 : 0.5)));
    }
  }
  return result;
}

/// `count` lines of pixels whose neighbours in the direction of scaling are `step` bytes apart.
void scaleLine(const uint8_t *in, int64_t inStep, uint8_t *out, int64_t outStep,
               const std::vector<Window> &windows) {
  for (const Window &window : windows) {
    for (int64_t channel = 0; channel < kChannels; ++channel) {
      int64_t sum = int64_t(1) << (kWeightBits - 1);
      const uint8_t *pixel = in + window.first * inStep + channel;
      for (int64_t weight : window.weights) {
        sum += weight * *pixel;
        pixel += inStep;
      }
      out[channel] = uint8_t(std::clamp<int64_t>(sum >> kWeightBits, 0, 255));
    }
    out += outStep;
  }
}

} // namespace

Image resizeImage(const Image &image, int64_t height, int64_t width, Resample resample) {
  Image scaled = image;
  if (width != image.width) {
    scaled = {image.height, width, std::vector<uint8_t>(size_t(image.height * width * kChannels))};
    std::vector<Window> columns = windows(image.width, width, resample);
    for (int64_t y = 0; y < image.height; ++y)
      scaleLine(image.bytes.data() + y * image.width * kChannels, kChannels,
                scaled.bytes.data() + y * width * kChannels, kChannels, columns);
  }
  if (height == image.height)
    return scaled;
  Image result{height, width, std::vector<uint8_t>(size_t(height * width * kChannels))};
  std::vector<Window> rows = windows(image.height, height, resample);
  int64_t rowBytes = width * kChannels;
  for (int64_t x = 0; x < width; ++x)
    scaleLine(scaled.bytes.data() + x * kChannels, rowBytes, result.bytes.data() + x * kChannels,
              rowBytes, rows);
  return result;
}

} // namespace stc
