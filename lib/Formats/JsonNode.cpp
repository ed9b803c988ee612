// Access to JSON values with their kind checked.
#include "JsonNode.h"

#include "absl/strings/str_cat.h"

namespace stc {

JsonNode JsonNode::operator[](absl::string_view key) const {
  return {value ? value->find(key) : nullptr, *file,
          path.empty() ? std::string(key) : absl::StrCat(path, ".", key)};
}

JsonNode JsonNode::operator[](size_t index) const {
  return {&value->array[index], *file, absl::StrCat(path, "[", index, "]")};
}

JsonNode JsonNode::child(const JsonValue::Member &member) const {
  return {&member.second, *file, absl::StrCat(path, ".", member.first)};
}

absl::string_view JsonNode::type() const {
  const JsonValue *type = value ? value->find("type") : nullptr;
  return type && type->isString() ? absl::string_view(type->string) : absl::string_view();
}

absl::Status JsonNode::checkObject() const {
  return value && value->isObject() ? absl::OkStatus() : error("an object");
}

absl::StatusOr<size_t> JsonNode::arraySize() const {
  if (!present())
    return size_t(0);
  if (!value->isArray())
    return error("an array");
  return value->array.size();
}

absl::StatusOr<std::string> JsonNode::toString() const {
  if (!value || !value->isString())
    return error("a string");
  return value->string;
}

absl::StatusOr<int64_t> JsonNode::toInteger() const {
  if (!value || !value->isInteger())
    return error("an integer");
  return value->integer;
}

absl::StatusOr<bool> JsonNode::toBool(bool fallback) const {
  if (!present())
    return fallback;
  if (value->kind != JsonValue::Kind::Bool)
    return error("true or false");
  return value->boolean;
}

absl::Status JsonNode::error(absl::string_view expected) const {
  if (!value)
    return error(expected, "nothing");
  switch (value->kind) {
  case JsonValue::Kind::Null:
    return error(expected, "null");
  case JsonValue::Kind::Bool:
    return error(expected, value->boolean ? "true" : "false");
  case JsonValue::Kind::Integer:
    return error(expected, absl::StrCat(value->integer));
  case JsonValue::Kind::Double:
    return error(expected, absl::StrCat(value->number));
  case JsonValue::Kind::String:
    return error(expected, absl::StrCat("'", printable(value->string), "'"));
  case JsonValue::Kind::Array:
    return error(expected, absl::StrCat("an array of ", value->array.size()));
  case JsonValue::Kind::Object:
    break;
  }
  return error(expected, type().empty() ? "an object" : absl::StrCat("'", printable(type()), "'"));
}

absl::Status JsonNode::error(absl::string_view expected, absl::string_view got) const {
  return formatError({*file, path, {}}, expected, got);
}

} // namespace stc
