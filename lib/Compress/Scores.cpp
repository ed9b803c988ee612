// Scores of weights by their inputs, and ratios of layers by their outliers.
#include "stc/Compress/Scores.h"

#include <algorithm>
#include <cmath>

namespace stc {

std::vector<float> wandaScores(absl::Span<const float> weights, const SecondMoments &moments) {
  int64_t columns = moments.columns();
  std::vector<float> norms;
  for (double square : moments.squares())
    norms.push_back(float(std::sqrt(square)));
  std::vector<float> scores(weights.size());
  for (size_t row = 0; row < weights.size(); row += size_t(columns))
    for (size_t i = 0; i < size_t(columns); ++i)
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
  // No layer may leave [0, 1], and all keep their distances.
  lambda = std::min({lambda, ratio, 1 - ratio});
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

} // namespace stc
