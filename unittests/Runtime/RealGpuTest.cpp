// The fake model's kernels on a GPU of this machine, through its driver. The program is linked like
// a model, so that it runs wherever there is a GPU and libc; without a GPU the tests are skipped.
#include "FakeModel.h"

#include "stc/Runtime/Gpu/GpuProbe.h"
#include "stc/Runtime/Session.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <chrono>
#include <cstdio>

namespace stc {
namespace {

using testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Model>> openOnGpu(const ModelCode &code, const std::string &path,
                                                 const std::string &memory = "") {
  Model::Options options;
  options.device = "cuda";
  options.deviceMemory = memory;
  return Model::open(code, path, options);
}

absl::StatusOr<std::unique_ptr<Model>> openOnGpu(const ModelCode &code) {
  test::TemporaryDirectory directory; // a mapped file may be removed
  test::writeBundle(directory / "m");
  return openOnGpu(code, directory / "m");
}

TEST(RealGpu, ComputesTheModel) {
  auto model = openOnGpu(linkedModelCode());
  if (absl::IsNotFound(model.status()))
    GTEST_SKIP() << "this machine has no GPU: " << model.status().message();
  ASSERT_TRUE(model.ok()) << model.status();
  test::expectFakeModel(**model);
  auto bandwidth = measureGpuBandwidth((*model)->gpu()->device());
  ASSERT_TRUE(bandwidth.ok()) << bandwidth.status();
  EXPECT_GT(*bandwidth, 1e10);
  EXPECT_LT(*bandwidth, 1e14);
}

TEST(RealGpu, RunsEveryKindOfModel) {
  std::function<void(ModelSettings &)> kinds[] = {
      test::asEncoder,
      [](ModelSettings &s) { test::asEncoderDecoder(s, /*readsFeatures=*/false); },
      [](ModelSettings &s) { test::asEncoderDecoder(s, /*readsFeatures=*/true); },
  };
  for (const auto &change : kinds) {
    test::TemporaryDirectory directory;
    test::writeBundle(directory / "m", test::fakeTokenizer(), change);
    auto model = openOnGpu(linkedModelCode(), directory / "m");
    if (absl::IsNotFound(model.status()))
      GTEST_SKIP() << "this machine has no GPU: " << model.status().message();
    ASSERT_TRUE(model.ok()) << model.status();
    test::expectAsOnProcessors(directory / "m", **model);
  }
}

// Weights in this machine's memory: all of them, and all but a page.
TEST(RealGpu, ReadsWeightsOverTheBus) {
  test::TemporaryDirectory directory;
  std::vector<uint8_t> rest(7 << 20, 1);
  test::writeBundle(directory / "m", test::fakeTokenizer(), nullptr, "", rest);
  auto whole = openOnGpu(linkedModelCode(), directory / "m");
  if (absl::IsNotFound(whole.status()))
    GTEST_SKIP() << "this machine has no GPU: " << whole.status().message();
  ASSERT_TRUE(whole.ok()) << whole.status();
  if (!(*whole)->gpu()->properties().sharesMemory)
    GTEST_SKIP() << "its driver shares no memory";
  for (const char *memory : {"64K", "2112K"}) {
    auto model = openOnGpu(linkedModelCode(), directory / "m", memory);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_GT((*model)->gpu()->placement().hostBytes, 0u);
    test::expectFakeModel(**model);
    auto bandwidth = measureHostBandwidth((*model)->gpu()->device());
    ASSERT_TRUE(bandwidth.ok()) << bandwidth.status();
    std::printf("%.1f GB/s from this machine's memory\n", *bandwidth / 1e9);
  }
}

// What a call costs besides its work: tokens there, logits back, and a wait.
TEST(RealGpu, LaunchesQuickly) {
  auto model = openOnGpu(linkedModelCode());
  if (absl::IsNotFound(model.status()))
    GTEST_SKIP() << "this machine has no GPU: " << model.status().message();
  ASSERT_TRUE(model.ok()) << model.status();
  auto session = Session::create(**model).value();
  ASSERT_TRUE(session->decode(1).ok());
  constexpr int calls = 1000;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) {
    session->reset();
    ASSERT_TRUE(session->decode(1).ok());
  }
  std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  std::printf("%.1f microseconds per token of nothing, %u blocks\n", time.count() / calls,
              (*model)->gpu()->program().prefill.blocks);
  EXPECT_LT(time.count() / calls, 1000);
}

TEST(RealGpu, RefusesDamagedText) {
  ModelCode code = linkedModelCode();
  StcGpuImage image = code.gpuImages[0];
  std::string text =
      std::string(".version 7.0\n.target sm_70\n.address_size 64\nnonsense\n") + '\0';
  image.bytes = reinterpret_cast<const uint8_t *>(text.data());
  image.size = text.size();
  code.gpuImages = absl::MakeConstSpan(&image, 1);
  auto model = openOnGpu(code);
  if (absl::IsNotFound(model.status()))
    GTEST_SKIP() << "this machine has no GPU: " << model.status().message();
  EXPECT_THAT(std::string(model.status().message()), HasSubstr("CUDA_ERROR_INVALID_PTX"));
  EXPECT_THAT(std::string(model.status().message()), HasSubstr("ptxas"));
}

} // namespace
} // namespace stc

// The runtime's own main() would read the command line as a model's.
int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
