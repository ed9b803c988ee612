// Conversations as tokens, by a model's chat template.
#ifndef STC_RUNTIME_CHATENCODER_H
#define STC_RUNTIME_CHATENCODER_H

#include "stc/Chat/ChatTemplate.h"
#include "stc/Runtime/Model.h"

namespace stc {

/// Text of special tokens inside of messages stays text: only the template writes such tokens.
class ChatEncoder {
public:
  /// `model` must outlive the encoder. Errors: a model without a tokenizer or a chat template, or
  /// with a template that cannot be parsed.
  static absl::StatusOr<std::unique_ptr<ChatEncoder>> create(const Model &model);

  /// The tokens of a conversation; with `beginAnswer` those that begin the model's turn follow.
  /// Errors: what the template refuses.
  absl::StatusOr<std::vector<int32_t>> encode(absl::Span<const ChatMessage> messages,
                                              bool beginAnswer) const;
  /// The token that ends the model's turn by the template (where it is not an end of text): what
  /// follows an answer; -1 if that is no special token.
  int32_t endOfTurn() const { return turnEnd; }

private:
  explicit ChatEncoder(const Tokenizer &tokenizer) : tokenizer(tokenizer) {}
  int32_t findTurnEnd() const;

  const Tokenizer &tokenizer;
  std::unique_ptr<ChatTemplate> chat;
  ChatSettings settings;
  int32_t turnEnd = -1;
};

} // namespace stc

#endif // STC_RUNTIME_CHATENCODER_H
