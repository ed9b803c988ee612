// Standard output with every write checked: a full disk or a closed pipe is an error, not a loss.
#ifndef STC_RUNTIME_OUTPUT_H
#define STC_RUNTIME_OUTPUT_H

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include <string>

namespace stc {

/// Buffers text for a file descriptor it does not own.
class Output {
public:
  explicit Output(int descriptor, std::string name)
      : descriptor(descriptor), name(std::move(name)) {}
  /// Standard output.
  Output() : Output(1, "standard output") {}
  absl::Status write(absl::string_view text);
  absl::Status flush();

private:
  const int descriptor;
  const std::string name;
  std::string buffer;
};

/// Writes `text` to standard output.
absl::Status print(absl::string_view text);
/// Writes `text` and a newline to standard output.
absl::Status printLine(absl::string_view text);

} // namespace stc

#endif // STC_RUNTIME_OUTPUT_H
