// Perplexity over consecutive windows of a text.
#include "stc/Runtime/Perplexity.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

void PerplexitySums::add(double value) {
  ++tokens;
  nll += value;
  nllSquared += value * value;
}

double PerplexitySums::perplexity() const { return std::exp(nll / double(tokens)); }

double PerplexitySums::standardError() const {
  if (tokens < 2)
    return 0;
  double count = double(tokens), mean = nll / count;
  double variance = std::max(0.0, (nllSquared - count * mean * mean) / (count - 1));
  // First order: the error of exp(x) is exp(x) times the error of x.
  return perplexity() * std::sqrt(variance / count);
}

double negativeLogProbability(absl::Span<const float> logits, int32_t target) {
  double largest = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float logit : logits)
    sum += std::exp(double(logit) - largest);
  return largest + std::log(sum) - double(logits[size_t(target)]);
}

std::vector<Window> evalWindows(size_t tokens, size_t size) {
  if (tokens < size)
    return {{0, tokens}};
  std::vector<Window> windows;
  for (size_t first = 0; first + size <= tokens; first += size)
    windows.push_back({first, size});
  return windows;
}

/// Tokens of the text per window.
static size_t ownTokens(int64_t context, int64_t bos) { return size_t(context) - (bos >= 0); }

int64_t scoredTokens(size_t tokens, int64_t context, int64_t bos) {
  int64_t scored = 0;
  for (Window window : evalWindows(tokens, ownTokens(context, bos)))
    scored += int64_t(window.count) - (bos < 0);
  return scored;
}

absl::StatusOr<PerplexitySums> measurePerplexity(Session &session, absl::Span<const int32_t> tokens,
                                                 int64_t context, int64_t bos,
                                                 absl::FunctionRef<void(int64_t)> progress,
                                                 LogitsObserver observe) {
  PerplexitySums sums;
  size_t vocabulary = size_t(session.owner().settings().vocabSize);
  for (Window window : evalWindows(tokens.size(), ownTokens(context, bos))) {
    std::vector<int32_t> ids;
    if (bos >= 0)
      ids.push_back(int32_t(bos));
    ids.insert(ids.end(), tokens.begin() + long(window.first),
               tokens.begin() + long(window.first + window.count));
    if (ids.size() < 2)
      return formatError({"", "text", {}}, "at least two tokens in a window",
                         absl::StrCat(ids.size()));
    session.reset();
    std::vector<double> nlls(ids.size() - 1);
    STC_RETURN_IF_ERROR(session.score(ids, [&](int64_t first, absl::Span<const float> logits) {
      // A large vocabulary's exponentials would take one thread longer than the model.
      int64_t rows = std::min(int64_t(logits.size() / vocabulary), int64_t(nlls.size()) - first);
      session.owner().pool().run([&](int64_t thread, int64_t threads) {
        for (int64_t row = thread; row < rows; row += threads)
          nlls[size_t(first + row)] = negativeLogProbability(
              logits.subspan(size_t(row) * vocabulary, vocabulary), ids[size_t(first + row) + 1]);
      });
      return observe(logits.subspan(0, size_t(rows) * vocabulary));
    }));
    for (double nll : nlls) {
      if (std::isnan(nll))
        return formatError({"", "logits", {}}, "numbers", "NaN");
      sums.add(nll);
    }
    progress(int64_t(ids.size()) - 1);
  }
  return sums;
}

} // namespace stc
