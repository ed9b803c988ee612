// Tests of progress reporting away from a terminal.
#include "stc/Support/Progress.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

TEST(Progress, writesPlainLinesAwayFromATerminal) {
  testing::internal::CaptureStderr();
  {
    Progress progress("packing", 10);
    for (int i = 0; i < 12; ++i)
      progress.advance(1, "layer"); // past the total is no error
    progress.finish();
    progress.finish();
  }
  std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::MatchesRegex("packing: [0-9.]+ s\n"));
}

TEST(Progress, isSilentWhenQuietOrUnfinished) {
  testing::internal::CaptureStderr();
  {
    Progress quiet("packing", 10, Progress::Mode::Quiet);
    quiet.advance(10);
    quiet.finish();
    Progress unfinished("packing", 0);
    unfinished.advance(1);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

} // namespace
} // namespace stc
