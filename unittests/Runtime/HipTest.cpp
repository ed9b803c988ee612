// Models on a GPU of AMD, which a fake HIP stands for. What does not depend on the driver is
// GpuTest.cpp's and GpuErrorsTest.cpp's.
#include "FakeGpu.h"

#include "stc/Runtime/Gpu/GpuProbe.h"
#include "stc/Runtime/Gpu/HipDevice.h"
#include "stc/Runtime/Session.h"

#include "gmock/gmock.h"

namespace stc {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class Hip : public test::FakeGpu {
protected:
  Hip() : FakeGpu(test::fakeHip) {}

  /// Code with images for the two targets, in turn for AMD's and for NVIDIA's GPUs.
  ModelCode codeFor(const char *target, bool hasCuda = false) {
    ModelCode code = linkedModelCode();
    images.assign(code.gpuImages.begin(), code.gpuImages.end());
    StcGpuImage image = images[0];
    image.target = target;
    image.format = "hsaco";
    image.bytes = reinterpret_cast<const uint8_t *>(object.data());
    image.size = object.size();
    if (!hasCuda)
      images.clear();
    images.insert(images.begin(), image);
    code.gpuImages = images;
    return code;
  }
  std::string errorOn(const std::string &device, const char *target = "amdgpu-gfx942") {
    return error(device, codeFor(target));
  }

  std::string object = std::string("\x7F"
                                   "ELF") +
                       std::string(100, '\0');
  std::vector<StcGpuImage> images;
};

TEST_F(Hip, ReadsFromThisMachineWhatDoesNotFit) {
  std::vector<uint8_t> rest(7 << 20, 5);
  test::writeBundle(path, test::fakeTokenizer(), nullptr, "", rest);
  configure("memory=5000000");
  auto model = open("hip", 2, codeFor("amdgpu-gfx942"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->gpu()->placement().hostBytes, 320 + rest.size() - 2 * (2 << 20));
  EXPECT_GT(stats->sharedBytes, 0u);
  test::expectFakeModel(**model);
  configure("memory=5000000;managed=0");
  EXPECT_THAT(errorOn("hip"), HasSubstr("expected at least 7349456 bytes free"));
}

TEST(HipImages, RunOnOneChip) {
  struct {
    const char *target, *format, *architecture;
    bool runs;
  } cases[] = {
      {"amdgpu-gfx942", "hsaco", "gfx942", true},
      {"amdgpu-gfx942", "hsaco", "gfx942:sramecc+:xnack-", true},
      {"amdgpu-gfx90a", "hsaco", "gfx90a:sramecc+:xnack+", true},
      {"amdgpu-gfx94", "hsaco", "gfx942", false},
      {"amdgpu-gfx942", "hsaco", "gfx94", false},
      {"amdgpu-gfx90a", "hsaco", "gfx942", false},
      {"amdgpu-gfx1100", "hsaco", "gfx1101", false},
      {"amdgpu-gfx942", "ptx", "gfx942", false},
      {"amdgpu-", "hsaco", "", false},
      {"nvptx-sm_90", "ptx", "gfx942", false},
      {"", "hsaco", "gfx942", false},
  };
  for (const auto &c : cases)
    EXPECT_EQ(hipImageRuns(c.target, c.format, c.architecture), c.runs)
        << c.target << " " << c.format << " on " << c.architecture;
}

TEST_F(Hip, ComputesTheModel) {
  for (const char *device : {"hip", "auto", "hip:0"}) {
    auto model = open(device, 2, codeFor("amdgpu-gfx942"));
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->device(), "hip:0");
    EXPECT_EQ((*model)->target(), "amdgpu-gfx942");
    const GpuProperties &properties = (*model)->gpu()->properties();
    EXPECT_EQ(properties.label, "GPU 0 (Fake 0)");
    EXPECT_EQ(properties.architecture, "gfx942:sramecc+:xnack-");
    EXPECT_EQ(properties.driver, "HIP 6.2");
    EXPECT_EQ(properties.multiprocessors, 4);
    EXPECT_EQ((*model)->gpu()->program().decode.blocks, 8u);
    test::expectFakeModel(**model);
    auto bandwidth = measureGpuBandwidth((*model)->gpu()->device());
    ASSERT_TRUE(bandwidth.ok()) << bandwidth.status();
    EXPECT_GT(*bandwidth, 0);
  }
}

// `auto` asks the drivers that take one of the images, and one after the other.
TEST_F(Hip, StandsBesideCuda) {
  setenv("STC_CUDA_LIBRARY", "/absent/libcuda.so", 1);
  auto model = open("auto", 1, codeFor("amdgpu-gfx942", /*hasCuda=*/true));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->device(), "hip:0");
  // What a device there says is worth more than that another maker's driver is not there.
  configure("capability=2314"); // 0x90a
  model = open("auto", 1, codeFor("amdgpu-gfx942", /*hasCuda=*/true));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->device(), "cpu");
  EXPECT_THAT(std::string((*model)->gpuRefusal().message()), HasSubstr("got one of gfx90a"));
  EXPECT_THAT(error("cuda", codeFor("amdgpu-gfx942")),
              HasSubstr("device cuda: expected code for nvptx-..., got amdgpu-gfx942"));
  unsetenv("STC_CUDA_LIBRARY");
}

