// A conversation on standard input and output.
#ifndef STC_LIB_RUNTIME_COMMANDS_CHAT_H
#define STC_LIB_RUNTIME_COMMANDS_CHAT_H

#include "stc/Runtime/Generate.h"

#include <optional>
#include <string>
#include <vector>

namespace stc {

struct ChatOptions {
  std::string system;
  std::optional<std::string> message; // the only one; otherwise each line of standard input is one
  std::vector<std::string> stops;
  bool quiet = false; // no summaries on standard error
};

/// Answers message after message. On a terminal an error in one turn is shown and the conversation
/// goes on; otherwise it ends.
absl::Status runChat(Model &model, const ChatOptions &chat, const SamplerOptions &sampling,
                     GenerateOptions options, uint64_t seed);

} // namespace stc

#endif // STC_LIB_RUNTIME_COMMANDS_CHAT_H
