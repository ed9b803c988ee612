// What predictions of the next token say: probabilities, divergences, and means with their errors.
#include "stc/Support/Predictions.h"

#include <algorithm>
#include <cmath>

namespace stc {

// Welford's update: the squares of large numbers that differ little would cancel each other.
void SampleMean::add(double value) {
  ++samples;
  double distance = value - average;
  average += distance / double(samples);
  deviations += distance * (value - average);
}

double SampleMean::mean() const { return average; }

double SampleMean::standardError() const {
  return samples < 2 ? 0 : std::sqrt(deviations / double(samples - 1) / double(samples));
}

double logSumExp(absl::Span<const float> logits) {
  double largest = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float logit : logits)
    sum += std::exp(double(logit) - largest);
  return largest + std::log(sum);
}

PredictionComparison comparePredictions(absl::Span<const float> reference,
                                        absl::Span<const float> model) {
  auto referenceBest = std::max_element(reference.begin(), reference.end());
  auto modelBest = std::max_element(model.begin(), model.end());
  double referenceLargest = *referenceBest, modelLargest = *modelBest;
  double referenceSum = 0, modelSum = 0, differences = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    double weight = std::exp(double(reference[i]) - referenceLargest);
    referenceSum += weight;
    modelSum += std::exp(double(model[i]) - modelLargest);
    // A token that is excluded contributes nothing, not even -inf times 0.
    if (weight != 0)
      differences += weight * (double(reference[i]) - double(model[i]));
  }
  PredictionComparison result;
  result.referenceLogSum = referenceLargest + std::log(referenceSum);
  result.modelLogSum = modelLargest + std::log(modelSum);
  // sum p (log p - log q), with log p = reference - referenceLogSum and the same for q: one pass,
  // two exponentials per token.
  result.divergence = differences / referenceSum - (result.referenceLogSum - result.modelLogSum);
  result.agrees = referenceBest - reference.begin() == modelBest - model.begin();
  return result;
}

} // namespace stc