TEST_F(Hip, NoDriver) {
  setenv("STC_HIP_LIBRARY", "/absent/libamdhip64.so", 1);
  EXPECT_THAT(errorOn("hip"),
              MatchesRegex("device hip: driver: expected AMD's HIP library "
                           "/absent/libamdhip64.so, got /absent/libamdhip64.so: cannot open .*"));
  auto model = open("auto", 1, codeFor("amdgpu-gfx942"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->device(), "cpu");
  EXPECT_TRUE(absl::IsNotFound((*model)->gpuRefusal()));
  setenv("STC_HIP_LIBRARY", "libm.so.6", 1);
  EXPECT_EQ(errorOn("hip"),
            "libm.so.6: hipInit: expected a function of HIP (ROCm 6.0 or newer), got none");
}

TEST_F(Hip, NoDevice) {
  configure("init=100");
  EXPECT_EQ(errorOn("hip"), "device hip: hipInit: expected success, got hipErrorNoDevice: no "
                            "ROCm-capable device is detected");
  configure("devices=0");
  EXPECT_EQ(errorOn("hip"), "device hip: expected a GPU that its driver knows, got none");
  configure("init=999");
  EXPECT_EQ(errorOn("hip"), "device hip: hipInit: expected success, got error 999");
}

TEST_F(Hip, WhichDevice) {
  configure("devices=3;capability0=2314"); // 0x90a, and two of 0x942
  auto model = open("hip", 1, codeFor("amdgpu-gfx942"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->device(), "hip:1") << "the first that runs the code";
  EXPECT_EQ(errorOn("hip:0"), path + ": GPU 0 (Fake 0): expected a device that runs code for "
                                     "amdgpu-gfx942, got one of gfx90a:sramecc+:xnack-");
  EXPECT_EQ(errorOn("hip:3"), "device hip:3: expected a GPU from 0 to 2, got 3");
  configure("cooperative=0");
  EXPECT_EQ(errorOn("hip"), "GPU 0 (Fake 0): cooperative launch: expected a device whose blocks "
                            "can wait for each other, got one without");
}

TEST_F(Hip, ImagesThatDoNotLoad) {
  configure("load=209");
  EXPECT_EQ(errorOn("hip"), "GPU 0 (Fake 0): code for amdgpu-gfx942: expected an image that "
                            "hipModuleLoadData of HIP 6.2 loads, got hipErrorNoBinaryForGpu: words "
                            "of the driver");
  configure("");
  object = "nothing of ours";
  EXPECT_EQ(errorOn("hip"), "GPU 0 (Fake 0): code for amdgpu-gfx942: expected a code object, got "
                            "15 bytes of other data");
  object = std::string(100, 'x');
  EXPECT_THAT(errorOn("hip"), HasSubstr("got 100 bytes of other data"));
}

TEST_F(Hip, TooLittleMemoryAndBlocksThatDoNotFit) {
  configure("free=1000");
  EXPECT_EQ(errorOn("hip"), path + ": memory of GPU 0 (Fake 0): expected at least 9368 bytes free "
                                   "(weights 264, KV cache 512, scratch space 8592), got 1000 of "
                                   "83886080 bytes");
  configure("alloc=2");
  EXPECT_EQ(errorOn("hip"), "GPU 0 (Fake 0): the weights: expected 264 bytes of its memory to be "
                            "free, got hipErrorOutOfMemory: words of the driver");
  configure("occupancy=0");
  EXPECT_EQ(errorOn("hip"), "GPU 0 (Fake 0): stc_model_prefill: expected at least one block to fit "
                            "into a multiprocessor, got none (96 threads of 40 registers and 1024 "
                            "bytes of shared memory)");
  configure("shared=1000");
  EXPECT_EQ(errorOn("hip"), "GPU 0 (Fake 0): stc_model_prefill: expected 1024 bytes of shared "
                            "memory for a block, got at most 1000 on gfx942:sramecc+:xnack-");
}

TEST_F(Hip, FailingLaunchesLeaveTheTextAsItWas) {
  auto model = open("hip", 1, codeFor("amdgpu-gfx942"));
  ASSERT_TRUE(model.ok()) << model.status();
  auto session = Session::create(**model).value();
  ASSERT_TRUE(session->prefill({1, 2, 3}).ok());
  configure("launch=719");
  EXPECT_EQ(session->decode(1).status().message(),
            "GPU 0 (Fake 0): hipModuleLaunchCooperativeKernel: expected success, got "
            "hipErrorLaunchFailure: words of the driver");
  configure("fault=700");
  EXPECT_EQ(session->decode(1).status().message(),
            "GPU 0 (Fake 0): hipStreamSynchronize: expected success, got hipErrorIllegalAddress: "
            "words of the driver");
  configure("");
  auto logits = session->decode(4);
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_EQ(std::vector<float>(logits->begin(), logits->end()), test::expectedLogits({1, 2, 3, 4}));
}

} // namespace
} // namespace stc
