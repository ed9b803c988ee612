// Tests of the random generator: its defined sequence and the moments of its distributions.
#include "stc/Support/Random.h"

#include "gtest/gtest.h"

#include <cmath>

namespace stc {
namespace {

TEST(Random, followsTheDefinedSequence) {
  Random random(0); // values computed from the published definition with exact integers
  EXPECT_EQ(random.next(), 0x99EC5F36CB75F2B4u);
  EXPECT_EQ(random.next(), 0xBF6E1F784956452Au);
  EXPECT_EQ(random.next(), 0x1A5F849D4933E6E0u);
  EXPECT_EQ(random.next(), 0x6AA594F1262D2D2Cu);
  EXPECT_EQ(Random(7).next(), Random(7).next());
  EXPECT_NE(Random(7).next(), Random(8).next());
}

TEST(Random, uniformAndNormalHaveTheirMoments) {
  Random random(1);
  constexpr int count = 200000;
  double sum = 0, normalSum = 0, normalSquares = 0;
  for (int i = 0; i < count; ++i) {
    double value = random.uniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
    double normal = random.normal();
    ASSERT_TRUE(std::isfinite(normal));
    normalSum += normal;
    normalSquares += normal * normal;
  }
  EXPECT_NEAR(sum / count, 0.5, 0.005);
  EXPECT_NEAR(normalSum / count, 0, 0.01);
  EXPECT_NEAR(normalSquares / count, 1, 0.02);
}

} // namespace
} // namespace stc
