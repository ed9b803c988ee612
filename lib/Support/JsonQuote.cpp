// Writing of JSON strings; apart from the parser, so that a model binary needs no simdjson for it.
#include "stc/Support/Json.h"
#include "stc/Support/Utf8.h"

#include <algorithm>

namespace stc {

std::string jsonQuote(absl::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string result = "\"";
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    char byte = text[at];
    if (next.length == 0) {
      appendUtf8(result, 0xFFFD);
    } else if (byte == '"' || byte == '\\') {
      result += '\\';
      result += byte;
    } else if (byte == '\n') {
      result += "\\n";
    } else if (byte == '\t') {
      result += "\\t";
    } else if (next.codePoint < 0x20 || next.codePoint == 0x7F) {
      result += "\\u00";
      result += hex[next.codePoint >> 4];
      result += hex[next.codePoint & 15];
    } else {
      result.append(text.data() + at, next.length);
    }
    at += std::max<size_t>(next.length, 1);
  }
  return result += '"';
}

} // namespace stc
