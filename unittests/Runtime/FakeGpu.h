// The fake driver in the place of NVIDIA's, for one test.
#ifndef STC_UNITTESTS_RUNTIME_FAKEGPU_H
#define STC_UNITTESTS_RUNTIME_FAKEGPU_H

#include "FakeCuda.h"
#include "FakeModel.h"

#include "gtest/gtest.h"

namespace stc::test {

/// A fake model's bundle, and the fake driver to open it with.
class FakeGpu : public testing::Test {
protected:
  void SetUp() override;
  /// Everything must have been given back.
  void TearDown() override;
  /// Sets STC_FAKE_CUDA: see FakeCuda.cpp.
  void configure(const std::string &settings);
  /// Opens the bundle, on `device`.
  absl::StatusOr<std::unique_ptr<Model>> open(const std::string &device = "cuda", int threads = 1,
                                              const ModelCode &code = linkedModelCode());
  /// The same where it must work.
  std::unique_ptr<Model> opened(const std::string &device = "cuda", int threads = 1);
  /// What opening on `device` says: one line.
  std::string error(const std::string &device = "cuda", const ModelCode &code = linkedModelCode());

  TemporaryDirectory directory;
  std::string path = directory / "m.weights";
  FakeCudaStats *stats = nullptr;
};

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_FAKEGPU_H
