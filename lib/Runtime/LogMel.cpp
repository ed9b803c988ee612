// The logarithmic mel spectrogram: a Fourier transform of every window, summed into mel bins.
#include "stc/Runtime/LogMel.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

constexpr int64_t kWindow = 400, kFrequencies = kWindow / 2 + 1;
constexpr double kPi = 3.14159265358979323846;

/// Slaney's mel scale: 3 mel per 200 Hz up to 1000 Hz, then 27 mel per factor of 6.4.
double melOf(double hertz) {
  return hertz < 1000 ? 3 * hertz / 200 : 15 + std::log(hertz / 1000) * 27 / std::log(6.4);
}
double hertzOf(double mel) {
  return mel < 15 ? 200 * mel / 3 : 1000 * std::exp((mel - 15) * std::log(6.4) / 27);
}

/// The power of every frequency of one window of samples.
class PowerSpectrum {
public:
  PowerSpectrum() : cosines(kWindow), sines(kWindow), hann(kWindow) {
    for (int64_t i = 0; i < kWindow; ++i) {
      double angle = 2 * kPi * double(i) / kWindow;
      cosines[size_t(i)] = std::cos(angle);
      sines[size_t(i)] = std::sin(angle);
      hann[size_t(i)] = 0.5 - 0.5 * std::cos(angle);
    }
  }

  void compute(absl::Span<const double> window, absl::Span<double> powers) const {
    for (int64_t k = 0; k < kFrequencies; ++k) {
      double real = 0, imaginary = 0;
      size_t angle = 0; // i * k modulo the window
      for (size_t i = 0; i < kWindow; ++i) {
        double value = window[i] * hann[i];
        real += value * cosines[angle];
        imaginary += value * sines[angle];
        angle += size_t(k);
        if (angle >= kWindow)
          angle -= kWindow;
      }
      powers[size_t(k)] = real * real + imaginary * imaginary;
    }
  }

private:
  std::vector<double> cosines, sines, hann;
};

/// Mirrors an index at both ends of `size` samples, without repeating the last one.
int64_t mirror(int64_t index, int64_t size) {
  if (size == 1)
    return 0;
  int64_t period = 2 * (size - 1);
  index = ((index % period) + period) % period;
  return index < size ? index : period - index;
}

} // namespace

std::vector<double> melFilters(int64_t bins) {
  std::vector<double> points(size_t(bins) + 2);
  double highest = melOf(double(kSampleRate) / 2);
  for (size_t i = 0; i < points.size(); ++i)
    points[i] = hertzOf(highest * double(i) / double(bins + 1));
  std::vector<double> filters(size_t(bins * kFrequencies));
  for (int64_t bin = 0; bin < bins; ++bin) {
    double low = points[size_t(bin)], middle = points[size_t(bin) + 1],
           high = points[size_t(bin) + 2];
    for (int64_t k = 0; k < kFrequencies; ++k) {
      double hertz = double(kSampleRate) / 2 * double(k) / double(kFrequencies - 1);
      double height = std::min((hertz - low) / (middle - low), (high - hertz) / (high - middle));
      filters[size_t(bin * kFrequencies + k)] = std::max(0.0, height) * 2 / (high - low);
    }
  }
  return filters;
}

std::vector<float> logMelSpectrogram(absl::Span<const float> samples, int64_t frames,
                                     int64_t bins) {
  const std::vector<double> filters = melFilters(bins);
  const PowerSpectrum spectrum;
  int64_t length = frames * kHopSamples;
  samples = samples.subspan(0, size_t(length));
  std::vector<double> window(kWindow), powers(kFrequencies), logs(size_t(frames * bins));
  double largest = -10;
  for (int64_t frame = 0; frame < frames; ++frame) {
    for (int64_t i = 0; i < kWindow; ++i) {
      auto at = size_t(mirror(frame * kHopSamples + i - kWindow / 2, length));
      window[size_t(i)] = at < samples.size() ? double(samples[at]) : 0;
    }
    spectrum.compute(window, absl::MakeSpan(powers));
    for (int64_t bin = 0; bin < bins; ++bin) {
      double power = 0;
      for (int64_t k = 0; k < kFrequencies; ++k)
        power += filters[size_t(bin * kFrequencies + k)] * powers[size_t(k)];
      double &log = logs[size_t(frame * bins + bin)];
      log = std::log10(std::max(power, 1e-10));
      largest = std::max(largest, log);
    }
  }
  std::vector<float> result(logs.size());
  for (size_t i = 0; i < logs.size(); ++i)
    result[i] = float((std::max(logs[i], largest - 8) + 4) / 4);
  return result;
}

} // namespace stc
