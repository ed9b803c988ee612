// Truth, equality, order and the printed forms of values.
#include "Value.h"

#include "stc/Support/Json.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace stc::jinja {

namespace {

/// As Python prints a float: the shortest digits that read back the same.
std::string doubleText(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value > 0 ? "inf" : "-inf";
  char digits[64];
  std::chars_format format = std::abs(value) >= 1e16 || (value != 0 && std::abs(value) < 1e-4)
                                 ? std::chars_format::scientific
                                 : std::chars_format::fixed;
  char *end = std::to_chars(digits, digits + sizeof(digits), value, format).ptr;
  std::string text(digits, end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string stringRepr(absl::string_view text) {
  char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string result(1, quote);
  for (char c : text) {
    if (c == quote || c == '\\')
      result += '\\';
    if (c == '\n')
      result += "\\n";
    else if (c == '\r')
      result += "\\r";
    else if (c == '\t')
      result += "\\t";
    else if (uint8_t(c) < 0x20 || c == 0x7F)
      absl::StrAppend(&result, "\\x", absl::Hex(uint8_t(c), absl::kZeroPad2));
    else
      result += c;
  }
  return result + quote;
}

} // namespace

Value Value::list(List value) {
  auto container = std::make_shared<Container<List>>();
  for (const Value &element : value) {
    container->weight += 8 + element.weight();
    container->depth = std::max(container->depth, element.depth() + 1);
  }
  container->items = std::move(value);
  return Value(Shared<Container<List>>(std::move(container)));
}

Value Value::map(Map value) {
  auto container = std::make_shared<Container<Map>>();
  for (const auto &[key, element] : value) {
    container->weight += 8 + key.size() + element.weight();
    container->depth = std::max(container->depth, element.depth() + 1);
  }
  container->items = std::move(value);
  return Value(Shared<Container<Map>>(std::move(container)));
}

uint64_t Value::weight() const {
  if (isString())
    return toString().size();
  if (isList())
    return std::get<Shared<Container<List>>>(data)->weight;
  return isMap() ? std::get<Shared<Container<Map>>>(data)->weight : 0;
}

int Value::depth() const {
  if (isList())
    return std::get<Shared<Container<List>>>(data)->depth;
  return isMap() ? std::get<Shared<Container<Map>>>(data)->depth : 0;
}

const Value *Value::find(absl::string_view key) const {
  const Map *members = isMap() ? &toMap() : kind() == Kind::Namespace ? &toNames() : nullptr;
  if (members)
    for (const auto &[name, value] : *members)
      if (name == key)
        return &value;
  return nullptr;
}

bool Value::isTrue() const {
  switch (kind()) {
  case Kind::Undefined:
  case Kind::None:
    return false;
  case Kind::Bool:
  case Kind::Integer:
    return toInteger() != 0;
  case Kind::Double:
    return toNumber() != 0;
  case Kind::String:
    return !toString().empty();
  case Kind::List:
    return !toList().empty();
  case Kind::Map:
    return !toMap().empty();
  case Kind::Namespace:
  case Kind::Builtin:
  case Kind::Macro:
    break;
  }
  return true;
}

std::string Value::str() const {
  if (isString())
    return toString();
  return isUndefined() ? std::string() : repr();
}

std::string Value::repr() const {
  std::string text;
  switch (kind()) {
  case Kind::Undefined:
    return "Undefined";
  case Kind::None:
    return "None";
  case Kind::Bool:
    return toInteger() ? "True" : "False";
  case Kind::Integer:
    return absl::StrCat(toInteger());
  case Kind::Double:
    return doubleText(toNumber());
  case Kind::String:
    return stringRepr(toString());
  case Kind::List:
    for (const Value &element : toList())
      absl::StrAppend(&text, text.empty() ? "" : ", ", element.repr());
    return absl::StrCat("[", text, "]");
  case Kind::Map:
    for (const auto &[key, value] : toMap())
      absl::StrAppend(&text, text.empty() ? "" : ", ", stringRepr(key), ": ", value.repr());
    return absl::StrCat("{", text, "}");
  case Kind::Namespace:
  case Kind::Builtin:
  case Kind::Macro:
    break;
  }
  return absl::StrCat("<", describe(), ">");
}

bool Value::appendJson(std::string &text, int indent, int depth) const {
  std::string inner =
      indent < 0 ? "" : absl::StrCat("\n", std::string(size_t(indent * (depth + 1)), ' '));
  std::string outer =
      indent < 0 ? "" : absl::StrCat("\n", std::string(size_t(indent * depth), ' '));
  const char *comma = indent < 0 ? ", " : ",";
  switch (kind()) {
  case Kind::None:
    text += "null";
    return true;
  case Kind::Bool:
    text += toInteger() ? "true" : "false";
    return true;
  case Kind::Integer:
  case Kind::Double:
    text += repr();
    return kind() == Kind::Integer || std::isfinite(toNumber());
  case Kind::String:
    text += jsonQuote(toString());
    return true;
  case Kind::List:
    text += '[';
    for (size_t i = 0; i < toList().size(); ++i) {
      absl::StrAppend(&text, i ? comma : "", inner);
      if (!toList()[i].appendJson(text, indent, depth + 1))
        return false;
    }
    absl::StrAppend(&text, toList().empty() ? "" : outer, "]");
    return true;
  case Kind::Map:
    text += '{';
    for (size_t i = 0; i < toMap().size(); ++i) {
      absl::StrAppend(&text, i ? comma : "", inner, jsonQuote(toMap()[i].first), ": ");
      if (!toMap()[i].second.appendJson(text, indent, depth + 1))
        return false;
    }
    absl::StrAppend(&text, toMap().empty() ? "" : outer, "}");
    return true;
  default:
    return false;
  }
}

std::optional<std::string> Value::json(int indent) const {
  std::string text;
  if (!appendJson(text, indent, 0))
    return std::nullopt;
  return text;
}

std::string Value::describe() const {
  switch (kind()) {
  case Kind::Undefined:
    return undefinedName().empty() ? "an undefined value"
                                   : absl::StrCat("'", undefinedName(), "', which is undefined");
  case Kind::None:
    return "none";
  case Kind::Bool:
    return "a boolean";
  case Kind::Integer:
    return "an integer";
  case Kind::Double:
    return "a float";
  case Kind::String:
    return "a string";
  case Kind::List:
    return absl::StrCat("a list of ", toList().size());
  case Kind::Map:
    return "a mapping";
  case Kind::Namespace:
    return "a namespace";
  case Kind::Builtin:
  case Kind::Macro:
    break;
  }
  return "a function";
}

bool operator==(const Value &a, const Value &b) {
  using Kind = Value::Kind;
  if (a.isNumber() && b.isNumber()) {
    if (a.kind() == Kind::Double || b.kind() == Kind::Double)
      return a.toNumber() == b.toNumber();
    return a.toInteger() == b.toInteger();
  }
  if (a.kind() != b.kind())
    return false;
  switch (a.kind()) {
  case Kind::String:
    return a.toString() == b.toString();
  case Kind::List:
    return a.toList() == b.toList();
  case Kind::Map:
    if (a.toMap().size() != b.toMap().size())
      return false;
    for (const auto &[key, value] : a.toMap()) {
      const Value *other = b.find(key);
      if (!other || !(*other == value))
        return false;
    }
    return true;
  case Kind::Namespace:
    return &a.toNames() == &b.toNames();
  case Kind::Builtin:
    return a.toBuiltin() == b.toBuiltin();
  case Kind::Macro:
    return a.toMacro() == b.toMacro();
  default:
    return true; // two undefined values, or two nones
  }
}

std::optional<int> compare(const Value &a, const Value &b) {
  auto order = [](const auto &x, const auto &y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (a.isInteger() && b.isInteger())
    return order(a.toInteger(), b.toInteger());
  if (a.isNumber() && b.isNumber()) {
    if (std::isnan(a.toNumber()) || std::isnan(b.toNumber()))
      return std::nullopt;
    return order(a.toNumber(), b.toNumber());
  }
  if (a.isString() && b.isString())
    return order(a.toString(), b.toString());
  if (!a.isList() || !b.isList())
    return std::nullopt;
  for (size_t i = 0; i < std::min(a.toList().size(), b.toList().size()); ++i) {
    std::optional<int> first = compare(a.toList()[i], b.toList()[i]);
    if (!first || *first != 0)
      return first;
  }
  return order(a.toList().size(), b.toList().size());
}

} // namespace stc::jinja
