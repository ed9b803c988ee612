// Probabilities of tokens, and where their texts begin.
#include "LogProbs.h"

#include "stc/Support/Predictions.h"

#include "absl/strings/match.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace stc {

int64_t countCharacters(absl::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char byte) { return (uint8_t(byte) & 0xC0) != 0x80; });
}

/// Its text; of one that is not shown, what it is called.
std::string LogProbs::nameOf(int32_t token) const {
  const std::vector<TokenizerSpec::Token> &tokens = tokenizer.spec().tokens;
  if (token < 0 || size_t(token) >= tokens.size())
    return "";
  std::string bytes = tokenizer.piece(token);
  return bytes.empty() ? tokens[size_t(token)].text : bytes;
}

WrittenToken LogProbs::next(int32_t token, absl::Span<const float> logits) {
  WrittenToken written;
  written.bytes = nameOf(token);
  written.offset = characters;
  bool isShown = token >= 0 && size_t(token) < tokenizer.spec().tokens.size() &&
                 !tokenizer.piece(token).empty();
  if (isShown) {
    if (stripsSpace && absl::StartsWith(written.bytes, " "))
      written.bytes.erase(0, 1);
    stripsSpace = false;
    characters += countCharacters(written.bytes);
  }
  written.logProb = std::numeric_limits<double>::quiet_NaN();
  if (size_t(token) >= logits.size()) // of the first, and of those that the model does not know
    return written;
  double sum = logSumExp(logits);
  written.logProb = double(logits[size_t(token)]) - sum;
  std::vector<int32_t> best(logits.size());
  std::iota(best.begin(), best.end(), 0);
  size_t count = std::min(likely, best.size());
  std::partial_sort(best.begin(), best.begin() + long(count), best.end(),
                    [&](int32_t a, int32_t b) {
                      float left = logits[size_t(a)], right = logits[size_t(b)];
                      return left != right ? left > right : a < b;
                    });
  for (size_t i = 0; i < count; ++i)
    written.likely.push_back({nameOf(best[i]), double(logits[size_t(best[i])]) - sum});
  return written;
}

} // namespace stc
