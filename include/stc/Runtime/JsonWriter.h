// JSON output of the runtime's commands: objects and arrays written in order, always valid.
#ifndef STC_RUNTIME_JSONWRITER_H
#define STC_RUNTIME_JSONWRITER_H

#include "absl/strings/string_view.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// `text` as a JSON string with its quotes; malformed UTF-8 becomes U+FFFD.
std::string quoteJson(absl::string_view text);

/// Builds one JSON value. In objects every value is given with its key; in arrays and at the top
/// the key is empty and ignored.
class JsonWriter {
public:
  void beginObject(absl::string_view key = "") { open(key, '{'); }
  void endObject() { close('}'); }
  void beginArray(absl::string_view key = "") { open(key, '['); }
  void endArray() { close(']'); }
  void string(absl::string_view key, absl::string_view value);
  void integer(absl::string_view key, int64_t value);
  /// Ten significant digits; infinities and NaN, which JSON lacks, become null.
  void number(absl::string_view key, double value);
  void boolean(absl::string_view key, bool value);
  void null(absl::string_view key);
  const std::string &text() const { return output; }

private:
  void separate(absl::string_view key);
  void open(absl::string_view key, char bracket);
  void close(char bracket);
  std::string output;
  struct Level {
    bool object, empty;
  };
  std::vector<Level> levels;
};

} // namespace stc

#endif // STC_RUNTIME_JSONWRITER_H
