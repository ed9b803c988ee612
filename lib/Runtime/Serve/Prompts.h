// What requests give the model to read, as tokens.
#ifndef STC_LIB_RUNTIME_SERVE_PROMPTS_H
#define STC_LIB_RUNTIME_SERVE_PROMPTS_H

#include "stc/Runtime/ChatEncoder.h"
#include "stc/Runtime/Serve/OpenAiRequests.h"

namespace stc {

/// A text as the model begins it.
struct TextBeginning {
  std::vector<int32_t> source; // what the encoder of an encoder-decoder reads; empty of others
  std::vector<int32_t> ids;
  std::string text;       // of the prompt
  bool isMidText = false; // `ids` have text, which goes on
  std::vector<int32_t> endTokens;
};

/// Errors of all calls name the field of the request.
class Prompts {
public:
  /// `model` must outlive it. Errors: those of OpenAiService::create.
  static absl::StatusOr<std::unique_ptr<Prompts>> create(const Model &model);

  /// An error unless a request is for this model, or for whichever there is.
  absl::Status checkModel(const std::string &name) const;
  /// The beginnings of the texts that a request asks for: one for every prompt.
  absl::StatusOr<std::vector<TextBeginning>> read(const TextRequest &request) const;
  /// A text to be embedded.
  absl::StatusOr<std::vector<int32_t>> readWhole(const TextOrTokens &text) const;

private:
  explicit Prompts(const Model &model) : model(model) {}
  absl::StatusOr<std::vector<int32_t>> tokensOf(const TextOrTokens &text, bool isWhole) const;
  absl::StatusOr<TextBeginning> readPrompt(const TextOrTokens &prompt) const;
  absl::StatusOr<TextBeginning> readChat(absl::Span<const ChatMessage> messages) const;

  const Model &model;
  absl::StatusOr<std::unique_ptr<ChatEncoder>> chat = absl::UnknownError("");
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_PROMPTS_H
