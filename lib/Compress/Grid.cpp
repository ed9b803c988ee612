// Chooses the scale and the zero of one group of weights.
#include "Grid.h"

#include "stc/Compress/RoundRows.h"
#include "stc/Support/Float.h"
#include "stc/Support/ProcessorClones.h"

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
STC_ALWAYS_INLINE Lanes broadcast(float value) { return value - Lanes{}; }
STC_ALWAYS_INLINE Lanes load(const float *values) {
  Lanes lanes;
  std::memcpy(&lanes, values, sizeof(lanes));
  return lanes;
}

/// 1 / scale; a scale of zero (too small for f16, or no weight at all) makes all codes zero.
STC_ALWAYS_INLINE Lanes reciprocals(Lanes scales) {
  Lanes zero = {}, one = broadcast(1);
  return scales != zero ? one / scales : zero;
}

/// f16 rounding, to nearest even, of finite values whose rounding is finite. Vectors alone: eight
/// candidates cost what one call of floatToHalf does.
STC_ALWAYS_INLINE Lanes roundToHalf(Lanes value) {
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

/// The sum of all lanes, in an order that no target changes.
STC_ALWAYS_INLINE float sumOf(Lanes sums) {
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

/// What the values of one vector add to the squared error of a grid.
template <bool Weighted>
STC_ALWAYS_INLINE Lanes squaresAt(const Group &group, int64_t i, Lanes step, Lanes inverse,
                                  Lanes lowest, Lanes highest) {
  Lanes value = load(group.values + i);
  Lanes error = value - roundCode(value * inverse, lowest, highest) * step;
  Lanes square = error * error;
  return Weighted ? square * load(group.weights + i) : square;
}

/// The squared error of a group, weighted or not.
template <bool Weighted>
STC_ALWAYS_INLINE float squaredErrorOf(const Group &group, float scale, float reciprocal,
                                       CodeRange range) {
  Lanes step = broadcast(scale), inverse = broadcast(reciprocal);
  Lanes lowest = broadcast(range.lowest), highest = broadcast(range.highest);
  Lanes sums = {};
  for (int64_t i = 0; i < group.count; i += kLanes)
    sums += squaresAt<Weighted>(group, i, step, inverse, lowest, highest);
  return sumOf(sums);
}
STC_ALWAYS_INLINE float squaredError(const Group &group, float scale, float reciprocal,
                                     CodeRange range) {
  return group.weights ? squaredErrorOf<true>(group, scale, reciprocal, range)
                       : squaredErrorOf<false>(group, scale, reciprocal, range);
}

/// The smallest and largest value of a group, zero included.
STC_ALWAYS_INLINE CodeRange extremes(const Group &group) {
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

  STC_ALWAYS_INLINE void measure(const Group &group) {
    for (int first = 0; first < kLanes; first += kTogether)
      group.weights ? measureSome<true>(group, first) : measureSome<false>(group, first);
  }
  /// The first of the best.
  STC_ALWAYS_INLINE int best() const {
    return int(std::min_element(errors, errors + kLanes) - errors);
  }
  STC_ALWAYS_INLINE Grid grid(int lane) const {
    return {scales[lane], {lowest[lane], highest[lane]}};
  }

private:
  /// Sums of one grid wait for each other, those of several do not; more would not fit registers.
  static constexpr int kTogether = 4;
  template <bool Weighted> STC_ALWAYS_INLINE void measureSome(const Group &group, int first) {
    Lanes inverses = reciprocals(scales);
    Lanes sums[kTogether] = {}, step[kTogether], inverse[kTogether], low[kTogether],
          high[kTogether];
    for (int k = 0; k < kTogether; ++k) {
      step[k] = broadcast(scales[first + k]);
      inverse[k] = broadcast(inverses[first + k]);
      low[k] = broadcast(lowest[first + k]);
      high[k] = broadcast(highest[first + k]);
    }
    for (int64_t i = 0; i < group.count; i += kLanes)
      for (int k = 0; k < kTogether; ++k)
        sums[k] += squaresAt<Weighted>(group, i, step[k], inverse[k], low[k], high[k]);
    for (int k = 0; k < kTogether; ++k)
      errors[first + k] = sumOf(sums[k]);
  }
};

STC_ALWAYS_INLINE Lanes storedScales(Lanes wanted) {
  Lanes limit = broadcast(kLargestHalf);
  wanted = wanted < limit ? wanted : limit;
  wanted = wanted > -limit ? wanted : -limit;
  return roundToHalf(wanted);
}

/// The scale with which the codes of `grid` come closest to the values, if that is better.
STC_ALWAYS_INLINE void refine(const Group &group, float error, Grid &grid) {
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

STC_ALWAYS_INLINE Grid chooseSymmetric(ElementKind element, const Group &group) {
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

STC_ALWAYS_INLINE Grid chooseAsymmetric(ElementKind element, const Group &group) {
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

STC_ALWAYS_INLINE Grid choose(ElementKind element, bool asymmetric, const Group &group) {
  return asymmetric ? chooseAsymmetric(element, group) : chooseSymmetric(element, group);
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
  return choose(element, asymmetric, {values, weights, group});
}

QuantizedMatrix encode(const QuantizeSpec &spec, absl::Span<const Grid> grids, int64_t rows,
                       int64_t columns, absl::Span<const float> values) {
  QuantizedMatrix result = emptyMatrix(spec, rows, columns);
  int64_t groups = result.groups(), zeroPoint = spec.layout().zeroPoint();
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

namespace {

/// What is the same for all rows.
struct RowFormat {
  ElementKind element;
  bool asymmetric;
  int64_t columns, group, zeroPoint;
};

/// Most of the time of rounding a model is spent here: what the processor has decides how, and
/// nothing about the results, as every operation is on single lanes in a given order.
STC_PROCESSOR_CLONES
void roundRowsOf(const RowFormat &format, int64_t rows, const float *values, int8_t *codes,
                 uint16_t *scales, int8_t *zeros) {
  const RowFormat all = format; // which no store to codes can change
  bool wholeVectors = all.group % kLanes == 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t first = 0; first < all.columns; first += all.group) {
      int64_t count = std::min(all.group, all.columns - first);
      Grid grid = wholeVectors && count == all.group
                      ? choose(all.element, all.asymmetric, {values, nullptr, count})
                      : chooseGrid(all.element, all.asymmetric, values, nullptr, count, all.group);
      float inverse = grid.inverse(), zero = grid.zero(all.zeroPoint, all.asymmetric);
      for (int64_t i = 0; i < count; ++i)
        codes[i] = int8_t(grid.round(values[i], inverse) + zero);
      *scales++ = floatToHalf(grid.scale);
      if (all.asymmetric)
        *zeros++ = int8_t(zero);
      values += count;
      codes += count;
    }
}

} // namespace

QuantizedMatrix emptyMatrix(const QuantizeSpec &spec, int64_t rows, int64_t columns) {
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.group = spec.groupOf(columns);
  matrix.codes.resize(size_t(rows * columns));
  matrix.scales.resize(size_t(rows * matrix.groups()));
  if (spec.asymmetric)
    matrix.zeros.resize(matrix.scales.size());
  return matrix;
}

void roundRows(const QuantizeSpec &spec, int64_t firstRow, absl::Span<const float> values,
               QuantizedMatrix &matrix) {
  RowFormat format{spec.element, spec.asymmetric, matrix.columns, matrix.group,
                   spec.layout().zeroPoint()};
  int64_t firstGroup = firstRow * matrix.groups();
  roundRowsOf(format, int64_t(values.size()) / matrix.columns, values.data(),
              matrix.codes.data() + firstRow * matrix.columns, matrix.scales.data() + firstGroup,
              spec.asymmetric ? matrix.zeros.data() + firstGroup : nullptr);
}

} // namespace stc
