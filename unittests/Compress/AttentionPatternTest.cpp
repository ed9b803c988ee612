// Attention patterns against their definitions, and tables against rules.
#include "stc/Compress/AttentionPattern.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace stc;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

AttentionPattern parse(const std::string &text) {
  absl::StatusOr<AttentionPattern> pattern = AttentionPattern::parse(text);
  EXPECT_TRUE(pattern.ok()) << text << ": " << pattern.status();
  return pattern.ok() ? *pattern : AttentionPattern();
}

/// The keys up to `query` that it sees.
std::vector<int64_t> causal(const std::string &text, int64_t query) {
  AttentionPattern pattern = parse(text);
  std::vector<int64_t> keys;
  for (int64_t key = 0; key <= query; ++key)
    if (pattern.sees(query, key))
      keys.push_back(key);
  return keys;
}

constexpr const char *kPatterns[] = {"none",
                                     "window:256",
                                     "window:256+4",
                                     "dilated:64x4",
                                     "strided:64",
                                     "strided:1",
                                     "fixed:64x8",
                                     "fixed:7x7",
                                     "local:256+16",
                                     "local:5+0",
                                     "dilated:1x1",
                                     "dilated:3x5",
                                     "bigbird:64x3+1+2@7",
                                     "bigbird:16x1+0+0@0",
                                     "blocks:16:0",
                                     "blocks:64:0/0,1/1,2",
                                     "bigbird:48x5+2+64@16777215"};

TEST(AttentionPatternTest, PrintsWhatItParsed) {
  for (const char *text : kPatterns)
    EXPECT_EQ(parse(text).str(), text);
  EXPECT_EQ(parse("window:9+0").str(), "window:9");
  EXPECT_EQ(parse("blocks:16:0/1,0,1/2").str(), "blocks:16:0/0,1/2");
}

TEST(AttentionPatternTest, RefusesOthers) {
  for (const char *text : {"",
                           "full",
                           "window",
                           "window:",
                           "window:0",
                           "window:-1",
                           "window:4+",
                           "window: 4",
                           "window:99999999",
                           "window:4+4+4",
                           "dilated:4",
                           "dilated:0x4",
                           "dilated:4x0",
                           "strided:0",
                           "strided:4x4",
                           "fixed:4x5",
                           "fixed:4x0",
                           "fixed:4",
                           "local:4",
                           "bigbird:64x2+1+2@7",
                           "bigbird:60x3+1+2@7",
                           "bigbird:64x3+1+65@7",
                           "bigbird:64x3+1+2",
                           "bigbird:64x3+1@7",
                           "blocks:64:",
                           "blocks:64:1",
                           "blocks:64:0/0",
                           "blocks:40:0",
                           "blocks:64:0/1,",
                           "blocks:64",
                           "strided:64 ",
                           "Strided:64"}) {
    absl::StatusOr<AttentionPattern> pattern = AttentionPattern::parse(text);
    ASSERT_FALSE(pattern.ok()) << text;
    EXPECT_THAT(std::string(pattern.status().message()),
                HasSubstr("attention: expected none, window:KEYS or"));
  }
}

TEST(AttentionPatternTest, SeesWhatIsDefined) {
  EXPECT_THAT(causal("window:3", 10), ElementsAre(8, 9, 10));
  EXPECT_THAT(causal("window:3+2", 10), ElementsAre(0, 1, 8, 9, 10));
  EXPECT_THAT(causal("local:3+2", 10), ElementsAre(0, 1, 8, 9, 10));
  EXPECT_THAT(causal("dilated:3x4", 10), ElementsAre(2, 6, 10));
  EXPECT_THAT(causal("dilated:3x4", 5), ElementsAre(1, 5));
  EXPECT_THAT(causal("strided:4", 10), ElementsAre(2, 6, 7, 8, 9, 10));
  EXPECT_THAT(causal("strided:4", 11), ElementsAre(3, 7, 8, 9, 10, 11));
  EXPECT_THAT(causal("fixed:4x1", 9), ElementsAre(3, 7, 8, 9));
  EXPECT_THAT(causal("fixed:4x2", 9), ElementsAre(2, 3, 6, 7, 8, 9));
  std::vector<int64_t> keys = causal("blocks:16:0/0,1/1,2", 33);
  EXPECT_EQ(keys.size(), 18u);
  EXPECT_EQ(keys.front(), 16);
}

TEST(AttentionPatternTest, GlobalPositionsSeeAndAreSeen) {
  AttentionPattern local = parse("local:3+2");
  EXPECT_TRUE(local.sees(1, 50));
  EXPECT_TRUE(local.sees(50, 1));
  EXPECT_TRUE(local.sees(50, 52));
  EXPECT_FALSE(local.sees(50, 53));
  EXPECT_FALSE(local.sees(2, 50));
  AttentionPattern bigbird = parse("bigbird:16x3+1+0@0");
  EXPECT_TRUE(bigbird.sees(15, 500));
  EXPECT_TRUE(bigbird.sees(500, 15));
  EXPECT_FALSE(bigbird.sees(16, 500));
  EXPECT_TRUE(bigbird.sees(16, 47));
  EXPECT_FALSE(bigbird.sees(16, 48));
}

