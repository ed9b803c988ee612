// Pooling of hidden states, by hand.
#include "stc/Support/Pooling.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

namespace stc {
namespace {

using testing::ElementsAre;

TEST(Pooling, NamesReadBack) {
  for (Pooling pooling : {Pooling::Mean, Pooling::First, Pooling::Last, Pooling::Max})
    EXPECT_EQ(parsePooling(poolingName(pooling)), pooling);
  EXPECT_EQ(parsePooling("CLS"), std::nullopt);
}

TEST(Pooling, MakesOneRowOfMany) {
  const float hidden[] = {1, -2, 3, 4, 5, -6};
  EXPECT_THAT(pool(hidden, 2, Pooling::Mean), ElementsAre(3, -4.0f / 3));
  EXPECT_THAT(pool(hidden, 2, Pooling::First), ElementsAre(1, -2));
  EXPECT_THAT(pool(hidden, 2, Pooling::Last), ElementsAre(5, -6));
  EXPECT_THAT(pool(hidden, 2, Pooling::Max), ElementsAre(5, 4));
  for (Pooling pooling : {Pooling::Mean, Pooling::First, Pooling::Last, Pooling::Max})
    EXPECT_THAT(pool(absl::MakeConstSpan(hidden, 2), 2, pooling), ElementsAre(1, -2));
}

TEST(Pooling, ScalesToLengthOne) {
  float vector[] = {3, -4}, zeros[] = {0, 0};
  normalize(absl::MakeSpan(vector));
  EXPECT_THAT(vector, ElementsAre(0.6f, -0.8f));
  normalize(absl::MakeSpan(zeros));
  EXPECT_THAT(zeros, ElementsAre(0, 0));
}

TEST(Pooling, MeasuresHowFarVectorsPointApart) {
  auto distance = [](std::vector<float> a, std::vector<float> b) { return cosineDistance(a, b); };
  EXPECT_DOUBLE_EQ(distance({3, 4}, {4, 3}), 1 - 24.0 / 25);
  EXPECT_EQ(distance({3, 4}, {6, 8}), 0);
  EXPECT_DOUBLE_EQ(distance({1, 0}, {0, 5}), 1);
  EXPECT_DOUBLE_EQ(distance({1, 0}, {-2, 0}), 2);
  EXPECT_EQ(distance({0, 0}, {0, 0}), 0);
  EXPECT_EQ(distance({0, 0}, {1, 0}), 1);
  // 1 - cosine of doubles would have five digits of it: the angle's square, halved.
  EXPECT_NEAR(distance({1, 0}, {1, 1e-6f}) / 5e-13, 1, 1e-6);
}

} // namespace
} // namespace stc
