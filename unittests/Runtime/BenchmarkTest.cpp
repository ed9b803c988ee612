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
  // Keys and values at position 22 of 64.
  const ModelSettings &settings = model->settings();
  EXPECT_EQ(result->cacheBytesPerToken,
            (settings.keyCacheBytes + settings.valueCacheBytes) * 22 / 64);
  EXPECT_GT(result->cacheBytesPerToken, 0);
  // Medians of ratios, so near the ratios of the medians but not equal to them.
  double decode = result->decodeTokensPerSecond * test::fakeVocab / result->readBandwidth;
  double prefill =
      result->prefillTokensPerSecond * 2 * test::fakeVocab * test::fakeHidden / result->int8Peak;
  EXPECT_GT(result->decodeBandwidthFraction, decode / 10);
  EXPECT_LT(result->decodeBandwidthFraction, decode * 10);
  EXPECT_GT(result->prefillPeakFraction, prefill / 10);
  EXPECT_LT(result->prefillPeakFraction, prefill * 10);
}

TEST(Benchmark, DecodesTextsOfAnyLength) {
  test::FakeModel model;
  auto session = Session::create(*model).value();
  BenchmarkOptions options;
  options.promptTokens = 1;
  options.minRepetitions = options.maxRepetitions = 1;
  for (int64_t generate : {1, 2, 7, 8, 9, 15, 16, 17, 63}) {
    options.generate = generate;
    auto result = benchmark(*session, options);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(session->position(), 1 + generate);
    EXPECT_GT(result->decodeTokensPerSecond, 0);
  }
}

TEST(Benchmark, StartupOpensTheModelAnew) {
  test::TemporaryDirectory directory;
  test::writeBundle(directory / "model");
  auto seconds = measureStartup(linkedModelCode(), directory / "model", {1, true, ""});
  ASSERT_TRUE(seconds.ok()) << seconds.status();
  EXPECT_GT(*seconds, 0);
  EXPECT_LT(*seconds, 60);
  EXPECT_THAT(
      std::string(
          measureStartup(linkedModelCode(), directory / "none", {1, true, ""}).status().message()),
      testing::HasSubstr("none"));
}

TEST(Benchmark, NeedsRoomInTheContext) {
  test::FakeModel model;
  auto session = Session::create(*model).value();
  EXPECT_THAT(std::string(benchmark(*session, {}).status().message()),
              testing::HasSubstr("bench: expected at most 64 tokens in all"));
}

} // namespace
} // namespace stc
