// Standard output with every write checked.
#include "stc/Runtime/Output.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace stc {

absl::Status Output::write(absl::string_view text) {
  constexpr size_t bufferBytes = 1 << 16;
  buffer.append(text.data(), text.size());
  return buffer.size() < bufferBytes ? absl::OkStatus() : flush();
}

absl::Status Output::flush() {
  absl::string_view rest = buffer;
  while (!rest.empty()) {
    ssize_t wrote = ::write(descriptor, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0) {
      int error = wrote < 0 ? errno : ENOSPC;
      buffer.clear(); // reported once, not again by every later write
      return formatError({name, "", {}}, "a complete write", std::strerror(error));
    }
    rest.remove_prefix(size_t(wrote));
  }
  buffer.clear();
  return absl::OkStatus();
}

absl::Status print(absl::string_view text) {
  Output output;
  STC_RETURN_IF_ERROR(output.write(text));
  return output.flush();
}

absl::Status printLine(absl::string_view text) { return print(absl::StrCat(text, "\n")); }

} // namespace stc
