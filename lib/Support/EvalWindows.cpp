// The windows of a text that models are measured on, the same wherever that is done.
#include "stc/Support/EvalWindows.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

int64_t WindowForm::ownTokens() const {
  int64_t marks = (bos >= 0 ? 1 : 0) + (end >= 0 ? 1 : 0);
  if (decoderStart < 0)
    return length - marks;
  int64_t source = sourceLength() - marks, target = length - sourceLength() - 1;
  return source < 1 || target < 1 ? 0 : source + target;
}

void WindowForm::append(absl::Span<const int32_t> own, std::vector<int32_t> &tokens) const {
  bool isPair = decoderStart >= 0;
  size_t source = own.size();
  if (isPair)
    source -= size_t(length - sourceLength() - 1);
  if (bos >= 0)
    tokens.push_back(int32_t(bos));
  tokens.insert(tokens.end(), own.begin(), own.begin() + long(source));
  if (end >= 0)
    tokens.push_back(int32_t(end));
  if (isPair)
    tokens.push_back(int32_t(decoderStart));
  tokens.insert(tokens.end(), own.begin() + long(source), own.end());
}

void WindowForm::appendOwn(absl::Span<const int32_t> window, std::vector<int32_t> &tokens) const {
  size_t source = decoderStart >= 0 ? size_t(sourceLength()) : window.size();
  long first = bos >= 0 ? 1 : 0, last = long(source) - (end >= 0 ? 1 : 0);
  tokens.insert(tokens.end(), window.begin() + first, window.begin() + last);
  if (decoderStart >= 0) // which stands first behind the source
    tokens.insert(tokens.end(), window.begin() + long(source) + 1, window.end());
}

absl::StatusOr<std::vector<EvalWindow>> cutWindows(const EvalText &text, const WindowForm &form) {
  int64_t own = form.ownTokens(), all = int64_t(text.tokens.size());
  std::vector<EvalWindow> windows;
  auto add = [&](const WindowForm &own, int64_t first) {
    own.append(absl::MakeConstSpan(text.tokens).subspan(size_t(first), size_t(own.ownTokens())),
               windows.emplace_back());
  };
  for (int64_t first = 0; own > 0 && first + own <= all; first += own)
    add(form, first);
  WindowForm shorter = form;
  shorter.length -= std::max<int64_t>(0, own - all);
  if (windows.empty() && shorter.ownTokens() == all)
    add(shorter, 0);
  if (windows.empty() || windows[0].size() < 2)
    return formatError({text.name, "text", {}},
                       form.decoderStart < 0
                           ? "at least two tokens in a window"
                           : "a token for the encoder and one for the decoder in a window",
                       absl::StrCat(all));
  return windows;
}

int64_t scoredTokens(const EvalWindow &window, bool isPair) {
  auto size = int64_t(window.size());
  return isPair ? size - size / 2 - 1 : size - 1;
}

int64_t scoredTokens(absl::Span<const EvalWindow> windows, bool isPair) {
  int64_t scored = 0;
  for (const EvalWindow &window : windows)
    scored += scoredTokens(window, isPair);
  return scored;
}

} // namespace stc
