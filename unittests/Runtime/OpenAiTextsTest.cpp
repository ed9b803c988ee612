// Texts that are in the making at once, and all that is told of them: choices, probabilities,
// counts.
#include "OpenAiHarness.h"

#include "stc/Runtime/JsonWriter.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

namespace stc {
namespace {

using namespace test;
using testing::HasSubstr;

/// The number behind `key` in a JSON text.
int numberAfter(const std::string &body, const std::string &key) {
  size_t at = body.find(absl::StrCat("\"", key, "\": "));
  EXPECT_NE(at, std::string::npos) << body;
  return std::stoi(body.substr(at + key.size() + 4));
}

/// Requests that stream, all in the making at once: they are handed over before any is awaited.
std::vector<std::shared_ptr<KeptReply>>
begin(OpenAiService &service, const std::vector<std::string> &prompts, const std::string &fields) {
  std::vector<std::shared_ptr<KeptReply>> replies;
  for (const std::string &prompt : prompts) {
    replies.push_back(std::make_shared<KeptReply>());
    service.handle(post("/v1/completions", absl::StrCat("{\"prompt\": \"", prompt, "\", ", fields,
                                                        ", \"temperature\": 0}")),
                   replies.back());
  }
  return replies;
}

TEST(OpenAiTexts, TextsAtOnceAreEachTheirOwn) {
  FakeModel model(2);
  for (int64_t parallel : {1, 2, 4, 7}) {
    ServiceOptions options;
    options.parallel = parallel;
    auto service = serve(*model, options);
    std::vector<std::string> prompts;
    for (char c = 'a'; c < 'm'; ++c)
      prompts.push_back(std::string(size_t(c - 'a' + 1), c));
    auto replies = begin(*service, prompts, "\"max_tokens\": 6");
    for (size_t i = 0; i < prompts.size(); ++i)
      EXPECT_EQ(textOf(replies[i]->body()),
                absl::StrCat("\"text\": ", quoteJson(greedyText(prompts[i], 6))))
          << parallel << " " << prompts[i];
  }
}

TEST(OpenAiTexts, ALongTextDoesNotKeepAShortOneWaiting) {
  FakeModel model;
  auto service = serve(*model);
  // One that goes on until its client leaves.
  auto endless = std::make_shared<KeptReply>();
  service->handle(post("/v1/completions", R"({"prompt": "a", "stream": true, "max_tokens": 60,
      "grammar": "root ::= [a-z]*"})"),
                  endless);
  EXPECT_EQ(complete(*service, "\"prompt\": \"b\", \"max_tokens\": 1").status, 200);
  endless->leave();
  endless->body();
}

TEST(OpenAiTexts, ATextGoesWhereItsBeginningIs) {
  FakeModel model;
  ServiceOptions options;
  options.parallel = 2;
  auto service = serve(*model, options);
  auto cachedOf = [&](const std::string &prompt) {
    return numberAfter(complete(*service, absl::StrCat("\"prompt\": \"", prompt,
                                                       "\", \"temperature\": 0, \"max_tokens\": 1"))
                           .body,
                       "cached_tokens");
  };
  EXPECT_EQ(cachedOf("aaaaaaaa"), 0);
  // Not over the one before, with which it has only the first token in common.
  EXPECT_EQ(cachedOf("bbbbbbbb"), 0);
  EXPECT_EQ(cachedOf("aaaaaaaac"), 9);
  EXPECT_EQ(cachedOf("bbbbbbbbc"), 9);
  EXPECT_EQ(cachedOf("aaaaaaaadd"), 9);
  // The slot that was used before the other, and the first token that all have.
  EXPECT_EQ(cachedOf("cccccccc"), 1);
  EXPECT_EQ(cachedOf("aaaaaaaa"), 8);
  EXPECT_EQ(cachedOf("bbbbbbbb"), 1);
}

TEST(OpenAiTexts, SeveralPromptsAndChoices) {
  FakeModel model;
  auto service = serve(*model);
  Answer answer = complete(*service, R"("prompt": ["abc", [258, 120]], "n": 2, "seed": 5,
      "max_tokens": 4)");
  ASSERT_EQ(answer.status, 200) << answer.body;
  // Choice i of a prompt has the seed + i.
  for (const auto &[prompt, first] : {std::pair("\"abc\"", 0), std::pair("[258, 120]", 2)})
    for (int i = 0; i < 2; ++i) {
      Answer alone = complete(*service, absl::StrCat("\"prompt\": ", prompt, ", \"seed\": ", 5 + i,
                                                     ", \"max_tokens\": 4"));
      EXPECT_THAT(answer.body, HasSubstr(absl::StrCat("{\"index\": ", first + i, ", ",
                                                      textOf(alone.body), ",")));
    }
  EXPECT_EQ(numberAfter(answer.body, "prompt_tokens"), 6);
  EXPECT_EQ(numberAfter(answer.body, "completion_tokens"), 16);
  // As a stream every choice has its end.
  Answer stream = complete(*service, R"("prompt": "abc", "n": 3, "max_tokens": 3, "stream": true)");
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(stream.body,
                HasSubstr(absl::StrCat("{\"index\": ", i,
                                       ", \"text\": \"\", \"logprobs\": null, \"finish_reason\": "
                                       "\"length\"}")));
  EXPECT_THAT(stream.body, testing::EndsWith("data: [DONE]\n\n"));
}

/// log(softmax(logits))[token].
double logProbOf(const std::vector<float> &logits, int32_t token) {
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(double(logit));
  return double(logits[size_t(token)]) - std::log(sum);
}

TEST(OpenAiTexts, LogProbsAreTheModels) {
  FakeModel model;
  auto service = serve(*model);
  // The temperature and a bias change what is chosen, not how likely the model found it.
  Answer answer = complete(*service, R"("prompt": "abc", "max_tokens": 1, "logprobs": 2,
      "temperature": 3, "logit_bias": {"120": 100})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  std::vector<int32_t> ids = {fakeBos, 'a', 'b', 'c'};
  std::vector<float> logits = test::expectedLogits(ids);
  EXPECT_THAT(answer.body, HasSubstr("\"text\": \"x\", \"logprobs\": {\"tokens\": [\"x\"]"));
  EXPECT_THAT(answer.body,
              HasSubstr(absl::StrFormat("\"token_logprobs\": [%.10g]", logProbOf(logits, 'x'))));
  EXPECT_THAT(answer.body, HasSubstr(absl::StrFormat("\"x\": %.10g}", logProbOf(logits, 'x'))));
  EXPECT_THAT(answer.body, HasSubstr("\"text_offset\": [0]"));
}

TEST(OpenAiTexts, EchoesSayHowLikelyThePromptWas) {
  FakeModel model;
  auto service = serve(*model);
  // Longer than what is read at once, and no text behind it.
  const std::string prompt = "abcdefghijklmnopqrstuvwxyz";
  Answer answer = complete(*service, absl::StrCat("\"prompt\": \"", prompt,
                                                  "\", \"echo\": true, \"max_tokens\": 0, "
                                                  "\"logprobs\": 0"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(absl::StrCat("\"text\": \"", prompt, "\"")));
  std::vector<std::string> logProbs = {"null"}, names = {"\"<bos>\""}, offsets = {"0"};
  std::vector<int32_t> ids = {fakeBos};
  for (size_t i = 0; i < prompt.size(); ++i) {
    logProbs.push_back(absl::StrFormat("%.10g", logProbOf(test::expectedLogits(ids), prompt[i])));
    names.push_back(absl::StrCat("\"", prompt.substr(i, 1), "\""));
    offsets.push_back(absl::StrCat(i));
    ids.push_back(prompt[i]);
  }
  EXPECT_THAT(answer.body,
              HasSubstr(absl::StrCat("\"tokens\": [", absl::StrJoin(names, ","), "]")));
  EXPECT_THAT(answer.body,
              HasSubstr(absl::StrCat("\"token_logprobs\": [", absl::StrJoin(logProbs, ","), "]")));
  EXPECT_THAT(answer.body,
              HasSubstr(absl::StrCat("\"text_offset\": [", absl::StrJoin(offsets, ","), "]")));
  EXPECT_EQ(numberAfter(answer.body, "completion_tokens"), 0);
  // With a text behind it, that text is the one that a prompt without an echo has.
  Answer longer = complete(*service, R"("prompt": "abc", "echo": true, "max_tokens": 4,
      "temperature": 0, "logprobs": 1)");
  EXPECT_THAT(textOf(longer.body), HasSubstr(quoteJson(absl::StrCat("abc", greedyText("abc", 4)))));
  // One token alone.
  EXPECT_EQ(
      complete(*service, R"("prompt": [97], "echo": true, "max_tokens": 0, "logprobs": 1)").status,
      200);
  Answer unknown = complete(*service, R"("prompt": [97, 999], "echo": true, "logprobs": 1)");
  EXPECT_EQ(unknown.status, 400);
}

TEST(OpenAiTexts, StopsTakeTheirTokensAway) {
  FakeModel model;
  auto service = serve(*model);
  const std::string fields = R"("prompt": "a", "grammar": "root ::= \"uvwxyz\"", "logprobs": 0,
      "stop": "wx")";
  for (const char *stream : {"", ", \"stream\": true"}) {
    std::string body = complete(*service, fields + stream).body;
    EXPECT_THAT(body, HasSubstr("\"u\""));
    EXPECT_THAT(body, HasSubstr("\"v\""));
    EXPECT_THAT(body, testing::Not(HasSubstr("\"w\"")));
    EXPECT_THAT(body, HasSubstr("\"finish_reason\": \"stop\""));
  }
}

TEST(OpenAiTexts, WatchersSeeWhatWasDone) {
  FakeModel model;
  auto service = serve(*model);
  complete(*service, "\"prompt\": \"abc\", \"temperature\": 0, \"max_tokens\": 2");
  complete(*service, "\"prompt\": \"abc\", \"temperature\": 0, \"max_tokens\": 2");
  complete(*service, "\"prompt\": 5");
  ask(*service, {"GET", "/nothing", "", "", ""});
  Answer metrics = ask(*service, {"GET", "/metrics", "", "", ""});
  EXPECT_EQ(metrics.status, 200);
  for (const char *line :
       {"stc_requests_total{path=\"/v1/completions\",status=\"200\"} 2\n",
        "stc_requests_total{path=\"/v1/completions\",status=\"400\"} 1\n",
        "stc_requests_total{path=\"other\",status=\"404\"} 1\n", "stc_prompt_tokens_total 5\n",
        "stc_cached_tokens_total 3\n", "stc_completion_tokens_total 4\n", "stc_slots 4\n",
        "stc_requests_waiting 0\n", "stc_first_token_seconds_count 2\n",
        "# TYPE stc_requests_total counter\n"})
    EXPECT_THAT(metrics.body, HasSubstr(line));
}

TEST(OpenAiTexts, TheEndIsTold) {
  FakeModel model;
  ServiceOptions options;
  options.parallel = 1;
  auto service = serve(*model, options);
  const std::string fields = R"("stream": true, "max_tokens": 60, "grammar": "root ::= [a-z]*")";
  auto replies = begin(*service, {"a", "b"}, fields);
  service->end(/*atOnce=*/false);
  // Who waits is refused; who has begun, or the other way round if none had, comes to an end.
  replies[0]->body();
  replies[1]->body();
  EXPECT_EQ(replies[1]->status, 503);
  EXPECT_EQ(complete(*service, "\"prompt\": \"c\"").status, 503);
  service->end(/*atOnce=*/true);
  EXPECT_EQ(ask(*service, {"GET", "/health", "", "", ""}).status, 200);
}

TEST(OpenAiTexts, TextsInTheMakingEndWithTheService) {
  FakeModel model;
  std::vector<std::shared_ptr<KeptReply>> replies;
  for (int i = 0; i < 20; ++i) {
    auto service = serve(*model);
    replies = begin(*service, {"a", "b", "c", "d", "e", "f"},
                    R"("n": 3, "max_tokens": 50, "grammar": "root ::= [a-z]*")");
  }
  SUCCEED(); // nothing is used that is gone, as sanitizers see
}

} // namespace
} // namespace stc
