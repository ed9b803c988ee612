// Types and ranges of fields, and errors that name them.
#include "RequestFields.h"

#include "stc/Runtime/Serve/OpenAiRequests.h"

#include "absl/strings/str_cat.h"

namespace stc {

std::string describe(const Json &value) {
  constexpr size_t longest = 40;
  if (value.is_array())
    return absl::StrCat("a list of ", value.size());
  if (value.is_object())
    return absl::StrCat("an object of ", value.size());
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), longest);
}

absl::StatusOr<RequestFields> RequestFields::of(const Json &object, std::string prefix) {
  if (!object.is_object())
    return requestError(prefix.empty() ? "body" : prefix, "an object", describe(object));
  if (!prefix.empty())
    prefix += '.';
  return RequestFields(object, std::move(prefix));
}

absl::Status RequestFields::error(const std::string &name, absl::string_view expected,
                                  absl::string_view got) const {
  return requestError(prefix + name, expected, got);
}

absl::Status RequestFields::mismatch(const std::string &name, absl::string_view expected,
                                     const Json &got) const {
  return error(name, expected, describe(got));
}

const Json *RequestFields::take(const std::string &name) {
  taken.insert(name);
  auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

absl::StatusOr<const Json *> RequestFields::require(const std::string &name,
                                                    absl::string_view expected) {
  if (const Json *value = take(name))
    return value;
  return error(name, expected, "none");
}

absl::StatusOr<std::optional<int64_t>> RequestFields::integer(const std::string &name, int64_t min,
                                                              int64_t max) {
  const Json *value = take(name);
  if (!value)
    return std::nullopt;
  bool fits = value->is_number_unsigned() ? value->get<uint64_t>() <= uint64_t(INT64_MAX)
                                          : value->is_number_integer();
  if (!fits || value->get<int64_t>() < min || value->get<int64_t>() > max)
    return mismatch(name, absl::StrCat("a whole number from ", min, " to ", max), *value);
  return value->get<int64_t>();
}

absl::StatusOr<double> RequestFields::number(const std::string &name, double fallback, double min,
                                             double max) {
  const Json *value = take(name);
  if (!value)
    return fallback;
  if (!value->is_number() || !(value->get<double>() >= min && value->get<double>() <= max))
    return mismatch(name, absl::StrCat("a number from ", min, " to ", max), *value);
  return value->get<double>();
}

absl::StatusOr<bool> RequestFields::boolean(const std::string &name, bool fallback) {
  const Json *value = take(name);
  if (!value)
    return fallback;
  if (!value->is_boolean())
    return mismatch(name, "true or false", *value);
  return value->get<bool>();
}

absl::StatusOr<std::string> RequestFields::text(const std::string &name) {
  const Json *value = take(name);
  if (!value)
    return std::string();
  if (!value->is_string())
    return mismatch(name, "a string", *value);
  return value->get<std::string>();
}

absl::Status RequestFields::expectOnly(const std::string &name, const Json &value) {
  const Json *given = take(name);
  if (!given || *given == value)
    return absl::OkStatus();
  std::string only =
      value.empty() ? value.is_object() ? "an empty object" : "an empty value" : describe(value);
  return mismatch(name, absl::StrCat(only, ", as nothing else is supported"), *given);
}

void RequestFields::ignore(const std::vector<std::string> &names) {
  taken.insert(names.begin(), names.end());
}

absl::Status RequestFields::expectNoOthers() const {
  for (const auto &member : object.items())
    if (!taken.count(member.key()) && !member.value().is_null())
      return requestError(prefix + printable(member.key(), 40), "fields that are supported",
                          "this one", "unknown_parameter");
  return absl::OkStatus();
}

} // namespace stc
