// Tests of the error message's shape and of what it does with hostile text.
#include "stc/Support/Error.h"

#include "gtest/gtest.h"

namespace stc {
namespace {

TEST(Error, hasOneShape) {
  EXPECT_EQ(formatError({"a.gguf", "version", 4}, "2 or 3", "7").message(),
            "a.gguf: version @0x4: expected 2 or 3, got 7");
  EXPECT_EQ(formatError({"a.gguf", "version", {}}, "2 or 3", "7").message(),
            "a.gguf: version: expected 2 or 3, got 7");
  EXPECT_EQ(formatError({"a.gguf", "", 255}, "x", "y").message(),
            "a.gguf: @0xff: expected x, got y");
  EXPECT_EQ(formatError({"a.gguf", "", {}}, "x", "y").message(), "a.gguf: expected x, got y");
  EXPECT_EQ(formatError({"", "scale", {}}, "x", "y").message(), "scale: expected x, got y");
  EXPECT_EQ(formatError({"", "", {}}, "x", "y").message(), "expected x, got y");
  EXPECT_EQ(formatError({"", "", {}}, "x", "y").code(), absl::StatusCode::kInvalidArgument);
}

TEST(Error, staysOneLine) {
  absl::Status status = formatError({"a\nb", "c\rd", {}}, "e\x1b[2Jf", "g\n");
  EXPECT_EQ(status.message(), "a\\nb: c\\x0dd: expected e\\x1b[2Jf, got g\\n");
}

TEST(Error, printableKeepsTextAndEscapesTheRest) {
  EXPECT_EQ(printable("plain text, with spaces"), "plain text, with spaces");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
            "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(printable("a\xff\xc3"), "a\\xff\\xc3");
  EXPECT_EQ(printable(absl::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\xc2\x85"), "\\x85");
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "abc"),
            "\\u202eabc"); // right-to-left override
  EXPECT_EQ(printable("\xef\xbb\xbf"), "\\ufeff");
}

TEST(Error, printableCutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("abc\xe2\x82\xac", 5), "abc...");
  EXPECT_EQ(printable("", 0), "");
  EXPECT_EQ(printable(std::string(1 << 20, 'x')).size(), 123u);
}

absl::Status failing() {
  STC_RETURN_IF_ERROR(absl::NotFoundError("first"));
  return absl::InternalError("not reached");
}
absl::StatusOr<int> doubled(absl::StatusOr<int> input) {
  STC_ASSIGN_OR_RETURN(int value, input);
  return 2 * value;
}

TEST(Error, macrosPassStatusesOn) {
  EXPECT_EQ(failing().message(), "first");
  EXPECT_EQ(*doubled(21), 42);
  EXPECT_EQ(doubled(absl::NotFoundError("none")).status().message(), "none");
}

} // namespace
} // namespace stc
