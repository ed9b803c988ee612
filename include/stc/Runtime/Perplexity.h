// How well a model predicts a text: perplexity over consecutive windows.
#ifndef STC_RUNTIME_PERPLEXITY_H
#define STC_RUNTIME_PERPLEXITY_H

#include "stc/Runtime/Session.h"

#include <vector>

namespace stc {

/// Sums over scored tokens: `nll` is the negative natural logarithm of a token's probability.
struct PerplexitySums {
  int64_t tokens = 0;
  double nll = 0, nllSquared = 0;
  void add(double value);
  /// exp of the mean nll.
  double perplexity() const;
  /// The standard error of `perplexity`, from the spread of the tokens' nll (taken as independent).
  double standardError() const;
};

/// The negative log-probability that `logits` give to token `target`, computed in double.
double negativeLogProbability(absl::Span<const float> logits, int32_t target);

/// Where the windows of a text begin and how long they are.
struct Window {
  size_t first, count;
};
/// Cuts `tokens` into consecutive windows of `size`. A shorter rest is left out, unless it is all
/// there is: a window's early tokens are hard to predict, and short ones would weigh them more.
std::vector<Window> evalWindows(size_t tokens, size_t size);

using LogitsObserver = absl::FunctionRef<absl::Status(absl::Span<const float>)>;
inline absl::Status ignoreLogits(absl::Span<const float>) { return absl::OkStatus(); }

/// How many tokens measurePerplexity scores.
int64_t scoredTokens(size_t tokens, int64_t context, int64_t bos);

/// Scores `tokens` in windows of `context` tokens (each after a BOS, which counts, when `bos` is
/// not negative); every token but a window's first is scored. `progress` gets the scored tokens of
/// each window, `observe` the logits that score tokens, [some][vocabulary], in order. Errors: fewer than two tokens in a window, and whatever Session::score says.
absl::StatusOr<PerplexitySums> measurePerplexity(Session &session, absl::Span<const int32_t> tokens,
                                                 int64_t context, int64_t bos,
                                                 absl::FunctionRef<void(int64_t)> progress,
                                                 LogitsObserver observe = ignoreLogits);

} // namespace stc

#endif // STC_RUNTIME_PERPLEXITY_H
