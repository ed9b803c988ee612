// Choosing a device, and every way in which a GPU cannot be had: one sentence each.
#include "FakeGpu.h"

#include "stc/Runtime/Gpu/CudaDevice.h"
#include "stc/Runtime/Session.h"

#include "gmock/gmock.h"

namespace stc {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class GpuErrors : public test::FakeGpu {
protected:
  /// Code with one image, for `target`.
  ModelCode codeFor(const char *target, const char *format = "ptx") {
    ModelCode code = linkedModelCode();
    image = code.gpuImages[0];
    image.target = target;
    image.format = format;
    code.gpuImages = absl::MakeConstSpan(&image, 1);
    return code;
  }
  StcGpuImage image;
};

TEST(CudaImages, RunWhereTheyCan) {
  struct {
    const char *target, *format;
    int major, minor;
    bool runs;
  } cases[] = {
      {"nvptx-sm_80", "ptx", 8, 0, true},     {"nvptx-sm_80", "ptx", 8, 6, true},
      {"nvptx-sm_80", "ptx", 9, 0, true},     {"nvptx-sm_80", "ptx", 12, 0, true},
      {"nvptx-sm_80", "ptx", 7, 5, false},    {"nvptx-sm_86", "ptx", 8, 0, false},
      {"nvptx-sm_90a", "ptx", 9, 0, true},    {"nvptx-sm_90a", "ptx", 10, 0, false},
      {"nvptx-sm_100", "ptx", 10, 0, true},   {"nvptx-sm_100", "ptx", 9, 0, false},
      {"nvptx-sm_100f", "ptx", 10, 3, false}, {"nvptx-sm_80", "cubin", 8, 6, true},
      {"nvptx-sm_86", "cubin", 8, 0, false},  {"nvptx-sm_80", "cubin", 9, 0, false},
      {"nvptx-sm_80", "fatbin", 9, 0, false}, {"nvptx-sm_80+ptx70", "ptx", 9, 0, true},
      {"amdgpu-gfx942", "ptx", 9, 0, false},  {"nvptx-sm_", "ptx", 9, 0, false},
      {"nvptx-sm_9", "ptx", 9, 0, false},     {"nvptx-sm_80ab", "ptx", 8, 0, false},
      {"nvptx-sm_99999", "ptx", 9, 0, false}, {"", "ptx", 9, 0, false},
  };
  for (const auto &c : cases)
    EXPECT_EQ(cudaImageRuns(c.target, c.format, c.major, c.minor), c.runs)
        << c.target << " " << c.format << " on " << c.major << "." << c.minor;
}

TEST(DeviceChoice, Parses) {
  EXPECT_EQ(parseDeviceChoice("auto")->kind, DeviceChoice::Kind::Auto);
  EXPECT_EQ(parseDeviceChoice("cpu")->kind, DeviceChoice::Kind::Cpu);
  EXPECT_EQ(parseDeviceChoice("cuda")->kind, DeviceChoice::Kind::Gpu);
  EXPECT_STREQ(parseDeviceChoice("cuda")->driver->name, "cuda");
  EXPECT_EQ(parseDeviceChoice("auto")->driver, nullptr);
  EXPECT_STREQ(parseDeviceChoice("hip:3")->driver->name, "hip");
  EXPECT_EQ(parseDeviceChoice("hip:3")->index, 3);
  EXPECT_FALSE(parseDeviceChoice("cuda")->index.has_value());
  EXPECT_EQ(parseDeviceChoice("cuda:12")->index, 12);
  for (const char *text : {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda: 1", "cuda:1x", "cuda1",
                           "cuda:99999999999", "cpu:0", " cpu", "hip:", "hip:x", ":0"})
    EXPECT_FALSE(parseDeviceChoice(text).has_value()) << text;
}

TEST_F(GpuErrors, TheEnvironmentChooses) {
  const std::string known = "auto, cpu, cuda, cuda:N, hip, hip:N, opencl or opencl:N";
  EXPECT_EQ(error("nowhere"), "device: expected " + known + ", got nowhere");
  setenv("STC_DEVICE", "tpu", 1);
  EXPECT_EQ(error(""), "STC_DEVICE: expected " + known + ", got tpu");
  EXPECT_EQ(opened("cpu")->device(), "cpu") << "the option comes first";
  for (const char *device : {"cuda", "auto", ""}) {
    setenv("STC_DEVICE", device, 1);
    EXPECT_EQ(opened("")->device(), "cuda:0");
  }
  setenv("STC_DEVICE", "cpu", 1);
  EXPECT_EQ(opened("")->device(), "cpu");
}

TEST_F(GpuErrors, NoDriver) {
  setenv("STC_CUDA_LIBRARY", "/absent/libcuda.so", 1);
  EXPECT_THAT(error(), MatchesRegex("device cuda: driver: expected NVIDIA's driver library "
                                    "/absent/libcuda.so, got /absent/libcuda.so: cannot open .*"));
  // Not an error where nobody insisted, and worth no line.
  auto model = opened("auto");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->device(), "cpu");
  EXPECT_EQ(model->target(), "fake");
  EXPECT_TRUE(absl::IsNotFound(model->gpuRefusal()));
}

