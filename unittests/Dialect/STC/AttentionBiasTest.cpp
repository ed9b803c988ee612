// Tests of T5's buckets of distances.
#include "stc/Dialect/STC/Utils/AttentionBias.h"

#include "gtest/gtest.h"

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

} // namespace
} // namespace stc
