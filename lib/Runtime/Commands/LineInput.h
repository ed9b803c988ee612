// Lines that the user types.
#ifndef STC_LIB_RUNTIME_COMMANDS_LINEINPUT_H
#define STC_LIB_RUNTIME_COMMANDS_LINEINPUT_H

#include <optional>
#include <string>

namespace stc {

/// One line of standard input without its newline; nothing at the end of the input or after Ctrl-C.
std::optional<std::string> readLine();

} // namespace stc

#endif // STC_LIB_RUNTIME_COMMANDS_LINEINPUT_H
