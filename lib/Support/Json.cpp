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

constexpr absl::string_view tooDense = "JSON that needs at most 8 bytes of memory per byte";

/// What a first pass over the text finds: enough to refuse documents that would need far more
/// memory than they hold, before any of it is allocated.
struct Outline {
  uint64_t values = 1;      // at most so many: one more than there are opening brackets and commas
  uint64_t structurals = 0; // brackets, commas and colons
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
      ++result.values;
      ++result.structurals;
      if (++depth > result.deepest) {
        result.deepest = depth;
        result.deepestOffset = i;
      }
      break;
    case ']':
    case '}':
      depth -= depth > 0;
      ++result.structurals;
      break;
    case ',':
      ++result.values;
      ++result.structurals;
      break;
    case ':':
      ++result.structurals;
      break;
    default:
      break;
    }
  }
  return result;
}

/// Copies simdjson's document into plain values, checking what simdjson does not. The values may
/// take `budget` bytes in all.
class Converter {
public:
  Converter(const std::string &file, uint64_t budget) : file(file), budget(budget) {}

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

  /// Hands the members of the root to `visit`, each with the whole budget to itself.
  absl::Status
  visitMembers(const dom::element &element,
               absl::FunctionRef<absl::Status(const std::string &, const JsonValue &)> visit) {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS)
      return error("an object", "another value");
    uint64_t whole = budget;
    std::vector<std::string_view> keys;
    for (dom::key_value_pair pair : object) {
      JsonValue::Member member;
      budget = whole;
      STC_RETURN_IF_ERROR(convertMember(pair, member));
      STC_RETURN_IF_ERROR(visit(member.first, member.second));
      keys.push_back(pair.key);
    }
    return checkDuplicates(keys);
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

  /// Takes `bytes` from the budget before they are allocated.
  absl::Status charge(uint64_t bytes) {
    if (bytes > budget)
      return formatError({file, field(), {}}, tooDense, "more values than that");
    budget -= bytes;
    return absl::OkStatus();
  }

  /// `count` is simdjson's, which stops counting at 2^24 - 1.
  absl::Status chargeElements(uint64_t count, uint64_t size) {
    return charge(count >= 0xFFFFFF ? UINT64_MAX : count * size);
  }

  absl::Status convertString(std::string_view text, std::string &out) {
    // Escapes can still spell half of a surrogate pair, which has no UTF-8.
    if (!isValidUtf8({text.data(), text.size()}))
      return error("a string of Unicode characters", absl::string_view(text.data(), text.size()));
    STC_RETURN_IF_ERROR(charge(text.size() < 16 ? 0 : text.size()));
    out.assign(text.data(), text.size());
    return absl::OkStatus();
  }

  absl::Status convertArray(const dom::element &element, JsonValue &value) {
    dom::array array;
    STC_RETURN_IF_ERROR(check(element.get(array)));
    value.kind = JsonValue::Kind::Array;
    STC_RETURN_IF_ERROR(chargeElements(array.size(), sizeof(JsonValue)));
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

  absl::Status convertMember(const dom::key_value_pair &pair, JsonValue::Member &member) {
    steps.push_back({&pair.key, 0});
    STC_RETURN_IF_ERROR(convertString(pair.key, member.first));
    STC_RETURN_IF_ERROR(convert(pair.value, member.second));
    steps.pop_back();
    return absl::OkStatus();
  }

  absl::Status convertObject(const dom::element &element, JsonValue &value) {
    dom::object object;
    STC_RETURN_IF_ERROR(check(element.get(object)));
    value.kind = JsonValue::Kind::Object;
    STC_RETURN_IF_ERROR(
        chargeElements(object.size(), sizeof(JsonValue::Member) + sizeof(std::string_view)));
    value.object.reserve(object.size());
    std::vector<std::string_view> keys;
    keys.reserve(object.size());
    for (dom::key_value_pair pair : object) {
      value.object.emplace_back();
      STC_RETURN_IF_ERROR(convertMember(pair, value.object.back()));
      keys.push_back(pair.key);
    }
    return checkDuplicates(keys);
  }

  absl::Status checkDuplicates(std::vector<std::string_view> &keys) const {
    std::sort(keys.begin(), keys.end());
    auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice == keys.end())
      return absl::OkStatus();
    absl::string_view key(twice->data(), twice->size());
    return error("every key once", absl::StrCat("'", printable(key), "' twice"));
  }

  struct Step {
    const std::string_view *key; // nullptr: an array's element
    size_t index;
  };
  const std::string &file;
  uint64_t budget;
  std::vector<Step> steps;
};

/// Runs simdjson under our limits. `budget` is what is left for values.
absl::Status parseDocument(absl::string_view text, const std::string &file, int maxDepth,
                           dom::parser &parser, dom::element &root, uint64_t &budget) {
  Outline shape = outline(text);
  if (maxDepth < 0 || shape.deepest > size_t(maxDepth))
    return formatError({file, "", shape.deepestOffset},
                       absl::StrCat("JSON nested at most ", maxDepth, " deep"),
                       absl::StrCat(shape.deepest, " levels"));
  // simdjson takes two copies of the text, 4 bytes per token and up to 16 per value.
  uint64_t allowed = (uint64_t(48) << 20) + 8 * uint64_t(text.size());
  uint64_t needed = 2 * uint64_t(text.size()) + 4 * shape.structurals + 20 * shape.values;
  if (needed > allowed)
    return formatError({file, "", {}}, tooDense, absl::StrCat(shape.values, " values"));
  budget = allowed - needed;
  simdjson::error_code code =
      parser.allocate(std::max<size_t>(text.size(), 64), size_t(maxDepth) + 1);
  if (code == simdjson::SUCCESS)
    code = parser.parse(text.data(), text.size(), /*realloc_if_needed=*/true).get(root);
  if (code != simdjson::SUCCESS)
    return formatError({file, "", {}}, "valid JSON", simdjson::error_message(code));
  return absl::OkStatus();
}

} // namespace

const JsonValue *JsonValue::find(absl::string_view key) const {
  for (const Member &member : object)
    if (member.first == key)
      return &member.second;
  return nullptr;
}

absl::StatusOr<JsonValue> parseJson(absl::string_view text, const std::string &file, int maxDepth) {
  dom::parser parser;
  dom::element root;
  uint64_t budget = 0;
  STC_RETURN_IF_ERROR(parseDocument(text, file, maxDepth, parser, root, budget));
  JsonValue value;
  STC_RETURN_IF_ERROR(Converter(file, budget).convert(root, value));
  return value;
}

absl::Status
parseJsonObject(absl::string_view text, const std::string &file, int maxDepth,
                absl::FunctionRef<absl::Status(const std::string &, const JsonValue &)> visit) {
  dom::parser parser;
  dom::element root;
  uint64_t budget = 0;
  STC_RETURN_IF_ERROR(parseDocument(text, file, maxDepth, parser, root, budget));
  return Converter(file, budget).visitMembers(root, visit);
}

} // namespace stc
