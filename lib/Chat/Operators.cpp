// Operators, members and slices.
#include "Builtins.h"
#include "Strings.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc::jinja {

namespace {

absl::Status operandError(absl::string_view op, const Value &left, const Value &right,
                          const Context &context) {
  return context.error(absl::StrCat("operands that ", op, " is for"),
                       absl::StrCat(left.describe(), " and ", right.describe()));
}

absl::StatusOr<Value> repeat(const Value &value, int64_t count, Context &context) {
  count = std::max<int64_t>(count, 0);
  uint64_t size = value.isString() ? value.toString().size() : 16 * value.toList().size();
  // Charged before it is made.
  STC_RETURN_IF_ERROR(context.charge(
      size > 0 && uint64_t(count) > UINT64_MAX / size ? UINT64_MAX : size * uint64_t(count)));
  if (value.isString()) {
    std::string text;
    for (int64_t i = 0; size > 0 && i < count; ++i)
      text += value.toString();
    return context.string(std::move(text));
  }
  List items;
  for (int64_t i = 0; size > 0 && i < count; ++i)
    items.insert(items.end(), value.toList().begin(), value.toList().end());
  return context.list(std::move(items));
}

/// Python rounds quotients down, and the remainder has the sign of the divisor.
int64_t floorDivide(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

absl::StatusOr<Value> integerPower(int64_t base, int64_t exponent, const Context &context) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent && result != 0; ++i) {
    if (base == 1 || (base == -1 && i >= 2))
      return Value::integer(base == 1 || exponent % 2 == 0 ? 1 : -1);
    if (__builtin_mul_overflow(result, base, &result))
      return context.error("an integer of 64 bits", "a larger one");
  }
  return Value::integer(result);
}

absl::StatusOr<Value> integerArithmetic(absl::string_view op, int64_t a, int64_t b,
                                        const Context &context) {
  int64_t result = 0;
  bool overflow = false;
  if ((op == "/" || op == "//" || op == "%") && b == 0)
    return context.error("a divisor that is not zero", "zero");
  if (op == "/")
    return Value::number(double(a) / double(b));
  if (op == "+")
    overflow = __builtin_add_overflow(a, b, &result);
  else if (op == "-")
    overflow = __builtin_sub_overflow(a, b, &result);
  else if (op == "*")
    overflow = __builtin_mul_overflow(a, b, &result);
  else if (op == "**" && b >= 0)
    return integerPower(a, b, context);
  else if (op == "**")
    return Value::number(std::pow(double(a), double(b)));
  else if (a == INT64_MIN && b == -1)
    overflow = true;
  else
    result = op == "//" ? floorDivide(a, b) : a - floorDivide(a, b) * b;
  if (overflow)
    return context.error("an integer of 64 bits", "a larger one");
  return Value::integer(result);
}

absl::StatusOr<Value> realArithmetic(absl::string_view op, double a, double b,
                                     const Context &context) {
  if ((op == "/" || op == "//" || op == "%") && b == 0)
    return context.error("a divisor that is not zero", "zero");
  double floored = std::floor(a / b);
  return Value::number(op == "+"    ? a + b
                       : op == "-"  ? a - b
                       : op == "*"  ? a * b
                       : op == "/"  ? a / b
                       : op == "//" ? floored
                       : op == "%"  ? a - floored * b
                                    : std::pow(a, b));
}

absl::StatusOr<bool> contains(const Value &item, const Value &container, Context &context) {
  STC_RETURN_IF_ERROR(context.charge(container.weight()));
  if (container.isString() && item.isString())
    return absl::StrContains(container.toString(), item.toString());
  if (container.isList())
    return std::find(container.toList().begin(), container.toList().end(), item) !=
           container.toList().end();
  if (container.isMap() || container.kind() == Value::Kind::Namespace)
    return item.isString() && container.find(item.toString());
  if (container.isUndefined())
    return false;
  return context.error("a list, a mapping, or a string to look for a string in",
                       container.describe());
}

} // namespace

