// How often tensors are read, as the bundle keeps it.
#include "stc/Packing/WeightReads.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

absl::StatusOr<std::vector<double>> parse(const std::string &text, size_t records) {
  ModelSettings settings;
  settings.other[kWeightReadsKey] = text;
  return parseWeightReads(settings, records, {"m", "bundle settings", {}});
}

TEST(WeightReads, ReadsWhatItWrites) {
  const std::vector<double> cases[] = {
      {1}, {0, 1, 1, 1, 0.25, 0.25, 1}, std::vector<double>(5000, 0.0625), {0.1, 1.0 / 128, 0}};
  for (const std::vector<double> &shares : cases) {
    auto read = parse(formatWeightReads(shares), shares.size());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, shares);
  }
  EXPECT_EQ(formatWeightReads({0, 1, 1, 0.25, 0.25, 0.25}), "1*0,2*1,3*0.25");
}

TEST(WeightReads, EveryTensorWhereNothingIsSaid) {
  auto read = parseWeightReads(ModelSettings(), 3, {});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, std::vector<double>(3, 1));
}

TEST(WeightReads, Mistakes) {
  const char *runs = "m: bundle settings: weight_reads: expected runs COUNT*SHARE of shares from 0 "
                     "to 1, got ";
  for (const char *text : {"", "1", "*", "x*1", "1*x", "1*2", "1*-1", "1*nan", "-1*1"})
    EXPECT_EQ(parse(text, 1).status().message(), std::string(runs) + text);
  EXPECT_EQ(parse("2*1", 3).status().message(),
            "m: bundle settings: weight_reads: expected shares of 3 tensors, got 2");
  for (const char *text : {"4*1", "2*1,2*0", "18446744073709551615*1"})
    EXPECT_EQ(parse(text, 3).status().message(),
              "m: bundle settings: weight_reads: expected shares of 3 tensors, got more");
}

} // namespace
} // namespace stc
