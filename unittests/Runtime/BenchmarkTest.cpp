// Measurements: medians, and that the machine's limits come out as plausible numbers.
#include "FakeModel.h"

#include "stc/Runtime/Benchmark.h"
#include "stc/Runtime/MachineProbe.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

TEST(Benchmark, Median) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({4, 1, 100}), 4);
  EXPECT_EQ(median({4, 1, 100, 2}), 3);
}

TEST(MachineProbe, NumbersArePlausible) {
  auto pool = ThreadPool::create(2).value();
  auto probe = BandwidthProbe::create(*pool, 64 << 20);
  ASSERT_TRUE(probe.ok()) << probe.status();
  double bandwidth = probe->measure(*pool), peak = measureInt8Peak(*pool);
  EXPECT_GT(bandwidth, 1e7);
  EXPECT_LT(bandwidth, 1e13);
  EXPECT_GT(peak, 1e7);
  EXPECT_LT(peak, 1e15);
}

TEST(Benchmark, FillsEveryField) {
  test::FakeModel model(2);
  auto session = Session::create(*model).value();
  BenchmarkOptions options;
  options.promptTokens = 20;
  options.generate = 4;
  options.minRepetitions = options.maxRepetitions = 2;
  auto result = benchmark(*session, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->repetitions, 2);
  EXPECT_EQ(result->threads, 2);
  EXPECT_EQ(result->weightBytesPerToken, test::fakeVocab);
  EXPECT_GT(result->prefillTokensPerSecond, 0);
  EXPECT_DOUBLE_EQ(result->decodeBandwidthFraction,
                   result->decodeTokensPerSecond * test::fakeVocab / result->readBandwidth);
  EXPECT_DOUBLE_EQ(result->prefillPeakFraction, result->prefillTokensPerSecond * 2 *
                                                    test::fakeVocab * test::fakeHidden /
                                                    result->int8Peak);
}

TEST(Benchmark, NeedsRoomInTheContext) {
  test::FakeModel model;
  auto session = Session::create(*model).value();
  EXPECT_THAT(std::string(benchmark(*session, {}).status().message()),
              testing::HasSubstr("bench: expected at most 64 tokens in all"));
}

} // namespace
} // namespace stc
