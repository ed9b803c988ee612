// Choosing the next token from logits, the same on every machine for the same seed.
#ifndef STC_RUNTIME_SAMPLER_H
#define STC_RUNTIME_SAMPLER_H

#include "stc/Support/Random.h"

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace stc {

/// The steps are applied in the order of the fields.
struct SamplerOptions {
  /// Added to the logits of these tokens; those of other vocabularies change nothing.
  std::vector<std::pair<int32_t, double>> biases;
  /// Logits of tokens among the last `repeatWindow` are divided (positive) or multiplied
  /// (negative) by this; 1 does nothing. Applied for greedy decoding too.
  double repeatPenalty = 1;
  int64_t repeatWindow = 64;
  /// Taken from the logit of every token that was chosen before: once, and for each time.
  double presencePenalty = 0, frequencyPenalty = 0;
  /// Logits are divided by it; 0 is greedy: the largest logit, the lowest id among equals.
  double temperature = 0.8;
  /// Only the `topK` most likely tokens; 0 keeps all.
  int64_t topK = 40;
  /// Of those, the fewest whose probabilities (normalized over what is left) sum to `topP`.
  double topP = 0.95;
  /// Of those, the ones at least `minP` times as likely as the most likely.
  double minP = 0;
};

/// A seed that nobody knows beforehand, short enough to be typed again.
uint64_t randomSeed();

/// Samples tokens one after another, remembering those it has seen.
class Sampler {
public:
  Sampler(const SamplerOptions &options, uint64_t seed);
  /// Tells the sampler of tokens it did not choose (the prompt).
  void observe(absl::Span<const int32_t> tokens);
  /// Chooses a token and remembers it. Error: a logit that is not a number, or none to choose.
  absl::StatusOr<int32_t> sample(absl::Span<const float> logits);

private:
  struct Candidate {
    double weight; // a logit, later a probability
    int32_t id;
    /// More likely first; equals by id, so that no sorting algorithm decides.
    bool operator<(const Candidate &other) const {
      return weight != other.weight ? weight > other.weight : id < other.id;
    }
  };
  void addBiases();
  void penalizeRepeats();
  void penalizeChosen();
  void collectTopK();
  void toProbabilities();
  void keepTopP();
  void keepMinP();
  int32_t draw();

  SamplerOptions options;
  Random random;
  std::vector<int32_t> recent; // the last repeatWindow tokens, a ring
  size_t recentAt = 0;
  std::unordered_map<int32_t, int64_t> chosenTimes; // while a penalty asks for it
  // Kept between calls for their memory.
  std::vector<float> scores;
  std::vector<Candidate> candidates; // sorted
};

} // namespace stc

#endif // STC_RUNTIME_SAMPLER_H
