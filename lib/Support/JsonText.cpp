// Writes JSON values as text.
#include "stc/Support/Json.h"

#include "absl/strings/str_cat.h"

#include <charconv>

namespace stc {

namespace {

/// The shortest digits that read back as the same double.
std::string numberText(double value) {
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  std::string text(digits, end);
  // Without a point, 5 would read back as an integer.
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

void append(const JsonValue &value, const std::string &indent, std::string &text) {
  std::string inner = indent + "  ";
  auto list = [&](char open, char close, size_t count, auto element) {
    text += open;
    for (size_t i = 0; i < count; ++i) {
      absl::StrAppend(&text, i ? ",\n" : "\n", inner);
      element(i);
    }
    absl::StrAppend(&text, count ? "\n" + indent : "", std::string(1, close));
  };
  switch (value.kind) {
  case JsonValue::Kind::Null:
    text += "null";
    break;
  case JsonValue::Kind::Bool:
    text += value.boolean ? "true" : "false";
    break;
  case JsonValue::Kind::Integer:
    absl::StrAppend(&text, value.integer);
    break;
  case JsonValue::Kind::Double:
    text += numberText(value.number);
    break;
  case JsonValue::Kind::String:
    text += jsonQuote(value.string);
    break;
  case JsonValue::Kind::Array:
    list('[', ']', value.array.size(), [&](size_t i) { append(value.array[i], inner, text); });
    break;
  case JsonValue::Kind::Object:
    list('{', '}', value.object.size(), [&](size_t i) {
      absl::StrAppend(&text, jsonQuote(value.object[i].first), ": ");
      append(value.object[i].second, inner, text);
    });
    break;
  }
}

} // namespace

std::string jsonText(const JsonValue &value) {
  std::string text;
  append(value, "", text);
  return text;
}

} // namespace stc
