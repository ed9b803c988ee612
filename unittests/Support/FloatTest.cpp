// Tests of the 16-bit float conversions: every value, and every rounding decision.
#include "stc/Support/Float.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

namespace stc {
namespace {

/// The value of half bits by the definition of binary16, in double.
double halfValue(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 0x3FF;
  double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 0)
    return sign * std::ldexp(mantissa, -24);
  if (exponent == 31)
    return mantissa ? std::numeric_limits<double>::quiet_NaN()
                    : sign * std::numeric_limits<double>::infinity();
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Float, everyHalfRoundTrips) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = halfToFloat(uint16_t(bits));
    double expected = halfValue(uint16_t(bits));
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(value)) << bits;
    else
      ASSERT_EQ(double(value), expected) << bits;
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
    ASSERT_EQ(floatToHalf(value), bits);
  }
}

TEST(Float, halfRoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    // Between each half and the next: below, at and above the middle, which float holds exactly.
    double low = halfValue(uint16_t(bits));
    double high = bits == 0x7BFF ? 65536 : halfValue(uint16_t(bits + 1));
    float middle = float((low + high) / 2);
    uint16_t even = uint16_t(bits % 2 ? bits + 1 : bits);
    ASSERT_EQ(floatToHalf(middle), even) << bits;
    ASSERT_EQ(floatToHalf(std::nextafter(middle, 0.f)), bits);
    ASSERT_EQ(floatToHalf(std::nextafter(middle, 1e30f)), bits + 1);
    ASSERT_EQ(floatToHalf(-middle), even | 0x8000);
  }
  EXPECT_EQ(floatToHalf(1e30f), 0x7C00);
  EXPECT_EQ(floatToHalf(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_EQ(floatToHalf(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(floatToHalf(-0.f), 0x8000);
  // A NaN whose payload has no bit in the upper part stays a NaN.
  EXPECT_EQ(floatToHalf(floatFromBits(0x7F800001)), 0x7E00);
}

TEST(Float, everyBfloat16RoundTrips) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = bfloat16ToFloat(uint16_t(bits));
    ASSERT_EQ(floatBits(value), bits << 16);
    ASSERT_EQ(floatToBfloat16(value), bits);
  }
}

TEST(Float, bfloat16RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7F80; ++bits) {
    uint16_t even = uint16_t(bits % 2 ? bits + 1 : bits);
    ASSERT_EQ(floatToBfloat16(floatFromBits(bits << 16 | 0x8000)), even);
    ASSERT_EQ(floatToBfloat16(floatFromBits(bits << 16 | 0x7FFF)), bits);
    ASSERT_EQ(floatToBfloat16(floatFromBits(bits << 16 | 0x8001)), bits + 1);
  }
  EXPECT_EQ(floatToBfloat16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(floatToBfloat16(floatFromBits(0x7F800001)), 0x7FC0);
  EXPECT_EQ(floatToBfloat16(floatFromBits(0xFFFFFFFF)), 0xFFFF);
}

} // namespace
} // namespace stc
