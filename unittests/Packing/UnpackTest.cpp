// Stored bytes that packing would not write are refused, wherever the damage is.
#include "PackingTestUtil.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace stc;

TEST(Unpack, EveryBitFlipIsSeenOrIsAnotherMatrix) {
  // A flip in a code or scale may give another valid matrix, but never the same one: every stored
  // bit means something or is checked.
  for (const Layout &layout : quantizedLayouts()) {
    bool longGroup = layout.kind == LayoutKind::Pairs && layout.n == 1 && layout.group == 64;
    if ((layout.group > 32 && !longGroup) ||
        (layout.kind == LayoutKind::NM && layout.n * 2 != layout.m))
      continue;
    SCOPED_TRACE(layout.str());
    QuantizedMatrix matrix = randomMatrix(layout, 17, 33, 0.5, 5);
    std::vector<uint8_t> packed = packQuantized(layout, matrix).value();
    int64_t refused = 0, other = 0;
    for (size_t bit = 0; bit < packed.size() * 8; ++bit) {
      packed[bit / 8] ^= uint8_t(1 << bit % 8);
      auto back = unpackQuantized(layout, 17, 33, packed);
      packed[bit / 8] ^= uint8_t(1 << bit % 8);
      if (back.ok()) {
        ++other;
        ASSERT_TRUE(back->codes != matrix.codes || back->scales != matrix.scales ||
                    back->zeros != matrix.zeros || back->minimums != matrix.minimums)
            << "bit " << bit;
      } else {
        ++refused;
        ASSERT_EQ(back.status().message().find('\n'), absl::string_view::npos);
      }
    }
    EXPECT_GT(refused, kTailSlack * 8);
    EXPECT_GT(other, 17 * 2 * 10);
  }
}

TEST(Unpack, EveryTruncationIsRefused) {
  for (const Layout &layout : quantizedLayouts()) {
    if (layout.group > 32)
      continue;
    std::vector<uint8_t> packed =
        packQuantized(layout, randomMatrix(layout, 17, 33, 0.5, 5)).value();
    for (size_t size = 0; size < packed.size(); ++size)
      ASSERT_FALSE(unpack(layout, 17, 33, absl::MakeSpan(packed.data(), size)).ok());
    packed.resize(packed.size() + 64);
    EXPECT_FALSE(unpack(layout, 17, 33, packed).ok());
  }
  for (const Layout &layout : floatLayouts()) {
    std::vector<uint8_t> packed = packFloats(layout, 3, 5, std::vector<float>(15, 1.0f)).value();
    for (size_t size = 0; size < packed.size(); ++size)
      ASSERT_FALSE(unpack(layout, 3, 5, absl::MakeSpan(packed.data(), size)).ok());
    for (size_t at = 0; at < packed.size(); ++at) {
      packed[at] ^= 1;
      auto back = unpack(layout, 3, 5, packed);
      ASSERT_TRUE(!back.ok() || *back != std::vector<float>(15, 1.0f)) << layout.str() << at;
      packed[at] ^= 1;
    }
  }
}

TEST(Unpack, DamagedSparseFloatsAreRefusedOrOthers) {
  for (const Layout &layout : sparseFloatLayouts()) {
    SCOPED_TRACE(layout.str());
    std::vector<float> values = randomFloats(layout, 17, 33, 0.5, 5);
    std::vector<uint8_t> packed = packFloats(layout, 17, 33, values).value();
    int64_t refused = 0, other = 0;
    for (size_t bit = 0; bit < packed.size() * 8; bit += 61) {
      packed[bit / 8] ^= uint8_t(1 << bit % 8);
      auto back = unpack(layout, 17, 33, packed);
      packed[bit / 8] ^= uint8_t(1 << bit % 8);
      (back.ok() ? other : refused) += 1;
      ASSERT_TRUE(!back.ok() || *back != values) << "bit " << bit;
    }
    EXPECT_GT(refused, kTailSlack * 8 / 64);
    EXPECT_GT(other, 17);
    for (size_t size = 0; size < packed.size(); ++size)
      ASSERT_FALSE(unpack(layout, 17, 33, absl::MakeSpan(packed.data(), size)).ok());
  }
}

TEST(Unpack, HostileTables) {
  Layout layout{LayoutKind::Bitmap, ElementKind::I4, 32};
  std::vector<uint8_t> packed = packQuantized(layout, randomMatrix(layout, 48, 64, 0.5, 5)).value();
  auto entry = [&](int64_t tile, uint32_t value) {
    std::vector<uint8_t> bad = packed;
    std::memcpy(bad.data() + tile * 4, &value, 4);
    return unpack(layout, 48, 64, bad).status();
  };
  for (int64_t tile = 0; tile < 4; ++tile)
    for (uint32_t value : {0u, 2u, 1000u, 0x7FFFFFFFu, 0xFFFFFFFFu})
      EXPECT_FALSE(entry(tile, value).ok()) << tile << " " << value;
  EXPECT_EQ(entry(0, 0).message(),
            "packed bitmap-int4-g32 @0x0: expected tile offset 0x40, got 0x0");
  // Shapes far beyond what the bytes hold are refused before anything is allocated.
  EXPECT_FALSE(unpack(layout, int64_t(1) << 30, 64, packed).ok());
  EXPECT_FALSE(unpack(layout, 48, int64_t(1) << 30, packed).ok());
  EXPECT_FALSE(unpack(layout, 0, 64, packed).ok());
  EXPECT_FALSE(unpack({LayoutKind::NM, ElementKind::I4, 32, 4, 4}, 48, 64, packed).ok());
}

