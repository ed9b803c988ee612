// Tests: `value is name(arguments)`.
#include "Builtins.h"
#include "Strings.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>

namespace stc::jinja {

namespace {

using Kind = Value::Kind;

/// Tests of the value alone.
struct KindTest {
  absl::string_view name;
  bool (*test)(const Value &value);
};
constexpr KindTest kKindTests[] = {
    {"defined", [](const Value &v) { return !v.isUndefined(); }},
    {"undefined", [](const Value &v) { return v.isUndefined(); }},
    {"none", [](const Value &v) { return v.isNone(); }},
    {"boolean", [](const Value &v) { return v.kind() == Kind::Bool; }},
    {"true", [](const Value &v) { return v.kind() == Kind::Bool && v.isTrue(); }},
    {"false", [](const Value &v) { return v.kind() == Kind::Bool && !v.isTrue(); }},
    {"integer", [](const Value &v) { return v.kind() == Kind::Integer; }},
    {"float", [](const Value &v) { return v.kind() == Kind::Double; }},
    {"number", [](const Value &v) { return v.isNumber(); }},
    {"string", [](const Value &v) { return v.isString(); }},
    {"mapping", [](const Value &v) { return v.isMap(); }},
    // What Python can iterate over, or count and index.
    {"iterable",
     [](const Value &v) { return v.isString() || v.isList() || v.isMap() || v.isUndefined(); }},
    {"sequence",
     [](const Value &v) { return v.isString() || v.isList() || v.isMap() || v.isUndefined(); }},
    {"callable",
     [](const Value &v) { return v.kind() == Kind::Builtin || v.kind() == Kind::Macro; }},
    {"lower",
     [](const Value &v) { return v.str() == lowerCase(v.str()) && v.str() != upperCase(v.str()); }},
    {"upper",
     [](const Value &v) { return v.str() == upperCase(v.str()) && v.str() != lowerCase(v.str()); }},
};

/// Tests that compare with an argument, as operators do.
constexpr std::pair<absl::string_view, absl::string_view> kComparisons[] = {
    {"==", "=="}, {"eq", "=="}, {"equalto", "=="},    {"sameas", "=="},
    {"ne", "!="}, {"lt", "<"},  {"le", "<="},         {"lessthan", "<"},
    {"gt", ">"},  {"ge", ">="}, {"greaterthan", ">"}, {"in", "in"},
};

absl::StatusOr<bool> testRemainder(const Value &input, const Value &divisor, int64_t remainder,
                                   Context &context) {
  STC_ASSIGN_OR_RETURN(Value rest, applyBinary("%", input, divisor, context));
  return rest == Value::integer(remainder);
}

} // namespace

bool isTest(absl::string_view name) {
  for (const KindTest &entry : kKindTests)
    if (entry.name == name)
      return true;
  for (const auto &entry : kComparisons)
    if (entry.first == name)
      return true;
  return name == "even" || name == "odd" || name == "divisibleby";
}

std::string testNames() {
  std::vector<absl::string_view> names = {"even", "odd", "divisibleby"};
  for (const KindTest &entry : kKindTests)
    names.push_back(entry.name);
  for (const auto &entry : kComparisons)
    names.push_back(entry.first);
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<bool> applyTest(absl::string_view name, const Value &input,
                               const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.charge(16 + (input.isString() ? input.weight() : 0)));
  if (!isTest(name))
    return context.error(absl::StrCat("a test ", testNames()),
                         absl::StrCat("'", printable(name), "'"));
  for (const KindTest &entry : kKindTests)
    if (entry.name == name) {
      STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {}));
      return entry.test(input);
    }
  if (name == "even" || name == "odd") {
    STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {}));
    return testRemainder(input, Value::integer(2), name == "odd", context);
  }
  if (arguments.positional.size() != 1 || !arguments.named.empty())
    return context.error(absl::StrCat("one argument of the test ", name),
                         absl::StrCat(arguments.positional.size() + arguments.named.size()));
  if (name == "divisibleby")
    return testRemainder(input, arguments.positional[0], 0, context);
  const auto *comparison = std::find_if(std::begin(kComparisons), std::end(kComparisons),
                                        [name](const auto &entry) { return entry.first == name; });
  return applyComparison(comparison->second, input, arguments.positional[0], context);
}

} // namespace stc::jinja
