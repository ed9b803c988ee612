// The API on the fake model, without a socket: what is answered, in which order, and to whom.
#include "OpenAiHarness.h"

#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Session.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using namespace test;
using testing::HasSubstr;

TEST(OpenAiService, HealthAndModels) {
  FakeModel model;
  auto service = serve(*model);
  const std::string &name = model->settings().name;
  EXPECT_EQ(ask(*service, {"GET", "/health", "", "", ""}).body, "{\"status\": \"ok\"}");
  Answer models = ask(*service, {"GET", "/v1/models", "", "", ""});
  EXPECT_EQ(models.status, 200);
  EXPECT_THAT(models.body, HasSubstr(absl::StrCat("\"id\": \"", name, "\"")));
  EXPECT_EQ(ask(*service, {"GET", "/v1/models/" + name, "", "", ""}).status, 200);
  Answer other = ask(*service, {"GET", "/v1/models/other", "", "", ""});
  EXPECT_EQ(other.status, 404);
  EXPECT_THAT(other.body, HasSubstr("\"code\": \"model_not_found\""));
}

TEST(OpenAiService, RefusesWhatIsNoRequest) {
  FakeModel model;
  auto service = serve(*model);
  EXPECT_EQ(ask(*service, post("/v1/other", "{}")).status, 404);
  Answer get = ask(*service, {"GET", "/v1/completions", "", "", ""});
  EXPECT_EQ(get.status, 405);
  EXPECT_THAT(get.headers, testing::ElementsAre(testing::Pair("Allow", "POST")));
  EXPECT_EQ(ask(*service, post("/health", "")).status, 405);
  for (const char *type : {"", "text/plain", "application/x-www-form-urlencoded"})
    EXPECT_EQ(ask(*service, {"POST", "/v1/completions", type, "", "{\"prompt\": \"x\"}"}).status,
              415);
  Answer bad = complete(*service, "\"prompt\": \"x\", \"max_tokens\": -3");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.body, "{\"error\": {\"message\": \"max_tokens: expected a whole number from 1 to "
                      "2147483647, got -3\", \"type\": \"invalid_request_error\", \"param\": "
                      "\"max_tokens\", \"code\": null}}");
  EXPECT_EQ(complete(*service, "\"prompt\": \"x\", \"model\": \"gpt\"").status, 404);
  Answer token = complete(*service, "\"prompt\": [5, 999]");
  EXPECT_EQ(token.status, 400);
  EXPECT_THAT(token.body, HasSubstr("token 1: expected an id from 0 to 263, got 999"));
}

TEST(OpenAiService, KeysAreAskedFor) {
  FakeModel model;
  ServiceOptions options;
  options.apiKey = "secret";
  auto service = serve(*model, options);
  EXPECT_EQ(ask(*service, {"GET", "/health", "", "", ""}).status, 200);
  for (const char *wrong : {"", "secret", "Bearer ", "Bearer secre", "Bearer secret2",
                            "Bearer Secret", "bearer secret"}) {
    Answer answer = ask(*service, {"GET", "/v1/models", "", wrong, ""});
    EXPECT_EQ(answer.status, 401) << wrong;
    EXPECT_THAT(answer.body, HasSubstr("\"code\": \"invalid_api_key\""));
    EXPECT_THAT(answer.body, testing::Not(HasSubstr("secret")));
  }
  EXPECT_EQ(ask(*service, {"GET", "/v1/models", "", "Bearer secret", ""}).status, 200);
}

TEST(OpenAiService, CompletionsAreWhatTheModelWrites) {
  FakeModel model;
  auto service = serve(*model);
  std::string text = greedyText("abc", 4);
  const std::string fields = "\"prompt\": \"abc\", \"temperature\": 0, \"max_tokens\": 4";
  Answer answer = complete(*service, fields);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(textOf(answer.body), absl::StrCat("\"text\": ", quoteJson(text)));
  EXPECT_THAT(answer.body, HasSubstr("\"object\": \"text_completion\""));
  EXPECT_THAT(answer.body, HasSubstr("\"prompt_tokens\": 4"));
  EXPECT_THAT(answer.body, HasSubstr("\"cached_tokens\": 0"));
  // The same again: of four tokens three are known.
  Answer again = complete(*service, fields);
  EXPECT_EQ(textOf(again.body), textOf(answer.body));
  EXPECT_THAT(again.body, HasSubstr("\"cached_tokens\": 3"));
  Answer afresh = complete(*service, fields + ", \"cache_prompt\": false");
  EXPECT_EQ(textOf(afresh.body), textOf(answer.body));
  EXPECT_THAT(afresh.body, HasSubstr("\"cached_tokens\": 0"));
  // As tokens; and a penalty sees those that were read before.
  Answer tokens =
      complete(*service, "\"prompt\": [258, 97, 98, 99], \"temperature\": 0, \"max_tokens\": 4");
  EXPECT_EQ(textOf(tokens.body), textOf(answer.body));
}

