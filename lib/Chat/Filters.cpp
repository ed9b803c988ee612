// Filters: `value | name(arguments)`.
#include "Builtins.h"
#include "Strings.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stc::jinja {

namespace {

struct Call {
  const Value &input;
  const Arguments &arguments;
  Context &context;

  absl::Status check(absl::string_view filter,
                     std::initializer_list<absl::string_view> names) const {
    return context.checkArguments(filter, arguments, names);
  }
  const Value *find(size_t index, absl::string_view name) const {
    return arguments.find(index, name);
  }
};

using Result = absl::StatusOr<Value>;

Result defaultFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("default", {"default_value", "boolean"}));
  const Value *fallback = call.find(0, "default_value"), *falsy = call.find(1, "boolean");
  bool missing = call.input.isUndefined() || (falsy && falsy->isTrue() && !call.input.isTrue());
  if (!missing)
    return call.input;
  return fallback ? *fallback : Value::string("");
}

Result trimFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("trim", {"chars"}));
  std::string text = call.input.str();
  const Value *chars = call.find(0, "chars");
  if (!chars || chars->isNone())
    return call.context.string(std::string(strip(text, nullptr, true, true)));
  if (!chars->isString())
    return call.context.error("a string of characters to trim", chars->describe());
  absl::string_view set = chars->toString();
  STC_RETURN_IF_ERROR(call.context.charge(text.size() * set.size()));
  return call.context.string(std::string(strip(text, &set, true, true)));
}

Result lengthFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("length", {}));
  if (call.input.isString()) {
    STC_RETURN_IF_ERROR(call.context.charge(call.input.weight()));
    return Value::integer(int64_t(countCharacters(call.input.toString())));
  }
  if (call.input.isMap())
    return Value::integer(int64_t(call.input.toMap().size()));
  if (call.input.isList())
    return Value::integer(int64_t(call.input.toList().size()));
  if (call.input.isUndefined())
    return Value::integer(0);
  return call.context.error("a value with a length", call.input.describe());
}

Result tojsonFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}));
  // transformers' tojson takes indent second, Jinja's first.
  const Value *indent = call.find(1, "indent");
  if (!indent && !call.arguments.positional.empty() &&
      call.arguments.positional[0].kind() == Value::Kind::Integer)
    indent = &call.arguments.positional[0];
  for (auto [index, name] :
       {std::pair<size_t, absl::string_view>{2, "separators"}, {3, "sort_keys"}})
    if (const Value *given = call.find(index, name); given && given->isTrue())
      return call.context.error(absl::StrCat("tojson without ", name), given->describe());
  int spaces = -1;
  if (indent && !indent->isNone()) {
    if (!indent->isInteger() || indent->toInteger() < 0 || indent->toInteger() > 8)
      return call.context.error("an indentation of 0 to 8", indent->str());
    spaces = int(indent->toInteger());
  }
  STC_RETURN_IF_ERROR(call.context.charge(call.input.weight() *
                                          uint64_t(1 + std::max(spaces, 0) * call.input.depth())));
  std::optional<std::string> text = call.input.json(spaces);
  if (!text)
    return call.context.error("a value that JSON has", call.input.describe());
  return call.context.string(*std::move(text));
}

template <std::string (*map)(absl::string_view)> Result mapText(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("the filter", {}));
  return call.context.string(map(call.input.str()));
}

Result stringFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("string", {}));
  return call.context.string(call.input.str());
}

Result listFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("list", {}));
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  return call.context.list(std::move(items));
}

/// `value.a.b` for the attribute "a.b", or the element of an integer.
Result attributeOf(const Value &value, const Value &attribute, Context &context) {
  if (!attribute.isString())
    return subscript(value, attribute, context);
  Value found = value;
  for (absl::string_view name : splitAt(attribute.toString(), ".", -1, false)) {
    STC_ASSIGN_OR_RETURN(found, member(found, name, context));
  }
  return found;
}

Result joinFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("join", {"d", "attribute"}));
  const Value *separator = call.find(0, "d"), *attribute = call.find(1, "attribute");
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    Value item = items[i];
    if (attribute && !attribute->isNone()) {
      STC_ASSIGN_OR_RETURN(item, attributeOf(item, *attribute, call.context));
    }
    std::string piece = absl::StrCat(i && separator ? separator->str() : "", item.str());
    STC_RETURN_IF_ERROR(call.context.charge(piece.size()));
    text += piece;
  }
  return call.context.string(std::move(text));
}

