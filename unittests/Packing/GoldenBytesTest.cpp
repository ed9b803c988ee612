// Small tiles of the layouts drawn byte by byte, by hand from Layout.h.
#include "PackingTestUtil.h"

#include <gtest/gtest.h>

using namespace stc;

namespace {

/// A weight of a drawing: its signed code, code - zeroPoint().
struct Drawn {
  int64_t row, column;
  int8_t code;
};

/// One tile of scales 1 (0x3C00) with the given codes, zero elsewhere, packed.
std::vector<uint8_t> pack(const Layout &layout, int64_t rows, int64_t columns,
                          const std::vector<Drawn> &codes, int8_t zero = 0) {
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.group = layout.scaleColumns(columns);
  matrix.codes.assign(size_t(rows * columns), zero);
  matrix.scales.assign(size_t(rows * matrix.groups()), 0x3C00);
  if (layout.asymmetric)
    matrix.zeros.assign(matrix.scales.size(), zero);
  for (const Drawn &drawn : codes)
    matrix.codes[size_t(drawn.row * columns + drawn.column)] = drawn.code;
  auto packed = packQuantized(layout, matrix);
  EXPECT_TRUE(packed.ok()) << packed.status();
  return packed.ok() ? *packed : std::vector<uint8_t>(4096);
}

/// Expects `bytes` at `offset`, `times` times in a row.
void expectAt(const std::vector<uint8_t> &packed, size_t offset, std::vector<int> bytes,
              size_t times = 1) {
  for (size_t i = 0; i < bytes.size() * times; ++i)
    ASSERT_EQ(int(packed.at(offset + i)), bytes[i % bytes.size()]) << "byte " << offset + i;
}

} // namespace

TEST(GoldenBytes, DenseInt2) {
  Layout layout{LayoutKind::Dense, ElementKind::I2, 32};
  // Row 0 stores the codes 0123 3333 0000 1010, then zeros (2).
  auto packed = pack(layout, 1, 32,
                     {{0, 0, -2},
                      {0, 1, -1},
                      {0, 2, 0},
                      {0, 3, 1},
                      {0, 4, 1},
                      {0, 5, 1},
                      {0, 6, 1},
                      {0, 7, 1},
                      {0, 8, -2},
                      {0, 9, -2},
                      {0, 10, -2},
                      {0, 11, -2},
                      {0, 12, -1},
                      {0, 13, -2},
                      {0, 14, -1},
                      {0, 15, -2}});
  ASSERT_EQ(packed.size(), 64u + 128 + 128);
  expectAt(packed, 0, {0x00, 0x3C, 0x00, 0x00});
  expectAt(packed, 64, {0b01001100, 0b00001101, 0b01001110, 0b00001111});
  expectAt(packed, 68, {0xAA}, 60);  // padded rows
  expectAt(packed, 128, {0xAA}, 64); // columns 16 to 31
  expectAt(packed, 192, {0}, 128);
}

TEST(GoldenBytes, DenseInt3) {
  Layout layout{LayoutKind::Dense, ElementKind::I3, 32};
  // The first column of every step of row 1 stores 7 0 1 2 3 4 5 6, the others zeros (4).
  auto packed = pack(layout, 2, 32,
                     {{1, 0, 3},
                      {1, 4, -4},
                      {1, 8, -3},
                      {1, 12, -2},
                      {1, 16, -1},
                      {1, 20, 0},
                      {1, 24, 1},
                      {1, 28, 2}});
  ASSERT_EQ(packed.size(), 64u + 192 + 128);
  expectAt(packed, 64, {0}, 4);
  expectAt(packed, 68, {0b10010011, 0, 0, 0}); // low bits of 7 0 1 2
  expectAt(packed, 72, {0}, 56);
  expectAt(packed, 128, {0}, 4);
  expectAt(packed, 132, {0b10010011, 0, 0, 0}); // low bits of 3 4 5 6
  expectAt(packed, 136, {0}, 56);
  expectAt(packed, 192, {0xFF}, 4);
  expectAt(packed, 196, {0b11100001, 0xFF, 0xFF, 0xFF}); // the bits worth 4, step 0 the lowest
  expectAt(packed, 200, {0xFF}, 56);
}

