// Tests of the holder of packed weights.
#include "stc/Dialect/STC/Utils/PackedWeights.h"

#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

TEST(PackedWeightsTest, OffsetsAreAlignedAndBytesKept) {
  mlir::MLIRContext context;
  PackedWeights &weights = PackedWeights::get(&context);
  ASSERT_TRUE(weights.begin(nullptr).ok());
  WeightRecord record;
  record.name = "a";
  auto first = weights.add(record, std::vector<uint8_t>(65, 1));
  record.name = "b";
  auto second = weights.add(record, std::vector<uint8_t>(3, 2));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, 0u);
  EXPECT_EQ(*second, 128u);
  ASSERT_EQ(weights.section().size(), 131u);
  EXPECT_EQ(weights.section()[64], 1);
  EXPECT_EQ(weights.section()[65], 0);
  EXPECT_EQ(weights.section()[128], 2);
  ASSERT_EQ(weights.records().size(), 2u);
  EXPECT_EQ(weights.records()[1].name, "b");
  EXPECT_EQ(weights.records()[1].offset, 128u);
  EXPECT_EQ(weights.records()[1].bytes, 3u);
}

TEST(PackedWeightsTest, BeginForgetsTheSectionBefore) {
  mlir::MLIRContext context;
  PackedWeights &weights = PackedWeights::get(&context);
  ASSERT_TRUE(weights.begin(nullptr).ok());
  ASSERT_TRUE(weights.add({}, std::vector<uint8_t>(8, 1)).ok());
  ASSERT_TRUE(PackedWeights::get(&context).begin(nullptr).ok());
  EXPECT_TRUE(weights.section().empty());
  EXPECT_TRUE(weights.records().empty());
}

} // namespace
} // namespace stc
