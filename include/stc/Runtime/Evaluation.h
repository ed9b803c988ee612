// How well a model predicts texts, and how far its predictions are from a reference's.
#ifndef STC_RUNTIME_EVALUATION_H
#define STC_RUNTIME_EVALUATION_H

#include "stc/Runtime/LogitsStream.h"
#include "stc/Runtime/Session.h"
#include "stc/Support/EvalWindows.h"
#include "stc/Support/Predictions.h"

#include <cmath>

namespace stc {

/// The header of a stream of the logits that score `windows`, as a model of
/// this kind reads them; of an encoder of a vector for every window, `vocabulary` being its size.
LogitsHeader describeLogits(int64_t vocabulary, int64_t context,
                            absl::Span<const EvalWindow> windows,
                            ModelKind kind = ModelKind::Decoder);

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

/// How far the vectors of texts are from a reference's.
struct EmbeddingEvaluation {
  int64_t texts = 0;
  SampleMean distances; // with a reference: 1 - cosine, of every window
};

/// Scores `windows`, a few rows of logits at a time. `reference` and `writer` may be null: the one
/// gives the logits to compare with (its header must have been checked), the other takes the
/// model's; neither is finished. `progress` gets the scored tokens of each window. Errors: logits
/// that are no numbers, and whatever the session and the streams say.
absl::StatusOr<Evaluation> evaluate(Session &session, absl::Span<const EvalWindow> windows,
                                    LogitsReader *reference, LogitsWriter *writer,
                                    absl::FunctionRef<void(int64_t)> progress);

/// The same of an encoder, with the vectors that its command `embed` gives: nothing but a reference
/// says how good they are.
absl::StatusOr<EmbeddingEvaluation>
evaluateEmbeddings(Session &session, absl::Span<const EvalWindow> windows, LogitsReader *reference,
                   LogitsWriter *writer, absl::FunctionRef<void(int64_t)> progress);

} // namespace stc

#endif // STC_RUNTIME_EVALUATION_H
