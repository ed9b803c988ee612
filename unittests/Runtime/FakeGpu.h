// The fake driver in the place of NVIDIA's, for one test.
#ifndef STC_UNITTESTS_RUNTIME_FAKEGPU_H
#define STC_UNITTESTS_RUNTIME_FAKEGPU_H

#include "FakeCuda.h"
#include "FakeModel.h"

#include "gtest/gtest.h"

namespace stc::test {

/// A driver that a fake one stands for.
struct FakeDriverKind {
  const char *libraryVariable, *settingsVariable, *library;
};
constexpr FakeDriverKind fakeCuda{"STC_CUDA_LIBRARY", "STC_FAKE_CUDA", STC_FAKE_CUDA_LIBRARY};
#ifdef STC_FAKE_HIP_LIBRARY
constexpr FakeDriverKind fakeHip{"STC_HIP_LIBRARY", "STC_FAKE_HIP", STC_FAKE_HIP_LIBRARY};
#endif

/// A fake model's bundle, and the fake driver to open it with.
class FakeGpu : public testing::Test {
protected:
  explicit FakeGpu(const FakeDriverKind &kind = fakeCuda) : kind(kind) {}
  void SetUp() override;
  /// Everything must have been given back.
  void TearDown() override;
  /// Sets the driver's variable: see FakeDriver.h.
  void configure(const std::string &settings);
  /// Opens the bundle, on `device`.
  absl::StatusOr<std::unique_ptr<Model>> open(const std::string &device = "cuda", int threads = 1,
                                              const ModelCode &code = linkedModelCode());
  /// The same where it must work.
  std::unique_ptr<Model> opened(const std::string &device = "cuda", int threads = 1);
  /// What opening on `device` says: one line.
  std::string error(const std::string &device = "cuda", const ModelCode &code = linkedModelCode());

  const FakeDriverKind kind;
  TemporaryDirectory directory;
  std::string path = directory / "m.weights";
  FakeCudaStats *stats = nullptr;
};

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_FAKEGPU_H
