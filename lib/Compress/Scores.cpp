// Scores of weights by their inputs, and ratios of layers by their outliers.
#include "stc/Compress/Scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stc {

std::vector<float> wandaScores(absl::Span<const float> weights, absl::Span<const double> squares) {
  std::vector<float> norms;
  for (double square : squares)
    norms.push_back(float(std::sqrt(square)));
  std::vector<float> scores(weights.size());
  for (size_t row = 0; row < weights.size(); row += norms.size())
    for (size_t i = 0; i < norms.size(); ++i)
      scores[row + i] = std::fabs(weights[row + i]) * norms[i];
  return scores;
}

double outlierRatio(absl::Span<const float> scores, double multiple) {
  if (scores.empty())
    return 0;
  double sum = 0;
  for (float score : scores)
    sum += std::fabs(score);
  float threshold = float(multiple * sum / double(scores.size()));
  int64_t outliers = 0;
  for (float score : scores)
    outliers += std::fabs(score) > threshold;
  return double(outliers) / double(scores.size());
}

std::vector<double> owlRatios(absl::Span<const double> outliers, absl::Span<const int64_t> sizes,
                              double ratio, double lambda) {
  std::vector<double> ratios(outliers.size(), ratio);
  if (outliers.empty())
    return ratios;
  // A layer that loses everything gives nothing to the ones behind it.
  lambda = std::min({lambda, ratio / 2, (1 - ratio) / 2});
  auto [low, high] = std::minmax_element(outliers.begin(), outliers.end());
  double range = *high - *low, total = 0, mean = 0;
  for (size_t i = 0; i < outliers.size(); ++i) {
    mean += double(sizes[i]) * outliers[i];
    total += double(sizes[i]);
  }
  if (range <= 0 || total <= 0)
    return ratios;
  mean /= total;
  // OWL spreads the ratios over 2 lambda and moves their mean to `ratio`; where the mean lies off
  // the middle, the spread shrinks until every layer is within lambda.
  double furthest = std::max(*high - mean, mean - *low);
  for (size_t i = 0; i < ratios.size(); ++i)
    ratios[i] = ratio + (mean - outliers[i]) / furthest * lambda;
  return ratios;
}

std::vector<int64_t> owlCounts(absl::Span<const double> outliers, absl::Span<const int64_t> sizes,
                               int64_t n, int64_t m, double lambda) {
  std::vector<double> wanted = owlRatios(outliers, sizes, 1 - double(n) / double(m), lambda);
  std::vector<int64_t> counts, order(wanted.size());
  int64_t left = 0; // that may still be kept, in weights of M
  for (size_t i = 0; i < wanted.size(); ++i) {
    wanted[i] = (1 - wanted[i]) * double(m);
    // What is a whole number but for rounding is one.
    counts.push_back(std::clamp<int64_t>(int64_t(std::floor(wanted[i] + 1e-9)), 1, m - 1));
    left += (n - counts.back()) * sizes[i];
  }
  // What rounding down has left goes to those that lost most by it.
  std::iota(order.begin(), order.end(), 0);
  auto lost = [&](int64_t i) { return wanted[size_t(i)] - double(counts[size_t(i)]); };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return std::make_pair(-lost(a), a) < std::make_pair(-lost(b), b);
  });
  for (int64_t i : order)
    if (sizes[size_t(i)] <= left && counts[size_t(i)] < m - 1 && lost(i) > 1e-9) {
      ++counts[size_t(i)];
      left -= sizes[size_t(i)];
    }
  return counts;
}

} // namespace stc
