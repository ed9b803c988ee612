// Tests of T5's buckets of distances.
#include "stc/Dialect/STC/Utils/AttentionBias.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

namespace stc {
namespace {

// 32 buckets up to 128, T5's own: in each of two directions 8 for one distance each, then
// 8 + floor(8 ln(d / 8) / ln 16).
TEST(AttentionBiasTest, BothDirections) {
  auto bucket = [](int64_t distance) { return relativeBucket(distance, 32, 128, true); };
  EXPECT_EQ(bucket(0), 0);
  EXPECT_EQ(bucket(-1), 1);
  EXPECT_EQ(bucket(-7), 7);
  EXPECT_EQ(bucket(-8), 8);
  EXPECT_EQ(bucket(-11), 8);
  EXPECT_EQ(bucket(-12), 9);
  EXPECT_EQ(bucket(-127), 15);
  EXPECT_EQ(bucket(-128), 15);
  EXPECT_EQ(bucket(-100000), 15);
  EXPECT_EQ(bucket(1), 17);
  EXPECT_EQ(bucket(8), 24);
  EXPECT_EQ(bucket(100000), 31);
}

// All buckets for the past: 16 for one distance each, then 16 + floor(16 ln(d / 16) / ln 8).
TEST(AttentionBiasTest, PastOnly) {
  auto bucket = [](int64_t distance) { return relativeBucket(distance, 32, 128, false); };
  EXPECT_EQ(bucket(0), 0);
  EXPECT_EQ(bucket(5), 0);
  EXPECT_EQ(bucket(-15), 15);
  EXPECT_EQ(bucket(-16), 16);
  EXPECT_EQ(bucket(-18), 16);
  EXPECT_EQ(bucket(-19), 17);
  EXPECT_EQ(bucket(-20), 17);
  EXPECT_EQ(bucket(-127), 31);
  EXPECT_EQ(bucket(-128), 31);
}

TEST(AttentionBiasTest, RunsSayWhatBucketsSay) {
  for (bool bothDirections : {false, true})
    for (int64_t reach : {0, 5, 60, 128, 1000}) {
      std::vector<BucketRun> runs = bucketRuns(32, 128, bothDirections, reach);
      EXPECT_EQ(runs.front().end, runs.front().begin + 1);
      EXPECT_EQ(runs.back().end, runs.back().begin + 1);
      for (int64_t distance = -reach; distance <= (bothDirections ? reach : 300); ++distance) {
        int64_t inside = std::clamp(distance, runs.front().begin, runs.back().begin);
        int64_t holding = 0;
        for (const BucketRun &run : runs)
          if (run.begin <= inside && inside < run.end) {
            ++holding;
            EXPECT_EQ(run.bucket, relativeBucket(distance, 32, 128, bothDirections)) << distance;
          }
        EXPECT_EQ(holding, 1) << distance;
      }
    }
  // 32 buckets, of which 0 is for no distance ahead; those of distance 91 and more share one.
  std::vector<BucketRun> runs = bucketRuns(32, 128, true, 4096);
  EXPECT_EQ(runs.size(), 31u);
  EXPECT_EQ(runs.front().begin, -91);
  EXPECT_EQ(runs.back().begin, 91);
}

// The paper's own examples: 8 heads, and 12, of which 8 are as before.
TEST(AttentionBiasTest, SlopesOfHeads) {
  EXPECT_EQ(alibiSlopes(1, 8), std::vector<double>({1.0 / 256}));
  std::vector<double> eight = alibiSlopes(8, 8);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(eight[size_t(i)], 1.0 / (2 << i));
  std::vector<double> twelve = alibiSlopes(12, 8);
  ASSERT_EQ(twelve.size(), 12u);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(twelve[size_t(i)], eight[size_t(i)]);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(twelve[size_t(8 + i)], std::pow(2.0, -0.5 - i), 1e-15);
  EXPECT_EQ(alibiSlopes(2, 4), std::vector<double>({0.25, 1.0 / 16}));
}

} // namespace
} // namespace stc
