// Sessions and generation on the fake model: chunks, threads, bounds, stopping.
#include "FakeModel.h"

#include "stc/Runtime/Generate.h"
#include "stc/Support/Pooling.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using test::expectedGreedy;
using test::expectedLogits;
using test::FakeModel;
using test::someTokens;
using testing::HasSubstr;

std::unique_ptr<Session> makeSession(Model &model) {
  auto session = Session::create(model);
  EXPECT_TRUE(session.ok()) << session.status();
  return *std::move(session);
}

std::vector<float> copy(absl::Span<const float> values) { return {values.begin(), values.end()}; }

// Lengths around the chunk of 8 and up to the whole context of 64, on 1 to 4 threads.
TEST(Session, ChunksAndThreadsDoNotChangeTheResult) {
  for (int threads = 1; threads <= 4; ++threads) {
    FakeModel model(threads);
    auto session = makeSession(*model);
    for (size_t count : {1, 2, 7, 8, 9, 10, 16, 17, 63, 64}) {
      std::vector<int32_t> tokens = someTokens(count);
      session->reset();
      auto logits = session->feed(tokens);
      ASSERT_TRUE(logits.ok()) << logits.status();
      EXPECT_EQ(copy(*logits), expectedLogits(tokens)) << count << " tokens";
      EXPECT_EQ(session->position(), int64_t(count));
    }
  }
}

TEST(Session, PrefillInPiecesEqualsOneShot) {
  FakeModel model(2);
  auto session = makeSession(*model);
  std::vector<int32_t> tokens = someTokens(30);
  absl::Span<const int32_t> all = tokens;
  ASSERT_TRUE(session->prefill(all.subspan(0, 3)).ok());
  ASSERT_TRUE(session->prefill({}).ok());
  ASSERT_TRUE(session->prefill(all.subspan(3, 20)).ok());
  ASSERT_TRUE(session->decode(tokens[23]).ok());
  EXPECT_EQ(copy(session->feed(all.subspan(24)).value()), expectedLogits(tokens));
}

TEST(Session, ScoreGivesEveryPosition) {
  for (size_t count : {1, 8, 9, 64}) {
    FakeModel model(3);
    auto session = makeSession(*model);
    std::vector<int32_t> tokens = someTokens(count);
    std::vector<float> rows;
    ASSERT_TRUE(session
                    ->score(tokens,
                            [&](int64_t first, absl::Span<const float> logits) {
                              EXPECT_EQ(first * test::fakeVocab, int64_t(rows.size()));
                              rows.insert(rows.end(), logits.begin(), logits.end());
                              return absl::OkStatus();
                            })
                    .ok());
    std::vector<float> expected;
    for (size_t i = 1; i <= count; ++i)
      for (float logit : expectedLogits({tokens.begin(), tokens.begin() + long(i)}))
        expected.push_back(logit);
    EXPECT_EQ(rows, expected);
  }
}

TEST(Session, ScoreStopsAtAnErrorAndForgetsTheTokens) {
  FakeModel model;
  auto session = makeSession(*model);
  ASSERT_TRUE(session->prefill(someTokens(3)).ok());
  absl::Status status = session->score(someTokens(20), [](int64_t, absl::Span<const float>) {
    return absl::InternalError("enough");
  });
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(session->position(), 3);
}

TEST(Session, RefusesWhatDoesNotFit) {
  FakeModel model;
  auto session = makeSession(*model);
  auto noSink = [](int64_t, absl::Span<const float>) { return absl::OkStatus(); };
  const char *message =
      "prompt: expected at most 64 tokens (the context this model was compiled for), got 65";
  EXPECT_EQ(session->prefill(someTokens(65)).message(), message);
  EXPECT_EQ(session->feed(someTokens(65)).status().message(), message);
  EXPECT_EQ(session->score(someTokens(65), noSink).message(), message);
  EXPECT_EQ(session->position(), 0) << "a refused call leaves no trace";
  ASSERT_TRUE(session->feed(someTokens(64)).ok());
  EXPECT_EQ(session->decode(1).status().message(), message);
  session->reset();
  EXPECT_TRUE(session->decode(1).ok());
}

