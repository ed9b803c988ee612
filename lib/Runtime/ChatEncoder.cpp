// Conversations as tokens, by a model's chat template.
#include "stc/Runtime/ChatEncoder.h"

#include "stc/Support/Utf8.h"

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

absl::StatusOr<std::unique_ptr<ChatEncoder>> ChatEncoder::create(const Model &model) {
  STC_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, model.requireTokenizer());
  const std::string &text = model.settings().chatTemplate;
  if (text.empty())
    return formatError({model.path(), "chat_template", {}},
                       "a chat template (from tokenizer_config.json or GGUF)",
                       "none (the model was compiled from a checkpoint without)");
  std::unique_ptr<ChatEncoder> encoder(new ChatEncoder(*tokenizer));
  STC_ASSIGN_OR_RETURN(encoder->chat, ChatTemplate::parse(text, model.path()));
  encoder->settings.bosToken = textOf(tokenizer->spec(), tokenizer->spec().bos);
  encoder->settings.eosToken = textOf(tokenizer->spec(), tokenizer->spec().eos);
  encoder->turnEnd = encoder->findTurnEnd();
  return encoder;
}

absl::StatusOr<std::vector<int32_t>> ChatEncoder::encode(absl::Span<const ChatMessage> messages,
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
int32_t ChatEncoder::findTurnEnd() const {
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

} // namespace stc
