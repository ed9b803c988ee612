// Requests of OpenAI's API: what is read, and what is refused by name.
#include "stc/Runtime/Serve/OpenAiRequests.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

TextRequest completion(const std::string &fields) {
  auto request = parseTextRequest(absl::StrCat("{\"prompt\": \"x\"", fields, "}"), false);
  EXPECT_TRUE(request.ok()) << request.status();
  return request.ok() ? *request : TextRequest();
}

/// Expects an error about `field` whose message has `text`.
void expectRefusal(const std::string &body, const std::string &field, const std::string &text,
                   bool isChat = false) {
  auto request = parseTextRequest(body, isChat);
  ASSERT_FALSE(request.ok()) << body;
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(errorNames(request.status()).field, field) << request.status();
  EXPECT_THAT(std::string(request.status().message()), HasSubstr(text)) << body;
}

void expectRefused(const std::string &fields, const std::string &field, const std::string &text) {
  expectRefusal(absl::StrCat("{\"prompt\": \"x\", ", fields, "}"), field, text);
}

void expectChatRefused(const std::string &messages, const std::string &field,
                       const std::string &text) {
  expectRefusal(absl::StrCat("{\"messages\": ", messages, "}"), field, text, /*isChat=*/true);
}

TEST(OpenAiRequests, ReadsEveryFieldOfACompletion) {
  TextRequest request = completion(
      R"(, "model": "m", "temperature": 0, "top_k": 3, "top_p": 0.5, "min_p": 0.25,
      "repeat_penalty": 1.5, "seed": 9223372036854775807, "max_tokens": 7, "stop": ["a", "b"],
      "grammar": "root ::= \"x\"", "stream": true, "stream_options": {"include_usage": true},
      "cache_prompt": false, "n": 1, "echo": false, "logprobs": null, "frequency_penalty": 0.0,
      "presence_penalty": 0, "logit_bias": {}, "best_of": 1, "suffix": "", "user": "me")");
  EXPECT_FALSE(request.isChat);
  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(std::get<std::string>(request.prompts.front()), "x");
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(request.sampling.topK, 3);
  EXPECT_EQ(request.sampling.topP, 0.5);
  EXPECT_EQ(request.sampling.minP, 0.25);
  EXPECT_EQ(request.sampling.repeatPenalty, 1.5);
  EXPECT_EQ(request.seed, uint64_t(INT64_MAX));
  EXPECT_EQ(request.maxTokens, 7);
  EXPECT_THAT(request.stops, ElementsAre("a", "b"));
  EXPECT_EQ(request.grammar, "root ::= \"x\"");
  EXPECT_TRUE(request.streams);
  EXPECT_TRUE(request.streamsUsage);
  EXPECT_FALSE(request.reusesPrompt);
}

TEST(OpenAiRequests, WhatIsMissingOrNullIsAsRunHasIt) {
  for (const char *fields : {"", R"(, "temperature": null, "stop": null, "seed": null,
      "max_tokens": null, "response_format": null, "stream_options": null, "tools": null)"}) {
    TextRequest request = completion(fields);
    SamplerOptions own;
    EXPECT_EQ(request.sampling.temperature, own.temperature);
    EXPECT_EQ(request.sampling.topK, own.topK);
    EXPECT_EQ(request.sampling.repeatPenalty, 1);
    EXPECT_FALSE(request.seed || request.maxTokens || request.streams || request.isJson);
    EXPECT_TRUE(request.stops.empty() && request.grammar.empty() && request.model.empty());
    EXPECT_TRUE(request.reusesPrompt);
  }
}