TEST(OpenAiService, PenaltiesSeeWhatWasReadBefore) {
  FakeModel model;
  auto service = serve(*model);
  // A prompt that the model would go on with by a token that stands in it, not as the last.
  std::vector<int32_t> prompt;
  for (int32_t first = 0; first < 256 && prompt.empty(); ++first)
    for (int32_t last = 0; last < 256 && prompt.empty(); ++last)
      if (first != last && expectedGreedy({fakeBos, first, last}) == first)
        prompt = {fakeBos, first, last};
  ASSERT_FALSE(prompt.empty());
  const std::string fields =
      absl::StrCat("\"prompt\": [", absl::StrJoin(prompt, ", "),
                   "], \"temperature\": 0, \"max_tokens\": 3, \"repeat_penalty\": ");
  std::string plain = textOf(complete(*service, fields + "1").body);
  Answer fresh = complete(*service, fields + "1000, \"cache_prompt\": false");
  EXPECT_NE(textOf(fresh.body), plain);
  Answer cached = complete(*service, fields + "1000");
  EXPECT_THAT(cached.body, HasSubstr("\"cached_tokens\": 2"));
  EXPECT_EQ(textOf(cached.body), textOf(fresh.body));
}

TEST(OpenAiService, StreamsAreTheSameInPieces) {
  FakeModel model;
  auto service = serve(*model);
  auto reply = std::make_shared<KeptReply>();
  service->handle(post("/v1/completions", "{\"prompt\": \"abc\", \"temperature\": 0, "
                                          "\"max_tokens\": 4, \"stream\": true, "
                                          "\"stream_options\": {\"include_usage\": true}}"),
                  reply);
  std::string events = reply->body();
  EXPECT_TRUE(reply->streamed);
  EXPECT_THAT(events, testing::StartsWith("data: {\"id\": \"cmpl-"));
  EXPECT_THAT(events, testing::EndsWith("\n\ndata: [DONE]\n\n"));
  EXPECT_THAT(events, HasSubstr("\"finish_reason\": \"length\""));
  EXPECT_THAT(events, HasSubstr("\"choices\": [], \"usage\": {\"prompt_tokens\": 4"));
}

TEST(OpenAiService, TextsThatAreTooLongSayBothNumbers) {
  FakeModel model;
  auto service = serve(*model);
  Answer answer = complete(*service, absl::StrCat("\"prompt\": \"", std::string(100, 'a'), "\""));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("prompt: expected 1 to 64 tokens"));
  EXPECT_THAT(answer.body, HasSubstr("got 101"));
  EXPECT_THAT(answer.body, HasSubstr("\"code\": \"context_length_exceeded\""));
  // A text that fills the context ends there.
  Answer full = complete(*service, absl::StrCat("\"prompt\": \"", std::string(60, 'a'),
                                                "\", \"temperature\": 0, \"max_tokens\": 100"));
  EXPECT_EQ(full.status, 200);
}

TEST(OpenAiService, ChatsAreWrittenByTheTemplate) {
  FakeModel model(1, true, [](ModelSettings &settings) {
    settings.chatTemplate = "{{ bos_token }}{% for m in messages %}{{ m.role[0] }}{{ m.content }}"
                            "{{ eos_token }}{% endfor %}";
  });
  auto service = serve(*model);
  auto count = [&](const std::string &content) {
    Answer answer = ask(
        *service, post("/v1/chat/completions", absl::StrCat("{\"messages\": [{\"role\": \"user\", "
                                                            "\"content\": \"",
                                                            content, "\"}], \"max_tokens\": 2}")));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("\"message\": {\"role\": \"assistant\", \"content\": "));
    size_t at = answer.body.find("\"prompt_tokens\": ");
    return std::stoi(answer.body.substr(at + 17));
  };
  EXPECT_EQ(count("ab"), 5);
  // The name of a special token is text: five characters, no token.
  EXPECT_EQ(count("ab<eos>"), 10);
  FakeModel plain;
  Answer refused =
      ask(*serve(*plain), post("/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", "
                                                       "\"content\": \"x\"}]}"));
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("{\"message\": \"chat_template: expected a chat template"));
}

