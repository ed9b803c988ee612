// Whether markup is well formed, as far as these tests need to know.
#ifndef STC_UNITTESTS_DRIVER_MARKUP_H
#define STC_UNITTESTS_DRIVER_MARKUP_H

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace stc {

/// Empty if every element is closed in its order, attributes are quoted and every & begins an
/// entity; else what is wrong. `isVoid` names elements without an end.
inline std::string markupFault(absl::string_view text,
                               const std::vector<std::string> &isVoid = {}) {
  std::vector<std::string> open;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      size_t end = text.find(';', at);
      if (end == absl::string_view::npos || end - at > 8)
        return absl::StrCat("a bare & at ", text.substr(at, 20));
    }
    if (text[at] != '<') {
      ++at;
      continue;
    }
    size_t end = at;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != '>'); ++end)
      quoted ^= text[end] == '"';
    if (end == text.size())
      return absl::StrCat("an open tag at ", text.substr(at, 40));
    absl::string_view tag = text.substr(at + 1, end - at - 1);
    std::string name(tag.substr(tag[0] == '/', tag.find_first_of(" \n/", 1) - (tag[0] == '/')));
    bool ends = absl::EndsWith(tag, "/") || tag[0] == '!';
    for (const std::string &without : isVoid)
      ends |= name == without;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name)
        return absl::StrCat("</", name, "> closes ", open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (!ends) {
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty() ? "" : absl::StrCat("<", open.back(), "> is not closed");
}

} // namespace stc

#endif // STC_UNITTESTS_DRIVER_MARKUP_H
