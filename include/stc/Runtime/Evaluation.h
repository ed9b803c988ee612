// How well a model predicts texts, and how far its predictions are from a reference's.
#ifndef STC_RUNTIME_EVALUATION_H
#define STC_RUNTIME_EVALUATION_H

#include "stc/Runtime/LogitsStream.h"
#include "stc/Runtime/Session.h"
#include "stc/Support/Predictions.h"

#include <cmath>
#include <string>
#include <vector>

namespace stc {

/// A text as token ids, without BOS; `name` is the file for errors.
struct EvalText {
  std::string name;
  std::vector<int32_t> tokens;
};

/// What a model reads from an empty context; every token but the first is scored.
using EvalWindow = std::vector<int32_t>;

/// Cuts a text into consecutive windows of `context` tokens, each beginning with `bos`, which
/// counts, unless that is negative. A shorter rest is left out, unless it is all there is: a
/// window's early tokens are hard to predict, and short windows would weigh them more. Error: a
/// window of fewer than two tokens.
absl::StatusOr<std::vector<EvalWindow>> cutWindows(const EvalText &text, int64_t context,
                                                   int64_t bos);

/// The tokens that are scored in `windows`.
int64_t scoredTokens(absl::Span<const EvalWindow> windows);

/// The header of a stream of the logits that score `windows`.
LogitsHeader describeLogits(int64_t vocabulary, int64_t context,
                            absl::Span<const EvalWindow> windows);

/// How well tokens are predicted.
struct Perplexity {
  SampleMean losses; // the negative natural logarithm of each scored token's probability
  /// exp of the mean loss.
  double value() const { return std::exp(losses.mean()); }
  /// The standard error of `value`. First order: that of exp(x) is exp(x) times that of x.
  double standardError() const { return value() * losses.standardError(); }
};

struct Evaluation {
  Perplexity model;
  // With a reference; one number per scored token.
  Perplexity reference;
  SampleMean divergences; // KL(reference || model) in nats, over the whole vocabulary
  SampleMean agreements;  // 1 where both expect the same token most, else 0
};

/// Scores `windows`, a few rows of logits at a time. `reference` and `writer` may be null: the one
/// gives the logits to compare with (its header must have been checked), the other takes the
/// model's; neither is finished. `progress` gets the scored tokens of each window. Errors: logits
/// that are no numbers, and whatever the session and the streams say.
absl::StatusOr<Evaluation> evaluate(Session &session, absl::Span<const EvalWindow> windows,
                                    LogitsReader *reference, LogitsWriter *writer,
                                    absl::FunctionRef<void(int64_t)> progress);

} // namespace stc

#endif // STC_RUNTIME_EVALUATION_H
