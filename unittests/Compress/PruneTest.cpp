// Masks keep exactly what they promise, and found patterns are the ones that are there.
#include "stc/Compress/Prune.h"
#include "stc/Compress/PruneRows.h"
#include "stc/Support/Random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace stc;

namespace {

std::vector<float> randomValues(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(float(random.normal()));
  return values;
}

PrunePattern pattern(absl::string_view text) { return parsePruneSpec(text).value().pattern; }

std::vector<float> masked(std::vector<float> values, const std::vector<uint8_t> &mask) {
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = mask[i] ? values[i] : 0;
  return values;
}

} // namespace

TEST(Prune, UnstructuredKeepsTheLargestOfEachRow) {
  for (int64_t columns : {1, 2, 3, 7, 64, 100, 5000})
    for (double ratio : {0.01, 0.1, 0.5, 0.75, 0.99}) {
      std::vector<float> values = randomValues(3 * columns, uint64_t(columns));
      PrunePattern p{PrunePattern::Kind::Unstructured, ratio};
      std::vector<uint8_t> mask = magnitudeMask(p, 3, columns, values);
      int64_t expected = std::llround((1 - ratio) * double(columns));
      for (int64_t row = 0; row < 3; ++row) {
        float smallestKept = INFINITY, largestGone = 0;
        int64_t count = 0;
        for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
          float size = std::fabs(values[size_t(i)]);
          (mask[size_t(i)] ? smallestKept : largestGone) =
              mask[size_t(i)] ? std::min(smallestKept, size) : std::max(largestGone, size);
          count += mask[size_t(i)];
        }
        EXPECT_EQ(count, expected);
        EXPECT_GE(smallestKept, largestGone);
      }
    }
}

TEST(Prune, GroupsKeepTheLargestOfEach) {
  for (const char *text : {"1:2", "1:4", "2:4", "3:4", "5:7", "4:8", "4:16", "8:16", "30:64"})
    for (int64_t columns : {1, 3, 4, 16, 37, 130}) {
      PrunePattern p = pattern(text);
      std::vector<float> values = randomValues(5 * columns, uint64_t(columns));
      std::vector<uint8_t> mask = magnitudeMask(p, 5, columns, values);
      for (int64_t row = 0; row < 5; ++row)
        for (int64_t first = 0; first < columns; first += p.m) {
          int64_t width = std::min(p.m, columns - first);
          std::vector<int64_t> order(static_cast<size_t>(width));
          std::iota(order.begin(), order.end(), row * columns + first);
          std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
            float first = std::fabs(values[size_t(a)]), second = std::fabs(values[size_t(b)]);
            return first > second || (first == second && a < b);
          });
          for (int64_t i = 0; i < width; ++i)
            EXPECT_EQ(mask[size_t(order[size_t(i)])], i < p.n) << text;
        }
    }
}

TEST(Prune, RowsArePrunedInPiecesAsAllAtOnce) {
  for (const char *text : {"none", "0.3", "0.75", "1:2", "2:4", "4:8", "4:16", "3:7", "30:64",
                           "block16x4:0.5", "block5x7:0.4", "block1x3:0.9", "block64x64:0.5"})
    for (int64_t columns : {1, 7, 64, 130}) {
      SCOPED_TRACE(testing::Message() << text << " " << columns);
      constexpr int64_t rows = 37;
      std::vector<float> values = randomValues(rows * columns, uint64_t(columns));
      for (float &value : values) // with equal ones among them
        value = std::round(value * 8) / 8;
      std::vector<float> whole =
          masked(values, magnitudeMask(pattern(text), rows, columns, values));
      RowPruner pruner(pattern(text), rows, columns);
      auto part = [&](int64_t first, int64_t count) {
        return absl::MakeSpan(values).subspan(size_t(first * columns), size_t(count * columns));
      };
      ASSERT_EQ(pruner.needsSurvey(), std::string(text).substr(0, 5) == "block");
      for (auto [first, count] : {std::pair(0, 3), std::pair(3, 20), std::pair(23, 14)})
        if (pruner.needsSurvey())
          pruner.survey(part(first, count));
      for (auto [first, count] : {std::pair(10, 27), std::pair(0, 1), std::pair(1, 9)})
        pruner.prune(first, part(first, count));
      EXPECT_EQ(values, whole);
    }
}

