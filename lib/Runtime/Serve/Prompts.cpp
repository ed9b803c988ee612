// From a request to tokens, within what the model's context holds.
#include "Prompts.h"

#include "stc/Runtime/Generate.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

/// Errors unless from 1 to `most` tokens are read.
absl::Status checkLength(const std::string &field, size_t tokens, int64_t most) {
  if (tokens > 0 && int64_t(tokens) <= most)
    return absl::OkStatus();
  return requestError(
      field, absl::StrCat("1 to ", most, " tokens (the context this model was compiled for)"),
      absl::StrCat(tokens), tokens > 0 ? "context_length_exceeded" : "");
}

} // namespace

absl::StatusOr<std::unique_ptr<Prompts>> Prompts::create(const Model &model) {
  const ModelSettings &settings = model.settings();
  bool readsText = !model.image() && settings.featureSize == 0;
  if (!readsText || (settings.kind == ModelKind::EncoderDecoder && settings.decoderStart < 0))
    return formatError({model.path(), "model", {}},
                       "a decoder, an encoder of texts, or an encoder-decoder of texts with a "
                       "token that its decoder begins with",
                       absl::StrCat("one of kind ", modelKindName(settings.kind),
                                    model.image() ? " that reads images"
                                    : readsText   ? " without such a token"
                                                  : " that reads sound"));
  STC_RETURN_IF_ERROR(model.requireTokenizer().status());
  std::unique_ptr<Prompts> prompts(new Prompts(model));
  // A model without a chat template says so when a chat is asked for.
  prompts->chat = ChatEncoder::create(model);
  return prompts;
}

absl::Status Prompts::checkModel(const std::string &name) const {
  const std::string &own = model.settings().name;
  if (name.empty() || name == own)
    return absl::OkStatus();
  return withErrorNames(
      absl::NotFoundError(formatError({"", "model", {}}, own, printable(name)).message()), "model",
      "model_not_found");
}

/// `isWhole`: with the token that ends a text, which encoders read.
absl::StatusOr<std::vector<int32_t>> Prompts::tokensOf(const TextOrTokens &text,
                                                       bool isWhole) const {
  if (const auto *tokens = std::get_if<std::vector<int32_t>>(&text))
    return *tokens;
  const std::string &characters = std::get<std::string>(text);
  return isWhole ? model.tokenizer()->encode(characters, {})
                 : encodePrompt(*model.tokenizer(), characters);
}

absl::StatusOr<TextBeginning> Prompts::readChat(absl::Span<const ChatMessage> messages) const {
  if (!chat.ok())
    return withErrorNames(chat.status(), "messages", "");
  TextBeginning beginning;
  absl::StatusOr<std::vector<int32_t>> ids = (*chat)->encode(messages, true);
  if (!ids.ok())
    return withErrorNames(ids.status(), "messages", "");
  beginning.ids = *std::move(ids);
  // There has to be room for an answer.
  STC_RETURN_IF_ERROR(
      checkLength("messages", beginning.ids.size(), model.settings().maxContext - 1));
  if ((*chat)->endOfTurn() >= 0)
    beginning.endTokens.push_back((*chat)->endOfTurn());
  return beginning;
}

absl::StatusOr<TextBeginning> Prompts::readPrompt(const TextOrTokens &prompt) const {
  const ModelSettings &settings = model.settings();
  bool hasEncoder = settings.kind == ModelKind::EncoderDecoder;
  TextBeginning beginning;
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokensOf(prompt, hasEncoder));
  STC_RETURN_IF_ERROR(checkLength("prompt", ids.size(),
                                  hasEncoder ? settings.encoderContext : settings.maxContext));
  if (hasEncoder) {
    beginning.source = std::move(ids);
    beginning.ids.push_back(int32_t(settings.decoderStart));
    return beginning;
  }
  if (const auto *text = std::get_if<std::string>(&prompt)) {
    beginning.text = *text;
  } else {
    // A token outside the vocabulary is reported by the session, with its position.
    absl::StatusOr<std::string> decoded = model.tokenizer()->decode(ids);
    beginning.text = decoded.ok() ? *std::move(decoded) : "";
  }
  beginning.isMidText = !beginning.text.empty();
  beginning.ids = std::move(ids);
  return beginning;
}

absl::StatusOr<std::vector<TextBeginning>> Prompts::read(const TextRequest &request) const {
  std::vector<TextBeginning> beginnings;
  STC_RETURN_IF_ERROR(model.require(request.isChat ? Ability::Continue : Ability::Write));
  if (request.isChat) {
    STC_ASSIGN_OR_RETURN(beginnings.emplace_back(), readChat(request.messages));
    return beginnings;
  }
  if (request.echoes && model.settings().kind == ModelKind::EncoderDecoder)
    return requestError("echo", "false, as this model's text does not go on with the prompt",
                        "true");
  for (const TextOrTokens &prompt : request.prompts) {
    STC_ASSIGN_OR_RETURN(beginnings.emplace_back(), readPrompt(prompt));
  }
  return beginnings;
}

absl::StatusOr<std::vector<int32_t>> Prompts::readWhole(const TextOrTokens &text) const {
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokensOf(text, /*isWhole=*/true));
  STC_RETURN_IF_ERROR(checkLength("input", ids.size(), model.settings().maxContext));
  return ids;
}

} // namespace stc