TEST(Unpack, HostilePairsAndBlocks) {
  auto damaged = [](const Layout &layout, std::vector<uint8_t> bytes, int64_t at, uint16_t value,
                    int64_t size) {
    std::memcpy(bytes.data() + at, &value, size_t(size));
    absl::Status status = unpack(layout, 16, 64, bytes).status();
    return std::string(status.message());
  };
  Layout pairs{LayoutKind::Pairs, ElementKind::I4, 64, 4, 16};
  std::vector<uint8_t> packed = packQuantized(pairs, randomMatrix(pairs, 16, 64, 0.5, 5)).value();
  std::memcpy(packed.data() + 64, "\x12\x13\x14\x15", 4);
  EXPECT_EQ(damaged(pairs, packed, 64, 0x12, 1), ""); // four codes 1 at columns 2 to 5
  EXPECT_EQ(damaged(pairs, packed, 65, 0x12, 1),
            "packed 4:16-pairs-int4-g64 @0x41: expected a position above 2, got 2");
  EXPECT_EQ(damaged(pairs, packed, 66, 0x1F, 1),
            "packed 4:16-pairs-int4-g64 @0x43: expected a position above 15, got 5");
  // A zero that is not at the lowest free column.
  EXPECT_EQ(damaged(pairs, packed, 67, 0x05, 1),
            "packed 4:16-pairs-int4-g64 @0x40: expected the byte packing writes, 0x0, got 0x12");

  // One tile of 16 steps, of which 1, 2 and 9 are stored: table 0, scales 64, ends 128, indices
  // 192, values 256.
  Layout blocks{LayoutKind::Block, ElementKind::I8, 32};
  QuantizedMatrix matrix = randomMatrix(blocks, 16, 64, 1, 5);
  for (int64_t column : {4, 11, 37})
    matrix.codes[size_t(column)] = 1;
  packed = packQuantized(blocks, matrix).value();
  EXPECT_EQ(damaged(blocks, packed, 128, 2, 2), "");
  EXPECT_EQ(damaged(blocks, packed, 128, 9, 2),
            "packed block-int8-g32 @0x80: expected from 0 to 8 stored steps, got 9");
  EXPECT_EQ(damaged(blocks, packed, 130, 1, 2),
            "packed block-int8-g32 @0x82: expected from 2 to 10 stored steps, got 1");
  EXPECT_EQ(damaged(blocks, packed, 130, 0xFFFF, 2),
            "packed block-int8-g32 @0x82: expected from 2 to 10 stored steps, got 65535");
  EXPECT_EQ(damaged(blocks, packed, 130, 4, 2),
            "packed block-int8-g32 @0x80: expected steps of a tile of 384 bytes, got 4 steps, "
            "which take 448");
  EXPECT_EQ(damaged(blocks, packed, 194, 1, 2),
            "packed block-int8-g32 @0xc2: expected a step from 2 to 7, got 1");
  EXPECT_EQ(damaged(blocks, packed, 196, 7, 2),
            "packed block-int8-g32 @0xc4: expected a step from 8 to 15, got 7");
  EXPECT_EQ(damaged(blocks, packed, 196, 16, 2),
            "packed block-int8-g32 @0xc4: expected a step from 8 to 15, got 16");
  // A stored step of zeros.
  EXPECT_NE(damaged(blocks, packed, 256, 0, 2), "");

  Layout zeros{LayoutKind::Dense, ElementKind::I3, 64, 0, 0, true};
  packed = packQuantized(zeros, randomMatrix(zeros, 16, 64, 0, 5)).value();
  EXPECT_EQ(damaged(zeros, packed, 64 + 3, 8, 1),
            "packed dense-int3-g64-asym @0x43: expected a zero from 0 to 7, got 8");

  Layout lowered{LayoutKind::Dense, ElementKind::I2, 16, 0, 0, false, false, true};
  packed = packQuantized(lowered, randomMatrix(lowered, 16, 64, 0, 5)).value();
  EXPECT_EQ(damaged(lowered, packed, 2, 0x7C00, 2),
            "packed dense-int2-g16-min @0x2: expected a finite scale, got NaN or infinity");
  EXPECT_EQ(damaged(lowered, packed, 128 + 6, 0xFE01, 2),
            "packed dense-int2-g16-min @0x86: expected a finite minimum, got NaN or infinity");
}

TEST(Unpack, RandomBytes) {
  Random random(11);
  for (const Layout &layout : quantizedLayouts())
    for (int round = 0; round < 50; ++round) {
      std::vector<uint8_t> bytes =
          packQuantized(layout, randomMatrix(layout, 20, 70, 0.5, uint64_t(round))).value();
      for (int i = 0; i < 1 << (round % 8); ++i)
        bytes[random.next() % bytes.size()] = uint8_t(random.next());
      (void)unpack(layout, 20, 70, bytes);
    }
}
