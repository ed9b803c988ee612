// A conversation with a model: written by its chat template, with as much of the KV cache kept as
// still fits.
#ifndef STC_RUNTIME_CHATSESSION_H
#define STC_RUNTIME_CHATSESSION_H

#include "stc/Runtime/ChatEncoder.h"
#include "stc/Runtime/TextMemory.h"

namespace stc {

/// Each turn renders the whole conversation, and feeds only what the session has not read: the
/// tokens after the longest common beginning. Text of special tokens inside of messages stays text.
class ChatSession {
public:
  /// `system`, if not empty, becomes the first message. Errors: a model without a tokenizer or a
  /// chat template, or with a template that cannot be parsed.
  static absl::StatusOr<std::unique_ptr<ChatSession>> create(Model &model, std::string system);

  /// What one turn took.
  struct Turn {
    GenerateResult result;
    int64_t reusedTokens = 0;      // that the session had read before
    int64_t forgottenMessages = 0; // the oldest ones, which the context had no room for
  };
  /// Adds the user's message and generates the answer token by token, up to the end of the turn.
  /// Afterwards `addAnswer` says what became of it. Errors leave the conversation without the
  /// message: what the template refuses, a message that the context does not hold, or one of
  /// `emit`.
  absl::StatusOr<Turn> ask(std::string message, Sampler &sampler, GenerateOptions options,
                           absl::FunctionRef<absl::Status(int32_t token)> emit);
  /// Adds the model's answer as it was shown.
  void addAnswer(std::string text);

  const std::vector<ChatMessage> &messages() const { return conversation; }
  /// ChatEncoder::endOfTurn.
  int32_t endOfTurn() const { return encoder->endOfTurn(); }

private:
  explicit ChatSession(Model &model) : model(model) {}
  absl::StatusOr<std::vector<int32_t>> encodeFitting(int64_t &forgotten);

  Model &model;
  std::unique_ptr<ChatEncoder> encoder;
  std::unique_ptr<TextMemory> memory;
  std::vector<ChatMessage> conversation;
};

} // namespace stc

#endif // STC_RUNTIME_CHATSESSION_H
