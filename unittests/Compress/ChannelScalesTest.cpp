// Scales of channels never make rounding worse, and follow their formulas.
#include "stc/Compress/ChannelScales.h"

#include "CompressTestUtil.h"

#include <algorithm>

using namespace stc;

namespace {
QuantizeSpec spec(absl::string_view text) { return parseQuantizeSpec(text).value(); }
} // namespace

TEST(Awq, ScalesLowerTheErrorOfRounding) {
  constexpr int64_t columns = 128;
  SecondMoments moments = correlatedMoments(600, columns, 1);
  std::vector<float> a = randomNormal(40 * columns, 2), b = randomNormal(24 * columns, 3);
  for (const char *text : {"int4-g128", "int3-g64", "int4", "int4-g128-asym", "int4-row"}) {
    QuantizeSpec s = spec(text);
    AwqResult result = searchAwqScales({}, s, {{40, a}, {24, b}}, moments).value();
    EXPECT_LT(result.error, 0.97 * result.plainError) << text;
    EXPECT_GT(result.exponent, 0);
    auto [low, high] = std::minmax_element(result.scales.begin(), result.scales.end());
    EXPECT_NEAR(*low * *high, 1, 1e-4);
    // The error is the one the scales really give.
    std::vector<float> both = a, back;
    both.insert(both.end(), b.begin(), b.end());
    std::vector<float> scaled = both;
    for (size_t i = 0; i < scaled.size(); ++i)
      scaled[i] *= result.scales[i % columns];
    back = dequantize(quantizeRoundToNearest(s, 64, columns, scaled));
    Dense h = denseOf(moments);
    double error = 0, total = 0;
    for (size_t row = 0; row < 64; ++row) {
      std::vector<double> w(columns), d(columns);
      for (size_t i = 0; i < columns; ++i) {
        w[i] = both[row * columns + i];
        d[i] = double(back[row * columns + i]) / result.scales[i] - w[i];
      }
      error += rowError(h, d);
      total += rowError(h, w);
    }
    EXPECT_NEAR(result.error, std::sqrt(error / total), 1e-3 * result.error);
  }
}

TEST(Awq, TriesNoScalesFirst) {
  SecondMoments moments = correlatedMoments(60, 32, 1);
  std::vector<float> w = randomNormal(4 * 32, 2);
  AwqOptions options;
  options.steps = 0;
  AwqResult result = searchAwqScales(options, spec("int4"), {{4, w}}, moments).value();
  EXPECT_EQ(result.scales, std::vector<float>(32, 1.0f));
  EXPECT_EQ(result.error, result.plainError);
  // Dead channels take part without harm; without any input there are no scales.
  std::vector<float> x = correlatedInputs(60, 32, 1);
  for (size_t i = 0; i < x.size(); i += 32)
    x[i] = 0;
  result = searchAwqScales({}, spec("int3"), {{4, w}}, momentsOf(32, x)).value();
  EXPECT_EQ(result.scales[0], *std::min_element(result.scales.begin(), result.scales.end()));
  EXPECT_LE(result.error, result.plainError);
  result = searchAwqScales({}, spec("int3"), {{4, w}}, SecondMoments(32)).value();
  EXPECT_EQ(result.scales, std::vector<float>(32, 1.0f));
}

TEST(Awq, MeasuresSomeRowsOnly) {
  SecondMoments moments = correlatedMoments(300, 64, 4);
  std::vector<float> w = randomNormal(400 * 64, 5);
  AwqOptions some;
  some.rows = 50;
  AwqResult all = searchAwqScales({}, spec("int4"), {{400, w}}, moments).value();
  AwqResult part = searchAwqScales(some, spec("int4"), {{400, w}}, moments).value();
  EXPECT_NEAR(part.exponent, all.exponent, 0.2);
  EXPECT_NEAR(part.error, all.error, 0.1 * all.error);
}

TEST(SmoothQuant, ScalesFollowTheFormula) {
  SecondMoments moments = momentsOf(4, {8, -2, 0, 1, -16, 1, 0, 1});
  std::vector<float> a = {1, 2, 3, 0}, b = {-4, 1, 1, 0, 0.5, -2, 0, 0};
  auto scales = smoothQuantScales(0.5, {{1, a}, {2, b}}, moments);
  ASSERT_TRUE(scales.ok());
  EXPECT_EQ(*scales,
            (std::vector<float>{2, 1, 1, 1})); // sqrt(16 / 4), sqrt(2 / 2), dead, no weight
  EXPECT_EQ(*smoothQuantScales(1, {{1, a}}, moments), (std::vector<float>{16, 2, 1, 1}));
  EXPECT_EQ(smoothQuantScales(1.5, {{1, a}}, moments).status().message(),
            "SmoothQuant strength: expected a number from 0 to 1, got 1.5");
  EXPECT_FALSE(smoothQuantScales(0.5, {}, moments).ok());
  EXPECT_FALSE(smoothQuantScales(0.5, {{2, a}}, moments).ok());
  EXPECT_FALSE(searchAwqScales({}, spec("int4"), {{2, a}}, moments).ok());
}
