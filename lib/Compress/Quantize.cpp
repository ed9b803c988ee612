// Round-to-nearest quantization with group scales.
#include "stc/Compress/Quantize.h"

#include "stc/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace stc {

namespace {

/// Eight floats at once, in whatever registers the target has. Written out because sums must not be
/// reordered, and then no compiler vectorizes them by itself.
constexpr int64_t kLanes = 8;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
constexpr int64_t kMaxGroup = 128;

using Bits = uint32_t __attribute__((vector_size(sizeof(Lanes))));
Lanes broadcast(float value) { return value - Lanes{}; }
Lanes load(const float *values) {
  Lanes lanes;
  std::memcpy(&lanes, values, sizeof(lanes));
  return lanes;
}

/// 1 / scale; a scale of zero (too small for f16, or no weight at all) makes all codes zero.
Lanes reciprocals(Lanes scales) {
  Lanes zero = {}, one = broadcast(1);
  return scales != zero ? one / scales : zero;
}

struct CodeRange {
  float lowest, highest;
};

/// Adding and taking away 1.5 * 2^23 rounds a small float to the nearest even integer, with plain
/// additions that every target has. The order of the comparisons turns NaN into `lowest`.
template <typename T> T roundCode(T scaled, T lowest, T highest) {
  constexpr float round = 12582912.0f;
  T code = (scaled + round) - round;
  code = code > lowest ? code : lowest;
  return code < highest ? code : highest;
}

/// f16 rounding, to nearest even, of finite values whose rounding is finite. Vectors alone: eight
/// candidates cost what one call of floatToHalf does.
Lanes roundToHalf(Lanes value) {
  Bits bits = __builtin_bit_cast(Bits, value);
  Bits sign = bits & 0x80000000u, magnitude = bits & 0x7FFFFFFFu;
  // Below 2^-14 halves are the multiples of 2^-24, which is what the floats around 1/2 are.
  Lanes small = (__builtin_bit_cast(Lanes, magnitude) + 0.5f) - 0.5f;
  Bits normal = (magnitude + 0xFFFu + (magnitude >> 13 & 1u)) & 0xFFFFE000u;
  Bits rounded = magnitude < 0x38800000u ? __builtin_bit_cast(Bits, small) : normal;
  return __builtin_bit_cast(Lanes, rounded | sign);
}

/// The squared error of a group. `count` is a multiple of kLanes; padding is zero and adds nothing.
float squaredError(const float *values, int64_t count, float scale, float reciprocal,
                   CodeRange range) {
  Lanes step = broadcast(scale), inverse = broadcast(reciprocal);
  Lanes lowest = broadcast(range.lowest), highest = broadcast(range.highest);
  Lanes sums = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    Lanes value = load(values + i);
    Lanes error = value - roundCode(value * inverse, lowest, highest) * step;
    sums += error * error;
  }
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

/// The smallest and largest value of a group, zero included.
CodeRange extremes(const float *values, int64_t count) {
  Lanes low = {}, high = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    Lanes value = load(values + i);
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  CodeRange ends = {0, 0};
  for (int lane = 0; lane < kLanes; ++lane) {
    ends.lowest = std::min(ends.lowest, low[lane]);
    ends.highest = std::max(ends.highest, high[lane]);
  }
  return ends;
}

/// Candidates for the scale of an int4 group. The first is the symmetric range (largest magnitude
/// at 7 or -7); the others put the value of largest magnitude at code -8, or clip it, or leave
/// room, and then the scale has that value's sign reversed. On normally distributed and on trained
/// weights these eight come within 1 % of the error of a search over sixty ratios.
constexpr float kRatios[kLanes] = {1, 1.06f, 1.03f, 1, 0.96f, 0.92f, 0.87f, 0.82f};

/// The scale of least squared error among the candidates, as stored; the first of equals wins.
float chooseScale(ElementKind element, const float *values, int64_t count) {
  constexpr float largestHalf = 65504;
  CodeRange ends = extremes(values, count);
  float largest = std::max(ends.highest, -ends.lowest);
  // Clipping int8 gains less than its rounding to f16 costs.
  if (element == ElementKind::I8)
    return roundToHalf(broadcast(std::min(largest / 127, largestHalf)))[0];
  float whole = ends.highest > -ends.lowest ? ends.highest / -8 : ends.lowest / -8;
  Lanes wanted = load(kRatios) * whole, limit = broadcast(largestHalf);
  wanted[0] = largest / 7;
  wanted = wanted < limit ? wanted : limit;
  wanted = wanted > -limit ? wanted : -limit;
  Lanes scales = roundToHalf(wanted);
  Lanes inverses = reciprocals(scales);
  float errors[kLanes];
  for (int lane = 0; lane < kLanes; ++lane)
    errors[lane] = squaredError(values, count, scales[lane], inverses[lane], {-8, 7});
  return scales[std::min_element(errors, errors + kLanes) - errors];
}

} // namespace

QuantizedMatrix quantizeRoundToNearest(const QuantizeSpec &spec, int64_t rows, int64_t columns,
                                       absl::Span<const float> values) {
  QuantizedMatrix result;
  result.rows = rows;
  result.columns = columns;
  result.group = spec.group;
  int64_t groups = (columns + spec.group - 1) / spec.group;
  result.codes.resize(size_t(rows * columns));
  result.scales.resize(size_t(rows * groups));
  CodeRange range = spec.element == ElementKind::I4 ? CodeRange{-8, 7} : CodeRange{-127, 127};
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int64_t first = group * spec.group, count = std::min(spec.group, columns - first);
      const float *in = values.data() + row * columns + first;
      int8_t *out = result.codes.data() + row * columns + first;
      float padded[kMaxGroup];
      if (count != spec.group) {
        std::copy_n(in, count, padded);
        std::fill(padded + count, padded + spec.group, 0.0f);
        in = padded;
      }
      float scale = chooseScale(spec.element, in, spec.group);
      float inverse = scale != 0 ? 1 / scale : 0;
      for (int64_t i = 0; i < count; ++i)
        out[i] = int8_t(roundCode(in[i] * inverse, range.lowest, range.highest));
      result.scales[size_t(row * groups + group)] = floatToHalf(scale);
    }
  return result;
}

double relativeError(const QuantizedMatrix &quantized, absl::Span<const float> values) {
  int64_t groups = (quantized.columns + quantized.group - 1) / quantized.group;
  double error = 0, total = 0;
  for (int64_t row = 0; row < quantized.rows; ++row)
    for (int64_t column = 0; column < quantized.columns; ++column) {
      size_t at = size_t(row * quantized.columns + column);
      double scale = halfToFloat(quantized.scales[size_t(row * groups + column / quantized.group)]);
      double difference = quantized.codes[at] * scale - double(values[at]);
      error += difference * difference;
      total += double(values[at]) * double(values[at]);
    }
  return total > 0 ? std::sqrt(error / total) : 0;
}

} // namespace stc