TEST(Session, RefusesTokensOutsideTheVocabulary) {
  FakeModel model;
  auto session = makeSession(*model);
  for (int32_t bad : {-1, 264, INT32_MAX, INT32_MIN}) {
    EXPECT_THAT(std::string(session->prefill({1, 2, bad}).message()),
                HasSubstr("token 2: expected an id from 0 to 263, got "));
    EXPECT_FALSE(session->decode(bad).ok());
  }
  EXPECT_THAT(std::string(session->feed({}).status().message()), HasSubstr("at least one token"));
  EXPECT_EQ(session->position(), 0);
}

/// Greedy tokens by definition.
std::vector<int32_t> greedyAfter(std::vector<int32_t> tokens, size_t count) {
  std::vector<int32_t> chosen;
  while (chosen.size() < count) {
    chosen.push_back(expectedGreedy(tokens));
    tokens.push_back(chosen.back());
  }
  return chosen;
}

struct Generated {
  GenerateResult result;
  std::vector<int32_t> tokens;
};

Generated run(Session &session, const std::vector<int32_t> &prompt, GenerateOptions options) {
  SamplerOptions greedy;
  greedy.temperature = 0;
  Sampler sampler(greedy, 1);
  Generated generated;
  auto result = generate(session, sampler, prompt, options, [&](int32_t token) {
    generated.tokens.push_back(token);
    return absl::OkStatus();
  });
  EXPECT_TRUE(result.ok()) << result.status();
  if (result.ok())
    generated.result = *result;
  return generated;
}

TEST(Generate, GreedyTextIsTheModels) {
  FakeModel model(2);
  auto session = makeSession(*model);
  std::vector<int32_t> prompt = someTokens(20);
  GenerateOptions options;
  options.maxTokens = 12;
  options.ignoreEndOfText = true;
  Generated generated = run(*session, prompt, options);
  EXPECT_EQ(generated.tokens, greedyAfter(prompt, 12));
  EXPECT_EQ(generated.result.reason, StopReason::TokenLimit);
  EXPECT_EQ(generated.result.promptTokens, 20);
  EXPECT_THAT(generated.result.unread, testing::ElementsAre(generated.tokens.back()));
  EXPECT_EQ(session->position(), 31) << "the last token was not read";
}

TEST(Generate, StopsWhereTheContextEnds) {
  FakeModel model;
  auto session = makeSession(*model);
  GenerateOptions options;
  options.maxTokens = 100;
  options.ignoreEndOfText = true;
  Generated generated = run(*session, someTokens(60), options);
  // Four decoded positions, and the token the last one chose.
  EXPECT_EQ(generated.tokens.size(), 5u);
  EXPECT_EQ(generated.result.reason, StopReason::ContextFull);
  EXPECT_EQ(session->position(), 64);
}

TEST(Generate, StopsAtTheEndOfText) {
  std::vector<int32_t> prompt = someTokens(5), expected = greedyAfter(prompt, 4);
  FakeModel model(1, true, [&](ModelSettings &settings) {
    settings.eosTokens = {9999, expected[2]};
  });
  auto session = makeSession(*model);
  Generated generated = run(*session, prompt, {});
  size_t first =
      size_t(std::find(expected.begin(), expected.end(), expected[2]) - expected.begin());
  EXPECT_EQ(generated.tokens.size(), first);
  EXPECT_EQ(generated.result.reason, StopReason::EndOfText);
}

TEST(Generate, StopsAtFurtherEndTokens) {
  std::vector<int32_t> prompt = someTokens(5), expected = greedyAfter(prompt, 4);
  FakeModel model;
  auto session = makeSession(*model);
  GenerateOptions options;
  options.endTokens = {9999, expected[2]};
  Generated generated = run(*session, prompt, options);
  EXPECT_EQ(long(generated.tokens.size()),
            std::find(expected.begin(), expected.end(), expected[2]) - expected.begin());
  EXPECT_EQ(generated.result.reason, StopReason::EndOfText);
}

