// The scales of AWQ and SmoothQuant.
#include "stc/Compress/ChannelScales.h"

#include "stc/Compress/LinearAlgebra.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

absl::Status checkMatrices(absl::Span<const SharedInputMatrix> matrices, int64_t columns) {
  if (matrices.empty())
    return formatError({"", "channel scales", {}}, "a matrix", "none");
  for (const SharedInputMatrix &matrix : matrices) {
    if (matrix.rows < 1 || int64_t(matrix.weights.size()) != matrix.rows * columns)
      return formatError({"", "channel scales", {}}, absl::StrCat("rows of ", columns, " weights"),
                         absl::StrCat(matrix.weights.size(), " in ", matrix.rows, " rows"));
    STC_RETURN_IF_ERROR(checkFinite(matrix.weights, "matrix"));
  }
  return absl::OkStatus();
}

/// Evenly spread rows of all matrices, one below the other.
std::vector<float> sample(absl::Span<const SharedInputMatrix> matrices, int64_t columns,
                          int64_t most) {
  std::vector<float> rows;
  for (const SharedInputMatrix &matrix : matrices) {
    int64_t count = std::min(matrix.rows, std::max<int64_t>(most, 1));
    for (int64_t i = 0; i < count; ++i) {
      const float *row = matrix.weights.data() + i * matrix.rows / count * columns;
      rows.insert(rows.end(), row, row + columns);
    }
  }
  return rows;
}

std::vector<float> scalesFor(const SecondMoments &moments, double exponent) {
  std::vector<double> means(moments.magnitudes().begin(), moments.magnitudes().end());
  double smallest = INFINITY, largest = 0;
  for (double mean : means)
    if (mean > 0) {
      smallest = std::min(smallest, mean);
      largest = std::max(largest, mean);
    }
  std::vector<float> scales(means.size(), 1.0f);
  if (largest == 0)
    return scales;
  for (size_t i = 0; i < scales.size(); ++i) {
    double relative = std::max(means[i], smallest) / std::sqrt(smallest * largest);
    scales[i] = float(std::pow(relative, exponent));
  }
  return scales;
}

} // namespace

absl::StatusOr<AwqResult> searchAwqScales(const AwqOptions &options, const QuantizeSpec &spec,
                                          absl::Span<const SharedInputMatrix> matrices,
                                          const SecondMoments &moments) {
  int64_t columns = moments.columns();
  STC_RETURN_IF_ERROR(checkMatrices(matrices, columns));
  std::vector<float> weights = sample(matrices, columns, options.rows), scaled(weights.size());
  int64_t rows = int64_t(weights.size()) / columns;
  absl::Span<const float> h = moments.matrix();
  double total = linalg::quadraticForm(rows, columns, weights.data(), h);
  AwqResult result;
  double least = INFINITY;
  for (int i = 0; i <= options.steps; ++i) {
    double exponent = options.steps > 0 ? double(i) / options.steps : 0;
    std::vector<float> scales = scalesFor(moments, exponent);
    for (size_t j = 0; j < weights.size(); ++j)
      scaled[j] = weights[j] * scales[j % size_t(columns)];
    std::vector<float> change = dequantize(quantizeRoundToNearest(spec, rows, columns, scaled));
    for (size_t j = 0; j < weights.size(); ++j)
      change[j] = change[j] / scales[j % size_t(columns)] - weights[j];
    double error = std::max(linalg::quadraticForm(rows, columns, change.data(), h), 0.0);
    double relative = total > 0 ? std::sqrt(error / total) : 0;
    if (i == 0)
      result.plainError = relative;
    if (relative < least) {
      least = relative;
      result.scales = std::move(scales);
      result.exponent = exponent;
    }
  }
  result.error = least;
  return result;
}

absl::StatusOr<std::vector<float>> smoothQuantScales(double strength,
                                                     absl::Span<const SharedInputMatrix> matrices,
                                                     const SecondMoments &moments) {
  int64_t columns = moments.columns();
  STC_RETURN_IF_ERROR(checkMatrices(matrices, columns));
  if (!(strength >= 0 && strength <= 1))
    return formatError({"", "SmoothQuant strength", {}}, "a number from 0 to 1",
                       absl::StrCat(strength));
  std::vector<float> largest(static_cast<size_t>(columns), 0.0f), scales(largest.size(), 1.0f);
  for (const SharedInputMatrix &matrix : matrices)
    for (size_t i = 0; i < matrix.weights.size(); ++i) {
      float &most = largest[i % size_t(columns)];
      most = std::max(most, std::fabs(matrix.weights[i]));
    }
  for (size_t i = 0; i < scales.size(); ++i) {
    double input = moments.largest()[i], weight = largest[i];
    if (input > 0 && weight > 0)
      scales[i] = float(std::pow(input, strength) / std::pow(weight, 1 - strength));
  }
  return scales;
}

} // namespace stc