absl::StatusOr<Value> applyBinary(absl::string_view op, const Value &left, const Value &right,
                                  Context &context) {
  if (op == "~")
    return context.string(absl::StrCat(left.str(), right.str()));
  if (op == "+" && left.isString() && right.isString())
    return context.string(left.toString() + right.toString());
  if (op == "+" && left.isList() && right.isList()) {
    List items = left.toList();
    items.insert(items.end(), right.toList().begin(), right.toList().end());
    return context.list(std::move(items));
  }
  if (op == "*" && (left.isString() || left.isList()) && right.isInteger())
    return repeat(left, right.toInteger(), context);
  if (op == "*" && (right.isString() || right.isList()) && left.isInteger())
    return repeat(right, left.toInteger(), context);
  if (left.isInteger() && right.isInteger())
    return integerArithmetic(op, left.toInteger(), right.toInteger(), context);
  if (left.isNumber() && right.isNumber())
    return realArithmetic(op, left.toNumber(), right.toNumber(), context);
  return operandError(op, left, right, context);
}

absl::StatusOr<bool> applyComparison(absl::string_view op, const Value &left, const Value &right,
                                     Context &context) {
  if (op == "in")
    return contains(left, right, context);
  if (op == "not in") {
    STC_ASSIGN_OR_RETURN(bool found, contains(left, right, context));
    return !found;
  }
  STC_RETURN_IF_ERROR(context.charge(std::min(left.weight(), right.weight())));
  if (op == "==" || op == "!=")
    return (left == right) == (op == "==");
  std::optional<int> order = compare(left, right);
  if (!order)
    return operandError(op, left, right, context);
  return op == "<" ? *order < 0 : op == ">" ? *order > 0 : op == "<=" ? *order <= 0 : *order >= 0;
}

absl::StatusOr<Value> member(const Value &object, absl::string_view name, const Context &context) {
  if (object.isUndefined())
    return context.error(absl::StrCat("a value with a member '", printable(name), "'"),
                         object.describe());
  const Value *found = object.find(name);
  return found ? *found : Value::undefined(std::string(name));
}

absl::StatusOr<Value> subscript(const Value &object, const Value &key, Context &context) {
  if (key.isString())
    return member(object, key.toString(), context);
  if (object.isUndefined())
    return context.error("a value with elements", object.describe());
  if (!key.isInteger() || !(object.isList() || object.isString()))
    return Value::undefined(key.str());
  std::vector<absl::string_view> characters;
  if (object.isString()) {
    STC_RETURN_IF_ERROR(context.charge(object.weight()));
    characters = charactersOf(object.toString());
  }
  int64_t size = int64_t(object.isList() ? object.toList().size() : characters.size());
  int64_t index = key.toInteger() < 0 ? key.toInteger() + size : key.toInteger();
  if (index < 0 || index >= size)
    return Value::undefined(absl::StrCat("element ", key.toInteger()));
  return object.isList() ? object.toList()[size_t(index)]
                         : Value::string(std::string(characters[size_t(index)]));
}

absl::StatusOr<Value> slice(const Value &object, const Value &start, const Value &stop,
                            const Value &step, Context &context) {
  if (!object.isList() && !object.isString())
    return context.error("a list or a string to cut from", object.describe());
  for (const Value *part : {&start, &stop, &step})
    if (!part->isNone() && !part->isInteger())
      return context.error("integers or nothing between the colons", part->describe());
  STC_ASSIGN_OR_RETURN(List items, context.elements(object));
  int64_t size = int64_t(items.size()), stride = step.isNone() ? 1 : step.toInteger();
  if (stride == 0)
    return context.error("a step that is not zero", "zero");
  // As Python's slice.indices: from the end if negative, and clamped.
  int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
  auto place = [&](const Value &part, int64_t fallback) {
    if (part.isNone())
      return fallback;
    int64_t at = part.toInteger();
    return std::clamp(at < 0 ? at + size : at, low, high);
  };
  int64_t from = place(start, stride > 0 ? low : high), to = place(stop, stride > 0 ? high : low);
  List chosen;
  std::string text;
  for (int64_t at = from; stride > 0 ? at < to : at > to;) {
    if (object.isList())
      chosen.push_back(items[size_t(at)]);
    else
      text += items[size_t(at)].toString();
    if (__builtin_add_overflow(at, stride, &at))
      break;
  }
  return object.isList() ? context.list(std::move(chosen)) : context.string(std::move(text));
}

} // namespace stc::jinja
