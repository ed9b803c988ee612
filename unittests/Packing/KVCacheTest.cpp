// The bytes of the key/value cache: every number has its own place, and rounding is as promised.
#include "stc/Packing/KVCache.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <vector>

using namespace stc;

namespace {

constexpr KVElement kElements[] = {KVElement::F32, KVElement::F16, KVElement::Int8,
                                   KVElement::Float8};

int64_t bytesOf(KVElement element) {
  return element == KVElement::F32 ? 4 : element == KVElement::F16 ? 2 : 1;
}

/// Marks bytes and expects that nothing was there.
void take(std::vector<bool> &taken, int64_t offset, int64_t bytes) {
  for (int64_t i = offset; i < offset + bytes; ++i) {
    ASSERT_GE(i, 0);
    ASSERT_LT(i, int64_t(taken.size()));
    ASSERT_FALSE(taken[i]) << "byte " << i;
    taken[i] = true;
  }
}

TEST(KVCache, PlacesDoNotOverlap) {
  for (KVElement element : kElements)
    for (int64_t dim : {1, 4, 18, 64})
      for (int64_t capacity : {16, 64, 80}) {
        KVCacheLayout layout{element, 3, dim, capacity};
        EXPECT_EQ(layout.keyBytes() % 64, 0);
        EXPECT_EQ(layout.valueBytes() % 64, 0);
        std::vector<bool> keys(layout.keyBytes()), values(layout.valueBytes());
        for (int64_t head = 0; head < 3; ++head)
          for (int64_t s = 0; s < capacity; ++s) {
            for (int64_t d = 0; d < dim; ++d) {
              take(keys, layout.keyOffset(head, s, d), bytesOf(element));
              take(values, layout.valueOffset(head, s, d), bytesOf(element));
              if (HasFatalFailure())
                return;
            }
            if (element != KVElement::Int8)
              continue;
            EXPECT_EQ(layout.keyScaleOffset(head, s) % 4, 0);
            take(keys, layout.keyScaleOffset(head, s), 4);
            take(values, layout.valueScaleOffset(head, s), 4);
          }
      }
}

TEST(KVCache, Int8IsAboutAQuarter) {
  KVCacheLayout wide{KVElement::F32, 4, 64, 8448}, narrow{KVElement::Int8, 4, 64, 8448};
  EXPECT_EQ(wide.keyBytes(), 4 * 64 * 8448 * 4);
  EXPECT_EQ(narrow.keyBytes(), 4 * (64 + 4) * 8448);
  EXPECT_EQ(narrow.valueBytes(), narrow.keyBytes());
}

TEST(KVCache, Rounds) {
  std::vector<float> x = {1.0f / 3, -70000, 1e-9f, 2};
  std::vector<float> y = x;
  roundKeyOrValue(KVElement::F32, absl::MakeSpan(y));
  EXPECT_EQ(y, x);
  roundKeyOrValue(KVElement::F16, absl::MakeSpan(y));
  EXPECT_EQ(y, (std::vector<float>{0.333251953125f, -65504, 0, 2}));
  y = {127, -63.4f, 0.4f, 0};
  roundKeyOrValue(KVElement::Int8, absl::MakeSpan(y));
  EXPECT_EQ(y, (std::vector<float>{127, -63, 0, 0}));
  y = {0, 0};
  roundKeyOrValue(KVElement::Int8, absl::MakeSpan(y));
  EXPECT_EQ(y, (std::vector<float>{0, 0}));
}

// OCP 8-bit Floating Point Specification: OFP8 (2023), table 2: E4M3.
TEST(KVCache, RoundsToFloat8) {
  const std::pair<float, int> values[] = {
      {1, 0x38},      {-1.5f, 0xBC},  {448, 0x7E},     {1e6f, 0x7E},    {-1e6f, 0xFE},
      {0, 0},         {-0.0f, 0x80},  {0x1p-6f, 8},    {0x1p-9f, 1},    {0x7p-9f, 7},
      {0x0.8p-9f, 0}, {0x1.8p-9f, 2}, {1.0625f, 0x38}, {1.1875f, 0x3A}, {1.0626f, 0x39},
      {0x1.Fp-7f, 8}, {432, 0x7E},    {17, 0x58}};
  for (auto [value, bits] : values)
    EXPECT_EQ(int(floatToFloat8(value)), bits) << value;
  EXPECT_EQ(float8ToFloat(0x7E), 448);
  EXPECT_EQ(float8ToFloat(0x81), -0x1p-9f);
  for (int bits = 0; bits < 256; ++bits)
    if ((bits & 0x7F) != 0x7F) // which e4m3 has for what is not a number
      EXPECT_EQ(int(floatToFloat8(float8ToFloat(uint8_t(bits)))), bits);
  KVCacheLayout wide{KVElement::F32, 4, 64, 8448}, narrow{KVElement::Float8, 4, 64, 8448};
  EXPECT_EQ(4 * narrow.keyBytes(), wide.keyBytes());
  EXPECT_EQ(4 * narrow.valueBytes(), wide.valueBytes());
}

TEST(KVCache, Names) {
  for (KVElement element : kElements) {
    auto parsed = parseKVElement(kvElementName(element));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, element);
  }
  EXPECT_EQ(parseKVElement("int4").status().message(),
            "kv-cache: expected f32, f16, int8 or fp8, got int4");
}

} // namespace
