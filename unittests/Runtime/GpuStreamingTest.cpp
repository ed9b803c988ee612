// Models that are larger than the memory of a GPU, which a fake driver stands for.
#include "FakeGpu.h"

#include "stc/Packing/WeightReads.h"
#include "stc/Runtime/Benchmark.h"
#include "stc/Runtime/Gpu/GpuProbe.h"

#include "gmock/gmock.h"

namespace stc {
namespace {

using testing::HasSubstr;

constexpr uint64_t page = 2 << 20, restBytes = 7 * (1 << 20);
// What one text takes; of a device's memory a 64th stays free.
constexpr uint64_t textBytes = 9104;

std::string places(const WeightPlacement &placement) {
  std::string text;
  for (const WeightPlacement::Range &range : placement.ranges)
    absl::StrAppend(&text, text.empty() ? "" : " ", range.begin, "-", range.end,
                    range.place == GpuPlace::Device ? "D" : "H");
  return text;
}

std::vector<WeightRecord> recordsOf(const std::vector<std::pair<uint64_t, uint64_t>> &spans) {
  std::vector<WeightRecord> records;
  for (auto [offset, bytes] : spans)
    records.emplace_back().offset = offset, records.back().bytes = bytes;
  return records;
}

TEST(WeightPlacement, KeepsWhatIsReadMost) {
  // A table that is looked up in, a matrix, two experts and a head, on pages of 10 bytes.
  auto records = recordsOf({{0, 20}, {20, 20}, {40, 10}, {50, 10}, {60, 15}});
  std::vector<double> shares = {0, 1, 0.25, 0.25, 1};
  auto place = [&](uint64_t room) { return placeWeights(records, shares, 75, room, 10); };
  EXPECT_EQ(places(place(0)), "0-75H");
  EXPECT_EQ(places(place(9)), "0-75H");
  EXPECT_EQ(places(place(10)), "0-20H 20-30D 30-75H");
  EXPECT_EQ(places(place(39)), "0-20H 20-40D 40-60H 60-70D 70-75H");
  EXPECT_EQ(places(place(40)), "0-20H 20-40D 40-60H 60-75D");
  EXPECT_EQ(places(place(50)), "0-20H 20-50D 50-60H 60-75D");
  EXPECT_EQ(places(place(60)), "0-20H 20-75D");
  EXPECT_EQ(places(place(70)), "0-10D 10-20H 20-75D");
  EXPECT_EQ(places(place(80)), "0-75D");
  WeightPlacement placement = place(40);
  EXPECT_EQ(placement.hostBytes, 40u);
  EXPECT_EQ(placement.bytesPerToken, 40);
  EXPECT_EQ(placement.hostBytesPerToken, 5);
  EXPECT_EQ(place(80).hostBytes, 0u);
}

TEST(WeightPlacement, PagesOfSeveralTensors) {
  // The second page has a little of a matrix, the third gaps.
  auto records = recordsOf({{0, 12}, {12, 6}, {24, 2}});
  std::vector<double> shares = {0, 1, 1};
  EXPECT_EQ(places(placeWeights(records, shares, 26, 10, 10)), "0-10H 10-20D 20-26H");
  EXPECT_EQ(places(placeWeights(records, shares, 26, 20, 10)), "0-10H 10-26D");
}

TEST(MemoryLimit, Parses) {
  auto bytes = [](const char *text) { return parseMemoryLimit(text)->of(1000); };
  EXPECT_EQ(bytes("12345"), 12345u);
  EXPECT_EQ(bytes("3K"), 3072u);
  EXPECT_EQ(bytes("5M"), 5242880u);
  EXPECT_EQ(bytes("8G"), uint64_t(8) << 30);
  EXPECT_EQ(bytes("50%"), 500u);
  EXPECT_EQ(bytes("12.5%"), 125u);
  EXPECT_EQ(bytes("100%"), 1000u);
  for (const char *text :
       {"", "0", "-1", "+1", " 1", "1 ", "x", "8g", "8GB", "M", "1.5G", "%", "0%", "101%", "-1%",
        "nan%", "50%%", "99999999999999999999", "18446744073709551G"})
    EXPECT_FALSE(parseMemoryLimit(text).has_value()) << text;
}

TEST(HostMemory, TooLittle) {
  EXPECT_TRUE(checkHostMemory("m", 1000, 1000, "GPU 0 (x)").ok());
  EXPECT_EQ(checkHostMemory("m", 1001, 1000, "GPU 0 (x)").message(),
            "m: memory of this machine: expected 1001 bytes available (weights that GPU 0 (x) has "
            "no room for), got 1000");
}

/// The fake model with 7 MiB of weights behind those that it reads, and what every token reads of
/// both.
class GpuStreaming : public test::FakeGpu {
protected:
  void SetUp() override {
    FakeGpu::SetUp();
    write("2*1");
  }
  void TearDown() override {
    unsetenv("STC_GPU_MEMORY");
    FakeGpu::TearDown();
  }
  void write(const std::string &reads) {
    rest.clear();
    for (uint64_t i = 0; i < restBytes; ++i)
      rest.push_back(uint8_t(i * 31 + i / 4096));
    test::writeBundle(
        path, test::fakeTokenizer(),
        [&](ModelSettings &settings) {
          settings.other[kWeightReadsKey] = reads;
          settings.weightBytesPerToken = test::fakeVocab + restBytes;
        },
        "", rest);
  }
  /// Where the weights lie; and that every number is right.
  std::string placesOn(Model &model) {
    test::expectFakeModel(model);
    expectWeights(model);
    return places(model.gpu()->placement());
  }
  void expectWeights(Model &model) {
    GpuDevice &device = model.gpu()->device();
    absl::Span<const uint8_t> weights = model.contents().weights();
    auto back = PinnedMemory::allocate(device, weights.size(), "test").value();
    ASSERT_TRUE(
        device.download(back.data(), model.gpu()->weights().address(), weights.size()).ok());
    ASSERT_TRUE(device.synchronize().ok());
    EXPECT_EQ(std::memcmp(back.data(), weights.data(), weights.size()), 0);
  }
  /// The bytes of a device on which `pages` of weights fit.
  static uint64_t memoryFor(uint64_t pages) { return (pages * page + textBytes) * 64 / 63 + 64; }
  void configureMemory(uint64_t bytes, const std::string &more = "") {
    configure(absl::StrCat("memory=", bytes, more));
  }

