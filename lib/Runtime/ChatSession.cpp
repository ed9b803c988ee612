// Conversations: rendering, encoding, and what of the KV cache stays.
#include "stc/Runtime/ChatSession.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include <algorithm>

namespace stc {

namespace {

using TokenType = TokenizerSpec::TokenType;

/// A code point that no text has (a noncharacter, U+FDD0), to tell text from special tokens.
constexpr absl::string_view kMark = "\xEF\xB7\x90";

bool isSpecial(const TokenizerSpec::Token &token) {
  return (token.type == TokenType::Control || token.type == TokenType::Unknown) &&
         !token.text.empty();
}

std::string textOf(const TokenizerSpec &spec, int64_t id) {
  return id >= 0 ? spec.tokens[size_t(id)].text : std::string();
}

/// `text` with a mark inside every special token's text.
std::string markSpecial(absl::string_view text, const TokenizerSpec &spec) {
  std::string marked = absl::StrReplaceAll(text, {{kMark, ""}});
  for (const TokenizerSpec::Token &token : spec.tokens) {
    if (!isSpecial(token) || marked.find(token.text) == std::string::npos)
      continue;
    size_t first = std::max<size_t>(1, decodeUtf8(token.text, 0).length);
    std::string broken = token.text;
    broken.insert(first, kMark.data(), kMark.size());
    marked = absl::StrReplaceAll(marked, {{token.text, broken}});
  }
  return marked;
}

} // namespace

absl::StatusOr<std::unique_ptr<ChatSession>> ChatSession::create(Model &model, std::string system) {
  STC_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, model.requireTokenizer());
  const std::string &text = model.settings().chatTemplate;
  if (text.empty())
    return formatError({model.path(), "chat_template", {}},
                       "a chat template (from tokenizer_config.json or GGUF)",
                       "none (the model was compiled from a checkpoint without)");
  std::unique_ptr<ChatSession> chat(new ChatSession(model, *tokenizer));
  STC_ASSIGN_OR_RETURN(chat->chat, ChatTemplate::parse(text, model.path()));
  STC_ASSIGN_OR_RETURN(chat->session, Session::create(model));
  chat->settings.bosToken = textOf(tokenizer->spec(), tokenizer->spec().bos);
  chat->settings.eosToken = textOf(tokenizer->spec(), tokenizer->spec().eos);
  if (!system.empty())
    chat->conversation.push_back({"system", std::move(system)});
  chat->turnEnd = chat->findTurnEnd();
  return chat;
}

absl::StatusOr<std::vector<int32_t>> ChatSession::encode(absl::Span<const ChatMessage> messages,
                                                         bool beginAnswer) const {
  std::vector<ChatMessage> marked;
  for (const ChatMessage &message : messages)
    marked.push_back({message.role, markSpecial(message.content, tokenizer.spec())});
  ChatSettings wanted = settings;
  wanted.addGenerationPrompt = beginAnswer;
  STC_ASSIGN_OR_RETURN(std::string text, chat->render(marked, wanted));
  // The template writes the special tokens itself, the one at the beginning included.
  Tokenizer::EncodeOptions options;
  options.addSpecial = false;
  options.parseSpecial = true;
  options.mark = kMark;
  return tokenizer.encode(text, options);
}

/// Compares what the template makes of an answer with what comes before: the special token that
/// stands behind the answer.
int32_t ChatSession::findTurnEnd() const {
  const std::string answer = "7391";
  ChatSettings wanted = settings;
  wanted.addGenerationPrompt = false;
  absl::StatusOr<std::string> text = chat->render({{"user", "1"}, {"assistant", answer}}, wanted);
  if (!text.ok())
    return -1; // what it refuses is said when it matters
  size_t end = text->rfind(answer);
  if (end == std::string::npos)
    return -1;
  Tokenizer::EncodeOptions options;
  options.addSpecial = false;
  options.parseSpecial = true;
  absl::StatusOr<std::vector<int32_t>> rest =
      tokenizer.encode(absl::string_view(*text).substr(end + answer.size()), options);
  if (!rest.ok())
    return -1;
  for (int32_t id : *rest) {
    if (isSpecial(tokenizer.spec().tokens[size_t(id)]))
      return id;
    std::string piece = tokenizer.piece(id);
    if (piece.find_first_not_of(" \n") != std::string::npos)
      return -1;
  }
  return -1;
}

/// The conversation as tokens, without the oldest messages if the context has no room for them. The
/// system's message stays; what is left begins with a message of the user.
absl::StatusOr<std::vector<int32_t>> ChatSession::encodeFitting(int64_t &forgotten) {
  while (true) {
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, encode(conversation, true));
    if (int64_t(ids.size()) < session->maxContext())
      return ids;
    size_t first = conversation.front().role == "system" ? 1 : 0, next = first + 1;
    while (next < conversation.size() && conversation[next].role != "user")
      ++next;
    if (next >= conversation.size())
      return formatError({"", "message", {}},
                         absl::StrCat("fewer than ", session->maxContext(),
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
    // At least one token is fed, for the logits after it.
    size_t common = 0;
    while (common < read.size() && common + 1 < ids.size() && read[common] == ids[common])
      ++common;
    session->rewind(int64_t(common));
    read.resize(common);
    turn.reusedTokens = int64_t(common);
    if (turnEnd >= 0)
      options.endTokens.push_back(turnEnd);
    std::vector<int32_t> answer;
    STC_ASSIGN_OR_RETURN(turn.result,
                         generate(*session, sampler, absl::MakeConstSpan(ids).subspan(common),
                                  options, [&](int32_t token) {
                                    answer.push_back(token);
                                    return emit(token);
                                  }));
    ids.insert(ids.end(), answer.begin(), answer.end());
    // Interrupted while reading, or without the last token chosen.
    ids.resize(size_t(session->position()));
    read = std::move(ids);
    return turn;
  };
  absl::StatusOr<Turn> result = generateAnswer();
  if (!result.ok()) {
    conversation = std::move(before);
    session->reset();
    read.clear();
  }
  return result;
}

void ChatSession::addAnswer(std::string text) {
  conversation.push_back({"assistant", std::move(text)});
}

} // namespace stc
