// What predictions of the next token say: probabilities, how far two models are apart, and means
// with their errors.
#ifndef STC_SUPPORT_PREDICTIONS_H
#define STC_SUPPORT_PREDICTIONS_H

#include "absl/types/span.h"

#include <cstdint>

namespace stc {

/// The mean of independent numbers, and how well they determine it.
class SampleMean {
public:
  void add(double value);
  int64_t count() const { return samples; }
  /// 0 of no numbers.
  double mean() const;
  /// The square root of the sample variance over the count; 0 of fewer than two numbers.
  double standardError() const;

private:
  int64_t samples = 0;
  double average = 0, deviations = 0; // the sum of squared deviations from the average
};

/// The logarithm of the sum of the exponentials of one or more logits, in double: logit - logSumExp
/// is the natural logarithm of a token's probability. NaN where a logit is NaN or all are -inf.
double logSumExp(absl::Span<const float> logits);

/// Two models' predictions of one token.
struct PredictionComparison {
  double referenceLogSum = 0, modelLogSum = 0; // as logSumExp
  /// KL(reference || model) in nats, over the whole vocabulary: never below 0 but for rounding
  /// (1e-15 or so), exactly 0 of equal logits, infinite where the model excludes what the reference
  /// does not, NaN where a logit is.
  double divergence = 0;
  /// Whether both expect the same token most (of several, the one with the lowest id).
  bool agrees = false;
};

/// Compares logits, or log-probabilities, of one and the same vocabulary (of at least one token);
/// all sums are in double.
PredictionComparison comparePredictions(absl::Span<const float> reference,
                                        absl::Span<const float> model);

} // namespace stc

#endif // STC_SUPPORT_PREDICTIONS_H
