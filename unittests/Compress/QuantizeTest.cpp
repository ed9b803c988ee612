// Quantization stays within its error bounds, keeps zeros, and parses its specifications.
#include "stc/Compress/Quantize.h"
#include "Grid.h"
#include "stc/Compress/RoundRows.h"
#include "stc/Support/Float.h"
#include "stc/Support/Random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace stc;

namespace {

std::vector<float> randomValues(int64_t count, double scale, uint64_t seed) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(float(random.normal() * scale));
  return values;
}

QuantizeSpec spec(absl::string_view text) { return parseQuantizeSpec(text).value(); }

float scaleOf(const QuantizedMatrix &m, int64_t row, int64_t column) {
  int64_t groups = (m.columns + m.group - 1) / m.group;
  return halfToFloat(m.scales[size_t(row * groups + column / m.group)]);
}

} // namespace

TEST(Quantize, EveryWeightIsRoundedToNearestOrClipped) {
  for (const char *text :
       {"int8",     "int8-g16",  "int4-g16",     "int2-g16-asym",  "int4",          "int8-g64",
        "int4-g64", "int8-g128", "int4-g128",    "int3",           "int3-g128",     "int2",
        "int2-g64", "int8-asym", "int4-asym",    "int4-g128-asym", "int3-g64-asym", "int2-asym",
        "int8-row", "int4-row",  "int2-row-asym"})
    for (int64_t columns : {1, 4, 31, 32, 64, 172, 200})
      for (double size : {1e-7, 1e-5, 0.02, 1.0, 1e4, 1e6, 1e30}) {
        SCOPED_TRACE(testing::Message() << text << " " << columns << " " << size);
        std::vector<float> values = randomValues(17 * columns, size, uint64_t(columns));
        QuantizeSpec s = spec(text);
        QuantizedMatrix m = quantizeRoundToNearest(s, 17, columns, values);
        ASSERT_TRUE(verifyQuantizedMatrix(m, s.layout()).ok());
        int zeroPoint = int(s.layout().zeroPoint());
        bool narrow = s.element == ElementKind::I8 && !s.asymmetric;
        int lowest = narrow ? -127 : -zeroPoint, highest = zeroPoint - 1;
        for (int64_t row = 0; row < 17; ++row)
          for (int64_t column = 0; column < columns; ++column) {
            size_t at = size_t(row * columns + column);
            int code = m.codes[at];
            double scale = scaleOf(m, row, column), value = values[at];
            ASSERT_TRUE(code >= lowest && code <= highest);
            double rounded = (code - m.zeroOf(row, column / m.group)) * scale;
            double error = std::fabs(value - rounded);
            bool clipped =
                (code == lowest || code == highest) && std::fabs(value) > std::fabs(rounded);
            if (!clipped && scale != 0)
              ASSERT_LE(error, std::fabs(scale) / 2 * (1 + 1e-5));
          }
      }
}

TEST(Quantize, RowsAreRoundedAlikeOnEveryProcessor) {
  // Grids are chosen and codes rounded here by code for all processors, some rows at a time by code
  // for this one.
  for (const char *text : {"int8", "int4-g128", "int4-g32-asym", "int3", "int2-g16", "int8-row",
                           "int2-row-asym", "int4-g64"})
    for (int64_t columns : {7, 96, 300, 512}) {
      SCOPED_TRACE(testing::Message() << text << " " << columns);
      constexpr int64_t rows = 11;
      std::vector<float> values = randomValues(rows * columns, 0.02, uint64_t(columns));
      QuantizeSpec s = spec(text);
      QuantizedMatrix pieces = emptyMatrix(s, rows, columns);
      for (auto [first, count] : {std::pair(4, 7), std::pair(0, 3), std::pair(3, 1)})
        roundRows(s, first,
                  absl::MakeSpan(values).subspan(size_t(first * columns), size_t(count * columns)),
                  pieces);
      std::vector<Grid> grids;
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; column += pieces.group)
          grids.push_back(chooseGrid(s.element, s.asymmetric,
                                     &values[size_t(row * columns + column)], nullptr,
                                     std::min(pieces.group, columns - column), pieces.group));
      QuantizedMatrix whole = encode(s, grids, rows, columns, values);
      EXPECT_EQ(pieces.codes, whole.codes);
      EXPECT_EQ(pieces.scales, whole.scales);
      EXPECT_EQ(pieces.zeros, whole.zeros);
    }
}

TEST(Quantize, RowsHaveOneScale) {
  std::vector<float> values = randomValues(3 * 300, 0.02, 1);
  QuantizedMatrix m = quantizeRoundToNearest(spec("int4-row-asym"), 3, 300, values);
  EXPECT_EQ(m.group, 300);
  EXPECT_EQ(m.scales.size(), 3u);
  EXPECT_EQ(m.zeros.size(), 3u);
  // A row is a group of its length, where there are such groups.
  values.resize(3 * 128);
  EXPECT_EQ(quantizeRoundToNearest(spec("int3-row"), 3, 128, values).codes,
            quantizeRoundToNearest(spec("int3-g128"), 3, 128, values).codes);
}

