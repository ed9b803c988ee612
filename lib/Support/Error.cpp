// The one shape of every error message, safe to print whatever the input held.
#include "stc/Support/Error.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/str_cat.h"

#include <cstdio>

namespace stc {

namespace {

/// Characters that would move the cursor, hide text or reorder it on a terminal.
bool isUnprintable(uint32_t codePoint) {
  return codePoint < 0x20 || (codePoint >= 0x7F && codePoint < 0xA0) || codePoint == 0x2028 ||
         codePoint == 0x2029 || codePoint == 0x200E || codePoint == 0x200F || codePoint == 0xFEFF ||
         (codePoint >= 0x202A && codePoint <= 0x202E) ||
         (codePoint >= 0x2066 && codePoint <= 0x2069);
}

} // namespace

std::string printable(absl::string_view text, size_t limit) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    if (at + (next.length ? next.length : 1) > limit) {
      result += "...";
      break;
    }
    char escape[16];
    if (next.length == 0) {
      std::snprintf(escape, sizeof(escape), "\\x%02x", unsigned(uint8_t(text[at])));
      result += escape;
      ++at;
      continue;
    }
    if (next.codePoint == '\n') {
      result += "\\n";
    } else if (isUnprintable(next.codePoint)) {
      std::snprintf(escape, sizeof(escape), next.codePoint < 0x100 ? "\\x%02x" : "\\u%04x",
                    unsigned(next.codePoint));
      result += escape;
    } else {
      result.append(text.data() + at, next.length);
    }
    at += next.length;
  }
  return result;
}

absl::Status formatError(const ErrorSite &site, absl::string_view expected, absl::string_view got) {
  // A path is shown whole: cutting it would hide which file is meant.
  constexpr size_t pathLimit = 4096, textLimit = 400;
  std::string message = printable(site.file, pathLimit);
  if (!site.field.empty() || site.offset) {
    absl::StrAppend(&message, message.empty() ? "" : ": ", printable(site.field, textLimit));
    if (site.offset)
      absl::StrAppend(&message, site.field.empty() ? "@0x" : " @0x", absl::Hex(*site.offset));
  }
  absl::StrAppend(&message, message.empty() ? "" : ": ", "expected ",
                  printable(expected, textLimit), ", got ", printable(got, textLimit));
  return absl::InvalidArgumentError(message);
}

} // namespace stc