TEST_F(GpuErrors, AnotherLibrary) {
  setenv("STC_CUDA_LIBRARY", "libm.so.6", 1);
  EXPECT_EQ(error(),
            "libm.so.6: cuInit: expected a function of the driver (R470 or newer), got none");
}

TEST_F(GpuErrors, NoDevice) {
  configure("init=100");
  EXPECT_EQ(error(), "device cuda: cuInit: expected success, got CUDA_ERROR_NO_DEVICE: no "
                     "CUDA-capable device is detected");
  EXPECT_TRUE(absl::IsNotFound(opened("auto")->gpuRefusal()));
  configure("devices=0");
  EXPECT_EQ(error(), "device cuda: expected a GPU that its driver knows, got none");
  EXPECT_TRUE(absl::IsNotFound(opened("auto")->gpuRefusal()));
  configure("init=999"); // no name for that
  EXPECT_EQ(error(), "device cuda: cuInit: expected success, got error 999");
  EXPECT_FALSE(absl::IsNotFound(opened("auto")->gpuRefusal()));
}

TEST_F(GpuErrors, WhichDevice) {
  configure("devices=3;capability=90;capability0=60;capability1=75");
  EXPECT_EQ(opened("cuda")->device(), "cuda:1") << "the first that runs the code";
  EXPECT_EQ(opened("cuda:2")->device(), "cuda:2");
  EXPECT_EQ(error("cuda:0"), path + ": GPU 0 (Fake 0): expected a device that runs code for "
                                    "nvptx-sm_70, got one of sm_60");
  EXPECT_EQ(error("cuda:3"), "device cuda:3: expected a GPU from 0 to 2, got 3");
  // Of several, the first that has the room.
  configure("devices=2;free0=1000");
  EXPECT_EQ(opened("cuda")->device(), "cuda:1");
}

TEST_F(GpuErrors, OldDevice) {
  EXPECT_THAT(error("cuda", codeFor("nvptx-sm_100")),
              HasSubstr("GPU 0 (Fake 0): expected a device that runs code for nvptx-sm_100, got "
                        "one of sm_90"));
  auto model = open("auto", 1, codeFor("nvptx-sm_100"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->device(), "cpu");
  EXPECT_THAT(std::string((*model)->gpuRefusal().message()), HasSubstr("got one of sm_90"));
  configure("cooperative=0");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): cooperative launch: expected a device whose blocks can wait "
                     "for each other, got one without");
}