Result replaceFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("replace", {"old", "new", "count"}));
  return callMethod(Value::string(call.input.str()), "replace", call.arguments, call.context);
}

Result firstFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("first", {}));
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  return items.empty() ? Value::undefined("first") : items.front();
}

Result lastFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("last", {}));
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  return items.empty() ? Value::undefined("last") : items.back();
}

Result reverseFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("reverse", {}));
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  std::reverse(items.begin(), items.end());
  if (!call.input.isString())
    return call.context.list(std::move(items));
  std::string text;
  for (const Value &item : items)
    text += item.toString();
  return call.context.string(std::move(text));
}

Result intFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("int", {"default"}));
  const Value *fallback = call.find(0, "default");
  int64_t number = 0;
  if (call.input.isInteger())
    return Value::integer(call.input.toInteger());
  if (call.input.kind() == Value::Kind::Double && std::abs(call.input.toNumber()) < 9e18)
    return Value::integer(int64_t(call.input.toNumber()));
  if (call.input.isString() && absl::SimpleAtoi(call.input.toString(), &number))
    return Value::integer(number);
  return fallback ? *fallback : Value::integer(0);
}

Result floatFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("float", {"default"}));
  const Value *fallback = call.find(0, "default");
  double number = 0;
  if (call.input.isNumber())
    return Value::number(call.input.toNumber());
  if (call.input.isString() && absl::SimpleAtod(call.input.toString(), &number))
    return Value::number(number);
  return fallback ? *fallback : Value::number(0);
}

Result absFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("abs", {}));
  if (!call.input.isNumber())
    return call.context.error("a number", call.input.describe());
  if (call.input.kind() == Value::Kind::Double)
    return Value::number(std::abs(call.input.toNumber()));
  return applyBinary("*", call.input, Value::integer(call.input.toInteger() < 0 ? -1 : 1),
                     call.context);
}

/// What sorting and comparing look at: an attribute if one is given, in lower case unless case
/// counts.
Result sortKey(const Value &item, const Value *attribute, bool caseCounts, Context &context) {
  Value key = item;
  if (attribute && !attribute->isNone()) {
    STC_ASSIGN_OR_RETURN(key, attributeOf(item, *attribute, context));
  }
  if (!key.isString() || caseCounts)
    return key;
  return context.string(lowerCase(key.toString()));
}

/// Sorts pairs of a key and a value.
absl::Status sortPairs(std::vector<std::pair<Value, Value>> &pairs, bool descending,
                       Context &context) {
  uint64_t weight = 0, steps = 1;
  for (size_t size = pairs.size(); size > 0; size /= 2)
    ++steps;
  for (const auto &pair : pairs) {
    weight += 8 + pair.first.weight();
    // What compares with the first compares with all: numbers, strings, and lists of such.
    if (!compare(pairs.front().first, pair.first))
      return context.error(
          "values that can be put in order",
          absl::StrCat(pairs.front().first.describe(), " and ", pair.first.describe()));
  }
  STC_RETURN_IF_ERROR(context.charge(weight * steps));
  std::vector<size_t> places(pairs.size());
  std::iota(places.begin(), places.end(), size_t(0));
  std::sort(places.begin(), places.end(), [&](size_t a, size_t b) {
    int order = compare(pairs[a].first, pairs[b].first).value_or(0);
    return order == 0 ? a < b : descending ? order > 0 : order < 0;
  });
  std::vector<std::pair<Value, Value>> sorted;
  for (size_t place : places)
    sorted.push_back(std::move(pairs[place]));
  pairs = std::move(sorted);
  return absl::OkStatus();
}

Result sortFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("sort", {"reverse", "case_sensitive", "attribute"}));
  const Value *descending = call.find(0, "reverse"), *caseCounts = call.find(1, "case_sensitive");
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  std::vector<std::pair<Value, Value>> pairs;
  for (const Value &item : items) {
    STC_ASSIGN_OR_RETURN(Value key, sortKey(item, call.find(2, "attribute"),
                                            caseCounts && caseCounts->isTrue(), call.context));
    // Lists may hold values without an order deep inside, which no check of pairs finds.
    if (key.isList())
      return call.context.error("numbers or strings to sort", key.describe());
    pairs.emplace_back(std::move(key), item);
  }
  STC_RETURN_IF_ERROR(sortPairs(pairs, descending && descending->isTrue(), call.context));
  items.clear();
  for (auto &pair : pairs)
    items.push_back(std::move(pair.second));
  return call.context.list(std::move(items));
}

