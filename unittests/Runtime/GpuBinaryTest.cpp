// A model binary with code for a GPU: the option, the errors, and the same text as without one.
#include "ModelBinary.h"

#include "gmock/gmock.h"

namespace stc {
namespace {

using testing::HasSubstr;
using Result = test::ProgramResult;

class GpuBinary : public test::ModelBinary {
protected:
  void SetUp() override {
    ModelBinary::SetUp();
    setenv("STC_CUDA_LIBRARY", STC_FAKE_CUDA_LIBRARY, 1);
    unsetenv("STC_DEVICE");
  }
  void TearDown() override {
    unsetenv("STC_CUDA_LIBRARY");
    unsetenv("STC_FAKE_CUDA");
    setenv("STC_DEVICE", "cpu", 1);
  }
};

TEST_F(GpuBinary, TheSameTextOnEveryDevice) {
  std::vector<std::string> args = {"run", "-p", "the end", "-n", "20", "--seed", "3", "--quiet"};
  Result automatic = run(args);
  EXPECT_EQ(automatic.status, 0) << automatic.err;
  EXPECT_EQ(automatic.err, "");
  args.push_back("--device");
  for (const char *device : {"cpu", "cuda", "cuda:0", "auto"}) {
    args.push_back(device);
    Result result = run(args);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, automatic.out) << device;
    args.pop_back();
  }
}

TEST_F(GpuBinary, WithoutADriver) {
  setenv("STC_CUDA_LIBRARY", "/absent/libcuda.so.1", 1);
  for (const std::vector<std::string> &args :
       {std::vector<std::string>{"run", "-p", "a", "--device", "cuda"},
        {"info", "--device", "cuda:1"},
        {"bench", "--device=cuda"}}) {
    Result result = run(args);
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err,
                testing::MatchesRegex("error: device cuda: driver: expected NVIDIA's driver "
                                      "library /absent/libcuda.so.1, got [^\n]*\n"));
  }
  // Nobody asked for one: not a word.
  Result result = run({"logits", "--tokens", "1", "-o", directory / "x.npy"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
}

TEST_F(GpuBinary, AGpuThatStaysIdleIsWorthALine) {
  setenv("STC_FAKE_CUDA", "capability=60", 1);
  std::vector<std::string> args = {"run", "--tokens", "1", "-n", "1", "--print-tokens"};
  Result result = run(args);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("note: running on the processors: "));
  EXPECT_THAT(result.err, HasSubstr("GPU 0 (Fake 0): expected a device that runs code for "
                                    "nvptx-sm_70, got one of sm_60\n"));
  args.push_back("--quiet");
  EXPECT_EQ(run(args).err, "");
  EXPECT_THAT(run({"info"}).out, HasSubstr("no GPU         "));
  EXPECT_THAT(run({"info", "--json"}).out, HasSubstr("got one of sm_60\"}"));
}

TEST_F(GpuBinary, Info) {
  Result json = run({"info", "--json"});
  EXPECT_EQ(json.status, 0) << json.err;
  for (const char *part :
       {"\"target\": \"nvptx-sm_70\"", "\"cpu_features\": \"\"",
        "\"gpu_images\": [{\"name\": \"nvptx-sm_70\", \"format\": \"ptx\", \"bytes\": ",
        "\"block_threads\": 96, \"shared_bytes\": 1024}]",
        "\"device\": {\"id\": \"cuda:0\", \"name\": \"Fake 0\", \"architecture\": \"sm_90\", "
        "\"driver\": \"CUDA 12.4\", \"multiprocessors\": 4, \"blocks\": 8, "
        "\"memory_bytes\": 83886080, \"weight_bytes\": 264, "
        "\"weights_on_host_bytes\": 0, \"kv_cache_bytes\": 512, "
        "\"free_bytes\": 83886080, \"refused\": \"\"}"})
    EXPECT_THAT(json.out, HasSubstr(part));
  Result text = run({"info"});
  for (const char *part :
       {"GPU code       nvptx-sm_70: ", "running        nvptx-sm_70\n",
        "device         GPU 0 (Fake 0), sm_90, CUDA 12.4, 8 blocks on 4 multiprocessors\n",
        "memory 83886080 bytes: weights 264, KV cache 512, free 83886080\n"})
    EXPECT_THAT(text.out, HasSubstr(part));
  Result cpu = run({"info", "--json", "--device", "cpu"});
  EXPECT_THAT(cpu.out, HasSubstr("\"device\": {\"id\": \"cpu\", \"refused\": \"\"}"));
  EXPECT_THAT(run({"info", "--device", "cpu"}).out, HasSubstr("device         cpu\n"));
}

TEST_F(GpuBinary, WeightsThatDoNotFit) {
  std::vector<uint8_t> rest(7 << 20, 3);
  test::writeBundle(
      program, test::fakeTokenizer(),
      [&](ModelSettings &settings) { settings.weightBytesPerToken += int64_t(rest.size()); },
      STC_FAKE_BINARY, rest);
  std::vector<std::string> args = {"run", "-p",     "the end", "-n",
                                   "20",  "--seed", "3",       "--device=cpu"};
  Result expected = run(args);
  args.back() = "--device=cuda";
  setenv("STC_FAKE_CUDA", "memory=5000000", 1);
  Result result = run(args);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, expected.out);
  EXPECT_THAT(result.err, testing::ContainsRegex(
                              "note: 3\\.1 MB of weights do not fit into the memory of GPU 0 "
                              "\\(Fake 0\\) and are read from this machine's: expect at most "
                              "[0-9.]+ tokens/s\n"));
  EXPECT_THAT(run({"info", "--json", "--device=cuda"}).out,
              HasSubstr("\"weight_bytes\": 7340352, \"weights_on_host_bytes\": 3146048, "));
  Result text = run({"info", "--device=cuda"});
  EXPECT_THAT(text.out, HasSubstr("memory 5000000 bytes: weights 4194304, KV cache 512, free "));
  EXPECT_THAT(text.out, HasSubstr("memory of this machine: weights 3146048\n"));
  args = {"bench", "--prompt-tokens", "16", "--generate", "8", "--seconds", "0", "--device=cuda"};
  EXPECT_THAT(run(args).out, HasSubstr("host            3.1 MB per token over a bus of "));
  args.push_back("--json");
  EXPECT_THAT(run(args).out, HasSubstr("\"host_weight_bytes_per_token\": 3146048, "
                                       "\"host_bandwidth_bytes_per_second\": "));
  // The note is of what does not fit, the option of what is not to be taken.
  unsetenv("STC_FAKE_CUDA");
  EXPECT_THAT(run({"info", "--device=cuda"}).err, "");
  result = run({"info", "--json", "--device=cuda", "--device-memory=5M"});
  EXPECT_THAT(result.out, HasSubstr("\"weights_on_host_bytes\": 3146048, ")) << result.err;
  result = run({"info", "--device-memory=x"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "error: info: --device-memory: expected bytes (also 500M or 8G, of 1024) or a "
            "part such as 50%, got x\n");
  EXPECT_EQ(run({"info", "--device-memory=1M", "--device=cpu"}).err,
            "error: info: --device-memory: expected a GPU among the devices, got --device cpu\n");
}

TEST_F(GpuBinary, Bench) {
  std::vector<std::string> args = {"bench", "--prompt-tokens", "16", "--generate",
                                   "8",     "--seconds",       "0"};
  EXPECT_THAT(run(args).out, HasSubstr("GB/s that GPU 0 (Fake 0) copies"));
  args.push_back("--json");
  Result result = run(args);
  EXPECT_EQ(result.status, 0) << result.err;
  for (const char *part : {"\"int8_peak_ops_per_second\": null", "\"prefill_peak_fraction\": null",
                           "\"device\": \"cuda:0\"", "\"device_name\": \"GPU 0 (Fake 0)\"",
                           "\"decode_tokens_per_second\": ", "\"startup_seconds\": "})
    EXPECT_THAT(result.out, HasSubstr(part));
}

TEST_F(GpuBinary, EvalComparesDevices) {
  std::string text = directory / "text.txt";
  auto file = AtomicFile::create(text).value();
  ASSERT_TRUE(file->write("the cat sat on the mat, and the hat sat on the cat").ok());
  ASSERT_TRUE(file->commit().ok());
  std::vector<std::string> args = {"eval", "--text", text, "--context", "16", "--json"};
  Result gpu = run(args);
  EXPECT_EQ(gpu.status, 0) << gpu.err;
  args.push_back("--device=cpu");
  EXPECT_EQ(run(args).out, gpu.out);
  // The reference chooses for itself, unless the processors were asked for.
  args.insert(args.end(), {"--reference", program});
  setenv("STC_FAKE_CUDA", "launch=719", 1);
  EXPECT_EQ(run(args).status, 0);
  args[args.size() - 3] = "--device=auto";
  Result failed = run(args);
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("CUDA_ERROR_LAUNCH_FAILED"));
}

} // namespace
} // namespace stc
