// Reads lines byte by byte, so that nothing is taken that a later reader should see.
#include "LineInput.h"

#include "TextOutput.h"

#include <cerrno>
#include <unistd.h>

namespace stc {

std::optional<std::string> readLine() {
  std::string line;
  while (true) {
    char c;
    ssize_t count = ::read(STDIN_FILENO, &c, 1);
    if (count < 0 && errno == EINTR && !InterruptGuard::flag())
      continue;
    if (count <= 0)
      return line.empty() || InterruptGuard::flag() ? std::nullopt : std::make_optional(line);
    if (c == '\n')
      return line;
    line += c;
  }
}

} // namespace stc