TEST(Prune, TiesKeepTheLowerColumn) {
  std::vector<float> values = {1, -1, 1, -1, 1, 1, -1, 1};
  EXPECT_EQ(magnitudeMask(pattern("0.5"), 1, 8, values),
            (std::vector<uint8_t>{1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(magnitudeMask(pattern("1:4"), 1, 8, values),
            (std::vector<uint8_t>{1, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(magnitudeMask(pattern("block1x2:0.5"), 1, 8, values),
            (std::vector<uint8_t>{1, 1, 1, 1, 0, 0, 0, 0}));
  // A larger value after a tie still displaces the last of the equals; zeros of either sign tie.
  EXPECT_EQ(magnitudeMask(pattern("2:4"), 1, 4, std::vector<float>{1, 1, 2, 1}),
            (std::vector<uint8_t>{1, 0, 1, 0}));
  EXPECT_EQ(magnitudeMask(pattern("0.5"), 1, 4, std::vector<float>{-0.0f, 0, -0.0f, 0}),
            (std::vector<uint8_t>{1, 1, 0, 0}));
}

TEST(Prune, BlocksAreKeptOrGoneAsAWhole) {
  for (int64_t rows : {16, 33})
    for (int64_t columns : {16, 30}) {
      std::vector<float> values = randomValues(rows * columns, 4);
      std::vector<uint8_t> mask = magnitudeMask(pattern("block16x4:0.75"), rows, columns, values);
      int64_t across = (columns + 3) / 4, down = (rows + 15) / 16, keptBlocks = 0;
      double smallestKept = INFINITY, largestGone = 0;
      for (int64_t b = 0; b < across * down; ++b) {
        double sum = 0;
        int64_t count = 0, size = 0;
        for (int64_t r = b / across * 16; r < std::min(rows, b / across * 16 + 16); ++r)
          for (int64_t c = b % across * 4; c < std::min(columns, b % across * 4 + 4); ++c) {
            size_t at = size_t(r * columns + c);
            sum += double(values[at]) * double(values[at]);
            count += mask[at];
            ++size;
          }
        ASSERT_TRUE(count == 0 || count == size);
        keptBlocks += count != 0;
        if (count)
          smallestKept = std::min(smallestKept, sum);
        else
          largestGone = std::max(largestGone, sum);
      }
      EXPECT_EQ(keptBlocks, std::llround(0.25 * double(across * down)));
      EXPECT_GE(smallestKept, largestGone);
    }
}

TEST(Prune, DetectsPatterns) {
  std::vector<float> values = randomValues(64 * 256, 9);
  auto detected = [&](const char *text) {
    return detectPattern(64, 256, masked(values, magnitudeMask(pattern(text), 64, 256, values)))
        .str();
  };
  EXPECT_EQ(detectPattern(64, 256, values).str(), "none");
  for (const char *text :
       {"1:4", "2:4", "3:4", "2:8", "3:8", "5:8", "7:8", "4:16", "5:16", "15:16"})
    EXPECT_EQ(detected(text), text);
  EXPECT_EQ(detected("4:8"), "4:8");
  EXPECT_EQ(detected("8:16"), "8:16");
  for (const char *text : {"1:16", "2:16"})
    EXPECT_EQ(detected(text), text);
  // Blocks as they are stored; larger ones consist of them, smaller ones leave few of them empty.
  for (const char *text : {"block16x4:0.5", "block16x4:0.75", "block16x4:0.90625"})
    EXPECT_EQ(detected(text), text);
  EXPECT_EQ(detected("block16x8:0.75"), "block16x4:0.75");
  EXPECT_EQ(detected("block32x16:0.5"), "block16x4:0.5");
  EXPECT_EQ(detected("block1x4:0.75"), "0.75");
  EXPECT_EQ(detected("block4x4:0.75"), "0.75");
  EXPECT_EQ(detected("0.5"), "0.5");
  EXPECT_EQ(detected("0.75"), "0.75");
  EXPECT_EQ(detectPattern(64, 256, std::vector<float>(64 * 256, 0.0f)).str(), "1");
  // A ragged last group, and 2:4 with more zeros than it needs.
  std::vector<float> ragged = randomValues(64 * 30, 2);
  ragged = masked(ragged, magnitudeMask(pattern("2:4"), 64, 30, ragged));
  EXPECT_EQ(detectPattern(64, 30, ragged).str(), "2:4");
  for (size_t i = 0; i < ragged.size(); i += 10)
    ragged[i] = 0;
  EXPECT_EQ(detectPattern(64, 30, ragged).str(), "2:4");
  EXPECT_EQ(detectPattern(0, 0, {}).str(), "none");
}

TEST(Prune, ParsesSpecifications) {
  for (const char *text :
       {"none", "0.5", "2:4", "4:16", "block16x4:0.75", "0.123456789", "1e-05"}) {
    auto spec = parsePruneSpec(text);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->pattern.str(), text);
    EXPECT_EQ(spec->method, "magnitude");
    std::string withMethod = std::string("magnitude:") + text;
    if (std::string(text) != "none") {
      ASSERT_TRUE(parsePruneSpec(withMethod).ok());
      EXPECT_EQ(parsePruneSpec(withMethod)->pattern.str(), text);
    }
  }
  for (const char *text : {"",
                           "0",
                           "1",
                           "1.5",
                           "-0.5",
                           "nan",
                           "inf",
                           "0.5x",
                           " 0.5",
                           "0x1p-1",
                           "4:2",
                           "4:4",
                           "0:4",
                           "2:65",
                           "-2:4",
                           "+2:4",
                           "2:4:8",
                           "2:",
                           ":4",
                           ":",
                           "block:0.5",
                           "block16x:0.5",
                           "block16x4",
                           "block16x4:1",
                           "block0x4:0.5",
                           "block16x4:0.5:1",
                           "magnitude",
                           "magnitude:",
                           "magnitude:none",
                           "foo:0.5",
                           "99999999999:99999999999999",
                           "2:4\n"}) {
    absl::Status status = parsePruneSpec(text).status();
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
  }
  for (const char *method : {"magnitude", "wanda", "sparsegpt", "alps"}) {
    PruneSpec spec = parsePruneSpec(std::string(method) + ":2:4").value();
    EXPECT_EQ(spec.method, method);
    EXPECT_TRUE(spec.methodGiven);
    EXPECT_EQ(spec.pattern.str(), "2:4");
    EXPECT_EQ(spec.needsCalibration(), std::string(method) != "magnitude");
  }
  EXPECT_FALSE(parsePruneSpec("2:4")->methodGiven);
  EXPECT_EQ(parsePruneSpec("sparsegpt:block16x4:0.5")->pattern.str(), "block16x4:0.5");
  EXPECT_EQ(parsePruneSpec("wander:0.5").status().message(),
            "prune: expected the method magnitude, wanda, sparsegpt or alps, got wander");
  EXPECT_EQ(parsePruneSpec("wanda").status().message(),
            "prune: expected none, or a pattern with or without a method in front (0.5, 2:4, "
            "wanda:0.5, sparsegpt:block16x4:0.75), got wanda");
}
