// Codes in other formats' bytes, against bytes computed by hand.
#include "stc/Export/StoredCodes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace stc;
using testing::ElementsAre;

namespace {

/// The value of element `index` of a stream of `bits`-bit elements, by single bits.
int bitsAt(absl::Span<const uint32_t> words, int64_t index, int bits) {
  int value = 0;
  for (int bit = 0; bit < bits; ++bit) {
    int64_t at = index * bits + bit;
    value |= int(words[size_t(at / 32)] >> (at % 32) & 1) << bit;
  }
  return value;
}

TEST(StoredCodes, FourBitWordsHoldTheFirstCodeLowest) {
  // Codes plus 8: 0 1 2 ... 7 | 15 8, so words 0x76543210 and 0x8F.
  std::vector<int8_t> codes = {-8, -7, -6, -5, -4, -3, -2, -1, 7, 0};
  EXPECT_THAT(packWords(codes, 1, 10, 4), ElementsAre(0x76543210u, 0x8Fu));
  // Every row begins a word of its own.
  EXPECT_THAT(packWords(codes, 2, 5, 4), ElementsAre(0x43210u, 0x8F765u));
}

TEST(StoredCodes, EightAndTwoBitWords) {
  EXPECT_THAT(packWords({-128, -1, 0, 127, 1}, 1, 5, 8), ElementsAre(0xFF807F00u, 0x81u));
  // Codes plus 2: 0 1 2 3 = 0b11100100.
  EXPECT_THAT(packWords({-2, -1, 0, 1}, 1, 4, 2), ElementsAre(0xE4u));
}

TEST(StoredCodes, ThreeBitCodesCrossWords) {
  // Twelve codes of 7 (code 3): 36 one bits, four of them in the second word.
  EXPECT_THAT(packWords(std::vector<int8_t>(12, 3), 1, 12, 3), ElementsAre(0xFFFFFFFFu, 0xFu));
  // Element 10 has bits 30 to 32: 0b101 (code 1) puts bits 01 atop the first word, 1 in the second.
  std::vector<int8_t> codes(11, -4);
  codes[10] = 1;
  EXPECT_THAT(packWords(codes, 1, 11, 3), ElementsAre(0x40000000u, 0x1u));
  // Thirty-two codes take three words.
  EXPECT_EQ(packWords(std::vector<int8_t>(32), 1, 32, 3).size(), 3u);
}

TEST(StoredCodes, EveryWidthIsOneStreamOfBits) {
  for (int bits = 1; bits <= 8; ++bits) {
    int64_t columns = 45, words = (columns * bits + 31) / 32;
    std::vector<int8_t> codes;
    for (int i = 0; i < 2 * columns; ++i)
      codes.push_back(int8_t(i * 37 % (1 << bits) - (1 << (bits - 1))));
    std::vector<uint32_t> packed = packWords(codes, 2, columns, bits);
    ASSERT_EQ(packed.size(), size_t(2 * words));
    for (int64_t i = 0; i < 2 * columns; ++i)
      EXPECT_EQ(bitsAt(absl::MakeSpan(packed).subspan(i / columns * words), i % columns, bits) -
                    (1 << (bits - 1)),
                codes[size_t(i)]);
  }
}

TEST(StoredCodes, ZeroPointsArePackedAlongRows) {
  // Nine rows of two groups; column 0 holds -8 to 0, column 1 only 7.
  std::vector<int8_t> zeros;
  for (int row = 0; row < 9; ++row)
    zeros.insert(zeros.end(), {int8_t(row - 8), 7});
  EXPECT_THAT(packWordsByColumn(zeros, 9, 2, 4), ElementsAre(0x76543210u, 0xFFFFFFFFu, 0x8u, 0xFu));
}

/// Two rows of 32 columns: codes rise from -8 (row 0) and fall from 7 (row 1), twice 16 of them.
QuantizedMatrix twoRows() {
  QuantizedMatrix matrix;
  matrix.rows = 2;
  matrix.columns = matrix.group = 32;
  for (int row = 0; row < 2; ++row)
    for (int column = 0; column < 32; ++column)
      matrix.codes.push_back(int8_t(row == 0 ? column % 16 - 8 : 7 - column / 2));
  matrix.scales = {0x3C00, 0xB800}; // 1, -0.5
  return matrix;
}

TEST(StoredCodes, Q4_0HoldsColumnsSixteenApartInOneByte) {
  std::vector<uint8_t> bytes = encodeQ4_0(twoRows());
  ASSERT_EQ(bytes.size(), 36u);
  EXPECT_THAT(absl::MakeSpan(bytes).first(4), ElementsAre(0x00, 0x3C, 0x00, 0x11));
  EXPECT_EQ(bytes[17], 0xFF);
  // Row 1: columns 0 and 16 hold 7 and -1, so 15 and 7; columns 15 and 31 hold 0 and -8.
  EXPECT_THAT(absl::MakeSpan(bytes).subspan(18, 3), ElementsAre(0x00, 0xB8, 0x7F));
  EXPECT_EQ(bytes[35], 0x08);
}

TEST(StoredCodes, MinimumsAreAddedInGguf) {
  QuantizedMatrix matrix = twoRows();
  matrix.commonZero = -8;
  matrix.minimums = {0xC000, 0x0000}; // -2, 0
  std::vector<uint8_t> bytes = encodeQ4_1(matrix);
  ASSERT_EQ(bytes.size(), 40u);
  EXPECT_THAT(absl::MakeSpan(bytes).first(6), ElementsAre(0x00, 0x3C, 0x00, 0x40, 0x00, 0x11));
  EXPECT_THAT(absl::MakeSpan(bytes).subspan(20, 5), ElementsAre(0x00, 0xB8, 0x00, 0x80, 0x7F));
  // Codes from 0 to 31, as far from the lowest of eight bits.
  matrix.commonZero = -128;
  for (int i = 0; i < 64; ++i)
    matrix.codes[size_t(i)] = int8_t(i % 32 - 128);
  bytes = encodeQ5_1(matrix);
  ASSERT_EQ(bytes.size(), 48u);
  EXPECT_THAT(absl::MakeSpan(bytes).first(8),
              ElementsAre(0x00, 0x3C, 0x00, 0x40, 0x00, 0x00, 0xFF, 0xFF));
  EXPECT_THAT(absl::MakeSpan(bytes).subspan(8, 3), ElementsAre(0x00, 0x11, 0x22));
  EXPECT_EQ(bytes[23], 0xFF);
}

TEST(StoredCodes, Q8_0HoldsSignedBytes) {
  std::vector<uint8_t> bytes = encodeQ8_0(twoRows());
  ASSERT_EQ(bytes.size(), 68u);
  EXPECT_THAT(absl::MakeSpan(bytes).first(4), ElementsAre(0x00, 0x3C, 0xF8, 0xF9));
  EXPECT_THAT(absl::MakeSpan(bytes).subspan(34, 3), ElementsAre(0x00, 0xB8, 0x07));
  EXPECT_EQ(bytes[67], 0xF8);
}

} // namespace
