// Re-fits the scales, zeros and codes of a quantized matrix.
#include "stc/Compress/LinearAlgebra.h"
#include "stc/Compress/Repair.h"
#include "stc/Support/Float.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

constexpr int64_t kRowBatch = 256, kBlockColumns = 128;
constexpr double kLargestHalf = 65504;

/// Solves A x = b in place for a symmetric positive definite A [n][n] by Cholesky; false if it is
/// not.
bool solveSymmetric(int64_t n, double *a, double *b) {
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < j; ++k) {
      double factor = a[j * n + k];
      for (int64_t i = j; i < n; ++i)
        a[i * n + j] -= a[i * n + k] * factor;
    }
    if (!(a[j * n + j] > 0))
      return false;
    double root = std::sqrt(a[j * n + j]);
    for (int64_t i = j; i < n; ++i)
      a[i * n + j] /= root;
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < i; ++k)
      b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (int64_t i = n; i-- > 0;) {
    for (int64_t k = i + 1; k < n; ++k)
      b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return true;
}

/// The rows [firstRow, firstRow + rows) of a matrix and the slope of their error.
class Batch {
public:
  Batch(QuantizedMatrix &matrix, absl::Span<const uint8_t> keep, int64_t firstRow, int64_t rows,
        int64_t lowest, int64_t highest, absl::Span<const float> h, const float *cross)
      : matrix(matrix), keep(keep), firstRow(firstRow), rows(rows), columns(matrix.columns),
        groups(matrix.groups()), lowest(lowest), highest(highest), h(h), cross(cross),
        distances(size_t(rows * columns)), scales(size_t(rows * groups)), slope(distances.size()) {}

  void run(const RefitCodesOptions &options);

private:
  void load();
  void store();
  void fitScales();
  void fitScalesOf(int64_t row, const double *products, const float *correlations);
  void sweep();
  void sweepGroupZero(int64_t row, int64_t group, float *moves, int64_t begin, int64_t end);
  void sweepCodes(int64_t row, int64_t begin, int64_t end, float *moves);
  int64_t groupEnd(int64_t group) const { return std::min(columns, (group + 1) * matrix.group); }
  bool kept(int64_t row, int64_t column) const {
    return keep[size_t((firstRow + row) * columns + column)];
  }
  size_t groupAt(int64_t row, int64_t group) const {
    return size_t((firstRow + row) * groups + group);
  }
  std::vector<float> weights() const;
  void computeSlope();

  QuantizedMatrix &matrix;
  absl::Span<const uint8_t> keep;
  const int64_t firstRow, rows, columns, groups, lowest, highest;
  absl::Span<const float> h;
  const float *cross;
  std::vector<float> distances; // codes minus zeros
  std::vector<float> scales;    // as f16 holds them
  std::vector<float> slope;     // w H - c, half the error's derivative
};

void Batch::load() {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int zero = matrix.zeroOf(firstRow + row, group);
      scales[size_t(row * groups + group)] = halfToFloat(matrix.scales[groupAt(row, group)]);
      for (int64_t i = group * matrix.group; i < groupEnd(group); ++i)
        distances[size_t(row * columns + i)] =
            float(matrix.codes[size_t((firstRow + row) * columns + i)] - zero);
    }
}

void Batch::store() {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int zero = matrix.zeroOf(firstRow + row, group);
      matrix.scales[groupAt(row, group)] = floatToHalf(scales[size_t(row * groups + group)]);
      for (int64_t i = group * matrix.group; i < groupEnd(group); ++i)
        matrix.codes[size_t((firstRow + row) * columns + i)] =
            int8_t(int(distances[size_t(row * columns + i)]) + zero);
    }
}

std::vector<float> Batch::weights() const {
  std::vector<float> result(distances.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < columns; ++i)
      result[size_t(row * columns + i)] =
          distances[size_t(row * columns + i)] * scales[size_t(row * groups + i / matrix.group)];
  return result;
}

void Batch::computeSlope() {
  std::vector<float> current = weights();
  std::copy_n(cross, slope.size(), slope.data());
  linalg::multiply(rows, columns, columns, 1, {current.data(), columns}, {h.data(), columns}, -1,
                   slope.data(), columns);
}

/// With w = sum over groups of scale * distances, the best scales solve a system of one equation
/// per group, whose matrix comes from one product of the distances with H.
void Batch::fitScales() {
  std::vector<double> systems(size_t(rows * groups * groups));
  std::vector<float> product(distances.size());
  for (int64_t group = 0; group < groups; ++group) {
    int64_t begin = group * matrix.group, width = groupEnd(group) - begin;
    linalg::multiply(rows, columns, width, 1, {distances.data() + begin, columns},
                     {h.data() + begin * columns, columns}, 0, product.data(), columns);
    parallelFor(rows, [&](int64_t row) {
      for (int64_t other = 0; other < groups; ++other) {
        int64_t at = row * columns + other * matrix.group;
        systems[size_t((row * groups + group) * groups + other)] = linalg::dot(
            product.data() + at, distances.data() + at, groupEnd(other) - other * matrix.group);
      }
    });
  }
  parallelFor(rows, [&](int64_t row) {
    fitScalesOf(row, systems.data() + row * groups * groups, cross + row * columns);
  });
}

