// The generation loop: prompt in, tokens out, one at a time, until something ends the text.
#ifndef STC_RUNTIME_GENERATE_H
#define STC_RUNTIME_GENERATE_H

#include "stc/Runtime/GrammarConstraint.h"
#include "stc/Runtime/Sampler.h"
#include "stc/Runtime/Session.h"

#include <atomic>
#include <chrono>
#include <memory>
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

/// A text that is read and written turn by turn, so that several can be in the making at once, each
/// in a session of its own. No turn is longer than a chunk of the prompt takes.
class Generation {
public:
  using Emit = absl::FunctionRef<absl::Status(int32_t token)>;
  /// `session`, `sampler` and what `options` points to must outlive it. Errors: no prompt, or one
  /// that the context has no room for.
  static absl::StatusOr<std::unique_ptr<Generation>> create(Session &session, Sampler &sampler,
                                                            absl::Span<const int32_t> prompt,
                                                            GenerateOptions options);
  /// Takes a turn: reads a chunk of the prompt, or (after its last one too) chooses a token and
  /// hands it to `emit`, an error of which ends the text. Returns whether there is more to come.
  absl::StatusOr<bool> advance(Emit emit);
  /// So far, and of the whole text after the last turn.
  const GenerateResult &result() const { return outcome; }
  /// For `emit`: the model's own logits, of which the token was chosen.
  absl::Span<const float> logits() const { return modelLogits; }

private:
  Generation(Session &session, Sampler &sampler, absl::Span<const int32_t> prompt,
             GenerateOptions options);
  bool isStopped() const;
  bool end(StopReason reason);
  absl::StatusOr<bool> readPrompt();
  absl::StatusOr<bool> chooseToken(Emit emit);
  absl::Span<const float> possibleLogits();

  Session &session;
  Sampler &sampler;
  const std::vector<int32_t> prompt;
  const GenerateOptions options;
  std::vector<int32_t> ends; // tokens that end the text
  size_t promptRead = 0;
  std::chrono::steady_clock::time_point since; // the beginning of the prompt, or of the text
  absl::Span<const float> modelLogits;
  std::vector<float> possible, allowed; // what is left of them
  GenerateResult outcome;
};

/// Feeds `prompt` to `session` and then the tokens `sampler` chooses. Every token is handed to
/// `emit`; an error it returns ends the call. An end-of-text token is not emitted unless ignored.
absl::StatusOr<GenerateResult> generate(Session &session, Sampler &sampler,
                                        absl::Span<const int32_t> prompt,
                                        const GenerateOptions &options, Generation::Emit emit);

} // namespace stc

#endif // STC_RUNTIME_GENERATE_H