TEST(Quantize, ErrorsOfNormalWeights) {
  std::vector<float> values = randomValues(256 * 1024, 0.02, 1);
  auto error = [&](const char *text) {
    return relativeError(quantizeRoundToNearest(spec(text), 256, 1024, values), values);
  };
  EXPECT_LT(error("int8-g32"), 0.0055);
  EXPECT_LT(error("int8-g128"), 0.0070);
  EXPECT_LT(error("int4-g32"), 0.083);
  EXPECT_LT(error("int4-g128"), 0.099);
  EXPECT_LT(error("int8-row"), 0.0082);
  EXPECT_LT(error("int4-row"), 0.117);
  EXPECT_GT(error("int4-g32"), 0.07);
  // Within 2 % of what a search over hundreds of scales, of both signs, and zeros finds.
  EXPECT_LT(error("int3-g32"), 0.1623 * 1.01);
  EXPECT_LT(error("int3-g128"), 0.1859 * 1.01);
  EXPECT_LT(error("int2-g32"), 0.3322 * 1.01);
  EXPECT_LT(error("int2-g128"), 0.3634 * 1.02);
  EXPECT_LT(error("int4-g128-asym"), 0.0940 * 1.02);
  EXPECT_LT(error("int3-g128-asym"), 0.1858 * 1.01);
  EXPECT_LT(error("int2-g128-asym"), 0.3634 * 1.01);
}

TEST(Quantize, ZerosOfTheirOwnServeLopsidedGroups) {
  // Weights from -0.2 to 1: a symmetric range leaves codes unused.
  Random random(4);
  std::vector<float> values;
  for (int64_t i = 0; i < 64 * 256; ++i)
    values.push_back(float(random.uniform()) * 1.2f - 0.2f);
  auto error = [&](const std::string &text) {
    return relativeError(quantizeRoundToNearest(spec(text), 64, 256, values), values);
  };
  for (std::string text : {"int8-g64", "int4-g64", "int3-g64", "int2-g64"})
    EXPECT_LT(error(text + "-asym"), 0.8 * error(text)) << text;
  // On values around zero they lose nothing.
  values = randomValues(64 * 256, 0.02, 1);
  for (std::string text : {"int8-g32", "int4-g32", "int3-g32", "int2-g32"})
    EXPECT_LT(error(text + "-asym"), 1.01 * error(text)) << text;
}

TEST(Quantize, ZerosStayZero) {
  std::vector<float> values = randomValues(32 * 96, 1, 2);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = i % 3 == 0 ? 0.0f : i % 3 == 1 ? values[i] : -0.0f;
  std::fill(values.begin(), values.begin() + 96, 0.0f);
  for (const char *text :
       {"int8", "int4", "int3", "int2", "int8-asym", "int4-asym", "int3-asym", "int2-asym"}) {
    QuantizedMatrix m = quantizeRoundToNearest(spec(text), 32, 96, values);
    std::vector<float> back = dequantize(m);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_TRUE(values[i] != 0 || back[i] == 0);
    for (int64_t column = 0; column < 96; column += 32)
      EXPECT_EQ(scaleOf(m, 0, column), 0.0f);
  }
}

TEST(Quantize, ScalesThatFitExactly) {
  // A group that is a grid of 16 values is kept without error, by the whole range of int4.
  std::vector<float> values;
  for (int i = 0; i < 32; ++i)
    values.push_back(float(i % 16 - 8) * 0.5f);
  QuantizedMatrix m = quantizeRoundToNearest(spec("int4"), 1, 32, values);
  EXPECT_EQ(relativeError(m, values), 0);
  for (float &value : values)
    value = -value; // 4 is the largest now, and the scale negative
  m = quantizeRoundToNearest(spec("int4"), 1, 32, values);
  EXPECT_EQ(relativeError(m, values), 0);
  EXPECT_LT(scaleOf(m, 0, 0), 0);
  EXPECT_EQ(relativeError(m, std::vector<float>(32, 0.0f)), 0);
  // Grids of fewer values, the symmetric ones among them, and grids that begin anywhere.
  auto gridError = [](const char *text, int first, int last) {
    std::vector<float> values;
    for (int i = 0; i < 64; ++i)
      values.push_back(float(first + i % (last - first + 1)) * 0.25f);
    return relativeError(quantizeRoundToNearest(spec(text), 1, 64, values), values);
  };
  EXPECT_EQ(gridError("int3", -4, 3), 0);
  EXPECT_EQ(gridError("int3", -3, 3), 0);
  EXPECT_EQ(gridError("int2", -1, 2), 0);
  EXPECT_EQ(gridError("int2", -1, 1), 0);
  for (int first : {0, -1, -7, -12, -15})
    EXPECT_EQ(gridError("int4-asym", first, first + 15), 0) << first;
  EXPECT_EQ(gridError("int3-asym", -1, 6), 0);
  EXPECT_EQ(gridError("int2-asym", 0, 3), 0);
}

