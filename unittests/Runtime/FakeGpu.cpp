// The fake driver in the place of a maker's.
#include "FakeGpu.h"

#include <dlfcn.h>

namespace stc::test {

void FakeGpu::SetUp() {
  setenv(kind.libraryVariable, kind.library, 1);
  unsetenv(kind.settingsVariable);
  void *library = dlopen(kind.library, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto *function = reinterpret_cast<FakeCudaStatsFunction *>(dlsym(library, "stcFakeCudaStats"));
  ASSERT_NE(function, nullptr);
  stats = function();
  stats->launches.clear();
  stats->uploads.clear();
  writeBundle(path);
}

void FakeGpu::TearDown() {
  EXPECT_EQ(stats->deviceBytes, 0u);
  EXPECT_EQ(stats->pinnedBytes, 0u);
  EXPECT_EQ(stats->sharedBytes, 0u);
  EXPECT_EQ(stats->contexts, 0);
  EXPECT_EQ(stats->modules, 0);
  EXPECT_EQ(stats->streams, 0);
  EXPECT_EQ(stats->events, 0);
  unsetenv(kind.libraryVariable);
  unsetenv(kind.settingsVariable);
}

void FakeGpu::configure(const std::string &settings) {
  setenv(kind.settingsVariable, settings.c_str(), 1);
}

absl::StatusOr<std::unique_ptr<Model>> FakeGpu::open(const std::string &device, int threads,
                                                     const ModelCode &code) {
  Model::Options options;
  options.threads = threads;
  options.device = device;
  return Model::open(code, path, options);
}

std::unique_ptr<Model> FakeGpu::opened(const std::string &device, int threads) {
  auto model = open(device, threads);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *std::move(model) : nullptr;
}

std::string FakeGpu::error(const std::string &device, const ModelCode &code) {
  auto model = open(device, 1, code);
  if (model.ok())
    return "";
  std::string message(model.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos);
  return message;
}

} // namespace stc::test