TEST(GoldenBytes, DenseInt4WithZeros) {
  Layout layout{LayoutKind::Dense, ElementKind::I4, 32, 0, 0, true};
  // Zero 3 is the signed -5; 20 columns, the last with code 15.
  auto packed = pack(layout, 1, 20, {{0, 19, 7}, {0, 4, -8}}, -5);
  ASSERT_EQ(packed.size(), 64u + 64 + 256 + 128);
  expectAt(packed, 64, {3});
  expectAt(packed, 65, {8}, 15);
  expectAt(packed, 80, {0}, 48);
  expectAt(packed, 128, {0x03, 0x33, 0x33, 0x33}); // steps 0 and 1; column 4 has code 0
  expectAt(packed, 132, {0x88}, 60);
  expectAt(packed, 192, {0x33}, 4);                // steps 2 and 3
  expectAt(packed, 256, {0x33, 0x33, 0x33, 0x3F}); // step 4, and 5 of padding
  expectAt(packed, 320, {0x33}, 4);
  expectAt(packed, 324, {0x88}, 60);
}

TEST(GoldenBytes, DenseInt4WithScalesOfRows) {
  Layout layout{LayoutKind::Dense, ElementKind::I4, 128, 0, 0, true, true};
  // 132 columns are padded to 256, but all of row 0 have one scale and the zero 3.
  auto packed = pack(layout, 1, 132, {{0, 131, 7}, {0, 4, -8}}, -5);
  ASSERT_EQ(packed.size(), 64u + 64 + 2 * 1024 + 128);
  expectAt(packed, 0, {0x00, 0x3C});
  expectAt(packed, 2, {0}, 62); // padded rows, and what rounds up
  expectAt(packed, 64, {3});
  expectAt(packed, 65, {8}, 15);
  expectAt(packed, 80, {0}, 48);
  expectAt(packed, 128, {0x03, 0x33, 0x33, 0x33}); // steps 0 and 1; column 4 has code 0
  expectAt(packed, 132, {0x88}, 60);
  expectAt(packed, 128 + 1024, {0x33, 0x33, 0x33, 0x3F}); // step 32, and 33 of padding
  expectAt(packed, 128 + 1024 + 64, {0x33}, 4);
}

TEST(GoldenBytes, DenseInt4WithMinimumsInGroupsOf16) {
  Layout layout{LayoutKind::Dense, ElementKind::I4, 16, 0, 0, false, false, true};
  // 20 columns are padded to 32, two groups. Codes count from 0: what is not drawn stores 5.
  QuantizedMatrix matrix;
  matrix.rows = 1;
  matrix.columns = 20;
  matrix.group = 16;
  matrix.codes.assign(20, -3);
  matrix.codes[0] = -8;
  matrix.codes[19] = 7;
  matrix.scales = {0x3C00, 0x3800};
  matrix.minimums = {0xBC00, 0x0001};
  matrix.commonZero = -8;
  auto packed = packQuantized(layout, matrix).value();
  ASSERT_EQ(packed.size(), 64u + 64 + 256 + 128);
  expectAt(packed, 0, {0x00, 0x3C});
  expectAt(packed, 2, {0}, 30); // padded rows
  expectAt(packed, 32, {0x00, 0x38});
  expectAt(packed, 34, {0}, 30);
  expectAt(packed, 64, {0x00, 0xBC});
  expectAt(packed, 66, {0}, 30);
  expectAt(packed, 96, {0x01, 0x00});
  expectAt(packed, 98, {0}, 30);
  expectAt(packed, 128, {0x50, 0x55, 0x55, 0x55}); // steps 0 and 1
  expectAt(packed, 132, {0x88}, 60);
  expectAt(packed, 256, {0x05, 0x05, 0x05, 0x0F}); // step 4, and 5 of padding, whose codes are 0
  expectAt(packed, 320, {0x00}, 4);
  expectAt(packed, 324, {0x88}, 60);
}

TEST(GoldenBytes, PairsOf4And8) {
  Layout four{LayoutKind::Pairs, ElementKind::I4, 32, 4, 16};
  auto packed = pack(four, 2, 32, {{0, 2, -3}, {0, 7, 5}, {0, 15, 7}, {1, 17, -8}});
  ASSERT_EQ(packed.size(), 64u + 128 + 128);
  expectAt(packed, 64, {0x00, 0xD2, 0x57, 0x7F}); // a zero at the lowest free column
  expectAt(packed, 68, {0x00, 0x01, 0x02, 0x03}, 15);
  expectAt(packed, 128, {0x00, 0x01, 0x02, 0x03});
  expectAt(packed, 132, {0x00, 0x81, 0x02, 0x03});
  Layout eight{LayoutKind::Pairs, ElementKind::I4, 32, 8, 16};
  packed = pack(eight, 1, 32, {{0, 9, -1}, {0, 16 + 3, 1}});
  ASSERT_EQ(packed.size(), 64u + 256 + 128);
  expectAt(packed, 64, {0x00, 0x01, 0x02, 0x03}, 16);
  expectAt(packed, 128, {0x04, 0x05, 0x06, 0xF9});
  expectAt(packed, 132, {0x04, 0x05, 0x06, 0x07}, 15);
  expectAt(packed, 192, {0x00, 0x01, 0x02, 0x13});
  expectAt(packed, 256, {0x04, 0x05, 0x06, 0x07}, 16);
}