TEST(Quantize, StoredScalesAreTheOnesUsed) {
  // Subnormal halves, the largest half and beyond: the scale read back is the scale of the codes.
  for (double size : {3e-8, 1e-7, 5e-5, 6e4, 3e5, 8e6}) {
    std::vector<float> values = randomValues(64, size, 3);
    QuantizedMatrix m = quantizeRoundToNearest(spec("int8"), 1, 64, values);
    for (int64_t i = 0; i < 64; ++i) {
      float scale = scaleOf(m, 0, i);
      float expected = scale == 0 ? 0 : std::clamp(values[size_t(i)] / scale, -127.0f, 127.0f);
      ASSERT_NEAR(float(m.codes[size_t(i)]), expected, 0.5001);
    }
    float largest = 0;
    for (int64_t i = 0; i < 32; ++i)
      largest = std::max(largest, std::fabs(values[size_t(i)]));
    EXPECT_EQ(m.scales[0], floatToHalf(std::min(largest / 127, 65504.0f)));
  }
}

TEST(Quantize, ParsesSpecifications) {
  EXPECT_EQ(spec("none").str(), "none");
  EXPECT_FALSE(spec("none").enabled);
  EXPECT_EQ(spec("int8").str(), "rtn:int8-g32");
  EXPECT_EQ(spec("int4").str(), "rtn:int4-g32");
  EXPECT_EQ(spec("int8-g64").str(), "rtn:int8-g64");
  EXPECT_EQ(spec("int4-g16").str(), "rtn:int4-g16");
  EXPECT_EQ(spec("gptq:int2-g16-asym").layout().str(), "dense-int2-g16-asym");
  EXPECT_EQ(spec("rtn:int4-g128").str(), "rtn:int4-g128");
  EXPECT_EQ(spec("int3-g128").str(), "rtn:int3-g128");
  EXPECT_EQ(spec("int2-asym").str(), "rtn:int2-g32-asym");
  EXPECT_EQ(spec("rtn:int4-g128-asym").str(), "rtn:int4-g128-asym");
  EXPECT_EQ(spec("rtn:int4-g128-asym").layout().str(), "dense-int4-g128-asym");
  EXPECT_EQ(spec("int8-row").str(), "rtn:int8-row");
  EXPECT_EQ(spec("gptq:int3-row-asym").str(), "gptq:int3-row-asym");
  EXPECT_EQ(spec("int4-row").layout().str(), "dense-int4-row");
  EXPECT_EQ(spec("int4-row").groupOf(5632), 5632);
  EXPECT_EQ(spec("int4-g64").groupOf(5632), 64);
  for (const char *text : {"int4-asym-row", "int4-row-g32",
                           "int4-g32-row",  "int4-rows",
                           "int4-asym-g32", "int4-asym-asym",
                           "int4asym",      "int4-g32-sym",
                           "int4-g32-g64",  "",
                           "int",           "int5",
                           "int16",         "int4-",
                           "int4-g",        "int3-g16",
                           "int4-g8",       "int4-g32-min",
                           "int4-min",      "int3-g16-min",
                           "int4g32",       "int4-g32 ",
                           "rtn",           "rtn:",
                           "rtn:none",      "foo:int4",
                           "rtn:rtn:int4",  "INT4"})
    EXPECT_FALSE(parseQuantizeSpec(text).ok()) << text;
  for (const char *method : {"rtn", "gptq", "awq"}) {
    QuantizeSpec parsed = spec(std::string(method) + ":int4-g64");
    EXPECT_EQ(parsed.method, method);
    EXPECT_TRUE(parsed.methodGiven);
    EXPECT_EQ(parsed.str(), std::string(method) + ":int4-g64");
    EXPECT_EQ(parsed.needsCalibration(), std::string(method) != "rtn");
  }
  EXPECT_FALSE(spec("int4").methodGiven);
  // Only weights say that their codes are a checkpoint's.
  EXPECT_FALSE(parseQuantizeSpec("stored:int4").ok());
  EXPECT_EQ(parseWeightSpec("stored:int4-g64-asym")->str(), "stored:int4-g64-asym");
  EXPECT_EQ(parseWeightSpec("gptq:int4")->str(), "gptq:int4-g32");
  EXPECT_EQ(parseWeightSpec("stored:int2-g16-min")->str(), "stored:int2-g16-min");
  EXPECT_EQ(parseWeightSpec("stored:int4-min")->layout().str(), "dense-int4-g32-min");
  for (absl::string_view text : {"stored:", "stored:none", "stored:rtn:int4", "stored:int5",
                                 "stored:int4-asym-min", "stored:int4-row-min"})
    EXPECT_FALSE(parseWeightSpec(text).ok()) << text;
  EXPECT_EQ(parseQuantizeSpec("gtpq:int4").status().message(),
            "quantize: expected the method rtn, gptq or awq, got gtpq");
  EXPECT_EQ(
      parseQuantizeSpec("int5-g128").status().message(),
      "quantize: expected none, int8, int4, int3 or int2, perhaps with -g16 (not int3), -g32, "
      "-g64, -g128 or -row, then -asym behind and rtn:, gptq: or awq: in front, got int5-g128");
  EXPECT_EQ(parseQuantizeSpec("int4-g32-min").status().message(),
            "quantize: expected -asym, or neither: minimums are of codes that a checkpoint stores, "
            "got int4-g32-min");
}
