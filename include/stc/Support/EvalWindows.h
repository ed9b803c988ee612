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

} // namespace stc

#endif // STC_SUPPORT_EVALWINDOWS_H