  std::vector<uint8_t> rest;
};

TEST_F(GpuStreaming, WhatDoesNotFitStaysHere) {
  const uint64_t total = 320 + restBytes;
  for (auto [pages, expected] :
       {std::pair(0, absl::StrCat("0-", total, "H")),
        std::pair(1, absl::StrCat("0-", page, "D ", page, "-", total, "H")),
        std::pair(3, absl::StrCat("0-", 3 * page, "D ", 3 * page, "-", total, "H"))}) {
    configureMemory(memoryFor(uint64_t(pages)));
    stats->uploads.clear();
    auto model = opened("cuda", 3);
    ASSERT_NE(model, nullptr);
    uint64_t uploaded = 0;
    for (uint64_t bytes : stats->uploads)
      uploaded += bytes;
    EXPECT_EQ(uploaded, uint64_t(pages) * page);
    EXPECT_EQ(placesOn(*model), expected);
    EXPECT_EQ(model->gpu()->placement().hostBytes, total - uint64_t(pages) * page);
  }
  configureMemory(memoryFor(5));
  auto model = opened();
  EXPECT_EQ(placesOn(*model), absl::StrCat("0-", total, "D"));
  EXPECT_EQ(stats->sharedBytes, 0u);
}

TEST_F(GpuStreaming, WhatIsReadLeastStaysHere) {
  write("1*0,1*1"); // a little less of the first page
  configureMemory(memoryFor(3));
  EXPECT_EQ(placesOn(*opened()), "0-6291456D 6291456-7340352H");
  configureMemory(memoryFor(2));
  EXPECT_EQ(placesOn(*opened()), "0-2097152H 2097152-6291456D 6291456-7340352H");
  write("1*1");
  EXPECT_EQ(error(), path + ": bundle settings: weight_reads: expected shares of 2 tensors, got 1");
}

TEST_F(GpuStreaming, LimitsThatSomeoneSets) {
  // The fake device has 80 MiB.
  setenv("STC_GPU_MEMORY", absl::StrCat(page + textBytes).c_str(), 1);
  EXPECT_EQ(placesOn(*opened()), "0-2097152D 2097152-7340352H");
  setenv("STC_GPU_MEMORY", absl::StrCat(page + textBytes - 1).c_str(), 1);
  EXPECT_EQ(placesOn(*opened()), "0-7340352H");
  setenv("STC_GPU_MEMORY", "6%", 1);
  EXPECT_EQ(placesOn(*opened()), "0-4194304D 4194304-7340352H");
  setenv("STC_GPU_MEMORY", "9103", 1);
  const std::string memory = path + ": memory of GPU 0 (Fake 0): expected at least ";
  EXPECT_EQ(error(), memory +
                         "9104 bytes free (KV cache 512, scratch space 8592, reserve 0; weights "
                         "can stay in this machine's memory), got 9103 of 83886080 bytes");
  setenv("STC_GPU_MEMORY", "much", 1);
  EXPECT_EQ(error(), "STC_GPU_MEMORY: expected bytes (also 500M or 8G, of 1024) or a part such as "
                     "50%, got much");
  setenv("STC_GPU_MEMORY", "", 1);
  EXPECT_EQ(placesOn(*opened()), "0-7340352D");
  configure("free=1319823");
  EXPECT_EQ(error(), memory +
                         "1319824 bytes free (KV cache 512, scratch space 8592, reserve 1310720; "
                         "weights can stay in this machine's memory), got 1319823 of 83886080 "
                         "bytes");
  configure("free=1319824");
  EXPECT_EQ(placesOn(*opened()), "0-7340352H");
}

TEST_F(GpuStreaming, DevicesWithRoomComeFirst) {
  configure("devices=3;free0=5000000;free1=4000000;free2=50000000");
  EXPECT_EQ(opened("cuda")->device(), "cuda:2");
  EXPECT_EQ(opened("auto")->device(), "cuda:2");
  EXPECT_EQ(opened("cuda:1")->device(), "cuda:1");
  configure("devices=3;free0=9000;free1=8000000;free2=5000000");
  EXPECT_EQ(opened("cuda")->device(), "cuda:1");
  configure("devices=2;free0=9000;free1=5000000");
  EXPECT_EQ(opened("cuda")->device(), "cuda:1") << "the first has no room for a text";
}

TEST_F(GpuStreaming, NobodyGetsASlowGpuUnasked) {
  configureMemory(memoryFor(2));
  auto model = opened("auto");
  EXPECT_EQ(model->device(), "cpu");
  EXPECT_THAT(std::string(model->gpuRefusal().message()), HasSubstr("expected at least 7349456"));
  // Three pages of three and a half are most of it.
  configureMemory(memoryFor(3));
  EXPECT_EQ(opened("auto")->device(), "cuda:0");
  write("1*1,1*0.00001"); // one of them is most of what a token reads
  configureMemory(memoryFor(1));
  EXPECT_EQ(opened("auto")->device(), "cuda:0");
}

TEST_F(GpuStreaming, DevicesThatShareNothing) {
  configureMemory(memoryFor(2), ";managed=0");
  EXPECT_THAT(error(), HasSubstr("memory of GPU 0 (Fake 0): expected at least 7349456 bytes free"));
  EXPECT_EQ(opened("auto")->device(), "cpu");
}

TEST_F(GpuStreaming, DriversThatRefuse) {
  configureMemory(memoryFor(2), ";share=2");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): the weights: expected 7340352 bytes of addresses that it and "
                     "this machine share, got CUDA_ERROR_OUT_OF_MEMORY: words of the driver");
  configureMemory(memoryFor(2), ";settle=1");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): cuMemPrefetchAsync: expected success, got "
                     "CUDA_ERROR_INVALID_VALUE: words of the driver");
}

TEST_F(GpuStreaming, Benchmark) {
  configure("free=5000000");
  auto model = opened();
  auto session = Session::create(*model).value();
  BenchmarkOptions options;
  options.promptTokens = 20;
  options.generate = 4;
  options.minRepetitions = options.maxRepetitions = 2;
  auto result = benchmark(*session, options);
  ASSERT_TRUE(result.ok()) << result.status();
  // The fake device takes 2 ms for everything that is measured.
  EXPECT_NEAR(result->hostBandwidth, 2500000 / 0.002, 1e4);
  EXPECT_EQ(result->hostWeightBytesPerToken, int64_t(320 + restBytes - page));
  EXPECT_GT(result->decodeBandwidthFraction, 0);
}

} // namespace
} // namespace stc
