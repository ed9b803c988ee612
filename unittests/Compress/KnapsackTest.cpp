// Tests of the knapsack: against all choices there are, and at its limits.
#include "stc/Compress/Knapsack.h"

#include "gtest/gtest.h"

#include <cmath>

namespace stc {
namespace {

/// The least cost of all choices within the limit.
double bruteForce(const std::vector<std::vector<KnapsackOption>> &items, double limit) {
  double best = INFINITY;
  std::vector<size_t> choice(items.size());
  while (true) {
    double weight = 0, cost = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      weight += items[i][choice[i]].weight;
      cost += items[i][choice[i]].cost;
    }
    if (weight <= limit)
      best = std::min(best, cost);
    size_t digit = 0;
    while (digit < items.size() && ++choice[digit] == items[digit].size())
      choice[digit++] = 0;
    if (digit == items.size())
      return best;
  }
}

TEST(KnapsackTest, TakesWhatSavesMostForItsWeight) {
  std::vector<std::vector<KnapsackOption>> items = {{{1, 10}, {2, 1}, {3, 0.9}},
                                                    {{1, 5}, {2, 4}, {4, 0}}};
  KnapsackChoice choice = solveKnapsack(items, 3);
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(choice.options, (std::vector<size_t>{1, 0}));
  EXPECT_EQ(choice.weight, 3);
  EXPECT_EQ(choice.cost, 6);
  EXPECT_NEAR(choice.multiplier, 5.0 / 3, 1e-12); // of {1, 5} -> {4, 0}; {2, 4} is on no hull
  choice = solveKnapsack(items, 100);
  EXPECT_EQ(choice.options, (std::vector<size_t>{2, 2}));
  EXPECT_EQ(choice.multiplier, 0);
}

TEST(KnapsackTest, SaysWhenNothingFits) {
  std::vector<std::vector<KnapsackOption>> items = {{{3, 1}, {2, 4}}, {{5, 0}}};
  KnapsackChoice choice = solveKnapsack(items, 6.9);
  EXPECT_FALSE(choice.fits);
  EXPECT_EQ(choice.options, (std::vector<size_t>{1, 0}));
  EXPECT_EQ(choice.weight, 7);
  EXPECT_TRUE(std::isinf(choice.multiplier));
  EXPECT_TRUE(solveKnapsack(items, 7).fits);
  EXPECT_TRUE(solveKnapsack({}, 0).fits);
}

TEST(KnapsackTest, IsNearlyTheBestOfAllChoices) {
  uint64_t state = 7;
  auto random = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return double(state >> 40) / double(1 << 24);
  };
  double sum = 0, best = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<std::vector<KnapsackOption>> items(6);
    double lightest = 0, heaviest = 0;
    for (auto &options : items) {
      double scale = 1 + 9 * random(), sensitivity = std::exp(4 * random());
      // Losses fall with bytes as those of encodings do, with some noise.
      for (double bits : {2.5, 3.5, 4.5, 8.5})
        options.push_back({scale * bits, sensitivity * std::exp2(-2 * bits) * (0.5 + random())});
      lightest += options.front().weight;
      heaviest += options.back().weight;
    }
    double limit = lightest + random() * (heaviest - lightest);
    KnapsackChoice choice = solveKnapsack(items, limit);
    EXPECT_TRUE(choice.fits);
    EXPECT_LE(choice.weight, limit);
    double least = bruteForce(items, limit);
    EXPECT_GE(choice.cost, least * (1 - 1e-12));
    sum += choice.cost / least;
    best += 1;
  }
  EXPECT_LT(sum / best, 1.25);
}

} // namespace
} // namespace stc