TEST(OpenAiRequests, PromptsAreTextsOrTokens) {
  auto promptOf = [](const std::string &prompt) {
    auto request = parseTextRequest(absl::StrCat("{\"prompt\": ", prompt, "}"), false);
    EXPECT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->prompts.size(), 1u);
    return request->prompts.front();
  };
  EXPECT_EQ(std::get<std::string>(promptOf("[\"a\\u00e9\"]")), "a\xC3\xA9");
  EXPECT_EQ(std::get<Ids>(promptOf("[1, 2147483647]")), (Ids{1, INT32_MAX}));
  EXPECT_EQ(std::get<Ids>(promptOf("[[5]]")), Ids{5});
  for (const char *prompt :
       {"[]", "[[]]", "7", "{}", "[1, -1]", "[1, 2147483648]", "[1.5]", "[\"a\", 1]", "true"})
    expectRefusal(absl::StrCat("{\"prompt\": ", prompt, "}"), "prompt", "a list of token ids");
  auto several = parseTextRequest("{\"prompt\": [\"a\", [7], \"b\"]}", false);
  ASSERT_TRUE(several.ok()) << several.status();
  ASSERT_EQ(several->prompts.size(), 3u);
  EXPECT_EQ(std::get<Ids>(several->prompts[1]), Ids{7});
  EXPECT_EQ(std::get<std::string>(several->prompts[2]), "b");
  expectRefusal("{}", "prompt", "got none");
}

TEST(OpenAiRequests, SingleStopsAndOtherNames) {
  EXPECT_THAT(completion(", \"stop\": \"x\"").stops, ElementsAre("x"));
  EXPECT_EQ(completion(", \"max_completion_tokens\": 4").maxTokens, 4);
  EXPECT_EQ(completion(", \"repetition_penalty\": 2").sampling.repeatPenalty, 2);
}

TEST(OpenAiRequests, RefusesWhatIsOutOfRange) {
  expectRefused("\"max_tokens\": -1", "max_tokens", "a whole number from 1 to 2147483647, got -1");
  expectRefused("\"max_tokens\": 0", "max_tokens", "got 0");
  expectRefused("\"max_tokens\": 1.5", "max_tokens", "got 1.5");
  expectRefused("\"max_tokens\": \"9\"", "max_tokens", "got \"9\"");
  expectRefused("\"max_tokens\": 18446744073709551615", "max_tokens", "got 18446744073709551615");
  expectRefused("\"max_tokens\": 1, \"max_completion_tokens\": 1", "max_tokens", "both");
  expectRefused("\"temperature\": -0.1", "temperature", "a number from 0");
  expectRefused("\"top_p\": 1.1", "top_p", "a number from 0 to 1, got 1.1");
  expectRefused("\"top_k\": -1", "top_k", "got -1");
  expectRefused("\"min_p\": true", "min_p", "got true");
  expectRefused("\"repeat_penalty\": 0", "repeat_penalty", "got 0");
  expectRefused("\"repeat_penalty\": 1, \"repetition_penalty\": 1", "repeat_penalty", "both");
  expectRefused("\"seed\": -1", "seed", "got -1");
  expectRefused("\"stop\": \"\"", "stop", "a text, or a list");
  expectRefused("\"stop\": [1]", "stop", "got 1");
  expectRefused("\"stop\": 1", "stop", "got 1");
  std::string many = "[\"a\"";
  for (int i = 0; i < 16; ++i)
    many += ", \"a\"";
  expectRefused(absl::StrCat("\"stop\": ", many, "]"), "stop", "up to 16, got a list of 17");
  expectRefused("\"stream\": 1", "stream", "true or false, got 1");
  expectRefused("\"stream_options\": {}", "stream_options", "stream to be true");
  expectRefused("\"model\": 5", "model", "a string, got 5");
}

TEST(OpenAiRequests, RefusesWhatItCannotDo) {
  for (const char *field : {"\"best_of\": 2", "\"suffix\": \"x\""}) {
    std::string name = std::string(field).substr(1);
    expectRefused(field, name.substr(0, name.find('"')), "as nothing else is supported");
  }
  expectRefused("\"never_heard\": 1", "never_heard", "fields that are supported");
  auto unknown = parseTextRequest("{\"prompt\": \"x\", \"y\": 1}", false);
  EXPECT_EQ(errorNames(unknown.status()).code, "unknown_parameter");
  expectRefusal(R"({"messages": [{"role": "user", "content": "x"}], "tools": [{}]})", "tools",
                "as nothing else is supported", true);
}

