// The ADMM solver keeps its patterns and beats one pass of optimal brain surgery.
#include "stc/Compress/Alps.h"
#include "stc/Compress/Obs.h"
#include "stc/Compress/Repair.h"
#include "stc/Compress/Scores.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Parallel.h"

#include "CompressTestUtil.h"

#include <algorithm>

using namespace stc;

namespace {

PrunePattern pattern(absl::string_view text) { return parsePruneSpec(text).value().pattern; }

AlpsResult solve(const char *text, int64_t rows, absl::Span<const float> weights,
                 const SecondMoments &moments) {
  AlpsOptions options;
  options.pattern = pattern(text);
  auto result = solveAlps(options, rows, weights, moments);
  EXPECT_TRUE(result.ok()) << result.status();
  return std::move(result).value();
}

} // namespace

TEST(Alps, BeatsObsBeatsWanda) {
  constexpr int64_t rows = 64, columns = 256;
  for (uint64_t seed : {1, 2}) {
    SecondMoments moments = correlatedMoments(1000, columns, seed);
    std::vector<float> w = randomNormal(rows * columns, 10 + seed);
    InverseFactor factor = factorInverse(moments).value();
    std::vector<float> cross = crossOfWeights(moments, rows, w);
    for (const char *text : {"2:4", "4:8", "0.5", "0.7", "0.9", "block16x4:0.5"}) {
      SCOPED_TRACE(testing::Message() << text << " " << seed);
      std::vector<uint8_t> mask =
          maskFromScores(pattern(text), rows, columns, wandaScores(w, moments));
      std::vector<float> wanda = w;
      for (size_t i = 0; i < w.size(); ++i)
        wanda[i] *= mask[i];
      ObsResult obs = solveObs({pattern(text), {}, {}}, rows, w, moments, factor).value();
      AlpsResult alps = solve(text, rows, w, moments);
      double repaired = outputError(moments, rows, w,
                                    *refitWeights({}, rows, obs.values, obs.mask, moments, cross));
      EXPECT_LT(obs.error, outputError(moments, rows, w, wanda));
      EXPECT_LT(alps.error, obs.error);
      EXPECT_LT(alps.error, repaired);
    }
  }
}

TEST(Alps, MasksKeepTheirPromises) {
  constexpr int64_t rows = 20;
  for (int64_t columns : {1, 30, 130})
    for (const char *text : {"0.5", "2:4", "5:7", "block16x4:0.75"}) {
      SCOPED_TRACE(testing::Message() << text << " " << columns);
      PrunePattern p = pattern(text);
      SecondMoments moments = correlatedMoments(columns + 20, columns, 1);
      AlpsResult result = solve(text, rows, randomNormal(rows * columns, 2), moments);
      int64_t kept = std::count(result.mask.begin(), result.mask.end(), 1);
      for (size_t i = 0; i < result.mask.size(); ++i)
        ASSERT_TRUE(result.mask[i] || result.values[i] == 0);
      if (p.kind == PrunePattern::Kind::Unstructured)
        EXPECT_EQ(kept, std::llround((1 - p.ratio) * double(rows * columns)));
      for (int64_t row = 0; p.kind == PrunePattern::Kind::NM && row < rows; ++row)
        for (int64_t first = 0; first < columns; first += p.m) {
          int64_t width = std::min(p.m, columns - first);
          auto begin = result.mask.begin() + row * columns + first;
          ASSERT_EQ(std::count(begin, begin + width, 1), std::min(p.n, width));
        }
      for (int64_t i = 0; p.kind == PrunePattern::Kind::Block && i < rows * columns; ++i) {
        int64_t top = i / columns / 16 * 16, left = i % columns / 4 * 4;
        ASSERT_EQ(result.mask[size_t(i)], result.mask[size_t(top * columns + left)]);
      }
    }
}

TEST(Alps, NothingToPruneKeepsTheWeights) {
  SecondMoments moments = correlatedMoments(100, 40, 3);
  std::vector<float> w = randomNormal(3 * 40, 4);
  AlpsResult result = solve("none", 3, w, moments);
  EXPECT_EQ(std::count(result.mask.begin(), result.mask.end(), 0), 0);
  EXPECT_LT(result.error, 1e-3);
}

TEST(Alps, DeadInputsAndSingularMoments) {
  constexpr int64_t rows = 8, columns = 64;
  std::vector<float> x = correlatedInputs(20, columns, 1);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = i % columns >= 10 && i % columns < 20 ? 0 : x[i];
  SecondMoments moments = momentsOf(columns, x);
  std::vector<float> w = randomNormal(rows * columns, 2);
  for (const char *text : {"0.5", "2:4", "block4x4:0.5"}) {
    AlpsResult result = solve(text, rows, w, moments);
    EXPECT_TRUE(checkFinite(result.values, "values").ok());
    EXPECT_LT(result.error, 0.3);
  }
  EXPECT_TRUE(checkFinite(solve("2:4", rows, w, SecondMoments(columns)).values, "values").ok());
}

TEST(Alps, DoesNotDependOnThreads) {
  SecondMoments moments = correlatedMoments(700, 520, 9);
  std::vector<float> w = randomNormal(300 * 520, 10);
  AlpsResult all = solve("2:4", 300, w, moments);
  setParallelThreads(1);
  AlpsResult one = solve("2:4", 300, w, moments);
  setParallelThreads(0);
  EXPECT_EQ(all.values, one.values);
  EXPECT_EQ(all.mask, one.mask);
}

TEST(Alps, RefusesWhatDoesNotFit) {
  SecondMoments moments = correlatedMoments(30, 8, 1);
  std::vector<float> w = randomNormal(16, 2);
  EXPECT_FALSE(solveAlps({}, 3, w, moments).ok());
  w[3] = INFINITY;
  EXPECT_EQ(solveAlps({}, 2, w, moments).status().message(),
            "matrix: expected finite values, got infinity at element 3");
  w[3] = 0;
  // As many channels as one direction, and no damping.
  AlpsOptions options;
  options.damping = 0;
  options.pattern = pattern("2:4");
  SecondMoments dead = momentsOf(8, std::vector<float>(8, 0.0f));
  EXPECT_FALSE(solveAlps(options, 2, w, dead).ok());
}
