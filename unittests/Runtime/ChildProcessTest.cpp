// Other programs: their output, and what is said of those that fail.
#include "stc/Runtime/ChildProcess.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace stc;
using testing::HasSubstr;

namespace {

std::string faultOf(const std::string &path, const std::vector<std::string> &arguments) {
  auto output = outputOf(path, arguments);
  return output.ok() ? "" : std::string(output.status().message());
}

TEST(OutputOf, IsAllThatAProgramWrote) {
  auto output = outputOf("/bin/sh", {"-c", "printf 'a\\nb'; echo c >&2"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(*output, "a\nb");
  auto large = outputOf("/bin/sh", {"-c", "head -c 3000000 /dev/zero"});
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_EQ(large->size(), 3000000u);
}

TEST(OutputOf, SaysWhyAProgramFailed) {
  EXPECT_EQ(faultOf("/bin/sh", {"-c", "echo 'error: no luck' >&2; exit 3"}),
            "/bin/sh: -c: expected success, got no luck");
  EXPECT_THAT(faultOf("/bin/sh", {"-c", "exit 3"}), HasSubstr("got exit status 3"));
  EXPECT_THAT(faultOf("/bin/sh", {"-c", "kill -9 $$"}), HasSubstr("got signal 9"));
  EXPECT_THAT(faultOf("/no/such/program", {}), HasSubstr("expected a program that can be run"));
}

TEST(OutputOf, EndsWhatWritesWithoutEnd) {
  EXPECT_THAT(faultOf("/bin/cat", {"/dev/zero"}), HasSubstr("expected at most 67108864 bytes"));
}

} // namespace