TEST(AttentionPatternTest, APositionSeesItself) {
  for (const char *text : kPatterns)
    for (int64_t position = 0; position < 2000; position += 7)
      EXPECT_TRUE(parse(text).sees(position, position)) << text << " at " << position;
}

TEST(AttentionPatternTest, PatternsAreSymmetricWhereTheyAreDefinedSo) {
  for (const char *text : {"window:9", "dilated:5x3", "strided:8", "local:9+4"})
    for (int64_t a = 0; a < 60; ++a)
      for (int64_t b = 0; b < 60; ++b)
        EXPECT_EQ(parse(text).sees(a, b), parse(text).sees(b, a)) << text;
}

// By an implementation of SplitMix64, xoshiro256** and Floyd's algorithm in another language.
TEST(AttentionPatternTest, BigBirdDrawsTheSameBlocksEverywhere) {
  AttentionPattern seven = parse("bigbird:64x3+1+2@7"), eight = parse("bigbird:64x3+1+2@8");
  EXPECT_THAT(seven.keyBlocks(0), ElementsAre(0, 1));
  EXPECT_THAT(seven.keyBlocks(2), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(seven.keyBlocks(4), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(seven.keyBlocks(20), ElementsAre(0, 6, 10, 19, 20, 21));
  EXPECT_THAT(eight.keyBlocks(20), ElementsAre(0, 6, 14, 19, 20, 21));
  EXPECT_THAT(seven.keyBlocks(100), ElementsAre(0, 27, 62, 99, 100, 101));
}

TEST(AttentionPatternTest, RandomBlocksAreSpreadAndDistinct) {
  AttentionPattern pattern = parse("bigbird:64x1+0+4@3");
  int64_t sum = 0, count = 0;
  for (int64_t own = 4; own < 400; ++own) {
    std::vector<int64_t> blocks = pattern.keyBlocks(own);
    EXPECT_EQ(blocks.size(), 5u) << own; // distinct
    EXPECT_EQ(blocks.back(), own);
    for (size_t i = 0; i < 4; ++i, ++count)
      sum += blocks[i] * 1000 / own;
  }
  EXPECT_NEAR(double(sum) / double(count), 500, 30);
}

TEST(AttentionPatternTest, ListsMoveAlongBehindTheirEnd) {
  AttentionPattern pattern = parse("blocks:64:0/0,1/1,2");
  EXPECT_THAT(pattern.keyBlocks(1), ElementsAre(0, 1));
  EXPECT_THAT(pattern.keyBlocks(2), ElementsAre(1, 2));
  EXPECT_THAT(pattern.keyBlocks(9), ElementsAre(8, 9));
  EXPECT_TRUE(pattern.sees(9 * 64, 8 * 64));
  EXPECT_FALSE(pattern.sees(9 * 64, 8 * 64 - 1));
}

TEST(AttentionPatternTest, TablesSayWhatRulesSay) {
  for (const char *text :
       {"bigbird:16x3+1+2@7", "bigbird:32x1+0+3@1", "blocks:16:0/0,1/0,2/1,3,5"}) {
    AttentionPattern pattern = parse(text);
    int64_t width = pattern.tableWidth() + 3, rows = pattern.tableRows(512);
    std::vector<int32_t> table = pattern.table(rows, width);
    ASSERT_EQ(int64_t(table.size()), rows * width);
    for (int64_t query = 16; query < 512; query += 16)
      for (int64_t key = 0; key < 512; key += 16) {
        if (pattern.kind == AttentionPattern::Kind::BigBird &&
            query / pattern.size < pattern.globals)
          continue; // which sees all
        int64_t own = query / pattern.size, row = std::min(own, rows - 1);
        bool isListed = false;
        for (int64_t i = 0; i < width; ++i)
          isListed |= table[size_t(row * width + i)] == key / pattern.size - (own - row);
        EXPECT_EQ(isListed, pattern.sees(query, key)) << text << " " << query << " " << key;
      }
  }
}

TEST(AttentionPatternTest, Counts) {
  EXPECT_EQ(parse("none").countCausal(99), 100);
  EXPECT_EQ(parse("window:10").countCausal(99), 10);
  EXPECT_EQ(parse("strided:512").countCausalBlocks(8191, 64), 8 + 15);
  EXPECT_EQ(parse("none").countCausalBlocks(8191, 64), 128);
  EXPECT_EQ(parse("blocks:64:0/0,1").countCausalBlocks(8191, 64), 2);
}

} // namespace
