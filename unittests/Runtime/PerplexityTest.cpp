// Perplexity: the sums by hand, the windows, and the whole on the fake model.
#include "FakeModel.h"

#include "stc/Runtime/Perplexity.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

namespace stc {
namespace {

TEST(Perplexity, SumsByHand) {
  PerplexitySums sums;
  for (double nll : {1.0, 2.0, 3.0, 6.0})
    sums.add(nll);
  // Mean 3; squared deviations 4 + 1 + 0 + 9 = 14, over 3 is the variance, over 4 that of the mean.
  EXPECT_DOUBLE_EQ(sums.perplexity(), std::exp(3.0));
  EXPECT_DOUBLE_EQ(sums.standardError(), std::exp(3.0) * std::sqrt(14.0 / 3 / 4));
  PerplexitySums one;
  one.add(2);
  EXPECT_EQ(one.standardError(), 0);
}

TEST(Perplexity, NegativeLogProbability) {
  // Probabilities 1/8, 4/8, 2/8, 1/8, shifted far from zero: only differences matter.
  for (float shift : {0.0f, 500.0f, -500.0f}) {
    std::vector<float> logits = {shift, shift + std::log(4.0f), shift + std::log(2.0f), shift};
    EXPECT_NEAR(negativeLogProbability(logits, 1), std::log(2.0), 1e-4);
    EXPECT_NEAR(negativeLogProbability(logits, 0), std::log(8.0), 1e-4);
  }
}

TEST(Perplexity, Windows) {
  auto sizes = [](size_t tokens, size_t size) {
    std::vector<size_t> counts;
    size_t next = 0;
    for (Window window : evalWindows(tokens, size)) {
      EXPECT_EQ(window.first, next);
      next += window.count;
      counts.push_back(window.count);
    }
    return counts;
  };
  EXPECT_THAT(sizes(10, 4), testing::ElementsAre(4, 4));
  EXPECT_THAT(sizes(8, 4), testing::ElementsAre(4, 4));
  EXPECT_THAT(sizes(3, 4), testing::ElementsAre(3));
  EXPECT_THAT(sizes(4, 4), testing::ElementsAre(4));
}

/// The same by definition: every window alone, every prediction from the hand-written logits.
PerplexitySums byDefinition(const std::vector<int32_t> &tokens, size_t own, bool bos) {
  PerplexitySums sums;
  for (size_t first = 0; first + own <= tokens.size(); first += own) {
    std::vector<int32_t> window;
    if (bos)
      window.push_back(test::fakeBos);
    window.insert(window.end(), tokens.begin() + long(first), tokens.begin() + long(first + own));
    for (size_t i = 1; i < window.size(); ++i) {
      std::vector<float> logits = test::expectedLogits({window.begin(), window.begin() + long(i)});
      double sum = 0;
      for (float logit : logits)
        sum += std::exp(double(logit));
      sums.add(std::log(sum) - double(logits[size_t(window[i])]));
    }
  }
  return sums;
}

TEST(Perplexity, OfTheFakeModel) {
  test::FakeModel model(2);
  auto session = Session::create(*model).value();
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 75; ++i)
    tokens.push_back(i * 31 % 256);
  for (int64_t context : {2, 8, 13, 20}) {
    for (bool bos : {false, true}) {
      int64_t reported = 0;
      auto sums = measurePerplexity(*session, tokens, context, bos ? test::fakeBos : -1,
                                    [&](int64_t scored) { reported += scored; });
      ASSERT_TRUE(sums.ok()) << sums.status();
      PerplexitySums expected = byDefinition(tokens, size_t(context) - bos, bos);
      EXPECT_EQ(sums->tokens, expected.tokens);
      EXPECT_EQ(reported, expected.tokens);
      EXPECT_NEAR(sums->perplexity(), expected.perplexity(), 1e-9 * expected.perplexity());
      EXPECT_NEAR(sums->standardError(), expected.standardError(), 1e-6);
    }
  }
}

TEST(Perplexity, NeedsTwoTokens) {
  test::FakeModel model;
  auto session = Session::create(*model).value();
  auto ignore = [](int64_t) {};
  for (std::vector<int32_t> tokens : {std::vector<int32_t>{}, {5}}) {
    auto sums = measurePerplexity(*session, tokens, 8, -1, ignore);
    ASSERT_FALSE(sums.ok());
    EXPECT_THAT(std::string(sums.status().message()),
                testing::HasSubstr("at least two tokens in a window"));
  }
  EXPECT_TRUE(measurePerplexity(*session, {5}, 8, test::fakeBos, ignore).ok());
}

} // namespace
} // namespace stc
