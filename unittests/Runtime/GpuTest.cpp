// Models on a GPU, which a fake driver stands for: what is computed, what is launched, what is
// copied. RealGpuTest.cpp asks a real one.
#include "FakeGpu.h"

#include "stc/Runtime/Benchmark.h"
#include "stc/Runtime/CApi.h"
#include "stc/Runtime/Gpu/CudaDevice.h"

#include "gmock/gmock.h"

#include <cmath>
#include <set>

namespace stc {
namespace {

using test::expectedLogits;
using test::someTokens;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

class Gpu : public test::FakeGpu {};

std::vector<float> copy(absl::Span<const float> values) { return {values.begin(), values.end()}; }

TEST_F(Gpu, ComputesTheModel) {
  for (const char *device : {"cuda", "auto", "cuda:0"}) {
    auto model = opened(device, 2);
    ASSERT_NE(model, nullptr);
    ASSERT_NE(model->gpu(), nullptr);
    EXPECT_EQ(model->device(), "cuda:0");
    EXPECT_EQ(model->target(), "nvptx-sm_70");
    EXPECT_TRUE(model->gpuRefusal().ok());
    test::expectFakeModel(*model);
  }
}

TEST_F(Gpu, LaunchesEachFunctionOnce) {
  auto model = opened();
  ASSERT_NE(model, nullptr);
  auto session = Session::create(*model).value();
  ASSERT_TRUE(session->prefill(someTokens(11)).ok()); // 8 and 3
  ASSERT_TRUE(session->decode(1).ok());
  auto ignore = [](int64_t, absl::Span<const float>) { return absl::OkStatus(); };
  ASSERT_TRUE(session->score(someTokens(9), ignore).ok()); // 8 and 1
  std::vector<std::string> seen;
  for (const auto &launch : stats->launches)
    seen.push_back(absl::StrCat(launch.function.substr(10), " ", launch.tokens, " at ",
                                launch.position, " row ", launch.hiddenRow));
  EXPECT_THAT(seen,
              ElementsAre("prefill 8 at 0 row 0", "prefill 3 at 8 row 0", "decode 1 at 11 row 0",
                          "prefill 8 at 12 row 0", "score 8 at 12 row 0", "prefill 1 at 20 row 0",
                          "score 1 at 20 row 0"));
  // Two blocks on each of four multiprocessors, as the image has them.
  using Launch = test::FakeCudaStats::Launch;
  EXPECT_THAT(stats->launches,
              Each(testing::AllOf(Field(&Launch::blocks, 8u), Field(&Launch::blockThreads, 96u),
                                  Field(&Launch::sharedBytes, 1024u))));
}

TEST_F(Gpu, TakesPiecesOfPromptsOfItsOwn) {
  test::writeBundle(path, test::fakeTokenizer(), [](ModelSettings &settings) {
    settings.gpuPrefillChunk = 2 * test::fakeChunk;
    settings.gpuArenaBytes = 2 * settings.arenaBytes;
  });
  auto model = opened();
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->settings().arenaBytes, 2 * opened("cpu")->settings().arenaBytes);
  auto session = Session::create(*model).value();
  std::vector<int32_t> tokens = someTokens(2 * test::fakeChunk + 3);
  EXPECT_EQ(copy(session->feed(tokens).value()), expectedLogits(tokens));
  std::vector<int64_t> pieces;
  for (const auto &launch : stats->launches)
    if (launch.function == "stc_model_prefill")
      pieces.push_back(launch.tokens);
  EXPECT_THAT(pieces, ElementsAre(2 * test::fakeChunk, 3));
  EXPECT_EQ(opened("cpu")->settings().prefillChunk, test::fakeChunk);
}

TEST_F(Gpu, ReadsFewTokensByKernelsOfTheirOwn) {
  ModelCode code = linkedModelCode();
  std::vector<StcGpuImage> images(1, code.gpuImages[0]);
  images[0].few_tokens[0] = 2;
  images[0].few_tokens[1] = 5;
  code.gpuImages = images;
  auto model = open("cuda", 1, code);
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<std::string> seen;
  for (int64_t count : {1, 2, 3, 5, 6, 8}) {
    auto session = Session::create(**model).value();
    stats->launches.clear();
    ASSERT_TRUE(session->prefill(someTokens(count)).ok());
    seen.push_back(stats->launches.front().function.substr(10));
    EXPECT_EQ(stats->launches.front().blocks, 8u);
  }
  EXPECT_THAT(
      seen, ElementsAre("prefill_2", "prefill_2", "prefill_5", "prefill_5", "prefill", "prefill"));
}

TEST_F(Gpu, ScoresFromAnyRow) {
  auto model = opened();
  ASSERT_NE(model, nullptr);
  auto executor = model->createExecutor().value();
  std::vector<int32_t> tokens = someTokens(8);
  ASSERT_TRUE(executor->prefill(tokens, 0).ok());
  auto logits = executor->score(5, 2, 5);
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_EQ(copy(logits->subspan(0, test::fakeVocab)),
            expectedLogits({tokens.begin(), tokens.begin() + 6}));
  EXPECT_EQ(copy(logits->subspan(test::fakeVocab)),
            expectedLogits({tokens.begin(), tokens.begin() + 7}));
  EXPECT_EQ(stats->launches.back().hiddenRow, 5);
}

TEST_F(Gpu, RunsEveryKindOfModel) {
  struct {
    std::function<void(ModelSettings &)> change;
    std::vector<std::string> functions;
  } kinds[] = {
      {test::asEncoder, {"prefill"}},
      {[](ModelSettings &s) { test::asEncoderDecoder(s, /*readsFeatures=*/false); },
       {"encode", "prefill", "decode"}},
      {[](ModelSettings &s) { test::asEncoderDecoder(s, /*readsFeatures=*/true); },
       {"stem", "encode", "prefill", "decode"}},
  };
  for (const auto &kind : kinds) {
    test::writeBundle(path, test::fakeTokenizer(), kind.change);
    auto model = opened();
    ASSERT_NE(model, nullptr);
    stats->launches.clear();
    test::expectAsOnProcessors(path, *model);
    std::set<std::string> seen;
    for (const auto &launch : stats->launches)
      seen.insert(launch.function.substr(10));
    for (const std::string &function : kind.functions)
      EXPECT_EQ(seen.count(function), 1u) << function;
  }
}

TEST_F(Gpu, ReadsRowsBesideTokens) {
  test::writeBundle(path, test::fakeTokenizer(), test::asEncoder);
  std::vector<int32_t> tokens = someTokens(5);
  std::vector<float> rows;
  for (size_t i = 0; i < tokens.size() * 3 * test::fakeHidden; ++i)
    rows.push_back(float(i * 29 % 17));
  auto statesOn = [&](const char *device, bool withRows) {
    auto model = opened(device);
    auto executor = model->createExecutor().value();
    EXPECT_TRUE((withRows ? executor->prefill(tokens, rows) : executor->prefill(tokens, 0)).ok());
    return copy(executor->hiddenStates(int64_t(tokens.size())).value());
  };
  EXPECT_EQ(statesOn("cuda", true), statesOn("cpu", true));
  EXPECT_NE(statesOn("cuda", true), statesOn("cuda", false));
}

TEST_F(Gpu, SessionsDoNotShareMemory) {
  auto model = opened();
  ASSERT_NE(model, nullptr);
  auto one = Session::create(*model).value(), two = Session::create(*model).value();
  std::vector<int32_t> first = someTokens(10), second = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
  ASSERT_TRUE(one->prefill(absl::MakeConstSpan(first).subspan(0, 9)).ok());
  ASSERT_TRUE(two->prefill(absl::MakeConstSpan(second).subspan(0, 9)).ok());
  EXPECT_EQ(copy(one->decode(first[9]).value()), expectedLogits(first));
  EXPECT_EQ(copy(two->decode(second[9]).value()), expectedLogits(second));
}

TEST_F(Gpu, WeightsArriveInPieces) {
  auto driver = CudaDriver::load();
  ASSERT_TRUE(driver.ok()) << driver.status();
  auto device = CudaDevice::open(*driver, 0);
  ASSERT_TRUE(device.ok()) << device.status();
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 1000; ++i)
    bytes.push_back(uint8_t(i * 7 + i / 256));
  for (int threads : {1, 3})
    for (uint64_t piece : {1, 7, 499, 500, 999, 1000, 5000}) {
      auto pool = ThreadPool::create(threads).value();
      auto memory = GpuMemory::allocate(**device, bytes.size(), "test").value();
      uint64_t told = 0;
      stats->uploads.clear();
      absl::Status status = uploadInPieces(**device, memory.address(), bytes, piece, *pool,
                                           [&](uint64_t count) { told += count; });
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(told, bytes.size());
      EXPECT_EQ(stats->uploads.size(), (bytes.size() + piece - 1) / piece);
      auto back = PinnedMemory::allocate(**device, bytes.size(), "test").value();
      ASSERT_TRUE((*device)->download(back.data(), memory.address(), bytes.size()).ok());
      ASSERT_TRUE((*device)->synchronize().ok());
      const auto *read = static_cast<const uint8_t *>(back.data());
      EXPECT_EQ(std::vector<uint8_t>(read, read + bytes.size()), bytes) << piece;
    }
}

