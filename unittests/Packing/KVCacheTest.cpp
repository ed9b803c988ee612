// The bytes of the key/value cache: every number has its own place, and rounding is as promised.
#include "stc/Packing/KVCache.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <vector>

using namespace stc;

namespace {

constexpr KVElement kElements[] = {KVElement::F32, KVElement::F16, KVElement::Int8};

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

TEST(KVCache, Names) {
  for (KVElement element : kElements) {
    auto parsed = parseKVElement(kvElementName(element));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, element);
  }
  EXPECT_EQ(parseKVElement("int4").status().message(),
            "kv-cache: expected f32, f16 or int8, got int4");
}

} // namespace
