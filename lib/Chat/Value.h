// The values of template expressions, with the meaning Python gives them.
#ifndef STC_LIB_CHAT_VALUE_H
#define STC_LIB_CHAT_VALUE_H

#include "absl/strings/string_view.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace stc::jinja {

struct Node;
class Value;
using List = std::vector<Value>;
using Map = std::vector<std::pair<std::string, Value>>; // in the order of insertion

/// What templates can call without an object before it.
enum class Builtin { Range, Namespace, RaiseException, StrftimeNow, Dict };

/// An immutable value; copies share strings, lists and maps. Only a namespace changes.
class Value {
public:
  enum class Kind {
    Undefined, // a name or member that does not exist
    None,
    Bool,
    Integer,
    Double,
    String,
    List, // tuples are lists
    Map,
    Namespace,
    Builtin,
    Macro
  };

  Value() = default;
  static Value none() { return Value(std::monostate()); }
  static Value undefined(std::string name) { return Value(Undefined{std::move(name)}); }
  static Value boolean(bool value) { return Value(value); }
  static Value integer(int64_t value) { return Value(value); }
  static Value number(double value) { return Value(value); }
  static Value string(std::string value) {
    return Value(std::make_shared<const std::string>(std::move(value)));
  }
  static Value list(List value);
  static Value map(Map value);
  static Value names(Map value) { return Value(std::make_shared<Names>(Names{std::move(value)})); }
  static Value builtin(Builtin value) { return Value(value); }
  static Value macro(const Node *value) { return Value(value); }

  Kind kind() const { return Kind(data.index()); }
  bool isUndefined() const { return kind() == Kind::Undefined; }
  bool isNone() const { return kind() == Kind::None; }
  bool isString() const { return kind() == Kind::String; }
  bool isList() const { return kind() == Kind::List; }
  bool isMap() const { return kind() == Kind::Map; }
  /// Whether Python would compute with it: booleans count as 0 and 1.
  bool isInteger() const { return kind() == Kind::Integer || kind() == Kind::Bool; }
  bool isNumber() const { return isInteger() || kind() == Kind::Double; }

  // Each only for its kind.
  int64_t toInteger() const {
    return kind() == Kind::Bool ? int64_t(std::get<bool>(data)) : std::get<int64_t>(data);
  }
  double toNumber() const {
    return kind() == Kind::Double ? std::get<double>(data) : double(toInteger());
  }
  const std::string &toString() const { return **std::get_if<Shared<std::string>>(&data); }
  const List &toList() const { return (*std::get_if<Shared<Container<List>>>(&data))->items; }
  const Map &toMap() const { return (*std::get_if<Shared<Container<Map>>>(&data))->items; }
  Map &toNames() const { return (*std::get_if<std::shared_ptr<Names>>(&data))->members; }
  Builtin toBuiltin() const { return std::get<Builtin>(data); }
  const Node *toMacro() const { return std::get<const Node *>(data); }
  /// The name that was not found.
  const std::string &undefinedName() const { return std::get<Undefined>(data).name; }

  /// The member of a map or namespace; nullptr if there is none.
  const Value *find(absl::string_view key) const;

  /// How many bytes it takes written out (about), shared parts counted wherever they stand; and how
  /// deep lists and maps are nested in it. Both are to be bounded where values are made.
  uint64_t weight() const;
  int depth() const;

  bool isTrue() const;
  /// What `{{ value }}` prints, and Python's repr (the form inside printed lists).
  std::string str() const;
  std::string repr() const;
  /// JSON as Python's json.dumps writes it without ensure_ascii; `indent` < 0: on one line. Nothing
  /// for values JSON lacks.
  std::optional<std::string> json(int indent) const;
  /// What errors call it: "a string", "a list of 2" ...
  std::string describe() const;

  /// Equality across kinds; 1 == 1.0 == true.
  friend bool operator==(const Value &a, const Value &b);

private:
  struct Undefined {
    std::string name;
  };
  struct Names {
    Map members;
  };
  template <typename T> struct Container {
    T items;
    uint64_t weight = 0;
    int depth = 1;
  };
  template <typename T> using Shared = std::shared_ptr<const T>;
  // In the order of Kind.
  using Data = std::variant<Undefined, std::monostate, bool, int64_t, double, Shared<std::string>,
                            Shared<Container<List>>, Shared<Container<Map>>, std::shared_ptr<Names>,
                            Builtin, const Node *>;
  explicit Value(Data data) : data(std::move(data)) {}
  bool appendJson(std::string &text, int indent, int depth) const;
  Data data;
};

/// -1, 0 or 1 for two numbers, two strings or two lists; nothing for values without an order (NaN
/// among them).
std::optional<int> compare(const Value &a, const Value &b);

} // namespace stc::jinja

#endif // STC_LIB_CHAT_VALUE_H
