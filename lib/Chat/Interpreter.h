// Runs the syntax tree of a template.
#ifndef STC_LIB_CHAT_INTERPRETER_H
#define STC_LIB_CHAT_INTERPRETER_H

#include "Builtins.h"

namespace stc::jinja {

/// Writes what `block` makes of the variables `globals`. `work` bounds what it may cost (see
/// Context); `file` names the template in errors.
absl::StatusOr<std::string> interpret(const Node &block, Map globals, uint64_t work,
                                      const std::string &file);

} // namespace stc::jinja

#endif // STC_LIB_CHAT_INTERPRETER_H