Result dictsortFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("dictsort", {"case_sensitive"}));
  const Value *caseCounts = call.find(0, "case_sensitive");
  if (!call.input.isMap())
    return call.context.error("a mapping", call.input.describe());
  std::vector<std::pair<Value, Value>> pairs;
  for (const auto &[name, value] : call.input.toMap()) {
    STC_ASSIGN_OR_RETURN(Value entry, call.context.list({Value::string(name), value}));
    STC_ASSIGN_OR_RETURN(Value key, sortKey(Value::string(name), nullptr,
                                            caseCounts && caseCounts->isTrue(), call.context));
    pairs.emplace_back(std::move(key), std::move(entry));
  }
  STC_RETURN_IF_ERROR(sortPairs(pairs, false, call.context));
  List items;
  for (auto &pair : pairs)
    items.push_back(std::move(pair.second));
  return call.context.list(std::move(items));
}

Result uniqueFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("unique", {"case_sensitive", "attribute"}));
  const Value *caseCounts = call.find(0, "case_sensitive");
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  List keys, kept;
  for (const Value &item : items) {
    STC_ASSIGN_OR_RETURN(Value key, sortKey(item, call.find(1, "attribute"),
                                            caseCounts && caseCounts->isTrue(), call.context));
    STC_RETURN_IF_ERROR(call.context.charge((8 + key.weight()) * (1 + keys.size())));
    if (std::find(keys.begin(), keys.end(), key) != keys.end())
      continue;
    keys.push_back(std::move(key));
    kept.push_back(item);
  }
  return call.context.list(std::move(kept));
}

Result extreme(const Call &call, absl::string_view name, int wanted) {
  STC_RETURN_IF_ERROR(call.check(name, {}));
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  if (items.empty())
    return Value::undefined(std::string(name));
  Value best = items.front();
  for (const Value &item : items) {
    STC_ASSIGN_OR_RETURN(bool better,
                         applyComparison(wanted < 0 ? "<" : ">", item, best, call.context));
    if (better)
      best = item;
  }
  return best;
}
Result minFilter(const Call &call) { return extreme(call, "min", -1); }
Result maxFilter(const Call &call) { return extreme(call, "max", 1); }

Result sumFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("sum", {"attribute", "start"}));
  const Value *attribute = call.find(0, "attribute"), *start = call.find(1, "start");
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  Value sum = start ? *start : Value::integer(0);
  for (Value item : items) {
    if (attribute && !attribute->isNone()) {
      STC_ASSIGN_OR_RETURN(item, attributeOf(item, *attribute, call.context));
    }
    STC_ASSIGN_OR_RETURN(sum, applyBinary("+", sum, item, call.context));
  }
  return sum;
}

/// The arguments from `from` on, those without a name.
Arguments restOf(const Arguments &arguments, size_t from) {
  Arguments rest;
  for (size_t i = from; i < arguments.positional.size(); ++i)
    rest.positional.push_back(arguments.positional[i]);
  return rest;
}

Result mapFilter(const Call &call) {
  const Value *attribute = call.find(SIZE_MAX, "attribute");
  const Value *fallback = call.find(SIZE_MAX, "default");
  const Value *name = call.find(0, "");
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  if (!attribute && !(name && name->isString() && isFilter(name->toString())))
    return call.context.error(absl::StrCat("an attribute, or a filter ", filterNames()),
                              name ? absl::StrCat("'", printable(name->str()), "'") : "nothing");
  for (Value &item : items) {
    if (attribute) {
      STC_ASSIGN_OR_RETURN(item, attributeOf(item, *attribute, call.context));
      if (item.isUndefined() && fallback)
        item = *fallback;
    } else {
      STC_ASSIGN_OR_RETURN(
          item, applyFilter(name->toString(), item, restOf(call.arguments, 1), call.context));
    }
  }
  return call.context.list(std::move(items));
}

/// select, reject and, with an attribute first, selectattr and rejectattr.
Result choose(const Call &call, bool byAttribute, bool keep) {
  size_t first = byAttribute ? 1 : 0;
  const Value *attribute = call.find(0, ""), *name = call.find(first, "");
  if (byAttribute && !attribute)
    return call.context.error("an attribute to choose by", "nothing");
  if (name && !(name->isString() && isTest(name->toString())))
    return call.context.error(absl::StrCat("a test ", testNames()),
                              absl::StrCat("'", printable(name->str()), "'"));
  STC_ASSIGN_OR_RETURN(List items, call.context.elements(call.input));
  List kept;
  for (const Value &item : items) {
    Value value = item;
    if (byAttribute) {
      STC_ASSIGN_OR_RETURN(value, attributeOf(item, *attribute, call.context));
    }
    bool passes = value.isTrue();
    if (name) {
      STC_ASSIGN_OR_RETURN(passes, applyTest(name->toString(), value,
                                             restOf(call.arguments, first + 1), call.context));
    }
    if (passes == keep)
      kept.push_back(item);
  }
  return call.context.list(std::move(kept));
}
Result selectFilter(const Call &call) { return choose(call, false, true); }
Result rejectFilter(const Call &call) { return choose(call, false, false); }
Result selectattrFilter(const Call &call) { return choose(call, true, true); }
Result rejectattrFilter(const Call &call) { return choose(call, true, false); }