TEST_F(GpuErrors, TheBestImageThatRuns) {
  ModelCode code = linkedModelCode();
  std::vector<StcGpuImage> images(3, code.gpuImages[0]);
  images[0].target = "nvptx-sm_100";
  images[1].target = "nvptx-sm_80";
  code.gpuImages = images;
  auto target = [&](const char *forced) {
    setenv("STC_TARGET", forced, 1);
    auto model = open("auto", 1, code);
    unsetenv("STC_TARGET");
    return model.ok() ? (*model)->target() : std::string(model.status().message());
  };
  EXPECT_EQ(target(""), "nvptx-sm_80");
  EXPECT_EQ(target("nvptx-sm_70"), "nvptx-sm_70");
  EXPECT_EQ(target("fake"), "fake") << "a target of the processors'";
  EXPECT_THAT(target("nvptx-sm_100"), HasSubstr("got one of sm_90"));
  setenv("STC_TARGET", "fake", 1);
  EXPECT_EQ(error("cuda", code), path + ": STC_TARGET: expected a target of this model for a GPU: "
                                        "nvptx-sm_100, nvptx-sm_80, nvptx-sm_70, got fake");
  unsetenv("STC_TARGET");
}

TEST_F(GpuErrors, AnotherMakersImage) {
  EXPECT_EQ(error("cuda", codeFor("other-chip")),
            path + ": device cuda: expected code for nvptx-..., got other-chip");
  auto model = open("auto", 1, codeFor("other-chip"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->device(), "cpu");
  EXPECT_EQ((*model)->gpuRefusal().message(),
            path + ": device: expected code that a driver takes, got other-chip");
}

TEST_F(GpuErrors, NoImage) {
  ModelCode code = linkedModelCode();
  code.gpuImages = {};
  EXPECT_EQ(error("cuda", code),
            path + ": device: expected a model with code for a GPU (compiled with "
                   "--target=native,nvptx-sm_80), got one for fake");
  auto model = open("auto", 1, code);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->device(), "cpu");
  EXPECT_TRUE((*model)->gpuRefusal().ok());
}

TEST_F(GpuErrors, ImagesThatDoNotLoad) {
  configure("load=222");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): code for nvptx-sm_70: expected a driver that reads PTX 7.0, "
                     "got one for CUDA 12.4 (CUDA_ERROR_UNSUPPORTED_PTX_VERSION: words of the "
                     "driver)");
  configure("load=218");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): code for nvptx-sm_70: expected an image that "
                     "cuModuleLoadDataEx loads, got CUDA_ERROR_INVALID_PTX: words of the driver: "
                     "ptxas fatal : line 1 of the log");
  EXPECT_EQ(opened("auto")->device(), "cpu");
  configure("");
  ModelCode code = codeFor("nvptx-sm_70");
  image.size -= 1; // no zero at the end
  EXPECT_THAT(error("cuda", code), HasSubstr("expected text that ends with a zero"));
  image.size = 0;
  EXPECT_THAT(error("cuda", code), HasSubstr("got 0 bytes of ptx"));
  code = codeFor("nvptx-sm_70");
  std::string other = std::string("nothing of ours") + '\0';
  image.bytes = reinterpret_cast<const uint8_t *>(other.data());
  image.size = other.size();
  EXPECT_THAT(error("cuda", code), HasSubstr("CUDA_ERROR_INVALID_PTX"));
}

TEST_F(GpuErrors, TooLittleMemory) {
  // 264 of weights, 512 of caches; scratch, hidden states and logits of a chunk of 8.
  configure("free=1000");
  EXPECT_EQ(error(), path + ": memory of GPU 0 (Fake 0): expected at least 9368 bytes free "
                            "(weights 264, KV cache 512, scratch space 8592), got 1000 of 83886080 "
                            "bytes");
  auto model = opened("auto");
  EXPECT_EQ(model->device(), "cpu");
  EXPECT_THAT(std::string(model->gpuRefusal().message()), HasSubstr("expected at least 9368"));
  configure("free=9368");
  EXPECT_EQ(error(), "");
  configure("alloc=2");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): the weights: expected 264 bytes of its memory to be free, "
                     "got CUDA_ERROR_OUT_OF_MEMORY: words of the driver");
  configure("");
  model = opened();
  configure("alloc=2");
  EXPECT_THAT(std::string(Session::create(*model).status().message()),
              HasSubstr("scratch space: expected 16 bytes of its memory to be free"));
}