TEST(OpenAiRequests, ChoicesAndWhatIsToldOfThem) {
  TextRequest plain = completion("");
  EXPECT_EQ(plain.choices, 1);
  EXPECT_FALSE(plain.echoes || plain.logProbs);
  EXPECT_FALSE(completion(", \"logprobs\": false").logProbs);
  TextRequest request = completion(R"(, "n": 3, "best_of": 3, "echo": true, "logprobs": 5,
      "max_tokens": 0, "frequency_penalty": 0.5, "presence_penalty": -2,
      "logit_bias": {"5": 100, "7": -0.5})");
  EXPECT_EQ(request.choices, 3);
  EXPECT_TRUE(request.echoes);
  EXPECT_EQ(request.logProbs, 5);
  EXPECT_EQ(request.maxTokens, 0);
  EXPECT_EQ(request.sampling.frequencyPenalty, 0.5);
  EXPECT_EQ(request.sampling.presencePenalty, -2);
  EXPECT_THAT(request.sampling.biases, ElementsAre(testing::Pair(5, 100), testing::Pair(7, -0.5)));
  expectRefused("\"n\": 0", "n", "a whole number from 1 to 128, got 0");
  expectRefused("\"n\": 2, \"best_of\": 3", "best_of", "expected 2");
  std::string many = "[\"a\"";
  for (int i = 0; i < 99; ++i)
    many += ", \"a\"";
  expectRefusal(absl::StrCat("{\"prompt\": ", many, "], \"n\": 21}"), "n", "at most 2048 texts");
  expectRefused("\"logprobs\": 21", "logprobs", "from 0 to 20");
  expectRefused("\"logprobs\": true", "logprobs", "got true");
  expectRefused("\"echo\": 1", "echo", "true or false");
  expectRefused("\"frequency_penalty\": 2.5", "frequency_penalty", "from -2 to 2");
  expectRefused("\"logit_bias\": {\"5\": 101}", "logit_bias.5", "from -100 to 100");
  expectRefused("\"logit_bias\": {\"x\": 1}", "logit_bias", "token ids as keys, got x");
  expectRefused("\"logit_bias\": [1]", "logit_bias", "an object");
  auto chat = [](const std::string &fields) {
    return parseTextRequest(
        absl::StrCat("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], ", fields, "}"),
        true);
  };
  EXPECT_EQ(chat("\"logprobs\": true, \"top_logprobs\": 3")->logProbs, 3);
  EXPECT_EQ(chat("\"logprobs\": true")->logProbs, 0);
  EXPECT_FALSE(chat("\"logprobs\": false, \"top_logprobs\": 0")->logProbs);
  EXPECT_TRUE(chat("\"modalities\": [\"text\"]").ok());
  EXPECT_THAT(std::string(chat("\"top_logprobs\": 3").status().message()),
              HasSubstr("logprobs to be true"));
  EXPECT_THAT(std::string(chat("\"modalities\": [\"audio\"]").status().message()),
              HasSubstr("modalities"));
}

TEST(OpenAiRequests, FormsOfTexts) {
  EXPECT_TRUE(completion(R"(, "response_format": {"type": "json_object"})").isJson);
  TextRequest free = completion(R"(, "response_format": {"type": "text"})");
  EXPECT_FALSE(free.isJson || !free.grammar.empty());
  TextRequest schema = completion(R"(, "response_format": {"type": "json_schema", "json_schema":
      {"name": "n", "strict": true, "schema": {"type": "boolean"}}})");
  EXPECT_THAT(schema.grammar, HasSubstr("root"));
  EXPECT_THAT(schema.grammar, HasSubstr("true"));
  const std::string format = "response_format";
  expectRefused(R"("response_format": "json")", format, "an object, got \"json\"");
  expectRefused(R"("response_format": {})", format + ".type", "got none");
  expectRefused(R"("response_format": {"type": "yaml"})", format + ".type", "got yaml");
  expectRefused(R"("response_format": {"type": "json_object", "x": 1})", format + ".x",
                "fields that are supported");
  expectRefused(R"("response_format": {"type": "json_schema"})", format + ".json_schema",
                "got none");
  expectRefused(R"("response_format": {"type": "json_schema", "json_schema": {"name": "n"}})",
                format + ".json_schema.schema", "a JSON schema, got none");
  expectRefused(R"("response_format": {"type": "json_schema",
                "json_schema": {"schema": {"type": "never"}}})",
                format + ".json_schema", "never");
  expectRefused(R"("grammar": "x", "response_format": {"type": "json_object"})", "grammar", "both");
}