TEST_F(Gpu, HostMemoryForCachesStaysUnallocated) {
  // A cache that this machine could never hold.
  test::writeBundle(path, "",
                    [](ModelSettings &settings) { settings.arenaBytes = int64_t(1) << 60; });
  EXPECT_THAT(error("cpu"), HasSubstr("memory: expected a machine with at least"));
  configure("free=2305843009213693952");
  auto model = open();
  EXPECT_TRUE(model.ok()) << model.status();
}

TEST_F(Gpu, TheCApiAsksTheEnvironment) {
  setenv("STC_DEVICE", "cuda", 1);
  char error[256] = "";
  stc_model_t *model = stc_model_open(path.c_str(), 1, error, sizeof(error));
  ASSERT_NE(model, nullptr) << error;
  std::vector<int32_t> tokens = someTokens(10);
  std::vector<float> logits(test::fakeVocab);
  EXPECT_EQ(stc_model_logits(model, tokens.data(), 10, logits.data(), 0, error, sizeof(error)), 0);
  EXPECT_EQ(logits, expectedLogits(tokens));
  EXPECT_EQ(stats->launches.back().function, "stc_model_score");
  stc_model_close(model);
  setenv("STC_CUDA_LIBRARY", "/absent/libcuda.so", 1);
  EXPECT_EQ(stc_model_open(path.c_str(), 1, error, sizeof(error)), nullptr);
  EXPECT_THAT(error, HasSubstr("device cuda: driver: expected NVIDIA's driver library"));
  setenv("STC_DEVICE", "cpu", 1);
}

TEST_F(Gpu, Benchmark) {
  auto model = opened();
  ASSERT_NE(model, nullptr);
  auto session = Session::create(*model).value();
  BenchmarkOptions options;
  options.promptTokens = 20;
  options.generate = 4;
  options.minRepetitions = options.maxRepetitions = 2;
  auto result = benchmark(*session, options);
  ASSERT_TRUE(result.ok()) << result.status();
  // The fake device has 80 MiB free, less what the model takes (it does not count); a quarter of
  // that in 2 ms, read and written.
  EXPECT_NEAR(result->readBandwidth, 2 * 20 * 1048576 / 0.002, 1e4);
  EXPECT_NEAR(result->decodeBandwidthFraction,
              result->decodeTokensPerSecond * test::fakeVocab / result->readBandwidth,
              0.5 * result->decodeBandwidthFraction);
  EXPECT_GT(result->prefillTokensPerSecond, 0);
  EXPECT_TRUE(std::isnan(result->int8Peak));
  EXPECT_TRUE(std::isnan(result->prefillPeakFraction));
  EXPECT_EQ(result->device, "cuda:0");
  EXPECT_EQ(result->deviceLabel, "GPU 0 (Fake 0)");
}

} // namespace
} // namespace stc
