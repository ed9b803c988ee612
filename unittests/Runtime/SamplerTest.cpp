// Sampling: each step by itself, the distribution drawn from, determinism, and bad logits.
#include "stc/Runtime/Sampler.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace stc {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

SamplerOptions plain(double temperature = 1) {
  SamplerOptions options;
  options.temperature = temperature;
  options.topK = 0;
  options.topP = 1;
  options.minP = 0;
  return options;
}

int32_t sampleOnce(const SamplerOptions &options, const std::vector<float> &logits,
                   uint64_t seed = 1) {
  Sampler sampler(options, seed);
  auto token = sampler.sample(logits);
  EXPECT_TRUE(token.ok()) << token.status();
  return token.ok() ? *token : -1;
}

std::set<int32_t> reachable(const SamplerOptions &options, const std::vector<float> &logits) {
  Sampler sampler(options, 7);
  std::set<int32_t> tokens;
  for (int i = 0; i < 2000; ++i)
    tokens.insert(sampler.sample(logits).value());
  return tokens;
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowestIdAmongEquals) {
  EXPECT_EQ(sampleOnce(plain(0), {1, 3, 2, 3}), 1);
  EXPECT_EQ(sampleOnce(plain(0), {-inf, -5, -inf}), 1);
  EXPECT_EQ(sampleOnce(plain(0), {0, 0, 0}), 0);
}

TEST(Sampler, LargeVocabularies) {
  // Sizes about those of vectors and stretches, with many equals.
  uint32_t state = 1;
  for (size_t size : {1, 31, 32, 33, 255, 256, 257, 300, 511, 513, 5000})
    for (uint32_t values : {1u, 3u, 1000u}) {
      std::vector<float> logits;
      for (size_t i = 0; i < size; ++i) {
        state = state * 1664525 + 1013904223;
        logits.push_back(float((state >> 8) % values) / 8 - 60);
      }
      std::vector<int32_t> order(size);
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        float first = logits[size_t(a)], second = logits[size_t(b)];
        return first != second ? first > second : a < b;
      });
      EXPECT_EQ(sampleOnce(plain(0), logits), order[0]) << size << " " << values;
      SamplerOptions options = plain(1e6); // all of them are as likely
      options.topK = 5;
      order.resize(std::min<size_t>(size, 5));
      EXPECT_EQ(reachable(options, logits), std::set<int32_t>(order.begin(), order.end()))
          << size << " " << values;
    }
}

TEST(Sampler, DrawsFromTheSoftmax) {
  std::vector<float> logits = {0, 1, 2, -1};
  for (double temperature : {0.5, 1.0, 2.0}) {
    double weights[4], sum = 0;
    for (int i = 0; i < 4; ++i)
      sum += weights[i] = std::exp(double(logits[size_t(i)]) / temperature);
    Sampler sampler(plain(temperature), 3);
    constexpr int draws = 40000;
    int counts[4] = {};
    for (int i = 0; i < draws; ++i)
      ++counts[sampler.sample(logits).value()];
    for (int i = 0; i < 4; ++i) {
      double p = weights[i] / sum;
      EXPECT_NEAR(counts[i], draws * p, 5 * std::sqrt(draws * p * (1 - p))) << temperature;
    }
  }
}

TEST(Sampler, SameSeedSameTokens) {
  std::vector<float> logits;
  for (int i = 0; i < 1000; ++i)
    logits.push_back(float(i * 7919 % 1000) / 300);
  SamplerOptions options;
  options.repeatPenalty = 1.2;
  auto draw = [&](uint64_t seed) {
    Sampler sampler(options, seed);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 50; ++i)
      tokens.push_back(sampler.sample(logits).value());
    return tokens;
  };
  EXPECT_EQ(draw(5), draw(5));
  EXPECT_NE(draw(5), draw(6));
}

TEST(Sampler, TopK) {
  SamplerOptions options = plain(10);
  options.topK = 2;
  EXPECT_THAT(reachable(options, {1, 4, 2, 3}), testing::ElementsAre(1, 3));
  options.topK = 100;
  EXPECT_EQ(reachable(options, {1, 4, 2, 3}).size(), 4u);
  // Equals: the lower ids stay, whatever the sorting algorithm.
  options.topK = 2;
  EXPECT_THAT(reachable(options, {1, 1, 1, 1}), testing::ElementsAre(0, 1));
}

