// The generation loop: prompt in, tokens out, one at a time, until something ends the text.
#ifndef STC_RUNTIME_GENERATE_H
#define STC_RUNTIME_GENERATE_H

#include "stc/Runtime/GrammarConstraint.h"
#include "stc/Runtime/Sampler.h"
#include "stc/Runtime/Session.h"

#include <atomic>
#include <vector>

namespace stc {

/// Why a text ended.
enum class StopReason { EndOfText, TokenLimit, ContextFull, Stopped, Done };

struct GenerateOptions {
  int64_t maxTokens = 128;
  bool ignoreEndOfText = false;
  /// Ends the text early when it becomes true (Ctrl-C); may be null.
  const std::atomic<bool> *stop = nullptr;
  /// The same, for `emit` to set when it has what it wanted (a stop sequence); may be null.
  const bool *done = nullptr;
  /// Further tokens that end the text (the end of a turn).
  std::vector<int32_t> endTokens;
  /// What the text has to follow, begun anew by the caller; it ends where that is complete. May be
  /// null.
  GrammarConstraint *grammar = nullptr;
};

struct GenerateResult {
  StopReason reason = StopReason::TokenLimit;
  int64_t promptTokens = 0, tokens = 0;
  double promptSeconds = 0, decodeSeconds = 0;
  /// Chosen tokens that the session has not read (at most one): what a later prompt begins with.
  std::vector<int32_t> unread;
};

/// The ids of a prompt: those that begin a text, none that end it. Error: no token at all.
absl::StatusOr<std::vector<int32_t>> encodePrompt(const Tokenizer &tokenizer,
                                                  absl::string_view text);

/// Feeds `prompt` to `session` and then the tokens `sampler` chooses. Every token is handed to
/// `emit`; an error it returns ends the call. An end-of-text token is not emitted unless ignored.
absl::StatusOr<GenerateResult> generate(Session &session, Sampler &sampler,
                                        absl::Span<const int32_t> prompt,
                                        const GenerateOptions &options,
                                        absl::FunctionRef<absl::Status(int32_t token)> emit);

} // namespace stc

#endif // STC_RUNTIME_GENERATE_H