Result itemsFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("items", {}));
  if (call.input.isUndefined())
    return Value::list({});
  return callMethod(call.input, "items", {}, call.context);
}

Result safeFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("safe", {}));
  return call.input; // nothing is escaped here
}

Result indentFilter(const Call &call) {
  STC_RETURN_IF_ERROR(call.check("indent", {"width", "first", "blank"}));
  const Value *width = call.find(0, "width"), *first = call.find(1, "first"),
              *blank = call.find(2, "blank");
  std::string prefix(4, ' ');
  if (width && width->isInteger() && width->toInteger() >= 0 && width->toInteger() <= 64)
    prefix = std::string(size_t(width->toInteger()), ' ');
  else if (width && width->isString() && width->toString().size() <= 64)
    prefix = width->toString();
  else if (width)
    return call.context.error("a width of 0 to 64", width->str());
  std::string text = call.input.str() + "\n", result;
  std::vector<absl::string_view> lines = splitLines(text);
  STC_RETURN_IF_ERROR(call.context.charge(text.size() + prefix.size() * lines.size()));
  for (size_t i = 0; i < lines.size(); ++i) {
    bool indented =
        i == 0 ? first && first->isTrue() : !lines[i].empty() || (blank && blank->isTrue());
    absl::StrAppend(&result, i ? "\n" : "", indented ? prefix : "", lines[i]);
  }
  return call.context.string(std::move(result));
}

struct FilterEntry {
  absl::string_view name;
  Result (*apply)(const Call &call);
};
constexpr FilterEntry kFilters[] = {{"abs", absFilter},
                                    {"capitalize", mapText<capitalize>},
                                    {"count", lengthFilter},
                                    {"d", defaultFilter},
                                    {"default", defaultFilter},
                                    {"dictsort", dictsortFilter},
                                    {"first", firstFilter},
                                    {"float", floatFilter},
                                    {"indent", indentFilter},
                                    {"int", intFilter},
                                    {"items", itemsFilter},
                                    {"join", joinFilter},
                                    {"last", lastFilter},
                                    {"length", lengthFilter},
                                    {"list", listFilter},
                                    {"lower", mapText<lowerCase>},
                                    {"map", mapFilter},
                                    {"max", maxFilter},
                                    {"min", minFilter},
                                    {"reject", rejectFilter},
                                    {"rejectattr", rejectattrFilter},
                                    {"replace", replaceFilter},
                                    {"reverse", reverseFilter},
                                    {"safe", safeFilter},
                                    {"select", selectFilter},
                                    {"selectattr", selectattrFilter},
                                    {"sort", sortFilter},
                                    {"string", stringFilter},
                                    {"sum", sumFilter},
                                    {"title", mapText<capitalizeWords>},
                                    {"tojson", tojsonFilter},
                                    {"trim", trimFilter},
                                    {"unique", uniqueFilter},
                                    {"upper", mapText<upperCase>}};

const FilterEntry *findFilter(absl::string_view name) {
  for (const FilterEntry &entry : kFilters)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

} // namespace

bool isFilter(absl::string_view name) { return findFilter(name) != nullptr; }

std::string filterNames() {
  std::vector<absl::string_view> names;
  for (const FilterEntry &entry : kFilters)
    names.push_back(entry.name);
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<Value> applyFilter(absl::string_view name, const Value &input,
                                  const Arguments &arguments, Context &context) {
  STC_RETURN_IF_ERROR(context.charge(16 + (input.isString() ? input.weight() : 0)));
  // As in Jinja, one that does not exist is an error only where it is reached: templates use some
  // for what is never asked of them here.
  const FilterEntry *filter = findFilter(name);
  if (!filter)
    return context.error(absl::StrCat("a filter ", filterNames()),
                         absl::StrCat("'", printable(name), "'"));
  return filter->apply({input, arguments, context});
}

} // namespace stc::jinja