void Batch::fitScalesOf(int64_t row, const double *products, const float *correlations) {
  float *current = scales.data() + row * groups;
  std::vector<int64_t> live; // groups with weights that calibration says something of
  for (int64_t g = 0; g < groups; ++g)
    if (products[g * groups + g] > 0)
      live.push_back(g);
  int64_t n = int64_t(live.size());
  std::vector<double> a(size_t(n * n)), rest(static_cast<size_t>(n)), step;
  for (int64_t i = 0; i < n; ++i) {
    int64_t g = live[size_t(i)], at = g * matrix.group;
    rest[size_t(i)] =
        linalg::dot(correlations + at, distances.data() + row * columns + at, groupEnd(g) - at);
    for (int64_t j = 0; j < n; ++j) {
      double product = products[g * groups + live[size_t(j)]];
      a[size_t(i * n + j)] =
          product * (i == j ? 1 + 1e-5 : 1); // rounding must not make it singular
      rest[size_t(i)] -= product * double(current[live[size_t(j)]]);
    }
  }
  std::vector<double> factor = a;
  step = rest;
  if (!solveSymmetric(n, factor.data(), step.data()))
    return;
  // The step as f16 scales make it, and whether that is still an improvement.
  std::vector<float> rounded(static_cast<size_t>(n));
  double change = 0;
  for (int64_t i = 0; i < n; ++i) {
    double wanted = double(current[live[size_t(i)]]) + step[size_t(i)];
    wanted = std::clamp(wanted, -kLargestHalf, kLargestHalf);
    rounded[size_t(i)] = halfToFloat(floatToHalf(float(wanted)));
    step[size_t(i)] = double(rounded[size_t(i)]) - double(current[live[size_t(i)]]);
  }
  for (int64_t i = 0; i < n; ++i) {
    change -= 2 * step[size_t(i)] * rest[size_t(i)];
    for (int64_t j = 0; j < n; ++j)
      change += step[size_t(i)] * a[size_t(i * n + j)] * step[size_t(j)];
  }
  if (change < 0)
    for (int64_t i = 0; i < n; ++i)
      current[live[size_t(i)]] = rounded[size_t(i)];
}

/// Tries to move a group's zero by one either way: all weights that stay move by a step, together.
/// The group lies within the block [begin, end) whose slope is up to date.
void Batch::sweepGroupZero(int64_t row, int64_t group, float *moves, int64_t begin, int64_t end) {
  float scale = scales[size_t(row * groups + group)];
  int64_t first = group * matrix.group, last = groupEnd(group);
  float *derivative = slope.data() + row * columns;
  double along = 0, curvature = 0;
  for (int64_t i = first; i < last; ++i) {
    if (!kept(row, i))
      continue;
    along += derivative[i];
    for (int64_t j = first; j < last; ++j)
      if (kept(row, j))
        curvature += h[size_t(i * columns + j)];
  }
  double step = double(scale), gain = step * step * curvature - 2 * std::fabs(step * along);
  int8_t &zero = matrix.zeros[groupAt(row, group)];
  // Weights fall when the zero rises.
  int by = step * along > 0 ? 1 : -1;
  if (!(gain < 0) || zero + by < lowest || zero + by > highest)
    return;
  zero = int8_t(zero + by);
  for (int64_t i = first; i < last; ++i) {
    if (!kept(row, i))
      continue;
    distances[size_t(row * columns + i)] -= float(by);
    float moved = -float(by) * scale;
    moves[i - begin] += moved;
    for (int64_t j = begin; j < end; ++j)
      derivative[j] += moved * h[size_t(i * columns + j)];
  }
}

/// Moves each code to the one nearest to where the error, all others fixed, is least.
void Batch::sweepCodes(int64_t row, int64_t begin, int64_t end, float *moves) {
  float *derivative = slope.data() + row * columns;
  for (int64_t i = begin; i < end; ++i) {
    int64_t group = i / matrix.group;
    double scale = scales[size_t(row * groups + group)], curvature = h[size_t(i * columns + i)];
    if (!kept(row, i) || scale == 0 || !(curvature > 0))
      continue;
    float &distance = distances[size_t(row * columns + i)];
    int zero = matrix.zeroOf(firstRow + row, group);
    double wanted = double(distance) - double(derivative[i]) / (curvature * scale);
    double code = std::clamp(std::nearbyint(wanted), double(lowest - zero), double(highest - zero));
    if (code == double(distance))
      continue;
    float moved = float((code - double(distance)) * scale);
    distance = float(code);
    moves[i - begin] += moved;
    const float *row_h = h.data() + i * columns;
    for (int64_t j = begin; j < end; ++j)
      derivative[j] += moved * row_h[j];
  }
}