TEST_F(GpuErrors, BlocksThatDoNotFit) {
  configure("occupancy=0");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): stc_model_prefill: expected at least one block to fit into "
                     "a multiprocessor, got none (96 threads of 40 registers and 1024 bytes of "
                     "shared memory)");
  configure("shared=1000");
  EXPECT_EQ(error(), "GPU 0 (Fake 0): stc_model_prefill: expected 1024 bytes of shared memory for "
                     "a block, got at most 1000 on sm_90");
  configure("");
  ModelCode code = codeFor("nvptx-sm_70");
  for (uint64_t threads : {uint64_t(0), uint64_t(1025), UINT64_MAX}) {
    image.block_threads = threads;
    EXPECT_THAT(error("cuda", code), HasSubstr("got at most 1024 of this function"));
  }
}

TEST_F(GpuErrors, ImagesWithoutAFunction) {
  auto isMissing = [&](const char *settings, const char *function) {
    configure(settings);
    EXPECT_EQ(error(), std::string("GPU 0 (Fake 0): stc_model_") + function +
                           ": expected a function of the code for nvptx-sm_70, got "
                           "CUDA_ERROR_NOT_FOUND: words of the driver");
  };
  isMissing("missing=1", "score");
  // Which an encoder has not.
  test::writeBundle(path, test::fakeTokenizer(), test::asEncoder);
  EXPECT_EQ(error(), "");
  test::writeBundle(path, test::fakeTokenizer(), [](ModelSettings &settings) {
    test::asEncoderDecoder(settings, /*readsFeatures=*/true);
  });
  isMissing("missing=2", "encode");
  isMissing("missing=3", "stem");
}

TEST_F(GpuErrors, TheNumberOfBlocksCanBeLimited) {
  for (auto [text, blocks] : {std::pair("3", 3u), std::pair("", 8u), std::pair("1000", 8u)}) {
    setenv("STC_GPU_BLOCKS", text, 1);
    EXPECT_EQ(opened()->gpu()->program().prefill.blocks, blocks);
  }
  for (const char *text : {"0", "-1", "x", "99999999999"}) {
    setenv("STC_GPU_BLOCKS", text, 1);
    EXPECT_EQ(error(),
              std::string("STC_GPU_BLOCKS: expected a number of blocks, at least 1, got ") + text);
  }
  unsetenv("STC_GPU_BLOCKS");
}

TEST_F(GpuErrors, FailingLaunchesLeaveTheTextAsItWas) {
  auto model = opened();
  ASSERT_NE(model, nullptr);
  auto session = Session::create(*model).value();
  std::vector<int32_t> tokens(12, 3);
  ASSERT_TRUE(session->prefill({1, 2, 3}).ok());
  auto sink = [](int64_t, absl::Span<const float>) { return absl::OkStatus(); };
  struct {
    const char *setting, *message;
  } cases[] = {
      {"launch=719", "GPU 0 (Fake 0): cuLaunchCooperativeKernel: expected success, got "
                     "CUDA_ERROR_LAUNCH_FAILED: words of the driver"},
      {"fault=700", "GPU 0 (Fake 0): cuStreamSynchronize: expected success, got "
                    "CUDA_ERROR_ILLEGAL_ADDRESS: words of the driver"},
  };
  for (const auto &c : cases) {
    configure(c.setting);
    EXPECT_EQ(session->prefill(tokens).message(), c.message);
    EXPECT_EQ(session->decode(1).status().message(), c.message);
    EXPECT_EQ(session->feed(tokens).status().message(), c.message);
    EXPECT_EQ(session->score(tokens, sink).message(), c.message);
    EXPECT_EQ(session->position(), 3);
  }
  configure("");
  auto logits = session->decode(4);
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_EQ(std::vector<float>(logits->begin(), logits->end()), test::expectedLogits({1, 2, 3, 4}));
}

} // namespace
} // namespace stc