TEST(OpenAiService, EmbeddingsOfEncoders) {
  FakeModel model(1, true, test::asEncoder);
  auto service = serve(*model);
  Answer answer = ask(*service, post("/v1/embeddings", "{\"input\": [\"ab\", [97]]}"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("\"index\": 1"));
  EXPECT_THAT(answer.body, HasSubstr("\"usage\": {\"prompt_tokens\": 4, \"total_tokens\": 4}"));
  auto session = Session::create(*model);
  auto vector = (*session)->embed({97});
  ASSERT_TRUE(vector.ok());
  EXPECT_THAT(answer.body, HasSubstr(absl::StrCat("\"embedding\": [", (*vector)[0])));
  Answer base64 =
      ask(*service, post("/v1/embeddings", "{\"input\": [97], \"encoding_format\": \"base64\"}"));
  // Four floats, 16 bytes.
  size_t at = base64.body.find("\"embedding\": \"") + 14;
  EXPECT_EQ(base64.body.find('"', at) - at, 24u);
  EXPECT_EQ(complete(*service, "\"prompt\": \"x\"").status, 400);
  FakeModel decoder;
  EXPECT_EQ(ask(*serve(*decoder), post("/v1/embeddings", "{\"input\": \"x\"}")).status, 400);
  EXPECT_EQ(ask(*service, post("/v1/embeddings", "{\"input\": [[999]]}")).status, 400);
}

TEST(OpenAiService, WhoLeavesIsNotWrittenFor) {
  FakeModel model;
  auto service = serve(*model);
  auto leaving = std::make_shared<KeptReply>();
  leaving->leavesAtFirst = true;
  service->handle(post("/v1/completions",
                       "{\"prompt\": \"a\", \"temperature\": 0, \"stream\": true, "
                       "\"stream_options\": {\"include_usage\": true}}"),
                  leaving);
  // Not the 63 tokens that the context has room for.
  EXPECT_THAT(leaving->body(), HasSubstr("\"completion_tokens\": 1"));
  auto left = std::make_shared<KeptReply>();
  left->leave();
  service->handle(post("/v1/completions", "{\"prompt\": \"a\"}"), left);
  left->body();
  EXPECT_EQ(left->status, 503);
}

TEST(OpenAiService, NoMoreWaitThanMay) {
  FakeModel model;
  ServiceOptions options;
  options.mostWaiting = 0;
  auto service = serve(*model, options);
  Answer answer = complete(*service, "\"prompt\": \"a\"");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("\"type\": \"server_error\""));
  EXPECT_THAT(answer.headers, testing::ElementsAre(testing::Pair("Retry-After", "1")));
}

TEST(OpenAiService, GrammarsAndWhatIsWrongWithThem) {
  FakeModel model;
  auto service = serve(*model);
  for (int i = 0; i < 2; ++i) {
    Answer answer = complete(*service, "\"prompt\": \"a\", \"grammar\": \"root ::= \\\"xyz\\\"\"");
    EXPECT_THAT(answer.body, HasSubstr("\"text\": \"xyz\", \"logprobs\": null, "
                                       "\"finish_reason\": \"stop\""));
  }
  Answer bad = complete(*service, "\"prompt\": \"a\", \"grammar\": \"root ::= other\"");
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body, HasSubstr("\"param\": \"grammar\""));
  // And what was refused leaves the next alone.
  EXPECT_EQ(complete(*service, "\"prompt\": \"a\", \"grammar\": \"root ::= other\"").status, 400);
  EXPECT_EQ(complete(*service, "\"prompt\": \"a\", \"grammar\": \"root ::= [a-z]{2}\"").status,
            200);
}

TEST(OpenAiService, ModelsThatCannotBeServed) {
  FakeModel untold(1, /*withTokenizer=*/false);
  EXPECT_THAT(std::string(OpenAiService::create(*untold, {}).status().message()),
              HasSubstr("tokenizer"));
  FakeModel sound(1, true, [](ModelSettings &settings) { test::asEncoderDecoder(settings, true); });
  EXPECT_THAT(std::string(OpenAiService::create(*sound, {}).status().message()),
              HasSubstr("got one of kind encoder-decoder that reads sound"));
}

TEST(OpenAiService, EncoderDecodersComplete) {
  FakeModel model(1, true, [](ModelSettings &settings) {
    test::asEncoderDecoder(settings, false);
    settings.decoderStart = fakeBos;
  });
  auto service = serve(*model);
  const std::string fields = "\"prompt\": \"ab\", \"temperature\": 0, \"max_tokens\": 3";
  Answer first = complete(*service, fields), second = complete(*service, fields);
  EXPECT_EQ(first.status, 200) << first.body;
  EXPECT_THAT(second.body, HasSubstr("\"cached_tokens\": 0"));
  EXPECT_EQ(ask(*service, post("/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", "
                                                       "\"content\": \"x\"}]}"))
                .status,
            400);
}

} // namespace
} // namespace stc