TEST(OpenAiRequests, Messages) {
  auto request = parseTextRequest(R"({"messages": [
      {"role": "developer", "content": "Be kind.", "name": "x"},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "content": "", "refusal": null, "tool_calls": null}]})",
                                  true);
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->messages.size(), 3u);
  EXPECT_EQ(request->messages[0].role, "system");
  EXPECT_EQ(request->messages[1].content, "ab");
  EXPECT_EQ(request->messages[2].content, "");
  expectChatRefused("[]", "messages", "a list of messages, got a list of 0");
  expectChatRefused("\"x\"", "messages", "got \"x\"");
  expectChatRefused("[\"x\"]", "messages", "an object");
  expectChatRefused("[{\"content\": \"x\"}]", "messages.role", "got none");
  expectChatRefused("[{\"role\": \"tool\", \"content\": \"x\"}]", "messages.role", "got tool");
  expectChatRefused("[{\"role\": \"user\"}]", "messages.content", "got none");
  expectChatRefused("[{\"role\": \"user\", \"content\": 1}]", "messages.content", "got 1");
  expectChatRefused("[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]",
                    "messages.content.type", "text, as nothing else is supported, got image_url");
  expectChatRefused("[{\"role\": \"user\", \"content\": \"x\", \"tool_calls\": []}]",
                    "messages.tool_calls", "fields that are supported");
  expectRefusal("{\"prompt\": \"x\"}", "messages", "got none", true);
}

TEST(OpenAiRequests, BodiesAreStrictJson) {
  for (const char *body : {"", "{", "nul", "{\"prompt\": \"x\"} 1", "{\"prompt\": \"\xFF\"}",
                           "{\"prompt\": \"\\ud800\"}", "{\"prompt\": 1e999}", "{'prompt': 1}",
                           "{\"prompt\": \"a\nb\"}", "{\"prompt\": \"x\",}"})
    expectRefusal(body, "body", "expected JSON");
  expectRefusal("[]", "body", "an object, got a list of 0");
  expectRefusal("{\"prompt\": \"a\", \"prompt\": \"b\"}", "body", "every key once");
  std::string deep = "{\"prompt\": " + std::string(70, '[') + std::string(70, ']') + "}";
  expectRefusal(deep, "body", "at most 64 levels");
  std::string deeper = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  expectRefusal(deeper, "body", "at most 64 levels");
}

TEST(OpenAiRequests, Embeddings) {
  auto request = parseEmbeddingRequest(
      R"({"input": ["a", [1, 2]], "encoding_format": "base64", "model": "m"})");
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->inputs.size(), 2u);
  EXPECT_EQ(std::get<std::string>(request->inputs[0]), "a");
  EXPECT_EQ(std::get<Ids>(request->inputs[1]), (Ids{1, 2}));
  EXPECT_TRUE(request->isBase64);
  EXPECT_FALSE(parseEmbeddingRequest("{\"input\": \"a\"}")->isBase64);
  for (const char *body : {"{}", "{\"input\": []}", "{\"input\": {}}", "{\"input\": [[]]}"})
    EXPECT_EQ(errorNames(parseEmbeddingRequest(body).status()).field, "input") << body;
  auto many = parseEmbeddingRequest(absl::StrCat(
      "{\"input\": [[1]",
      [] {
        std::string rest;
        for (int i = 0; i < 2048; ++i)
          rest += ", [1]";
        return rest;
      }(),
      "]}"));
  EXPECT_THAT(std::string(many.status().message()), HasSubstr("at most 2048 texts"));
  for (const char *field : {"\"encoding_format\": \"hex\"", "\"dimensions\": 3"})
    EXPECT_FALSE(parseEmbeddingRequest(absl::StrCat("{\"input\": \"a\", ", field, "}")).ok());
}

} // namespace
} // namespace stc
