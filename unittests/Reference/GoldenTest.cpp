// Importer and interpreter together against float64 results computed elsewhere.
#include "Helpers.h"

#include <algorithm>

using namespace stc;

namespace {

/// Rotary tables are rounded to f32 by definition, which is all the difference there is.
constexpr double kTolerance = 2e-7;

#define STC_SKIP_WITHOUT(path)                                                                     \
  if (sharedPath(path).empty())                                                                    \
  GTEST_SKIP() << "shared " << path << " is absent"

class TinyModel : public testing::TestWithParam<const char *> {};

TEST_P(TinyModel, MatchesEveryGoldenLogit) {
  std::string model = std::string("models/") + GetParam();
  STC_SKIP_WITHOUT(model);
  TestModule test;
  ASSERT_EQ(test.import(sharedPath(model)), absl::OkStatus());
  Interpreter interpreter(*test.module);
  JsonValue golden = readGolden(GetParam());
  std::vector<int32_t> tokens = tokenList(golden.find("tokens"));
  auto logits = interpreter.logits(tokens);
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_LT(distance(*logits, -1, numbers(golden.find("last_logits"))), kTolerance);
  EXPECT_LT(distance(*logits, 0, numbers(golden.find("first_logits"))), kTolerance);
  std::vector<double> best = numbers(golden.find("argmax_per_position"));
  size_t vocabulary = logits->shape.back();
  for (size_t t = 0; t < tokens.size(); ++t) {
    auto row = logits->values.begin() + t * vocabulary;
    EXPECT_EQ(std::max_element(row, row + vocabulary) - row, best[t]) << "position " << t;
  }
  auto oneByOne = interpreter.logits(tokens, Interpreter::Feed::OneByOne);
  ASSERT_TRUE(oneByOne.ok()) << oneByOne.status();
  ASSERT_EQ(oneByOne->shape, logits->shape);
  for (size_t i = 0; i < logits->values.size(); ++i)
    ASSERT_NEAR(oneByOne->values[i], logits->values[i], 1e-12);
}

INSTANTIATE_TEST_SUITE_P(All, TinyModel, testing::Values("tiny-llama", "tiny-qwen2"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class Stories : public testing::TestWithParam<const char *> {};

TEST_P(Stories, MatchesLogitsAndGreedyTokens) {
  STC_SKIP_WITHOUT(GetParam());
  TestModule test;
  ASSERT_EQ(test.import(sharedPath(GetParam())), absl::OkStatus());
  Interpreter interpreter(*test.module);
  JsonValue golden = readGolden("stories260k");
  auto logits = interpreter.logits(tokenList(golden.find("prompt_tokens")));
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_LT(distance(*logits, -1, numbers(golden.find("last_logits"))), kTolerance);
  // Every greedy token is the argmax after its predecessors: one pass checks all of them.
  std::vector<int32_t> tokens = tokenList(golden.find("greedy_tokens"));
  size_t prompt = golden.find("prompt_tokens")->array.size();
  logits = interpreter.logits(tokens);
  ASSERT_TRUE(logits.ok()) << logits.status();
  size_t vocabulary = logits->shape.back();
  for (size_t t = prompt; t < tokens.size(); ++t) {
    auto row = logits->values.begin() + (t - 1) * vocabulary;
    EXPECT_EQ(std::max_element(row, row + vocabulary) - row, tokens[t]) << "position " << t;
  }
}

TEST(StoriesText, MatchesMeanLogLikelihood) {
  STC_SKIP_WITHOUT("models/stories260k");
  TestModule test;
  ASSERT_EQ(test.import(sharedPath("models/stories260k")), absl::OkStatus());
  Interpreter interpreter(*test.module);
  JsonValue golden = readGolden("stories260k");
  double total = 0;
  int64_t scored = 0;
  for (const JsonValue &sequence : golden.find("eval_sequences")->array) {
    std::vector<int32_t> tokens = tokenList(&sequence);
    auto logits = interpreter.logits(tokens);
    ASSERT_TRUE(logits.ok()) << logits.status();
    size_t vocabulary = logits->shape.back();
    for (size_t t = 1; t < tokens.size(); ++t, ++scored) {
      const double *row = &logits->values[(t - 1) * vocabulary];
      double sum = 0;
      for (size_t i = 0; i < vocabulary; ++i)
        sum += std::exp(row[i] - row[tokens[t]]);
      total += std::log(sum);
    }
  }
  EXPECT_NEAR(total / scored, golden.find("eval_nll_mean")->number, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(All, Stories,
                         testing::Values("models/stories260k", "models/stories260k.gguf"),
                         [](const auto &info) { return info.index == 0 ? "HuggingFace" : "Gguf"; });

TEST(Books, MatchesGreedyLogits) {
  STC_SKIP_WITHOUT("models/books");
  TestModule test;
  ASSERT_EQ(test.import(sharedPath("models/books")), absl::OkStatus());
  Interpreter interpreter(*test.module);
  JsonValue golden = readGolden("books");
  for (const char *key : {"greedy_a", "greedy_b"}) {
    const JsonValue *example = golden.find(key);
    auto logits = interpreter.logits(tokenList(example->find("prompt_tokens")));
    ASSERT_TRUE(logits.ok()) << logits.status();
    EXPECT_LT(distance(*logits, -1, numbers(example->find("last_logits"))), kTolerance) << key;
  }
}

} // namespace
