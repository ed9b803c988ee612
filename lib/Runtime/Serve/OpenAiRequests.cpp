// From JSON to what the runtime is asked for.
#include "stc/Runtime/Serve/OpenAiRequests.h"

#include "RequestFields.h"

#include "stc/Grammar/JsonSchema.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace stc {

namespace {

constexpr int kDeepest = 64;
constexpr size_t kMostStops = 16, kMostInputs = 2048;
constexpr int64_t kMostChoices = 128, kMostLogProbs = 20;
constexpr absl::string_view kFieldUrl = "stc/field", kCodeUrl = "stc/code";

/// {"token id": number}, as JSON has no other keys.
absl::Status readBiases(RequestFields &fields, SamplerOptions &options) {
  const Json *value = fields.take("logit_bias");
  if (!value)
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(RequestFields biases, RequestFields::of(*value, "logit_bias"));
  for (const auto &member : value->items()) {
    int32_t token = -1;
    if (!absl::SimpleAtoi(member.key(), &token) || token < 0)
      return fields.error("logit_bias", "token ids as keys", printable(member.key(), 40));
    STC_ASSIGN_OR_RETURN(double bias, biases.number(member.key(), 0, -100, 100));
    options.biases.emplace_back(token, bias);
  }
  return absl::OkStatus();
}

absl::Status readSampling(RequestFields &fields, SamplerOptions &options) {
  constexpr double large = 1e6;
  STC_ASSIGN_OR_RETURN(options.temperature,
                       fields.number("temperature", options.temperature, 0, large));
  STC_ASSIGN_OR_RETURN(options.topP, fields.number("top_p", options.topP, 0, 1));
  STC_ASSIGN_OR_RETURN(options.minP, fields.number("min_p", options.minP, 0, 1));
  STC_ASSIGN_OR_RETURN(std::optional<int64_t> topK, fields.integer("top_k", 0, INT32_MAX));
  options.topK = topK.value_or(options.topK);
  // The same by two names that are in use.
  const char *penalties[] = {"repeat_penalty", "repetition_penalty"};
  for (const char *name : penalties) {
    STC_ASSIGN_OR_RETURN(options.repeatPenalty,
                         fields.number(name, options.repeatPenalty, 1e-3, 1e3));
  }
  if (fields.take(penalties[0]) && fields.take(penalties[1]))
    return fields.error(penalties[0], "no repetition_penalty beside it", "both");
  STC_ASSIGN_OR_RETURN(options.frequencyPenalty, fields.number("frequency_penalty", 0, -2, 2));
  STC_ASSIGN_OR_RETURN(options.presencePenalty, fields.number("presence_penalty", 0, -2, 2));
  return readBiases(fields, options);
}

absl::Status readLengths(RequestFields &fields, TextRequest &request) {
  const char *names[] = {"max_tokens", "max_completion_tokens"};
  // No text at all is of use where the prompt's own tokens are asked for.
  int64_t least = request.echoes ? 0 : 1;
  for (const char *name : names) {
    STC_ASSIGN_OR_RETURN(std::optional<int64_t> most, fields.integer(name, least, INT32_MAX));
    if (most)
      request.maxTokens = most;
  }
  return fields.take(names[0]) && fields.take(names[1])
             ? fields.error(names[0], "no max_completion_tokens beside it", "both")
             : absl::OkStatus();
}

absl::Status readStops(RequestFields &fields, std::vector<std::string> &stops) {
  const Json *value = fields.take("stop");
  if (!value)
    return absl::OkStatus();
  const char *expected = "a text, or a list of up to 16";
  if (value->is_array() ? value->size() > kMostStops : !value->is_string())
    return fields.mismatch("stop", expected, *value);
  for (const Json &stop : value->is_array() ? *value : Json::array({*value})) {
    if (!stop.is_string() || stop.get_ref<const std::string &>().empty())
      return fields.mismatch("stop", expected, stop);
    stops.push_back(stop.get<std::string>());
  }
  return absl::OkStatus();
}

/// "response_format" and "grammar".
absl::Status readForm(RequestFields &fields, TextRequest &request) {
  STC_ASSIGN_OR_RETURN(request.grammar, fields.text("grammar"));
  const Json *value = fields.take("response_format");
  if (!value)
    return absl::OkStatus();
  if (!request.grammar.empty())
    return fields.error("grammar", "no response_format beside it", "both");
  STC_ASSIGN_OR_RETURN(RequestFields form, RequestFields::of(*value, "response_format"));
  STC_ASSIGN_OR_RETURN(std::string type, form.text("type"));
  request.isJson = type == "json_object";
  if (type == "json_schema") {
    STC_ASSIGN_OR_RETURN(const Json *named, form.require("json_schema", "an object"));
    const std::string place = "response_format.json_schema";
    STC_ASSIGN_OR_RETURN(RequestFields schema, RequestFields::of(*named, place));
    schema.ignore({"name", "description", "strict"});
    STC_ASSIGN_OR_RETURN(const Json *rules, schema.require("schema", "a JSON schema"));
    absl::StatusOr<std::string> grammar =
        grammarOfSchema(rules->dump(-1, ' ', false, Json::error_handler_t::replace), place);
    if (!grammar.ok())
      return withErrorNames(grammar.status(), place, "");
    request.grammar = *std::move(grammar);
    STC_RETURN_IF_ERROR(schema.expectNoOthers());
  } else if (type != "text" && type != "json_object") {
    return form.error("type", "text, json_object or json_schema",
                      type.empty() ? "none" : printable(type, 40));
  }
  return form.expectNoOthers();
}

absl::Status readStreaming(RequestFields &fields, TextRequest &request) {
  STC_ASSIGN_OR_RETURN(request.streams, fields.boolean("stream", false));
  const Json *value = fields.take("stream_options");
  if (!value)
    return absl::OkStatus();
  if (!request.streams)
    return fields.error("stream_options", "stream to be true beside it", "no stream");
  STC_ASSIGN_OR_RETURN(RequestFields options, RequestFields::of(*value, "stream_options"));
  STC_ASSIGN_OR_RETURN(request.streamsUsage, options.boolean("include_usage", false));
  options.ignore({"include_obfuscation"});
  return options.expectNoOthers();
}

/// Ids below 2^31; whether the vocabulary has them is the session's to say.
bool areTokens(const Json &value) {
  if (!value.is_array() || value.empty())
    return false;
  for (const Json &id : value)
    if (!id.is_number_unsigned() || id.get<uint64_t>() > uint64_t(INT32_MAX))
      return false;
  return true;
}

/// One text or more: a string, a list of token ids, or a list of such.
absl::StatusOr<std::vector<TextOrTokens>> readTexts(RequestFields &fields,
                                                    const std::string &name) {
  const char *expected = "a text, a list of token ids, or a list of such";
  STC_ASSIGN_OR_RETURN(const Json *value, fields.require(name, expected));
  auto one = [](const Json &item) -> std::optional<TextOrTokens> {
    if (item.is_string())
      return item.get<std::string>();
    if (areTokens(item))
      return item.get<std::vector<int32_t>>();
    return std::nullopt;
  };
  if (std::optional<TextOrTokens> single = one(*value))
    return std::vector<TextOrTokens>{*std::move(single)};
  if (!value->is_array() || value->empty())
    return fields.mismatch(name, expected, *value);
  if (value->size() > kMostInputs)
    return fields.mismatch(name, absl::StrCat("at most ", kMostInputs, " texts"), *value);
  std::vector<TextOrTokens> texts;
  for (const Json &item : *value) {
    std::optional<TextOrTokens> text = one(item);
    if (!text)
      return fields.error(name, expected, absl::StrCat("a list with ", describe(item)));
    texts.push_back(*std::move(text));
  }
  return texts;
}

/// A message's content: a string, or parts that are texts.
absl::StatusOr<std::string> readContent(RequestFields &fields) {
  STC_ASSIGN_OR_RETURN(const Json *content,
                       fields.require("content", "a text, or a list of texts"));
  if (content->is_string())
    return content->get<std::string>();
  if (!content->is_array())
    return fields.mismatch("content", "a text, or a list of texts", *content);
  std::string text;
  for (const Json &item : *content) {
    STC_ASSIGN_OR_RETURN(RequestFields part, RequestFields::of(item, "messages.content"));
    STC_ASSIGN_OR_RETURN(std::string type, part.text("type"));
    if (type != "text")
      return part.error("type", "text, as nothing else is supported", printable(type, 40));
    STC_ASSIGN_OR_RETURN(std::string piece, part.text("text"));
    STC_RETURN_IF_ERROR(part.expectNoOthers());
    absl::StrAppend(&text, piece);
  }
  return text;
}

absl::Status readMessages(RequestFields &fields, std::vector<ChatMessage> &messages) {
  STC_ASSIGN_OR_RETURN(const Json *value, fields.require("messages", "a list of messages"));
  if (!value->is_array() || value->empty())
    return fields.mismatch("messages", "a list of messages", *value);
  for (const Json &item : *value) {
    STC_ASSIGN_OR_RETURN(RequestFields message, RequestFields::of(item, "messages"));
    STC_ASSIGN_OR_RETURN(std::string role, message.text("role"));
    if (role == "developer")
      role = "system";
    if (role != "system" && role != "user" && role != "assistant")
      return message.error("role", "system, developer, user or assistant",
                           role.empty() ? "none" : printable(role, 40));
    STC_ASSIGN_OR_RETURN(std::string content, readContent(message));
    message.ignore({"name"});
    STC_RETURN_IF_ERROR(message.expectNoOthers());
    messages.push_back({std::move(role), std::move(content)});
  }
  return absl::OkStatus();
}

/// Completions as OpenAI had them before chats.
absl::Status readCompletion(RequestFields &fields, TextRequest &request) {
  STC_ASSIGN_OR_RETURN(request.prompts, readTexts(fields, "prompt"));
  if (request.prompts.size() * size_t(request.choices) > kMostInputs)
    return fields.error("n", absl::StrCat("at most ", kMostInputs, " texts in all"),
                        absl::StrCat(request.prompts.size() * size_t(request.choices)));
  STC_RETURN_IF_ERROR(fields.expectOnly("best_of", request.choices));
  STC_RETURN_IF_ERROR(fields.expectOnly("suffix", ""));
  STC_ASSIGN_OR_RETURN(request.echoes, fields.boolean("echo", false));
  if (const Json *value = fields.take("logprobs"); value && *value == false)
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(request.logProbs, fields.integer("logprobs", 0, kMostLogProbs));
  return absl::OkStatus();
}

absl::Status readChat(RequestFields &fields, TextRequest &request) {
  STC_RETURN_IF_ERROR(readMessages(fields, request.messages));
  fields.ignore({"parallel_tool_calls"});
  STC_RETURN_IF_ERROR(fields.expectOnly("tools", Json::array()));
  STC_RETURN_IF_ERROR(fields.expectOnly("tool_choice", "none"));
  STC_RETURN_IF_ERROR(fields.expectOnly("modalities", Json::array({"text"})));
  STC_ASSIGN_OR_RETURN(bool hasLogProbs, fields.boolean("logprobs", false));
  STC_ASSIGN_OR_RETURN(std::optional<int64_t> top,
                       fields.integer("top_logprobs", 0, kMostLogProbs));
  if (top.value_or(0) > 0 && !hasLogProbs)
    return fields.error("top_logprobs", "logprobs to be true beside it", "no logprobs");
  if (hasLogProbs)
    request.logProbs = top.value_or(0);
  return absl::OkStatus();
}

/// The body's value and its fields, which refer to it.
absl::StatusOr<Json> parseBody(absl::string_view body) {
  absl::StatusOr<Json> document = parseStrictJson(body, {"", "body", {}}, kDeepest);
  if (!document.ok())
    return withErrorNames(document.status(), "body", "");
  return document;
}

/// Who asks, and the like.
void ignoreCommon(RequestFields &fields) {
  fields.ignore(
      {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"});
}

} // namespace

absl::Status withErrorNames(absl::Status status, absl::string_view field, absl::string_view code) {
  if (!field.empty())
    status.SetPayload(kFieldUrl, absl::Cord(field));
  if (!code.empty())
    status.SetPayload(kCodeUrl, absl::Cord(code));
  return status;
}

ErrorNames errorNames(const absl::Status &status) {
  auto name = [&](absl::string_view url) {
    auto payload = status.GetPayload(url);
    return payload ? std::string(*payload) : "";
  };
  return {name(kFieldUrl), name(kCodeUrl)};
}

absl::Status requestError(const std::string &field, absl::string_view expected,
                          absl::string_view got, absl::string_view code) {
  return withErrorNames(formatError({"", field, {}}, expected, got), field, code);
}

absl::StatusOr<TextRequest> parseTextRequest(absl::string_view body, bool isChat) {
  STC_ASSIGN_OR_RETURN(Json document, parseBody(body));
  STC_ASSIGN_OR_RETURN(RequestFields fields, RequestFields::of(document));
  TextRequest request;
  request.isChat = isChat;
  STC_ASSIGN_OR_RETURN(request.model, fields.text("model"));
  STC_ASSIGN_OR_RETURN(std::optional<int64_t> choices, fields.integer("n", 1, kMostChoices));
  request.choices = choices.value_or(1);
  STC_RETURN_IF_ERROR(isChat ? readChat(fields, request) : readCompletion(fields, request));
  STC_RETURN_IF_ERROR(readSampling(fields, request.sampling));
  STC_ASSIGN_OR_RETURN(std::optional<int64_t> seed, fields.integer("seed", 0, INT64_MAX));
  if (seed)
    request.seed = uint64_t(*seed);
  STC_RETURN_IF_ERROR(readLengths(fields, request));
  STC_RETURN_IF_ERROR(readStops(fields, request.stops));
  STC_RETURN_IF_ERROR(readForm(fields, request));
  STC_RETURN_IF_ERROR(readStreaming(fields, request));
  STC_ASSIGN_OR_RETURN(request.reusesPrompt, fields.boolean("cache_prompt", true));
  ignoreCommon(fields);
  STC_RETURN_IF_ERROR(fields.expectNoOthers());
  return request;
}

absl::StatusOr<EmbeddingRequest> parseEmbeddingRequest(absl::string_view body) {
  STC_ASSIGN_OR_RETURN(Json document, parseBody(body));
  STC_ASSIGN_OR_RETURN(RequestFields fields, RequestFields::of(document));
  EmbeddingRequest request;
  STC_ASSIGN_OR_RETURN(request.model, fields.text("model"));
  STC_ASSIGN_OR_RETURN(request.inputs, readTexts(fields, "input"));
  STC_ASSIGN_OR_RETURN(std::string form, fields.text("encoding_format"));
  if (!form.empty() && form != "float" && form != "base64")
    return fields.error("encoding_format", "float or base64", printable(form, 40));
  request.isBase64 = form == "base64";
  ignoreCommon(fields);
  STC_RETURN_IF_ERROR(fields.expectNoOthers());
  return request;
}

} // namespace stc
