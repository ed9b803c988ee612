// Limits on what a template may cost, and arguments.
#include "Builtins.h"

#include "Strings.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>

namespace stc::jinja {

namespace {

constexpr uint64_t kHeaviest = 16 << 20; // a value written out
constexpr int kDeepest = 32;             // lists within lists

} // namespace

const Value *Arguments::find(size_t index, absl::string_view name) const {
  if (index < positional.size())
    return &positional[index];
  for (const auto &[key, value] : named)
    if (key == name)
      return &value;
  return nullptr;
}

absl::Status Context::charge(uint64_t cost) {
  if (cost > work)
    return error("a template that comes to its end", "more steps or text than are allowed");
  work -= cost;
  return absl::OkStatus();
}

absl::StatusOr<Value> Context::checked(Value value, uint64_t cost) {
  STC_RETURN_IF_ERROR(charge(cost));
  if (value.weight() > kHeaviest)
    return error(absl::StrCat("values of at most ", kHeaviest, " bytes"), "a larger one");
  if (value.depth() > kDeepest)
    return error(absl::StrCat("values nested at most ", kDeepest, " deep"), "a deeper one");
  return value;
}

absl::StatusOr<Value> Context::string(std::string text) {
  uint64_t cost = text.size();
  return checked(Value::string(std::move(text)), cost);
}

absl::StatusOr<Value> Context::list(List items) {
  for (const Value &item : items)
    if (item.kind() == Value::Kind::Namespace)
      return error("a list without namespaces", "a namespace in it");
  uint64_t cost = 16 * items.size();
  return checked(Value::list(std::move(items)), cost);
}

absl::StatusOr<Value> Context::map(Map items) {
  uint64_t cost = 0;
  for (const auto &[key, item] : items) {
    cost += 16 + key.size();
    if (item.kind() == Value::Kind::Namespace)
      return error("a mapping without namespaces", "a namespace in it");
  }
  return checked(Value::map(std::move(items)), cost);
}

absl::Status Context::checkArguments(absl::string_view function, const Arguments &arguments,
                                     std::initializer_list<absl::string_view> names) const {
  auto expected = [&] {
    return names.size() == 0
               ? absl::StrCat("no arguments of ", function)
               : absl::StrCat("arguments ", absl::StrJoin(names, ", "), " of ", function);
  };
  if (arguments.positional.size() > names.size())
    return error(expected(), absl::StrCat(arguments.positional.size()));
  for (const auto &argument : arguments.named)
    if (std::find(names.begin() + long(arguments.positional.size()), names.end(), argument.first) ==
        names.end())
      return error(expected(), absl::StrCat("'", printable(argument.first), "'"));
  return absl::OkStatus();
}

absl::StatusOr<List> Context::elements(const Value &value) {
  List items;
  if (value.isList()) {
    items = value.toList();
  } else if (value.isMap()) {
    for (const auto &entry : value.toMap())
      items.push_back(Value::string(entry.first));
  } else if (value.isString()) {
    for (absl::string_view character : charactersOf(value.toString()))
      items.push_back(Value::string(std::string(character)));
  } else if (!value.isUndefined()) {
    return error("a list, a mapping or a string to loop over", value.describe());
  }
  STC_RETURN_IF_ERROR(charge(16 * items.size()));
  return items;
}

} // namespace stc::jinja
