// Strict JSON for untrusted input: simdjson's parser behind limits and checks of our own.
#include "stc/Support/Json.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <simdjson.h>

namespace stc {

namespace {

namespace dom = simdjson::dom;

/// What a first pass over the text finds: enough to refuse documents that would need far more
/// memory than they hold, before any of it is allocated.
struct Outline {
  uint64_t separators = 0; // brackets, commas and colons outside strings
  size_t deepest = 0;
  size_t deepestOffset = 0;
};

Outline outline(absl::string_view text) {
  Outline result;
  size_t depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
    case '"':
      for (++i; i < text.size() && text[i] != '"'; ++i)
        if (text[i] == '\\')
          ++i;
      break;
    case '[':
    case '{':
      ++result.separators;
      if (++depth > result.deepest) {
        result.deepest = depth;
        result.deepestOffset = i;
      }
      break;
    case ']':
    case '}':
      depth -= depth > 0;
      ++result.separators;
      break;
    case ',':
    case ':':
      ++result.separators;
      break;
    default:
      break;
    }
  }
  return result;
}

/// Copies simdjson's document into plain values, checking what simdjson does not.
class Converter {
public:
  explicit Converter(const std::string &file) : file(file) {}

  absl::Status convert(const dom::element &element, JsonValue &value) {
    switch (element.type()) {
    case dom::element_type::NULL_VALUE:
      return absl::OkStatus();
    case dom::element_type::BOOL:
      value.kind = JsonValue::Kind::Bool;
      return check(element.get(value.boolean));
    case dom::element_type::INT64:
      value.kind = JsonValue::Kind::Integer;
      STC_RETURN_IF_ERROR(check(element.get(value.integer)));
      value.number = double(value.integer);
      return absl::OkStatus();
    case dom::element_type::UINT64: {
      uint64_t wide = 0;
      STC_RETURN_IF_ERROR(check(element.get(wide)));
      return error("an integer of at most 63 bits", absl::StrCat(wide));
    }
    case dom::element_type::DOUBLE:
      value.kind = JsonValue::Kind::Double;
      STC_RETURN_IF_ERROR(check(element.get(value.number)));
      if (!std::isfinite(value.number))
        return error("a finite number", absl::StrCat(value.number));
      return absl::OkStatus();
    case dom::element_type::STRING: {
      std::string_view text;
      STC_RETURN_IF_ERROR(check(element.get(text)));
      value.kind = JsonValue::Kind::String;
      return convertString(text, value.string);
    }
    case dom::element_type::ARRAY:
      return convertArray(element, value);
    case dom::element_type::OBJECT:
      return convertObject(element, value);
    }
    return error("a JSON value", "something else");
  }

private:
  absl::Status error(absl::string_view expected, absl::string_view got) const {
    return formatError({file, field(), {}}, expected, got);
  }

  absl::Status check(simdjson::error_code code) const {
    return code == simdjson::SUCCESS ? absl::OkStatus()
                                     : error("valid JSON", simdjson::error_message(code));
  }

  /// The keys and indices that lead to the value being converted.
  std::string field() const {
    std::string path;
    for (const Step &step : steps) {
      if (step.key)
        absl::StrAppend(&path, path.empty() ? "" : ".",
                        absl::string_view(step.key->data(), step.key->size()));
      else
        absl::StrAppend(&path, "[", step.index, "]");
    }
    return path;
  }

  absl::Status convertString(std::string_view text, std::string &out) const {
    // Escapes can still spell half of a surrogate pair, which has no UTF-8.
    if (!isValidUtf8({text.data(), text.size()}))
      return error("a string of Unicode characters", absl::string_view(text.data(), text.size()));
    out.assign(text.data(), text.size());
    return absl::OkStatus();
  }

  absl::Status convertArray(const dom::element &element, JsonValue &value) {
    dom::array array;
    STC_RETURN_IF_ERROR(check(element.get(array)));
    value.kind = JsonValue::Kind::Array;
    value.array.reserve(array.size());
    steps.push_back({nullptr, 0});
    for (dom::element child : array) {
      value.array.emplace_back();
      STC_RETURN_IF_ERROR(convert(child, value.array.back()));
      ++steps.back().index;
    }
    steps.pop_back();
    return absl::OkStatus();
  }

  absl::Status convertObject(const dom::element &element, JsonValue &value) {
    dom::object object;
    STC_RETURN_IF_ERROR(check(element.get(object)));
    value.kind = JsonValue::Kind::Object;
    value.object.reserve(object.size());
    for (dom::key_value_pair pair : object) {
      steps.push_back({&pair.key, 0});
      value.object.emplace_back();
      STC_RETURN_IF_ERROR(convertString(pair.key, value.object.back().first));
      STC_RETURN_IF_ERROR(convert(pair.value, value.object.back().second));
      steps.pop_back();
    }
    return checkDuplicates(value.object);
  }

  absl::Status checkDuplicates(const std::vector<JsonValue::Member> &members) const {
    std::vector<const std::string *> keys;
    keys.reserve(members.size());
    for (const JsonValue::Member &member : members)
      keys.push_back(&member.first);
    std::sort(keys.begin(), keys.end(),
              [](const std::string *a, const std::string *b) { return *a < *b; });
    for (size_t i = 1; i < keys.size(); ++i)
      if (*keys[i - 1] == *keys[i])
        return error("every key once", absl::StrCat("'", printable(*keys[i]), "' twice"));
    return absl::OkStatus();
  }

  struct Step {
    const std::string_view *key; // nullptr: an array's element
    size_t index;
  };
  const std::string &file;
  std::vector<Step> steps;
};

} // namespace

const JsonValue *JsonValue::find(absl::string_view key) const {
  for (const Member &member : object)
    if (member.first == key)
      return &member.second;
  return nullptr;
}

absl::StatusOr<JsonValue> parseJson(absl::string_view text, const std::string &file, int maxDepth) {
  Outline shape = outline(text);
  if (maxDepth < 0 || shape.deepest > size_t(maxDepth))
    return formatError({file, "", shape.deepestOffset},
                       absl::StrCat("JSON nested at most ", maxDepth, " deep"),
                       absl::StrCat(shape.deepest, " levels"));
  // Each separator can stand for one value here and one entry in simdjson's index and tape.
  constexpr uint64_t bytesPerSeparator = sizeof(JsonValue) + 24;
  uint64_t allowed = (uint64_t(48) << 20) + 8 * uint64_t(text.size());
  uint64_t needed = shape.separators * bytesPerSeparator + 3 * uint64_t(text.size());
  if (needed > allowed)
    return formatError({file, "", {}}, "JSON that needs at most 8 bytes of memory per byte",
                       absl::StrCat(shape.separators, " separators in ", text.size(), " bytes"));

  dom::parser parser(text.size() + simdjson::SIMDJSON_PADDING);
  simdjson::error_code code =
      parser.allocate(std::max<size_t>(text.size(), 64), size_t(maxDepth) + 1);
  dom::element root;
  if (code == simdjson::SUCCESS)
    code = parser.parse(text.data(), text.size(), /*realloc_if_needed=*/true).get(root);
  if (code != simdjson::SUCCESS)
    return formatError({file, "", {}}, "valid JSON", simdjson::error_message(code));
  JsonValue value;
  STC_RETURN_IF_ERROR(Converter(file).convert(root, value));
  return value;
}

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
