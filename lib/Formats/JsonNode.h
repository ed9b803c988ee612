// A JSON value together with its place in the file, so that every complaint says where.
#ifndef STC_LIB_FORMATS_JSONNODE_H
#define STC_LIB_FORMATS_JSONNODE_H

#include "stc/Support/Json.h"

namespace stc {

/// A cheap cursor; the value and the file name must outlive it. An absent member is a node too, so
/// that chains of look-ups need no checks in between.
class JsonNode {
public:
  JsonNode(const JsonValue *value, const std::string &file, std::string path = {})
      : value(value), file(&file), path(std::move(path)) {}

  /// Neither absent nor null.
  bool present() const { return value && !value->isNull(); }
  /// The member `key`; absent if there is none.
  JsonNode operator[](absl::string_view key) const;
  /// The element at `index`, which must exist.
  JsonNode operator[](size_t index) const;
  /// A member already at hand, without searching for it.
  JsonNode child(const JsonValue::Member &member) const;
  const JsonValue &get() const { return *value; }

  /// The value of the member `type`, or an empty text.
  absl::string_view type() const;
  absl::Status checkObject() const;
  /// The elements of the array; an absent one has none.
  absl::StatusOr<size_t> arraySize() const;
  absl::StatusOr<std::string> toString() const;
  absl::StatusOr<int64_t> toInteger() const;
  /// `fallback` when absent.
  absl::StatusOr<bool> toBool(bool fallback) const;

  /// An error at this place, which tells what stands there.
  absl::Status error(absl::string_view expected) const;
  absl::Status error(absl::string_view expected, absl::string_view got) const;

private:
  const JsonValue *value;
  const std::string *file;
  std::string path;
};

} // namespace stc

#endif // STC_LIB_FORMATS_JSONNODE_H
