// Writing a text together with the model, line by line, on a terminal.
#ifndef STC_LIB_RUNTIME_COMMANDS_INTERACTIVE_H
#define STC_LIB_RUNTIME_COMMANDS_INTERACTIVE_H

#include "stc/Runtime/Generate.h"

namespace stc {

/// Reads lines from standard input until it ends (Ctrl-D); the model continues each. Ctrl-C ends
/// the model's turn, or the program when it is the user's. Each text ends before the first of
/// `stops`.
absl::Status runInteractive(Model &model, const SamplerOptions &sampling, GenerateOptions options,
                            uint64_t seed, std::vector<std::string> stops = {});

} // namespace stc

#endif // STC_LIB_RUNTIME_COMMANDS_INTERACTIVE_H
