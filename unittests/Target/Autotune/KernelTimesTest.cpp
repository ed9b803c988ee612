// Times of kernels: measured once, in proportion to bytes, and kept for the same machine.
#include "stc/Target/Autotune/KernelTimes.h"

#include "../../Support/TempFolder.h"

#include "gmock/gmock.h"

using namespace stc;
using testing::HasSubstr;

namespace {

class KernelTimesTest : public testing::Test {
protected:
  KernelTimesTest() {
    options.threads = 2;
    options.secondsEach = 0;
    options.cacheDirectory = folder.path("cache");
    options.compiler = "this";
    options.modelWeights = 1 << 16;
  }

  TempFolder folder;
  KernelTimesOptions options;
  Layout layout{LayoutKind::Dense, ElementKind::I4, 32};
};

TEST_F(KernelTimesTest, AreInProportionToBytes) {
  auto times = KernelTimes::create(options);
  ASSERT_TRUE(times.ok()) << times.status();
  auto one = (*times)->seconds(layout, 64, 128, 1 << 12);
  auto ten = (*times)->seconds(layout, 64, 128, 10 << 12);
  auto none = (*times)->seconds(layout, 64, 128, 0);
  ASSERT_TRUE(one.ok() && ten.ok() && none.ok()) << one.status();
  EXPECT_GT(*one, *none);
  EXPECT_LT(*one, 1);
  EXPECT_NEAR(*ten - *none, 10 * (*one - *none), 1e-9);
}

TEST_F(KernelTimesTest, AreMeasuredOnce) {
  double first = 0;
  {
    auto times = KernelTimes::create(options);
    ASSERT_TRUE(times.ok()) << times.status();
    auto seconds = (*times)->seconds(layout, 64, 128, 4096);
    ASSERT_TRUE(seconds.ok()) << seconds.status();
    first = *seconds;
    ASSERT_TRUE((*times)->save().ok());
  }
  auto again = KernelTimes::create(options);
  ASSERT_TRUE(again.ok()) << again.status();
  // Digits are rounded when they are kept.
  EXPECT_NEAR(*(*again)->seconds(layout, 64, 128, 4096), first, 1e-4 * first);
}

/// Every layout that a search chooses from has a kernel that can be measured.
TEST_F(KernelTimesTest, ExistForEveryLayout) {
  auto times = KernelTimes::create(options);
  ASSERT_TRUE(times.ok()) << times.status();
  for (const Layout &each : {Layout{LayoutKind::Dense, ElementKind::BF16, 0},
                             Layout{LayoutKind::Dense, ElementKind::I2, 128},
                             Layout{LayoutKind::Bitmap, ElementKind::I4, 128},
                             Layout{LayoutKind::NM, ElementKind::I4, 128, 2, 4},
                             Layout{LayoutKind::Pairs, ElementKind::I4, 128, 4, 16},
                             Layout{LayoutKind::Block, ElementKind::I4, 128}}) {
    auto seconds = (*times)->seconds(each, 64, 256, 4096);
    ASSERT_TRUE(seconds.ok()) << each.str() << ": " << seconds.status();
    EXPECT_GT(*seconds, 0) << each.str();
  }
}

TEST_F(KernelTimesTest, NeedAMachineThatRunsTheTarget) {
  options.target = "riscv64";
  auto times = KernelTimes::create(options);
  ASSERT_FALSE(times.ok());
  EXPECT_THAT(std::string(times.status().message()),
              HasSubstr("tokens/s: expected a --target that this machine can run and measure"));
}

} // namespace
