// Factors inverses of damped second moments, and measures errors of outputs by the moments.
#include "stc/Compress/InverseFactor.h"

#include "stc/Compress/LinearAlgebra.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stc {

namespace {

/// Copies H with its columns and rows in the order wanted and the diagonal damped.
void copyDamped(absl::Span<const float> h, const InverseFactor &target, float *out) {
  int64_t n = target.columns;
  parallelFor(n, [&](int64_t row) {
    const float *in = h.data() + target.columnAt(row) * n;
    for (int64_t column = row; column < n; ++column)
      out[row * n + column] = in[target.columnAt(column)];
    out[row * n + row] = float(out[row * n + row] + target.damping);
  });
}

absl::Status checkPermutation(const std::vector<int64_t> &order, int64_t columns) {
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < int64_t(sorted.size()); ++i)
    if (sorted[size_t(i)] != i || int64_t(sorted.size()) != columns)
      return formatError({"", "order", {}}, absl::StrCat("a permutation of ", columns, " columns"),
                         absl::StrCat(sorted.size(), " others"));
  return absl::OkStatus();
}

} // namespace

std::vector<int64_t> activationOrder(const SecondMoments &moments, int64_t unit) {
  int64_t columns = moments.columns(), units = columns / unit;
  std::vector<double> sums(static_cast<size_t>(units));
  for (int64_t i = 0; i < units * unit; ++i)
    sums[size_t(i / unit)] += moments.squares()[size_t(i)];
  std::vector<int64_t> ranked(static_cast<size_t>(units));
  std::iota(ranked.begin(), ranked.end(), 0);
  std::sort(ranked.begin(), ranked.end(), [&](int64_t a, int64_t b) {
    double first = sums[size_t(a)], second = sums[size_t(b)];
    return first > second || (first == second && a < b);
  });
  std::vector<int64_t> order;
  for (int64_t rank : ranked)
    for (int64_t i = 0; i < unit; ++i)
      order.push_back(rank * unit + i);
  for (int64_t i = units * unit; i < columns; ++i)
    order.push_back(i);
  return order;
}

absl::StatusOr<InverseFactor> factorInverse(const SecondMoments &moments, double damping,
                                            std::vector<int64_t> order) {
  absl::Span<const float> h = moments.matrix();
  STC_RETURN_IF_ERROR(checkFinite(h, "second moments"));
  if (!order.empty())
    STC_RETURN_IF_ERROR(checkPermutation(order, moments.columns()));
  InverseFactor result;
  result.columns = moments.columns();
  result.order = std::move(order);
  result.factor.resize(h.size());
  double wanted = damping, mean = moments.meanDiagonal();
  // With the whole mean on the diagonal and more, even moments that rounding left indefinite are
  // positive definite.
  for (int tries = 0; tries < 16; ++tries) {
    result.damping = damping * mean;
    copyDamped(h, result, result.factor.data());
    if (linalg::factorReverse(result.columns, result.factor.data())) {
      if (damping != wanted)
        result.note = absl::StrCat("second moments are singular: damped by ", damping,
                                   " of the mean diagonal instead of ", wanted);
      linalg::invertUpper(result.columns, result.factor.data());
      return result;
    }
    damping = std::max(damping * 10, 1e-4);
  }
  return formatError({"", "second moments", {}}, "a positive semidefinite matrix", "another");
}

double outputError(const SecondMoments &moments, int64_t rows, absl::Span<const float> weights,
                   absl::Span<const float> replacement) {
  absl::Span<const float> h = moments.matrix();
  std::vector<float> difference(weights.size());
  for (size_t i = 0; i < weights.size(); ++i)
    difference[i] = replacement[i] - weights[i];
  double total = linalg::quadraticForm(rows, moments.columns(), weights.data(), h);
  double error = linalg::quadraticForm(rows, moments.columns(), difference.data(), h);
  // Rounding may leave a small error below zero.
  return total > 0 ? std::sqrt(std::max(error, 0.0) / total) : 0;
}

} // namespace stc
