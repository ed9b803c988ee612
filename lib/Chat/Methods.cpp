// Methods of strings, lists and maps, and the functions of the environment.
#include "Builtins.h"
#include "Strings.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <ctime>

namespace stc::jinja {

namespace {

/// A string argument; an error if it is of another kind, and `fallback` if it is left out.
absl::StatusOr<absl::string_view> textArgument(const Arguments &arguments, size_t index,
                                               absl::string_view name, Context &context,
                                               const char *fallback = nullptr) {
  const Value *value = arguments.find(index, name);
  if (!value && fallback)
    return absl::string_view(fallback);
  if (!value || !value->isString())
    return context.error(absl::StrCat("a string as '", name, "'"),
                         value ? value->describe() : "nothing");
  return absl::string_view(value->toString());
}

absl::StatusOr<int64_t> integerArgument(const Arguments &arguments, size_t index,
                                        absl::string_view name, int64_t fallback,
                                        Context &context) {
  const Value *value = arguments.find(index, name);
  if (!value || value->isNone())
    return fallback;
  if (!value->isInteger())
    return context.error(absl::StrCat("an integer as '", name, "'"), value->describe());
  return value->toInteger();
}

absl::StatusOr<Value> textList(const std::vector<absl::string_view> &parts, Context &context) {
  List items;
  for (absl::string_view part : parts)
    items.push_back(Value::string(std::string(part)));
  return context.list(std::move(items));
}

absl::StatusOr<Value> stripMethod(absl::string_view text, absl::string_view name,
                                  const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {"chars"}));
  const Value *chars = arguments.find(0, "chars");
  absl::string_view set;
  bool given = chars && !chars->isNone();
  if (given) {
    STC_ASSIGN_OR_RETURN(set, textArgument(arguments, 0, "chars", context));
    STC_RETURN_IF_ERROR(context.charge(text.size() * set.size()));
  }
  return context.string(
      std::string(strip(text, given ? &set : nullptr, name != "rstrip", name != "lstrip")));
}

absl::StatusOr<Value> splitMethod(absl::string_view text, absl::string_view name,
                                  const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {"sep", "maxsplit"}));
  STC_ASSIGN_OR_RETURN(int64_t limit, integerArgument(arguments, 1, "maxsplit", -1, context));
  const Value *separator = arguments.find(0, "sep");
  STC_RETURN_IF_ERROR(context.charge(16 * text.size()));
  if (!separator || separator->isNone()) {
    if (name == "rsplit" && limit >= 0)
      return context.error("rsplit with a separator", "none");
    return textList(splitWords(text, limit), context);
  }
  STC_ASSIGN_OR_RETURN(absl::string_view at, textArgument(arguments, 0, "sep", context));
  if (at.empty())
    return context.error("a separator", "an empty one");
  return textList(splitAt(text, at, limit, name == "rsplit"), context);
}

/// startswith and endswith, of a string or of one of a list.
absl::StatusOr<Value> affixMethod(absl::string_view text, absl::string_view name,
                                  const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {"affix"}));
  const Value *affix = arguments.find(0, "affix");
  List affixes;
  if (affix && affix->isList())
    affixes = affix->toList();
  else if (affix)
    affixes.push_back(*affix);
  bool found = false;
  for (const Value &value : affixes) {
    if (!value.isString())
      return context.error("a string or a list of strings", value.describe());
    found |= name == "startswith" ? absl::StartsWith(text, value.toString())
                                  : absl::EndsWith(text, value.toString());
  }
  if (affixes.empty())
    return context.error("a string or a list of strings", "nothing");
  return Value::boolean(found);
}

absl::StatusOr<Value> replaceMethod(absl::string_view text, const Arguments &arguments,
                                    Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments("replace", arguments, {"old", "new", "count"}));
  STC_ASSIGN_OR_RETURN(absl::string_view from, textArgument(arguments, 0, "old", context));
  STC_ASSIGN_OR_RETURN(absl::string_view to, textArgument(arguments, 1, "new", context));
  STC_ASSIGN_OR_RETURN(int64_t count, integerArgument(arguments, 2, "count", -1, context));
  if (from.empty())
    return context.error("a string to replace", "an empty one");
  // The most it can become, before it is made.
  STC_RETURN_IF_ERROR(context.charge(text.size() + text.size() / from.size() * to.size()));
  return context.string(replaceAll(text, from, to, count));
}

