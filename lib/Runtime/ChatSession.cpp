// Conversations: what of the KV cache stays.
#include "stc/Runtime/ChatSession.h"

#include "absl/strings/str_cat.h"

namespace stc {

absl::StatusOr<std::unique_ptr<ChatSession>> ChatSession::create(Model &model, std::string system) {
  std::unique_ptr<ChatSession> chat(new ChatSession(model));
  STC_ASSIGN_OR_RETURN(chat->encoder, ChatEncoder::create(model));
  STC_ASSIGN_OR_RETURN(chat->memory, TextMemory::create(model));
  if (!system.empty())
    chat->conversation.push_back({"system", std::move(system)});
  return chat;
}

/// The conversation as tokens, without the oldest messages if the context has no room for them. The
/// system's message stays; what is left begins with a message of the user.
absl::StatusOr<std::vector<int32_t>> ChatSession::encodeFitting(int64_t &forgotten) {
  while (true) {
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, encoder->encode(conversation, true));
    if (int64_t(ids.size()) < memory->session().maxContext())
      return ids;
    size_t first = conversation.front().role == "system" ? 1 : 0, next = first + 1;
    while (next < conversation.size() && conversation[next].role != "user")
      ++next;
    if (next >= conversation.size())
      return formatError({"", "message", {}},
                         absl::StrCat("fewer than ", memory->session().maxContext(),
                                      " tokens (the context this model was compiled for)"),
                         absl::StrCat(ids.size(), " with what the chat template adds"));
    forgotten += int64_t(next - first);
    conversation.erase(conversation.begin() + long(first), conversation.begin() + long(next));
  }
}

absl::StatusOr<ChatSession::Turn>
ChatSession::ask(std::string message, Sampler &sampler, GenerateOptions options,
                 absl::FunctionRef<absl::Status(int32_t token)> emit) {
  Turn turn;
  std::vector<ChatMessage> before = conversation;
  conversation.push_back({"user", std::move(message)});
  auto generateAnswer = [&]() -> absl::StatusOr<Turn> {
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, encodeFitting(turn.forgottenMessages));
    if (ids.empty())
      return formatError({model.path(), "chat_template", {}}, "a text for the model to continue",
                         "nothing");
    turn.reusedTokens = memory->keepBeginning(ids);
    if (endOfTurn() >= 0)
      options.endTokens.push_back(endOfTurn());
    STC_ASSIGN_OR_RETURN(turn.result, memory->generate(sampler, std::move(ids), options, emit));
    return turn;
  };
  absl::StatusOr<Turn> result = generateAnswer();
  if (!result.ok()) {
    conversation = std::move(before);
    memory->forget();
  }
  return result;
}

void ChatSession::addAnswer(std::string text) {
  conversation.push_back({"assistant", std::move(text)});
}

} // namespace stc
