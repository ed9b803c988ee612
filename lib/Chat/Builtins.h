// What templates can call: filters, tests, methods, functions and operators.
#ifndef STC_LIB_CHAT_BUILTINS_H
#define STC_LIB_CHAT_BUILTINS_H

#include "Ast.h"

#include "absl/types/span.h"

namespace stc::jinja {

/// The arguments of a call.
struct Arguments {
  List positional;
  Map named;
  /// The argument at `index` or called `name`; nullptr if it is left out.
  const Value *find(size_t index, absl::string_view name) const;
};

/// Where a template is at work, and what it may still cost. Every node costs something and every
/// string its length, so that loops and growing strings come to an end.
class Context {
public:
  Context(const std::string &file, uint64_t work) : file(file), work(work) {}

  int line = 0;
  absl::Status error(absl::string_view expected, absl::string_view got) const {
    return templateError(file, line, expected, got);
  }
  absl::Status charge(uint64_t cost);
  /// New values, paid for and not too large or too deeply nested.
  absl::StatusOr<Value> string(std::string text);
  absl::StatusOr<Value> list(List items);
  absl::StatusOr<Value> map(Map items);
  /// An error unless all arguments are among `names`, in their order where not named.
  absl::Status checkArguments(absl::string_view function, const Arguments &arguments,
                              std::initializer_list<absl::string_view> names) const;
  /// What a loop over `value` visits. Error: it is nothing that can be visited.
  absl::StatusOr<List> elements(const Value &value);

private:
  absl::StatusOr<Value> checked(Value value, uint64_t cost);
  const std::string &file;
  uint64_t work;
};

absl::StatusOr<Value> applyFilter(absl::string_view name, const Value &input,
                                  const Arguments &arguments, Context &context);
absl::StatusOr<bool> applyTest(absl::string_view name, const Value &input,
                               const Arguments &arguments, Context &context);
absl::StatusOr<Value> applyBinary(absl::string_view op, const Value &left, const Value &right,
                                  Context &context);
/// One of == != < > <= >= in, not in.
absl::StatusOr<bool> applyComparison(absl::string_view op, const Value &left, const Value &right,
                                     Context &context);
absl::StatusOr<Value> callBuiltin(Builtin builtin, const Arguments &arguments, Context &context);
/// A method of a string, a list or a map. Error: there is none of this name.
absl::StatusOr<Value> callMethod(const Value &object, absl::string_view name,
                                 const Arguments &arguments, Context &context);
/// `object.name` and `object[key]`; undefined where there is none.
absl::StatusOr<Value> member(const Value &object, absl::string_view name, const Context &context);
absl::StatusOr<Value> subscript(const Value &object, const Value &key, Context &context);
/// `object[start:stop:step]`; parts left out are none.
absl::StatusOr<Value> slice(const Value &object, const Value &start, const Value &stop,
                            const Value &step, Context &context);

} // namespace stc::jinja

#endif // STC_LIB_CHAT_BUILTINS_H