absl::StatusOr<Value> findMethod(absl::string_view text, absl::string_view name,
                                 const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {"sub"}));
  STC_ASSIGN_OR_RETURN(absl::string_view part, textArgument(arguments, 0, "sub", context));
  if (name == "count") {
    if (part.empty())
      return context.error("a string to count", "an empty one");
    return Value::integer(int64_t(splitAt(text, part, -1, false).size()) - 1);
  }
  size_t found = name == "find" ? text.find(part) : text.rfind(part);
  return Value::integer(found == text.npos ? -1 : int64_t(countCharacters(text.substr(0, found))));
}

absl::StatusOr<Value> affixRemoval(absl::string_view text, absl::string_view name,
                                   const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {"affix"}));
  STC_ASSIGN_OR_RETURN(absl::string_view affix, textArgument(arguments, 0, "affix", context));
  if (name == "removeprefix" && absl::StartsWith(text, affix))
    text.remove_prefix(affix.size());
  else if (name == "removesuffix" && absl::EndsWith(text, affix))
    text.remove_suffix(affix.size());
  return context.string(std::string(text));
}

absl::StatusOr<Value> stringMethod(const Value &object, absl::string_view name,
                                   const Arguments &arguments, Context &context) {
  absl::string_view text = object.toString();
  STC_RETURN_IF_ERROR(context.charge(text.size()));
  if (name == "strip" || name == "lstrip" || name == "rstrip")
    return stripMethod(text, name, arguments, context);
  if (name == "split" || name == "rsplit")
    return splitMethod(text, name, arguments, context);
  if (name == "startswith" || name == "endswith")
    return affixMethod(text, name, arguments, context);
  if (name == "replace")
    return replaceMethod(text, arguments, context);
  if (name == "find" || name == "rfind" || name == "count")
    return findMethod(text, name, arguments, context);
  if (name == "removeprefix" || name == "removesuffix")
    return affixRemoval(text, name, arguments, context);
  if (name == "join") {
    STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {"iterable"}));
    if (arguments.positional.empty())
      return context.error("a list to join", "nothing");
    return applyFilter("join", arguments.positional[0], {{object}, {}}, context);
  }
  STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {}));
  if (name == "splitlines")
    return textList(splitLines(text), context);
  if (name == "isdigit")
    return Value::boolean(!text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
      return c >= '0' && c <= '9';
    }));
  if (name == "title")
    return context.string(titleCase(text));
  for (absl::string_view filter : {"upper", "lower", "capitalize"})
    if (name == filter)
      return applyFilter(filter, object, {}, context);
  return context.error("a method of strings: strip, lstrip, rstrip, split, rsplit, startswith, "
                       "endswith, replace, find, rfind, count, removeprefix, removesuffix, join, "
                       "splitlines, isdigit, upper, lower, title or capitalize",
                       absl::StrCat("'", printable(name), "'"));
}

absl::StatusOr<Value> mapMethod(const Value &object, absl::string_view name,
                                const Arguments &arguments, Context &context) {
  const Map &entries = object.toMap();
  if (name == "get") {
    STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {"key", "default"}));
    const Value *key = arguments.find(0, "key"), *fallback = arguments.find(1, "default");
    const Value *found = key && key->isString() ? object.find(key->toString()) : nullptr;
    return found ? *found : fallback ? *fallback : Value::none();
  }
  if (name != "items" && name != "keys" && name != "values")
    return context.error("a method of mappings: items, keys, values or get",
                         absl::StrCat("'", printable(name), "'"));
  STC_RETURN_IF_ERROR(context.checkArguments(name, arguments, {}));
  List items;
  for (const auto &[key, value] : entries) {
    if (name == "values") {
      items.push_back(value);
      continue;
    }
    items.push_back(Value::string(key));
    if (name == "items") {
      STC_ASSIGN_OR_RETURN(items.back(), context.list({Value::string(key), value}));
    }
  }
  return context.list(std::move(items));
}

