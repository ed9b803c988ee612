// Strict JSON for untrusted input, on simdjson: duplicate keys, deep nesting, bad UTF-8, trailing
// bytes and numbers that do not fit are errors, never surprises.
#ifndef STC_SUPPORT_JSON_H
#define STC_SUPPORT_JSON_H

#include "stc/Support/Error.h"

#include "absl/functional/function_ref.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stc {

/// An immutable parsed JSON value. Integers that fit int64 are kept exactly; other numbers are
/// finite doubles.
class JsonValue {
public:
  enum class Kind { Null, Bool, Integer, Double, String, Array, Object };
  using Member = std::pair<std::string, JsonValue>;

  Kind kind = Kind::Null;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0; // also set for Integer
  std::string string;
  std::vector<JsonValue> array;
  std::vector<Member> object; // in file order

  bool isNull() const { return kind == Kind::Null; }
  bool isString() const { return kind == Kind::String; }
  bool isInteger() const { return kind == Kind::Integer; }
  bool isNumber() const { return kind == Kind::Integer || kind == Kind::Double; }
  bool isArray() const { return kind == Kind::Array; }
  bool isObject() const { return kind == Kind::Object; }
  /// The member called `key`, or nullptr (also when this is no object). Constant time for large
  /// objects is not promised; iterate `object` to visit many.
  const JsonValue *find(absl::string_view key) const;
};

/// Parses `text` (whole, UTF-8). `file` names the source in errors. Nesting is limited to
/// `maxDepth`; duplicate keys within one object are an error, and so is text that would need far
/// more memory as values than it has bytes (48 MiB + 8 times its size).
absl::StatusOr<JsonValue> parseJson(absl::string_view text, const std::string &file,
                                    int maxDepth = 64);

/// Parses `text`, whose root must be an object, and hands its members to `visit` one at a time, so
/// that a large object never exists as a whole. Keys are unique; an error of `visit` ends it.
absl::Status
parseJsonObject(absl::string_view text, const std::string &file, int maxDepth,
                absl::FunctionRef<absl::Status(const std::string &, const JsonValue &)> visit);

/// `value` as JSON text that parses to the same value, in lines indented by two spaces per level.
std::string jsonText(const JsonValue &value);

/// `text` as a JSON string literal with its quotes. Invalid UTF-8 becomes U+FFFD.
std::string jsonQuote(absl::string_view text);

} // namespace stc

#endif // STC_SUPPORT_JSON_H
