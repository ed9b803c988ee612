// Statistics of predictions against numbers worked out by hand.
#include "stc/Support/Predictions.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <vector>

namespace stc {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Predictions, MeanByHand) {
  SampleMean mean;
  EXPECT_EQ(mean.mean(), 0);
  EXPECT_EQ(mean.standardError(), 0);
  for (double value : {1.0, 2.0, 3.0, 6.0})
    mean.add(value);
  // Mean 3; squared deviations 4 + 1 + 0 + 9 = 14, over 3 is the variance, over 4 that of the mean.
  EXPECT_EQ(mean.count(), 4);
  EXPECT_DOUBLE_EQ(mean.mean(), 3);
  EXPECT_DOUBLE_EQ(mean.standardError(), std::sqrt(14.0 / 3 / 4));
  SampleMean one;
  one.add(2);
  EXPECT_EQ(one.mean(), 2);
  EXPECT_EQ(one.standardError(), 0);
}

TEST(Predictions, MeanOfLargeNumbersThatDifferLittle) {
  SampleMean mean;
  for (int i = 0; i < 1000; ++i)
    mean.add(1e9 + (i % 2));
  EXPECT_DOUBLE_EQ(mean.mean(), 1e9 + 0.5);
  EXPECT_NEAR(mean.standardError(), std::sqrt(250.0 / 999 / 1000), 1e-9);
}

TEST(Predictions, LogSumExp) {
  // 1 + 4 + 2 + 1 = 8, and far from where exponentials overflow or vanish.
  for (float shift : {0.0f, 1000.0f, -1000.0f}) {
    std::vector<float> logits = {shift, shift + std::log(4.0f), shift + std::log(2.0f), shift};
    EXPECT_NEAR(logSumExp(logits), double(shift) + std::log(8.0), 1e-4);
  }
  EXPECT_EQ(logSumExp({5.0f}), 5);
  EXPECT_EQ(logSumExp({-infinity, 2.0f}), 2);
  EXPECT_TRUE(std::isnan(logSumExp({1.0f, NAN})));
  EXPECT_TRUE(std::isnan(logSumExp({NAN, 1.0f})));
}

TEST(Predictions, DivergenceByHand) {
  // p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): KL = 1/2 ln 2 + 0 - 1/4 ln 2.
  float two = std::log(2.0f);
  std::vector<float> p = {two, 0, 0}, q = {0, 0, two};
  PredictionComparison result = comparePredictions(p, q);
  EXPECT_NEAR(result.divergence, std::log(2.0) / 4, 1e-7);
  EXPECT_NEAR(result.referenceLogSum, std::log(4.0), 1e-7);
  EXPECT_NEAR(result.modelLogSum, std::log(4.0), 1e-7);
  EXPECT_FALSE(result.agrees);
  // Not symmetric: p = (1/2, 1/2), q = (1/4, 3/4).
  std::vector<float> even = {0, 0}, uneven = {0, std::log(3.0f)};
  EXPECT_NEAR(comparePredictions(even, uneven).divergence, 0.5 * std::log(4.0 / 3), 1e-7);
  EXPECT_NEAR(comparePredictions(uneven, even).divergence,
              0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-7);
  // Only differences of logits matter.
  for (float &logit : q)
    logit += 300;
  EXPECT_NEAR(comparePredictions(p, q).divergence, std::log(2.0) / 4, 1e-4);
}

TEST(Predictions, EqualModelsDoNotDiverge) {
  std::vector<float> logits;
  for (int i = 0; i < 1000; ++i)
    logits.push_back(float(i * 7919 % 1000) / 37 - 10);
  PredictionComparison result = comparePredictions(logits, logits);
  EXPECT_EQ(result.divergence, 0);
  EXPECT_TRUE(result.agrees);
  EXPECT_EQ(result.modelLogSum, logSumExp(logits));
}

TEST(Predictions, Infinities) {
  std::vector<float> all = {0, 0}, one = {0, -infinity};
  EXPECT_NEAR(comparePredictions(one, all).divergence, std::log(2.0), 1e-12);
  EXPECT_EQ(comparePredictions(one, one).divergence, 0);
  EXPECT_EQ(comparePredictions(all, one).divergence, infinity);
  for (const std::vector<float> &bad : {std::vector<float>{NAN, 0}, {0, NAN}, {infinity, 0}}) {
    EXPECT_TRUE(std::isnan(comparePredictions(bad, all).divergence));
    EXPECT_TRUE(std::isnan(comparePredictions(all, bad).divergence));
  }
}

TEST(Predictions, OfSeveralBestTokensTheFirstCounts) {
  EXPECT_TRUE(comparePredictions({1, 3, 3}, {0, 2, 1}).agrees);
  EXPECT_FALSE(comparePredictions({1, 3, 3}, {0, 1, 2}).agrees);
}

} // namespace
} // namespace stc