TEST(GoldenBytes, PairsOf2And1) {
  Layout two{LayoutKind::Pairs, ElementKind::I4, 32, 2, 16};
  auto packed = pack(two, 1, 32, {{0, 5, 1}, {0, 16 + 3, -8}, {0, 16 + 4, 7}});
  ASSERT_EQ(packed.size(), 64u + 64 + 128);
  expectAt(packed, 64, {0x00, 0x15, 0x83, 0x74});
  expectAt(packed, 68, {0x00, 0x01, 0x00, 0x01}, 15);
  Layout one{LayoutKind::Pairs, ElementKind::I4, 64, 1, 16};
  packed = pack(one, 1, 100, {{0, 1, 2}, {0, 32 + 15, -1}, {0, 64 + 32, 6}});
  ASSERT_EQ(packed.size(), 64u + 128 + 128);
  expectAt(packed, 64, {0x21, 0x00, 0xFF, 0x00});
  expectAt(packed, 68, {0}, 60);
  expectAt(packed, 128, {0x00, 0x00, 0x60, 0x00});
}

TEST(GoldenBytes, Blocks) {
  Layout nibbles{LayoutKind::Block, ElementKind::I4, 32};
  // Columns 36 to 39 are step 9, in the second group.
  auto packed = pack(nibbles, 16, 64, {{0, 36, -8}, {8, 36, 3}, {15, 39, -1}, {2, 38, 7}});
  ASSERT_EQ(packed.size(), 64u + 64 + 64 + 64 + 64 + 128);
  expectAt(packed, 0, {1, 0, 0, 0, 5, 0, 0, 0}); // the tile ends at 5 * 64
  expectAt(packed, 64, {0x00, 0x3C}, 32);        // scales
  expectAt(packed, 128, {0, 0, 1, 0, 0, 0});     // ends
  expectAt(packed, 192, {9, 0, 0, 0});           // indices
  expectAt(packed, 256, {0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x07, 0});
  expectAt(packed, 256 + 31, {0xF0});
  expectAt(packed, 256 + 32, {0}, 32 + 128);
  Layout bytes{LayoutKind::Block, ElementKind::I8, 32};
  packed = pack(bytes, 17, 32, {{1, 4, -1}, {1, 31, 127}, {16, 0, -128}});
  ASSERT_EQ(packed.size(), 64u + (64 + 64 + 64 + 128) + (64 + 64 + 64 + 64) + 128);
  expectAt(packed, 0, {1, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0, 0, 0});
  expectAt(packed, 128, {2, 0, 0, 0});
  expectAt(packed, 192, {1, 0, 7, 0, 0, 0});
  expectAt(packed, 256, {0, 0, 0, 0, 0xFF, 0});
  expectAt(packed, 320, {0, 0, 0, 0, 0, 0, 0, 0x7F});
  expectAt(packed, 384, {0x00, 0x3C, 0x00, 0x00}); // the second tile: one row
  expectAt(packed, 448, {1, 0});
  expectAt(packed, 512, {0, 0});
  expectAt(packed, 576, {0x80, 0});
}

TEST(GoldenBytes, FloatsOf2And4) {
  Layout layout{LayoutKind::NM, ElementKind::BF16, 0, 2, 4};
  std::vector<float> values(2 * 32, 0.0f);
  values[3] = 1.0f;       // row 0: the zero at column 0 fills up
  values[32 + 1] = 2.0f;  // row 1
  values[32 + 2] = -1.0f; // two of four
  auto packed = packFloats(layout, 2, 32, values);
  ASSERT_TRUE(packed.ok()) << packed.status();
  // Masks of eight steps, then their 16 rows of two values.
  ASSERT_EQ(packed->size(), size_t(64 + 8 * 32 * 2 + kTailSlack));
  expectAt(*packed, 0, {0x69, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33});
  expectAt(*packed, 8, {0x33}, 56);
  expectAt(*packed, 64, {0, 0, 0x80, 0x3F, 0, 0x40, 0x80, 0xBF});
  expectAt(*packed, 72, {0}, 8 * 64 - 8);
}
