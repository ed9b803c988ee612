// The windows of a text that models are measured on, the same wherever that is done.
#include "stc/Support/EvalWindows.h"

#include "absl/strings/str_cat.h"

namespace stc {

absl::StatusOr<std::vector<EvalWindow>> cutWindows(const EvalText &text, int64_t context,
                                                   int64_t bos) {
  size_t own = size_t(context) - (bos >= 0 ? 1 : 0); // tokens of the text per window
  std::vector<EvalWindow> windows;
  auto add = [&](size_t first, size_t count) {
    EvalWindow window;
    if (bos >= 0)
      window.push_back(int32_t(bos));
    window.insert(window.end(), text.tokens.begin() + long(first),
                  text.tokens.begin() + long(first + count));
    windows.push_back(std::move(window));
  };
  for (size_t first = 0; first + own <= text.tokens.size(); first += own)
    add(first, own);
  if (windows.empty())
    add(0, text.tokens.size());
  if (windows[0].size() < 2)
    return formatError({text.name, "text", {}}, "at least two tokens in a window",
                       absl::StrCat(windows[0].size()));
  return windows;
}

int64_t scoredTokens(absl::Span<const EvalWindow> windows) {
  int64_t scored = 0;
  for (const EvalWindow &window : windows)
    scored += int64_t(window.size()) - 1;
  return scored;
}

} // namespace stc