TEST(Generate, StopsWhenTheReceiverIsDone) {
  FakeModel model;
  auto session = makeSession(*model);
  SamplerOptions greedy;
  greedy.temperature = 0;
  Sampler sampler(greedy, 1);
  bool done = false;
  int count = 0;
  GenerateOptions options;
  options.ignoreEndOfText = true;
  options.done = &done;
  auto result = generate(*session, sampler, someTokens(5), options, [&](int32_t) {
    done = ++count == 3;
    return absl::OkStatus();
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reason, StopReason::Done);
  EXPECT_EQ(result->tokens, 3);
  EXPECT_EQ(session->position(), 7) << "the last token was not read";
}

TEST(Generate, StopsWhenAsked) {
  FakeModel model;
  auto session = makeSession(*model);
  std::atomic<bool> stop{true};
  GenerateOptions options;
  options.stop = &stop;
  EXPECT_EQ(run(*session, someTokens(30), options).result.reason, StopReason::Stopped);
  EXPECT_TRUE(run(*session, {1}, options).tokens.empty());
  options.maxTokens = 0;
  stop = false;
  EXPECT_TRUE(run(*session, {1}, options).tokens.empty());
}

/// The hidden states of the fake model: sums of what it has seen, as FakeFunctions.h says.
std::vector<float> fakeHiddenStates(const std::vector<int32_t> &tokens) {
  std::vector<float> states;
  for (size_t count = 1; count <= tokens.size(); ++count)
    for (int64_t h = 0; h < test::fakeHidden; ++h) {
      double sum = 0;
      for (size_t p = 0; p < count; ++p)
        sum += double(int64_t(tokens[p] + 1) * int64_t(p + 1) * (h + 3) % 97);
      states.push_back(float(sum));
    }
  return states;
}

TEST(Encoder, GivesHiddenStatesOfAWholeText) {
  FakeModel model(2, true, test::asEncoder);
  auto session = makeSession(*model);
  for (size_t count : {1, 9, 64, 3}) {
    std::vector<int32_t> tokens = someTokens(count);
    EXPECT_EQ(copy(session->encode(tokens).value()), fakeHiddenStates(tokens)) << count;
  }
  EXPECT_THAT(std::string(session->encode({}).status().message()), HasSubstr("at least one token"));
  EXPECT_THAT(std::string(session->encode(someTokens(65)).status().message()),
              HasSubstr("at most 64 tokens"));
  EXPECT_THAT(std::string(session->encode({1, 264}).status().message()), HasSubstr("token 1"));
  FakeModel decoder;
  EXPECT_THAT(std::string(makeSession(*decoder)->encode({1}).status().message()),
              HasSubstr("expected an encoder"));
}

TEST(Encoder, PoolsAndScales) {
  std::vector<int32_t> tokens = someTokens(7);
  std::vector<float> states = fakeHiddenStates(tokens);
  for (const char *pooling : {"mean", "cls", "last", "max"})
    for (int64_t scaled : {0, 1}) {
      FakeModel model(1, true, [&](ModelSettings &s) {
        test::asEncoder(s);
        s.pooling = pooling;
        s.normalize = scaled;
      });
      std::vector<float> expected = pool(states, test::fakeHidden, *parsePooling(pooling));
      if (scaled)
        normalize(absl::MakeSpan(expected));
      EXPECT_EQ(makeSession(*model)->embed(tokens).value(), expected) << pooling;
    }
}

TEST(Generate, PassesErrorsOn) {
  FakeModel model;
  auto session = makeSession(*model);
  Sampler sampler({}, 1);
  auto failing = [](int32_t) { return absl::InternalError("no more"); };
  EXPECT_EQ(generate(*session, sampler, {1}, {}, failing).status().message(), "no more");
  EXPECT_THAT(std::string(generate(*session, sampler, {}, {}, failing).status().message()),
              HasSubstr("at least one token"));
  session->reset();
  EXPECT_THAT(
      std::string(generate(*session, sampler, someTokens(65), {}, failing).status().message()),
      HasSubstr("at most 64 tokens"));
  EXPECT_EQ(session->position(), 0);
}

TEST(Generate, EncodePrompt) {
  FakeModel model;
  EXPECT_THAT(encodePrompt(*model->tokenizer(), "the a").value(),
              testing::ElementsAre(test::fakeBos, 257, ' ', 'a'));
  EXPECT_THAT(encodePrompt(*model->tokenizer(), "").value(), testing::ElementsAre(test::fakeBos));
}

} // namespace
} // namespace stc
