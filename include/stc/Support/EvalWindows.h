// The windows of a text that models are measured on, the same wherever that is done.
#ifndef STC_SUPPORT_EVALWINDOWS_H
#define STC_SUPPORT_EVALWINDOWS_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// A text as token ids, without BOS; `name` is the file for errors.
struct EvalText {
  std::string name;
  std::vector<int32_t> tokens;
};

/// What a model reads from an empty context; every token but the first is scored. Of an
/// encoder-decoder the first half (WindowForm::sourceLength) is what its encoder reads; what
/// follows is its decoder's, of which every token but the first is scored.
using EvalWindow = std::vector<int32_t>;

/// What windows hold beside tokens of the text, which counts as they do.
struct WindowForm {
  int64_t length = 0;        // of a window
  int64_t bos = -1;          // the token that it begins with; -1: none
  int64_t decoderStart = -1; // of an encoder-decoder: the token that the decoder begins with, or -1
  int64_t end = -1;          // of an encoder, behind which may be a decoder: the token that ends
                             // what it reads; -1: none

  /// The tokens that are an encoder's.
  int64_t sourceLength() const { return decoderStart < 0 ? 0 : length / 2; }
  /// Tokens of the text in a window; below 1 if there is no room for one (of an encoder-decoder for
  /// one on each side).
  int64_t ownTokens() const;
  /// Adds the window of `own` tokens of the text, ownTokens() of them, to `tokens`.
  void append(absl::Span<const int32_t> own, std::vector<int32_t> &tokens) const;
  /// Adds the tokens of the text in a window to `tokens`: the reverse.
  void appendOwn(absl::Span<const int32_t> window, std::vector<int32_t> &tokens) const;
};

/// Cuts a text into consecutive windows. A shorter rest is left out, unless it is all there is: a
/// window's early tokens are hard to predict, and short windows would weigh them more. Error: a
/// window of fewer than two tokens, or of an encoder-decoder fewer than the text has to have.
absl::StatusOr<std::vector<EvalWindow>> cutWindows(const EvalText &text, const WindowForm &form);

/// The tokens that are scored in a window, and in `windows`, which are all of an encoder-decoder if
/// `isPair`.
int64_t scoredTokens(const EvalWindow &window, bool isPair = false);
int64_t scoredTokens(absl::Span<const EvalWindow> windows, bool isPair = false);

} // namespace stc

#endif // STC_SUPPORT_EVALWINDOWS_H