absl::StatusOr<Value> listMethod(const Value &object, absl::string_view name,
                                 const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.charge(object.weight()));
  const List &items = object.toList();
  if ((name == "count" || name == "index") && arguments.positional.size() == 1) {
    auto found = std::find(items.begin(), items.end(), arguments.positional[0]);
    if (name == "count")
      return Value::integer(std::count(items.begin(), items.end(), arguments.positional[0]));
    if (found == items.end())
      return context.error("an element of the list", arguments.positional[0].describe());
    return Value::integer(found - items.begin());
  }
  return context.error("a method of lists that leaves them as they are: count or index",
                       absl::StrCat("'", printable(name), "'"));
}

absl::StatusOr<Value> rangeBuiltin(const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments("range", arguments, {"start", "stop", "step"}));
  std::vector<int64_t> numbers;
  for (const Value &value : arguments.positional) {
    if (!value.isInteger())
      return context.error("integers for range", value.describe());
    numbers.push_back(value.toInteger());
  }
  if (numbers.empty() || !arguments.named.empty())
    return context.error("1 to 3 integers for range", "others");
  int64_t start = numbers.size() > 1 ? numbers[0] : 0;
  int64_t stop = numbers.size() > 1 ? numbers[1] : numbers[0];
  int64_t step = numbers.size() > 2 ? numbers[2] : 1;
  if (step == 0)
    return context.error("a step that is not zero", "zero");
  List items;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    STC_RETURN_IF_ERROR(context.charge(32));
    items.push_back(Value::integer(at));
    if (__builtin_add_overflow(at, step, &at))
      break;
  }
  return context.list(std::move(items));
}

/// Always the same day, so that the text does not depend on when it is made: the one that the
/// templates of Llama 3 fall back to.
absl::StatusOr<Value> fixedTime(const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.checkArguments("strftime_now", arguments, {"format"}));
  STC_ASSIGN_OR_RETURN(absl::string_view format, textArgument(arguments, 0, "format", context));
  if (format.empty() || format.size() > 64)
    return context.error("a format of 1 to 64 bytes", absl::StrCat(format.size()));
  std::tm day = {};
  day.tm_year = 124;
  day.tm_mon = 6;
  day.tm_mday = 26;
  day.tm_wday = 5;
  day.tm_yday = 207;
  char text[4096];
  size_t size = std::strftime(text, sizeof(text), std::string(format).c_str(), &day);
  return context.string(std::string(text, size));
}

} // namespace

absl::StatusOr<Value> callMethod(const Value &object, absl::string_view name,
                                 const Arguments &arguments, Context &context) {
  if (object.isString())
    return stringMethod(object, name, arguments, context);
  if (object.isMap())
    return mapMethod(object, name, arguments, context);
  if (object.isList())
    return listMethod(object, name, arguments, context);
  return context.error(absl::StrCat("a value with a method '", printable(name), "'"),
                       object.describe());
}

absl::StatusOr<Value> callBuiltin(Builtin builtin, const Arguments &arguments, Context &context) {
  switch (builtin) {
  case Builtin::Range:
    return rangeBuiltin(arguments, context);
  case Builtin::RaiseException: {
    STC_RETURN_IF_ERROR(context.checkArguments("raise_exception", arguments, {"message"}));
    const Value *message = arguments.find(0, "message");
    return context.error(
        "a conversation that the template accepts",
        absl::StrCat("its refusal '", printable(message ? message->str() : "", 300), "'"));
  }
  case Builtin::StrftimeNow:
    return fixedTime(arguments, context);
  case Builtin::Namespace:
  case Builtin::Dict:
    break;
  }
  Map members = arguments.named;
  if (arguments.positional.size() > 1 ||
      (!arguments.positional.empty() && !arguments.positional[0].isMap()))
    return context.error("members by name, or one mapping", "something else");
  if (!arguments.positional.empty())
    members.insert(members.begin(), arguments.positional[0].toMap().begin(),
                   arguments.positional[0].toMap().end());
  STC_ASSIGN_OR_RETURN(Value map, context.map(std::move(members)));
  return builtin == Builtin::Dict ? map : Value::names(map.toMap());
}

} // namespace stc::jinja
