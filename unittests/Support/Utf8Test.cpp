// Tests of UTF-8 decoding: every scalar value, and every way to be malformed.
#include "stc/Support/Utf8.h"

#include "gtest/gtest.h"

namespace stc {
namespace {

TEST(Utf8, everyScalarValueRoundTrips) {
  for (uint32_t codePoint = 0; codePoint < 0x110000; ++codePoint) {
    if (codePoint >= 0xD800 && codePoint < 0xE000)
      continue;
    std::string text;
    appendUtf8(text, codePoint);
    Utf8Char decoded = decodeUtf8(text, 0);
    ASSERT_EQ(decoded.codePoint, codePoint);
    ASSERT_EQ(decoded.length, text.size());
    // Cut short anywhere it is malformed.
    for (size_t length = 1; length < text.size(); ++length)
      ASSERT_EQ(decodeUtf8(absl::string_view(text).substr(0, length), 0).length, 0u);
  }
}

TEST(Utf8, malformedSequencesAreRefused) {
  for (absl::string_view bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff", "\xc3(", "\xe2\x82(", "\xf0\x9f\x98("}) {
    EXPECT_EQ(decodeUtf8(bad, 0).length, 0u) << bad;
    EXPECT_FALSE(isValidUtf8(bad));
    EXPECT_FALSE(isValidUtf8("ok " + std::string(bad)));
  }
  EXPECT_TRUE(isValidUtf8(""));
  EXPECT_TRUE(isValidUtf8("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80"));
}

} // namespace
} // namespace stc
