// Chooses the scale and the zero of one group of weights.
#include "Grid.h"

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

/// A group and, perhaps, what the squared error of each value counts. `count` is a multiple of
/// kLanes; padding is zero and adds nothing.
struct Group {
  const float *values, *weights;
  int64_t count;
};

/// The squared error of a group, weighted or not.
template <bool Weighted>
float squaredErrorOf(const Group &group, float scale, float reciprocal, CodeRange range) {
  Lanes step = broadcast(scale), inverse = broadcast(reciprocal);
  Lanes lowest = broadcast(range.lowest), highest = broadcast(range.highest);
  Lanes sums = {};
  for (int64_t i = 0; i < group.count; i += kLanes) {
    Lanes value = load(group.values + i);
    Lanes error = value - roundCode(value * inverse, lowest, highest) * step;
    Lanes square = error * error;
    if (Weighted)
      square *= load(group.weights + i);
    sums += square;
  }
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}
float squaredError(const Group &group, float scale, float reciprocal, CodeRange range) {
  auto measure = group.weights ? squaredErrorOf<true> : squaredErrorOf<false>;
  return measure(group, scale, reciprocal, range);
}

/// The smallest and largest value of a group, zero included.
CodeRange extremes(const Group &group) {
  Lanes low = {}, high = {};
  for (int64_t i = 0; i < group.count; i += kLanes) {
    Lanes value = load(group.values + i);
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

constexpr float kLargestHalf = 65504;

/// Candidates for the scale of a symmetric group. The first is the symmetric range (of int4, the
/// largest magnitude at 7 or -7); the others put the value of largest magnitude at the code
/// furthest from zero (-8), or clip it, or leave room, and then the scale has that value's sign
/// reversed. On normally distributed and on trained weights the eight of int4 come within 1 % of
/// the error of a search over sixty ratios. With fewer codes clipping gains more.
constexpr float kRatios4[kLanes] = {1, 1.06f, 1.03f, 1, 0.96f, 0.92f, 0.87f, 0.82f};
constexpr float kRatios3[kLanes] = {1, 1.1f, 1, 0.93f, 0.86f, 0.79f, 0.72f, 0.64f};
constexpr float kRatios2[kLanes] = {1, 1, 0.88f, 0.77f, 0.67f, 0.58f, 0.5f, 0.42f};
/// Candidates for the ends of an asymmetric group: the share of the lowest and the highest value
/// that is not clipped.
constexpr float kLow4[kLanes] = {1, 0.95f, 0.9f, 0.85f, 1, 0.9f, 1, 0.8f};
constexpr float kHigh4[kLanes] = {1, 0.95f, 0.9f, 0.85f, 0.9f, 1, 0.8f, 1};
constexpr float kLow3[kLanes] = {1, 0.92f, 0.85f, 0.78f, 0.7f, 0.62f, 1, 0.75f};
constexpr float kHigh3[kLanes] = {1, 0.92f, 0.85f, 0.78f, 0.7f, 0.62f, 0.75f, 1};
constexpr float kLow2[kLanes] = {1, 0.85f, 0.73f, 0.62f, 0.52f, 0.43f, 0.9f, 0.45f};
constexpr float kHigh2[kLanes] = {1, 0.85f, 0.73f, 0.62f, 0.52f, 0.43f, 0.45f, 0.9f};

/// Errors of eight grids.
struct Candidates {
  Lanes scales = {}, lowest = {}, highest = {};
  float errors[kLanes] = {};

  void measure(const Group &group) {
    Lanes inverses = reciprocals(scales);
    for (int lane = 0; lane < kLanes; ++lane)
      errors[lane] =
          squaredError(group, scales[lane], inverses[lane], {lowest[lane], highest[lane]});
  }
  /// The first of the best.
  int best() const { return int(std::min_element(errors, errors + kLanes) - errors); }
  Grid grid(int lane) const { return {scales[lane], {lowest[lane], highest[lane]}}; }
};

Lanes storedScales(Lanes wanted) {
  Lanes limit = broadcast(kLargestHalf);
  wanted = wanted < limit ? wanted : limit;
  wanted = wanted > -limit ? wanted : -limit;
  return roundToHalf(wanted);
}

/// The scale with which the codes of `grid` come closest to the values, if that is better.
void refine(const Group &group, float error, Grid &grid) {
  float inverse = grid.scale != 0 ? 1 / grid.scale : 0;
  double products = 0, squares = 0;
  for (int64_t i = 0; i < group.count; ++i) {
    float code = roundCode(group.values[i] * inverse, grid.range.lowest, grid.range.highest);
    double weight = group.weights ? double(group.weights[i]) : 1.0;
    products += weight * double(group.values[i]) * double(code);
    squares += weight * double(code) * double(code);
  }
  double fitted = squares > 0 ? products / squares : 0;
  if (!(std::fabs(fitted) < kLargestHalf))
    return;
  float scale = roundToHalf(broadcast(float(fitted)))[0];
  if (scale != 0 && squaredError(group, scale, 1 / scale, grid.range) < error)
    grid.scale = scale;
}

Grid chooseSymmetric(ElementKind element, const Group &group) {
  CodeRange ends = extremes(group);
  float largest = std::max(ends.highest, -ends.lowest);
  // Clipping int8 gains less than its rounding to f16 costs.
  if (element == ElementKind::I8)
    return {storedScales(broadcast(largest / 127))[0], {-127, 127}};
  const float *ratios = element == ElementKind::I4   ? kRatios4
                        : element == ElementKind::I3 ? kRatios3
                                                     : kRatios2;
  float furthest = element == ElementKind::I4 ? 8 : element == ElementKind::I3 ? 4 : 2;
  float whole = ends.highest > -ends.lowest ? ends.highest / -furthest : ends.lowest / -furthest;
  Lanes wanted = load(ratios) * whole;
  wanted[0] = largest / (furthest - 1);
  Candidates candidates;
  candidates.scales = storedScales(wanted);
  candidates.lowest = broadcast(-furthest);
  candidates.highest = broadcast(furthest - 1);
  candidates.measure(group);
  int best = candidates.best();
  Grid grid = candidates.grid(best);
  // Of weighted errors more is at stake than of those the ratios were chosen for.
  if (element != ElementKind::I4 || group.weights)
    refine(group, candidates.errors[best], grid);
  return grid;
}

Grid chooseAsymmetric(ElementKind element, const Group &group) {
  CodeRange ends = extremes(group);
  Layout layout{LayoutKind::Dense, element};
  Lanes last = broadcast(float(2 * layout.zeroPoint() - 1)), none = {};
  Lanes lows = broadcast(ends.lowest), highs = broadcast(ends.highest);
  if (element != ElementKind::I8) { // whose rounding to f16 costs more than clipping gains
    bool four = element == ElementKind::I4, three = element == ElementKind::I3;
    lows *= load(four ? kLow4 : three ? kLow3 : kLow2);
    highs *= load(four ? kHigh4 : three ? kHigh3 : kHigh2);
  }
  Candidates candidates;
  candidates.scales = storedScales(highs / last - lows / last);
  // The code of zero: as far from the first code as zero is from the lowest value.
  Lanes zeros = roundCode(-lows * reciprocals(candidates.scales), none, last);
  candidates.lowest = -zeros;
  candidates.highest = last - zeros;
  candidates.measure(group);
  int best = candidates.best();
  Grid grid = candidates.grid(best);
  if (grid.scale == 0) // no weight is stored: the zero of an empty row
    return {0, {-float(layout.zeroPoint()), float(layout.zeroPoint() - 1)}};
  refine(group, candidates.errors[best], grid);
  return grid;
}

} // namespace

Grid chooseGrid(ElementKind element, bool asymmetric, const float *values, const float *weights,
                int64_t count, int64_t group) {
  group = (group + kLanes - 1) / kLanes * kLanes;
  float buffer[2 * kMaxGroup];
  if (count != group) {
    std::vector<float> longer(size_t(group > kMaxGroup ? 2 * group : 0)); // a whole row
    float *padded = longer.empty() ? buffer : longer.data();
    std::fill(std::copy_n(values, count, padded), padded + group, 0.0f);
    if (weights)
      std::fill(std::copy_n(weights, count, padded + group), padded + 2 * group, 0.0f);
    return chooseGrid(element, asymmetric, padded, weights ? padded + group : nullptr, group,
                      group);
  }
  auto choose = asymmetric ? chooseAsymmetric : chooseSymmetric;
  return choose(element, {values, weights, group});
}

QuantizedMatrix encode(const QuantizeSpec &spec, absl::Span<const Grid> grids, int64_t rows,
                       int64_t columns, absl::Span<const float> values) {
  QuantizedMatrix result;
  result.rows = rows;
  result.columns = columns;
  result.group = spec.groupOf(columns);
  int64_t groups = result.groups(), zeroPoint = spec.layout().zeroPoint();
  result.codes.resize(size_t(rows * columns));
  result.scales.resize(size_t(rows * groups));
  if (spec.asymmetric)
    result.zeros.resize(result.scales.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      const Grid &grid = grids[size_t(row * groups + group)];
      float inverse = grid.inverse(), zero = grid.zero(zeroPoint, spec.asymmetric);
      int64_t first = row * columns + group * result.group;
      int64_t last = row * columns + std::min(columns, (group + 1) * result.group);
      for (int64_t i = first; i < last; ++i)
        result.codes[size_t(i)] = int8_t(grid.round(values[size_t(i)], inverse) + zero);
      result.scales[size_t(row * groups + group)] = floatToHalf(grid.scale);
      if (spec.asymmetric)
        result.zeros[size_t(row * groups + group)] = int8_t(zero);
    }
  return result;
}

} // namespace stc
