// How likely the tokens of a text were, for those who ask.
#ifndef STC_LIB_RUNTIME_SERVE_LOGPROBS_H
#define STC_LIB_RUNTIME_SERVE_LOGPROBS_H

#include "stc/Runtime/Serve/OpenAiResponses.h"

namespace stc {

/// Follows one text from its beginning on. Probabilities are the model's own: before temperature,
/// penalties, biases and grammars.
class LogProbs {
public:
  /// `tokenizer` must outlive it. `likely`: how many of the most likely tokens are told.
  /// `stripsSpace`: a space before the first token is not shown.
  LogProbs(const Tokenizer &tokenizer, int64_t likely, bool stripsSpace)
      : tokenizer(tokenizer), likely(size_t(likely)), stripsSpace(stripsSpace) {}
  /// The next token of the text, which came of these logits: none of the first.
  WrittenToken next(int32_t token, absl::Span<const float> logits);

private:
  std::string nameOf(int32_t token) const;

  const Tokenizer &tokenizer;
  const size_t likely;
  bool stripsSpace;
  int64_t characters = 0; // so far
};

/// Characters that begin in `text`.
int64_t countCharacters(absl::string_view text);

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_LOGPROBS_H
