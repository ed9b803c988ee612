// Scores are the products they promise, their masks agree with sorting, and ratios keep their mean.
#include "stc/Compress/Scores.h"

#include "CompressTestUtil.h"

#include <algorithm>
#include <numeric>

using namespace stc;

TEST(Scores, WandaIsMagnitudeTimesInputNorm) {
  SecondMoments moments = momentsOf(3, {3, 0, 1, 4, 0, -1});
  std::vector<float> scores = wandaScores({1, -2, -3, 0, 5, 2}, moments);
  float root = std::sqrt(2.0f);
  EXPECT_EQ(scores, (std::vector<float>{5, 0, 3 * root, 0, 0, 2 * root}));
}

TEST(Scores, EqualInputsGiveTheMagnitudeMask) {
  constexpr int64_t rows = 9, columns = 48;
  std::vector<float> w = randomNormal(rows * columns, 1);
  SecondMoments moments = momentsOf(columns, std::vector<float>(columns, 2.0f));
  for (const char *text : {"0.5", "0.9", "2:4", "4:16", "block4x4:0.5"}) {
    PrunePattern p = parsePruneSpec(text)->pattern;
    EXPECT_EQ(maskFromScores(p, rows, columns, wandaScores(w, moments)),
              magnitudeMask(p, rows, columns, w))
        << text;
  }
}

TEST(Scores, MasksAgreeWithSorting) {
  constexpr int64_t rows = 7, columns = 60;
  SecondMoments moments = correlatedMoments(100, columns, 1);
  std::vector<float> scores = wandaScores(randomNormal(rows * columns, 2), moments);
  std::vector<uint8_t> mask = maskFromScores(parsePruneSpec("0.7")->pattern, rows, columns, scores);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<int64_t> order(columns);
    std::iota(order.begin(), order.end(), row * columns);
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return scores[size_t(a)] > scores[size_t(b)]; });
    for (int64_t i = 0; i < columns; ++i)
      EXPECT_EQ(mask[size_t(order[size_t(i)])], i < 18);
  }
}

TEST(Scores, OutlierRatiosCountWhatExceedsTheMean) {
  std::vector<float> scores(100, 1.0f);
  EXPECT_EQ(outlierRatio(scores), 0);
  scores[3] = -40;
  scores[70] = 30; // the mean is 1.68
  EXPECT_EQ(outlierRatio(scores), 0.02);
  EXPECT_EQ(outlierRatio(scores, 20), 0.01);
  EXPECT_EQ(outlierRatio({}), 0);
}

TEST(Scores, OwlKeepsTheMeanAndTheBound) {
  std::vector<double> outliers = {0.01, 0.05, 0.02, 0.09};
  for (std::vector<int64_t> sizes : {std::vector<int64_t>{1, 1, 1, 1}, {1, 2, 3, 40}})
    for (double ratio : {0.02, 0.5, 0.7, 0.98})
      for (double lambda : {0.0, 0.08, 0.3}) {
        std::vector<double> ratios = owlRatios(outliers, sizes, ratio, lambda);
        double sum = 0, total = 0;
        for (size_t i = 0; i < 4; ++i) {
          EXPECT_GE(ratios[i], 0);
          EXPECT_LE(ratios[i], 1);
          EXPECT_LE(std::fabs(ratios[i] - ratio), lambda + 1e-12);
          EXPECT_GE(ratios[i], ratio / 2);
          EXPECT_LE(ratios[i], (1 + ratio) / 2);
          sum += ratios[i] * double(sizes[i]);
          total += double(sizes[i]);
        }
        EXPECT_NEAR(sum / total, ratio, 1e-12);
        if (lambda > 0) { // the more outliers the fewer zeros
          EXPECT_GT(ratios[0], ratios[2]);
          EXPECT_GT(ratios[2], ratios[1]);
          EXPECT_GT(ratios[1], ratios[3]);
        }
      }
  std::vector<double> equal = {0.1, 0.1};
  EXPECT_EQ(owlRatios(equal, {3, 5}, 0.6), (std::vector<double>{0.6, 0.6}));
  EXPECT_TRUE(owlRatios({}, {}, 0.5).empty());
}

TEST(Scores, OwlKeepsTheMeanOfWholeNumbers) {
  std::vector<double> outliers = {0.01, 0.05, 0.02, 0.09};
  EXPECT_EQ(owlCounts(outliers, {1, 1, 1, 1}, 8, 16, 0.15), (std::vector<int64_t>{6, 8, 7, 11}));
  EXPECT_EQ(owlCounts({0.1, 0.1}, {3, 5}, 4, 8), (std::vector<int64_t>{4, 4}));
  EXPECT_TRUE(owlCounts({}, {}, 4, 8).empty());
  for (std::vector<int64_t> sizes : {std::vector<int64_t>{5, 5, 5, 5}, {1, 2, 3, 40}})
    for (int64_t m : {8, 16, 32})
      for (int64_t n = 1; n < m; ++n)
        for (double lambda : {0.0, 0.08, 0.3}) {
          std::vector<int64_t> counts = owlCounts(outliers, sizes, n, m, lambda);
          int64_t kept = 0, total = 0;
          for (size_t i = 0; i < 4; ++i) {
            EXPECT_GE(counts[i], 1);
            EXPECT_LT(counts[i], m);
            kept += counts[i] * sizes[i];
            total += sizes[i];
          }
          EXPECT_LE(kept, n * total);
          if (sizes[0] == sizes[3]) {
            EXPECT_EQ(kept, n * total) << n << ":" << m;
            EXPECT_LE(counts[0], counts[2]); // the more outliers the more weights
            EXPECT_LE(counts[2], counts[1]);
            EXPECT_LE(counts[1], counts[3]);
          } else {
            EXPECT_GT(kept, (n - 1) * total);
          }
        }
}
