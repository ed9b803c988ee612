// JSON output of the runtime's commands (simdjson, which stc reads JSON with, is a shared library).
#include "stc/Runtime/JsonWriter.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/str_cat.h"

#include <cmath>
#include <cstdio>

namespace stc {

std::string quoteJson(absl::string_view text) {
  std::string quoted = "\"";
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    if (next.length == 0) {
      quoted += "\\ufffd";
      ++at;
      continue;
    }
    if (next.codePoint == '"' || next.codePoint == '\\') {
      quoted += '\\';
      quoted += char(next.codePoint);
    } else if (next.codePoint < 0x20 || next.codePoint == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", unsigned(next.codePoint));
      quoted += escape;
    } else {
      quoted.append(text.data() + at, next.length);
    }
    at += next.length;
  }
  return quoted + '"';
}

void JsonWriter::separate(absl::string_view key) {
  if (levels.empty())
    return;
  if (!levels.back().empty)
    output += levels.back().object ? ", " : ",";
  levels.back().empty = false;
  if (levels.back().object)
    absl::StrAppend(&output, quoteJson(key), ": ");
}

void JsonWriter::open(absl::string_view key, char bracket) {
  separate(key);
  output += bracket;
  levels.push_back({bracket == '{', true});
}

void JsonWriter::close(char bracket) {
  output += bracket;
  levels.pop_back();
}

void JsonWriter::string(absl::string_view key, absl::string_view value) {
  separate(key);
  output += quoteJson(value);
}

void JsonWriter::integer(absl::string_view key, int64_t value) {
  separate(key);
  absl::StrAppend(&output, value);
}

void JsonWriter::number(absl::string_view key, double value) {
  separate(key);
  char digits[40];
  std::snprintf(digits, sizeof(digits), "%.10g", value);
  output += std::isfinite(value) ? digits : "null";
}

void JsonWriter::boolean(absl::string_view key, bool value) {
  separate(key);
  output += value ? "true" : "false";
}

void JsonWriter::null(absl::string_view key) {
  separate(key);
  output += "null";
}

} // namespace stc
