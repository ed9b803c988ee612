// The fields of a JSON object, taken one by one.
#ifndef STC_LIB_RUNTIME_SERVE_REQUESTFIELDS_H
#define STC_LIB_RUNTIME_SERVE_REQUESTFIELDS_H

#include "stc/Grammar/StrictJson.h"

#include <optional>
#include <set>

namespace stc {

using Json = nlohmann::ordered_json;

/// A value, cut to what fits a message.
std::string describe(const Json &value);

/// Each getter takes a field; null is as good as none. In the end `expectNoOthers` finds those that
/// nobody took. Errors name the field behind `prefix`.
class RequestFields {
public:
  /// `object` must outlive it. Error: it is no object.
  static absl::StatusOr<RequestFields> of(const Json &object, std::string prefix = "");

  /// The value, or nullptr where there is none or null.
  const Json *take(const std::string &name);
  /// The same, or an error that says what was expected.
  absl::StatusOr<const Json *> require(const std::string &name, absl::string_view expected);
  absl::StatusOr<std::optional<int64_t>> integer(const std::string &name, int64_t min, int64_t max);
  absl::StatusOr<double> number(const std::string &name, double fallback, double min, double max);
  absl::StatusOr<bool> boolean(const std::string &name, bool fallback);
  absl::StatusOr<std::string> text(const std::string &name);
  /// An error unless the field is missing or `value`, the only one there is support for.
  absl::Status expectOnly(const std::string &name, const Json &value);
  /// Takes fields that change nothing about an answer.
  void ignore(const std::vector<std::string> &names);
  absl::Status expectNoOthers() const;

  absl::Status error(const std::string &name, absl::string_view expected,
                     absl::string_view got) const;
  /// The same where a value is of the wrong type or out of range.
  absl::Status mismatch(const std::string &name, absl::string_view expected, const Json &got) const;

private:
  RequestFields(const Json &object, std::string prefix)
      : object(object), prefix(std::move(prefix)) {}
  const Json &object;
  std::string prefix;
  std::set<std::string> taken;
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_REQUESTFIELDS_H