/// One round over all columns, in blocks whose moves reach the others in one product.
void Batch::sweep() {
  int64_t step = matrix.group * std::max<int64_t>(1, kBlockColumns / matrix.group);
  // Only a zero that moves takes its whole row along.
  if (matrix.group == columns && matrix.zeros.empty())
    step = std::min(step, kBlockColumns);
  std::vector<float> moves;
  for (int64_t begin = 0; begin < columns; begin += step) {
    int64_t end = std::min(columns, begin + step), width = end - begin;
    moves.assign(size_t(rows * width), 0.0f);
    parallelFor(rows, [&](int64_t row) {
      float *moved = moves.data() + row * width;
      if (!matrix.zeros.empty())
        for (int64_t group = begin / matrix.group; group * matrix.group < end; ++group)
          sweepGroupZero(row, group, moved, begin, end);
      sweepCodes(row, begin, end, moved);
    });
    auto reach = [&](int64_t first, int64_t count) {
      if (count > 0)
        linalg::multiply(rows, count, width, 1, {moves.data(), width},
                         {h.data() + begin * columns + first, columns}, 1, slope.data() + first,
                         columns);
    };
    reach(0, begin);
    reach(end, columns - end);
  }
}

void Batch::run(const RefitCodesOptions &options) {
  load();
  std::vector<float> startDistances = distances, startScales = scales, start = weights();
  std::vector<int8_t> startZeros;
  if (!matrix.zeros.empty())
    startZeros.assign(matrix.zeros.begin() + int64_t(groupAt(0, 0)),
                      matrix.zeros.begin() + int64_t(groupAt(rows, 0)));
  computeSlope();
  std::vector<float> startSlope = slope;
  for (int i = 0; i < options.sweeps; ++i) {
    fitScales();
    if (!options.codes)
      break;
    computeSlope();
    sweep();
  }
  if (options.codes)
    fitScales();
  std::vector<float> moved = weights(), product(moved.size());
  for (size_t i = 0; i < moved.size(); ++i)
    moved[i] -= start[i];
  linalg::multiply(rows, columns, columns, 1, {moved.data(), columns}, {h.data(), columns}, 0,
                   product.data(), columns);
  // Rounding errors in what was added up on the way cannot make a row worse.
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = row * columns, scalesAt = row * groups;
    double change = linalg::dot(moved.data() + at, product.data() + at, columns) +
                    2 * linalg::dot(moved.data() + at, startSlope.data() + at, columns);
    if (change < 0)
      continue;
    std::copy_n(startDistances.data() + at, columns, distances.data() + at);
    std::copy_n(startScales.data() + scalesAt, groups, scales.data() + scalesAt);
    if (!matrix.zeros.empty())
      std::copy_n(startZeros.data() + scalesAt, groups, matrix.zeros.data() + groupAt(row, 0));
  }
  store();
}

} // namespace

absl::StatusOr<QuantizedMatrix> refitCodes(const RefitCodesOptions &options,
                                           const QuantizeSpec &spec, const QuantizedMatrix &matrix,
                                           absl::Span<const uint8_t> mask,
                                           const SecondMoments &moments,
                                           absl::Span<const float> cross) {
  STC_RETURN_IF_ERROR(verifyQuantizedMatrix(matrix, spec.layout()));
  size_t count = matrix.codes.size();
  if (matrix.columns != moments.columns() || cross.size() != count ||
      (!mask.empty() && mask.size() != count))
    return formatError(
        {"", "repair", {}},
        absl::StrCat(count, " mask bytes and cross moments, ", matrix.columns, " inputs"),
        absl::StrCat(mask.size(), ", ", cross.size(), " and ", moments.columns()));
  // What may change: weights of the mask, or those that are not zero.
  std::vector<uint8_t> keep(mask.begin(), mask.end());
  keep.resize(count, 1);
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t i = 0; mask.empty() && i < matrix.columns; ++i) {
      size_t at = size_t(row * matrix.columns + i);
      keep[at] = matrix.codes[at] != matrix.zeroOf(row, i / matrix.group);
    }
  // The symmetric int8 codes of quantizeRoundToNearest end at -127.
  int64_t highest = spec.layout().zeroPoint() - 1;
  int64_t lowest = spec.element == ElementKind::I8 && !spec.asymmetric ? -highest : -highest - 1;
  // The systems of a batch take groups^2 doubles per row.
  int64_t groups = matrix.groups();
  int64_t rows = std::clamp<int64_t>((int64_t(1) << 23) / (groups * groups), 16, kRowBatch);
  QuantizedMatrix result = matrix;
  for (int64_t row = 0; row < matrix.rows; row += rows)
    Batch(result, keep, row, std::min(rows, matrix.rows - row), lowest, highest, moments.matrix(),
          cross.data() + row * matrix.columns)
        .run(options);
  return result;
}

} // namespace stc
