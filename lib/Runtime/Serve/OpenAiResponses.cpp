// The fields that clients of OpenAI's API read.
#include "stc/Runtime/Serve/OpenAiResponses.h"

#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Serve/OpenAiRequests.h"
#include "stc/Support/Utf8.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <cstring>
#include <set>

namespace stc {

namespace {

void writeUsage(JsonWriter &json, const Usage &usage) {
  json.beginObject("usage");
  json.integer("prompt_tokens", usage.promptTokens);
  json.integer("completion_tokens", usage.completionTokens);
  json.integer("total_tokens", usage.promptTokens + usage.completionTokens);
  json.beginObject("prompt_tokens_details");
  json.integer("cached_tokens", usage.cachedTokens);
  json.endObject();
  json.endObject();
}

/// Begins the object of an answer or of an event.
JsonWriter begin(const AnswerHead &head, bool isEvent) {
  JsonWriter json;
  json.beginObject();
  json.string("id", head.id);
  json.string("object", !head.isChat ? "text_completion"
                        : isEvent    ? "chat.completion.chunk"
                                     : "chat.completion");
  json.integer("created", head.created);
  json.string("model", head.model);
  return json;
}

/// A token as completions name it: of one that is only a part of a character, the bytes.
std::string nameOf(const std::string &bytes) {
  if (isValidUtf8(bytes))
    return bytes;
  std::string name = "bytes:";
  for (char byte : bytes)
    absl::StrAppendFormat(&name, "\\x%02x", uint8_t(byte));
  return name;
}

/// The most likely tokens by their names, the one that came among them. Several may have one name:
/// the most likely of them counts.
void writeLikely(JsonWriter &json, const WrittenToken &token) {
  json.beginObject();
  std::set<std::string> seen;
  auto write = [&](const LikelyToken &likely) {
    if (seen.insert(nameOf(likely.bytes)).second)
      json.number(nameOf(likely.bytes), likely.logProb);
  };
  for (const LikelyToken &likely : token.likely)
    write(likely);
  write(token);
  json.endObject();
}

/// Lists side by side, as completions have them.
void writeLogProbLists(JsonWriter &json, const std::vector<WrittenToken> &tokens) {
  bool hasLikely = false;
  json.beginArray("tokens");
  for (const WrittenToken &token : tokens) {
    json.string("", nameOf(token.bytes));
    hasLikely |= !token.likely.empty();
  }
  json.endArray();
  json.beginArray("token_logprobs");
  for (const WrittenToken &token : tokens)
    json.number("", token.logProb); // null of NaN
  json.endArray();
  if (hasLikely) {
    json.beginArray("top_logprobs");
    for (const WrittenToken &token : tokens)
      if (token.likely.empty())
        json.null("");
      else
        writeLikely(json, token);
    json.endArray();
  } else {
    json.null("top_logprobs");
  }
  json.beginArray("text_offset");
  for (const WrittenToken &token : tokens)
    json.integer("", token.offset);
  json.endArray();
}

void writeChatToken(JsonWriter &json, const LikelyToken &token) {
  json.string("token", token.bytes);
  json.number("logprob", token.logProb);
  json.beginArray("bytes");
  for (char byte : token.bytes)
    json.integer("", uint8_t(byte));
  json.endArray();
}

/// A list of objects, as chats have it.
void writeLogProbObjects(JsonWriter &json, const std::vector<WrittenToken> &tokens) {
  json.beginArray("content");
  for (const WrittenToken &token : tokens) {
    json.beginObject();
    writeChatToken(json, token);
    json.beginArray("top_logprobs");
    for (const LikelyToken &likely : token.likely) {
      json.beginObject();
      writeChatToken(json, likely);
      json.endObject();
    }
    json.endArray();
    json.endObject();
  }
  json.endArray();
  json.null("refusal");
}

/// What a choice says in an answer or in an event.
enum class Part { Whole, First, Text, Last };

void writeChoice(JsonWriter &json, bool isChat, const Choice &choice, Part part) {
  json.beginObject();
  json.integer("index", choice.index);
  if (isChat) {
    json.beginObject(part == Part::Whole ? "message" : "delta");
    if (part == Part::Whole || part == Part::First)
      json.string("role", "assistant");
    if (part != Part::Last)
      json.string("content", choice.text);
    json.endObject();
  } else {
    json.string("text", choice.text);
  }
  if (choice.hasLogProbs && part != Part::First) {
    json.beginObject("logprobs");
    isChat ? writeLogProbObjects(json, choice.tokens) : writeLogProbLists(json, choice.tokens);
    json.endObject();
  } else {
    json.null("logprobs");
  }
  if (choice.reason.empty())
    json.null("finish_reason");
  else
    json.string("finish_reason", choice.reason);
  json.endObject();
}

std::string event(absl::string_view data) { return absl::StrCat("data: ", data, "\n\n"); }

std::string choiceEvent(const AnswerHead &head, const Choice &choice, Part part) {
  JsonWriter json = begin(head, /*isEvent=*/true);
  json.beginArray("choices");
  writeChoice(json, head.isChat, choice, part);
  json.endArray();
  if (head.streamsUsage)
    json.null("usage");
  json.endObject();
  return event(json.text());
}

std::string base64Of(const std::vector<float> &values) {
  static_assert(sizeof(float) == 4, "as the API has them");
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return absl::Base64Escape(bytes);
}

void writeModel(JsonWriter &json, const std::string &model, int64_t created) {
  json.beginObject();
  json.string("id", model);
  json.string("object", "model");
  json.integer("created", created);
  json.string("owned_by", "stc");
  json.endObject();
}

int httpStatus(absl::StatusCode code) {
  switch (code) {
  case absl::StatusCode::kInvalidArgument:
    return 400;
  case absl::StatusCode::kUnauthenticated:
    return 401;
  case absl::StatusCode::kNotFound:
    return 404;
  case absl::StatusCode::kUnimplemented:
    return 405;
  case absl::StatusCode::kFailedPrecondition:
    return 415;
  case absl::StatusCode::kUnavailable:
    return 503;
  default:
    return 500;
  }
}

} // namespace

std::string finishReason(StopReason reason, bool stopped) {
  bool isFull = reason == StopReason::TokenLimit || reason == StopReason::ContextFull;
  return isFull && !stopped ? "length" : "stop";
}

std::string textAnswer(const AnswerHead &head, absl::Span<const Choice> choices,
                       const Usage &usage) {
  JsonWriter json = begin(head, /*isEvent=*/false);
  json.beginArray("choices");
  for (const Choice &choice : choices)
    writeChoice(json, head.isChat, choice, Part::Whole);
  json.endArray();
  writeUsage(json, usage);
  json.endObject();
  return json.text();
}

std::string firstEvent(const AnswerHead &head, int64_t index) {
  Choice nothing;
  nothing.index = index;
  return head.isChat ? choiceEvent(head, nothing, Part::First) : "";
}

std::string textEvent(const AnswerHead &head, const Choice &piece) {
  return choiceEvent(head, piece, Part::Text);
}

std::string lastEvent(const AnswerHead &head, const Choice &ended) {
  return choiceEvent(head, ended, Part::Last);
}

std::string usageEvent(const AnswerHead &head, const Usage &usage) {
  JsonWriter json = begin(head, /*isEvent=*/true);
  json.beginArray("choices");
  json.endArray();
  writeUsage(json, usage);
  json.endObject();
  return event(json.text());
}

std::string endOfEvents() { return event("[DONE]"); }

std::string errorEvent(const absl::Status &status) { return event(errorAnswer(status).body); }

std::string embeddingAnswer(const std::string &model,
                            const std::vector<std::vector<float>> &vectors, bool isBase64,
                            int64_t tokens) {
  JsonWriter json;
  json.beginObject();
  json.string("object", "list");
  json.beginArray("data");
  for (size_t i = 0; i < vectors.size(); ++i) {
    json.beginObject();
    json.string("object", "embedding");
    json.integer("index", int64_t(i));
    if (isBase64) {
      json.string("embedding", base64Of(vectors[i]));
    } else {
      json.beginArray("embedding");
      for (float value : vectors[i])
        json.number("", double(value));
      json.endArray();
    }
    json.endObject();
  }
  json.endArray();
  json.string("model", model);
  json.beginObject("usage");
  json.integer("prompt_tokens", tokens);
  json.integer("total_tokens", tokens);
  json.endObject();
  json.endObject();
  return json.text();
}

std::string modelList(const std::string &model, int64_t created) {
  JsonWriter json;
  json.beginObject();
  json.string("object", "list");
  json.beginArray("data");
  writeModel(json, model, created);
  json.endArray();
  json.endObject();
  return json.text();
}

std::string modelEntry(const std::string &model, int64_t created) {
  JsonWriter json;
  writeModel(json, model, created);
  return json.text();
}

HttpAnswer errorAnswer(const absl::Status &status) {
  int http = httpStatus(status.code());
  ErrorNames names = errorNames(status);
  JsonWriter json;
  json.beginObject();
  json.beginObject("error");
  json.string("message", status.message());
  json.string("type", http < 500 ? "invalid_request_error" : "server_error");
  for (const auto &[key, value] : {std::pair("param", names.field), std::pair("code", names.code)})
    if (value.empty())
      json.null(key);
    else
      json.string(key, value);
  json.endObject();
  json.endObject();
  HttpAnswer answer{http, json.text()};
  if (http == 401)
    answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (http == 503) // by then some of those who wait have their answers
    answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

} // namespace stc