TEST(Sampler, TopP) {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  std::vector<float> logits = {0, std::log(4.0f), std::log(2.0f), 0};
  SamplerOptions options = plain();
  options.topP = 0.49;
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(1));
  options.topP = 0.6;
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(1, 2));
  options.topP = 0.8;
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(0, 1, 2));
  options.topP = 0;
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(1));
}

TEST(Sampler, MinP) {
  std::vector<float> logits = {0, std::log(4.0f), std::log(2.0f), std::log(0.1f)};
  SamplerOptions options = plain();
  options.minP = 0.4;
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(1, 2));
  options.minP = 0.2;
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(0, 1, 2));
  options.minP = 1;
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(1));
}

// The order is part of the contract: top-p sees probabilities among the top k only.
TEST(Sampler, TopPComesAfterTopK) {
  std::vector<float> logits = {std::log(3.0f), std::log(2.0f), std::log(5.0f)};
  SamplerOptions options = plain();
  options.topK = 2;   // 5/8 and 3/8
  options.topP = 0.6; // 5/8 is enough; of all three it would be 5/10
  EXPECT_THAT(reachable(options, logits), testing::ElementsAre(2));
}

TEST(Sampler, RepeatPenaltyMovesLogitsTowardsUnlikely) {
  SamplerOptions options = plain(0);
  options.repeatPenalty = 2;
  Sampler sampler(options, 1);
  EXPECT_EQ(sampler.sample({3, 2, 1}).value(), 0);
  EXPECT_EQ(sampler.sample({3, 2, 1}).value(), 1); // 1.5, 2, 1
  EXPECT_EQ(sampler.sample({3, 2, 1}).value(), 0); // 1.5, 1, 1
  // A negative logit is multiplied: -1 becomes -2.
  Sampler other(options, 1);
  other.observe({0});
  EXPECT_EQ(other.sample({-1, -1.5, -9}).value(), 1);
}

TEST(Sampler, RepeatWindowForgets) {
  SamplerOptions options = plain(0);
  options.repeatPenalty = 100;
  options.repeatWindow = 2;
  Sampler sampler(options, 1);
  sampler.observe({0, 1, 2, 3, 999999, -4}); // ids outside the vocabulary do no harm
  EXPECT_EQ(sampler.sample({5, 4, 3, 2}).value(), 0);
  EXPECT_EQ(sampler.sample({5, 4, 3, 2}).value(), 1);
  EXPECT_EQ(sampler.sample({5, 4, 3, 2}).value(), 2);
  EXPECT_EQ(sampler.sample({5, 4, 3, 2}).value(), 0);
}

TEST(Sampler, BadLogitsAreErrors) {
  Sampler sampler(plain(), 1);
  for (float bad : {NAN, inf}) {
    auto token = sampler.sample({0, bad, 1});
    ASSERT_FALSE(token.ok());
    EXPECT_NE(token.status().message().find("token 1"), std::string::npos) << token.status();
  }
  EXPECT_FALSE(sampler.sample({-inf, -inf}).ok());
  EXPECT_FALSE(sampler.sample({}).ok());
}

TEST(Sampler, ExtremeTemperaturesStayFinite) {
  EXPECT_EQ(sampleOnce(plain(1e-300), {1, 2, -inf}), 1);
  EXPECT_EQ(reachable(plain(1e6), {0, 50, -inf}), (std::set<int32_t>{0, 1}));
}

TEST(Sampler, BiasesComeFirst) {
  SamplerOptions options = plain(0);
  options.biases = {{2, 2.5}, {0, -100}, {7, 100}, {-1, 100}}; // the last two are nobody's
  EXPECT_EQ(sampleOnce(options, {3, 1, 0}), 2);
  options.biases = {{0, 100}};
  EXPECT_EQ(sampleOnce(options, {-inf, 1, 0}), 1);
}

TEST(Sampler, PenaltiesOfWhatWasChosen) {
  // Each time a token is chosen it loses 1, and 2 more the first time.
  SamplerOptions options = plain(0);
  options.frequencyPenalty = 1;
  options.presencePenalty = 2;
  Sampler sampler(options, 1);
  sampler.observe({1, 1, 1}); // not chosen
  std::vector<int32_t> chosen;
  for (int i = 0; i < 6; ++i)
    chosen.push_back(sampler.sample({5, 4.5f, 2.25f}).value());
  // 5 4.5 2.25, then 2 4.5, 2 1.5, 2 1.5 -0.75, 1, 0.5 ...
  EXPECT_THAT(chosen, testing::ElementsAre(0, 1, 2, 0, 1, 0));
}

} // namespace
} // namespace stc
