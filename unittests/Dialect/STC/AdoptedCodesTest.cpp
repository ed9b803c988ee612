// Tests of how stored codes become a layout's.
#include "stc/Dialect/STC/Utils/AdoptedCodes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <numeric>

namespace stc {
namespace {

using testing::HasSubstr;

/// 4 rows of codes that differ from column to column, with a scale of its own for each group.
CodedMatrix coded(int64_t columns, int64_t group, int bits, bool hasZeros = false) {
  CodedMatrix matrix;
  matrix.rows = 4;
  matrix.columns = columns;
  matrix.bits = bits;
  matrix.group = group;
  int half = 1 << (bits - 1);
  for (int64_t i = 0; i < 4 * columns; ++i)
    matrix.codes.push_back(int8_t(int(i * 7 % (2 * half)) - half));
  for (int64_t i = 0; i < 4 * matrix.groups(); ++i) {
    matrix.scales.push_back(std::ldexp(float(1025 + 2 * i), -18)); // no small multiples of others
    if (hasZeros)
      matrix.zeros.push_back(int8_t(int(i % (2 * half)) - half));
  }
  return matrix;
}

void expectExact(const CodedMatrix &stored, absl::string_view spec) {
  AdoptedCodes adopted = adoptCodes(stored);
  ASSERT_TRUE(adopted.matrix) << adopted.why;
  EXPECT_EQ(adopted.spec.str(), spec);
  EXPECT_EQ(adopted.error, 0);
  EXPECT_TRUE(verifyQuantizedMatrix(*adopted.matrix, adopted.spec.layout()).ok());
  EXPECT_TRUE(packQuantized(adopted.spec.layout(), *adopted.matrix).ok());
  EXPECT_EQ(dequantize(*adopted.matrix), decode(stored));
}

TEST(AdoptedCodes, GroupsOfLayoutsStay) {
  expectExact(coded(256, 32, 4), "stored:int4-g32");
  expectExact(coded(256, 64, 8, true), "stored:int8-g64-asym");
  expectExact(coded(256, 128, 3), "stored:int3-g128");
  expectExact(coded(96, 64, 2, true), "stored:int2-g64-asym"); // the last group is shorter
  expectExact(coded(200, 200, 4), "stored:int4-row");
  expectExact(coded(256, 16, 4), "stored:int4-g16");
  expectExact(coded(96, 16, 2, true), "stored:int2-g16-asym");
  expectExact(coded(96, 16, 8), "stored:int8-g16");
}

TEST(AdoptedCodes, OtherGroupsAndBitsAreMadeUp) {
  expectExact(coded(1024, 512, 4), "stored:int4-g128");
  expectExact(coded(384, 192, 4, true), "stored:int4-g64-asym");
  expectExact(coded(256, 32, 6), "stored:int8-g32");
  expectExact(coded(256, 48, 4), "stored:int4-g16");
  expectExact(coded(256, 16, 3, true), "stored:int4-g16-asym"); // int3 has no such groups
  expectExact(coded(256, 16, 5), "stored:int8-g16");
}

TEST(AdoptedCodes, OrderOfWholeGroups) {
  CodedMatrix matrix = coded(128, 32, 4, true);
  for (int64_t column = 0; column < 128; ++column)
    matrix.groupOf.push_back(int32_t(3 - column / 32));
  expectExact(matrix, "stored:int4-g32-asym");
  std::swap(matrix.groupOf[0], matrix.groupOf[127]);
  EXPECT_EQ(adoptCodes(matrix).why, "groups of columns that are not beside each other");
}

TEST(AdoptedCodes, MinimumsStay) {
  for (auto [bits, group, spec] : {std::tuple(3, 16, "stored:int2-g16-min"),
                                   {5, 32, "stored:int4-g32-min"},
                                   {5, 192, "stored:int4-g128-min"},
                                   {6, 32, "stored:int8-g32-min"}}) {
    CodedMatrix matrix = coded(192, group, bits);
    for (int8_t &code : matrix.codes)
      code = int8_t(code & ((1 << (bits - 1)) - 1));
    for (size_t i = 0; i < matrix.scales.size(); ++i)
      matrix.minimums.push_back(float(int(i) - 3) / 64);
    expectExact(matrix, spec);
    matrix.minimums[1] *= 1.0003f;
    AdoptedCodes adopted = adoptCodes(matrix);
    ASSERT_TRUE(adopted.matrix);
    EXPECT_NEAR(adopted.error, relativeError(*adopted.matrix, decode(matrix)), 1e-12);
    EXPECT_GT(adopted.error, 0);
    matrix.minimums[1] = -70000;
    EXPECT_EQ(adoptCodes(matrix).why, "scales beyond f16");
  }
}

TEST(AdoptedCodes, ColumnsThatCanBeSorted) {
  CodedMatrix matrix = coded(128, 32, 4, true);
  EXPECT_TRUE(sortingOrder(matrix).empty());
  for (int64_t column = 0; column < 128; ++column)
    matrix.groupOf.push_back(int32_t(3 - column / 32));
  EXPECT_TRUE(sortingOrder(matrix).empty()); // whole groups as they are
  for (int64_t column = 0; column < 128; ++column)
    matrix.groupOf[size_t(column)] = int32_t(column * 5 % 4);
  std::vector<int32_t> order = sortingOrder(matrix);
  ASSERT_EQ(order.size(), 128u);
  // Columns of a group stay in their order.
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(matrix.groupOf[size_t(order[i])], int32_t(i / 32));
    if (i % 32 != 0)
      EXPECT_LT(order[i - 1], order[i]);
  }
  std::vector<int64_t> rows = {2, 0, 3, 1}, columns(order.begin(), order.end());
  CodedMatrix sorted = takeCodes(matrix, rows, columns);
  expectExact(sorted, "stored:int4-g32-asym");
  std::vector<float> values = decode(matrix), taken = decode(sorted);
  for (size_t row = 0; row < 4; ++row)
    for (size_t i = 0; i < 128; ++i)
      ASSERT_EQ(taken[row * 128 + i], values[size_t(rows[row]) * 128 + size_t(order[i])]);
  // An order of columns that were in order before.
  matrix.groupOf.clear();
  values = decode(matrix);
  taken = decode(takeCodes(matrix, rows, columns));
  for (size_t i = 0; i < 128; ++i)
    ASSERT_EQ(taken[i], values[2 * 128 + size_t(order[i])]);
  // One column too many in a group.
  for (int64_t column = 0; column < 128; ++column)
    matrix.groupOf.push_back(int32_t(column * 5 % 4));
  matrix.groupOf[0] = 1;
  EXPECT_TRUE(sortingOrder(matrix).empty());
}

/// Groups of 16 with scales of one f16 number times whole ones.
CodedMatrix multiples(std::vector<int> ofGroups) {
  CodedMatrix matrix;
  matrix.rows = 1;
  matrix.columns = 16 * int64_t(ofGroups.size());
  matrix.bits = 5; // so that eight are taken, which groups of 32 do with less
  matrix.group = 16;
  for (int64_t i = 0; i < matrix.columns; ++i)
    matrix.codes.push_back(int8_t(i % 8 - 4));
  for (int multiple : ofGroups)
    matrix.scales.push_back(float(multiple) * 0x1.554p-9f);
  return matrix;
}

TEST(AdoptedCodes, GroupsWithCommonScalesAreJoined) {
  expectExact(multiples({31, -17, 0, 5, 0, 0, -32, 30}), "stored:int8-g32");
  // -4 times -32 is one more than a signed byte holds, but not with a scale of the other sign.
  expectExact(multiples({31, -17, 31, -32, -32, 31}), "stored:int8-g32");
  expectExact(multiples({31, -17, -32}), "stored:int8-g32"); // the last one is alone
  expectExact(multiples({29, -34}), "stored:int8-g32-asym"); // from -116 to 136
  CodedMatrix matrix = multiples({31, 17});
  matrix.groupOf.assign(32, 0);
  matrix.groupOf[5] = 1;
  matrix.storedGroups = 2;
  expectExact(matrix, "stored:int8-g32");
  // Where they are not, groups of 16 remain.
  EXPECT_EQ(adoptCodes(multiples({65, 17})).spec.str(), "stored:int8-g16"); // 4 times 65
  matrix = multiples({31, 17});
  matrix.scales[1] = std::nextafter(matrix.scales[1], 1.0f);
  EXPECT_EQ(adoptCodes(matrix).spec.str(), "stored:int8-g16");
  // Fewer bits are not made more.
  matrix = multiples({31, 17});
  matrix.bits = 4;
  EXPECT_EQ(adoptCodes(matrix).spec.str(), "stored:int4-g16");
}

TEST(AdoptedCodes, WhatNoLayoutHolds) {
  EXPECT_EQ(adoptCodes(coded(256, 8, 4)).why, "groups of 8 columns");
  CodedMatrix entries = coded(64, 32, 4);
  entries.table.assign(16, 0.5f);
  EXPECT_EQ(adoptCodes(entries).why, "numbers of entries of a table (nf4, fp4)");
  CodedMatrix matrix = coded(64, 32, 4);
  matrix.scales[3] = 70000;
  EXPECT_EQ(adoptCodes(matrix).why, "scales beyond f16");
  for (float &scale : matrix.scales)
    scale = 1e-9f;
  EXPECT_EQ(adoptCodes(matrix).why, "scales too small for f16");
}

TEST(AdoptedCodes, RoundedScalesTellTheirError) {
  CodedMatrix matrix = coded(64, 32, 4);
  for (float &scale : matrix.scales)
    scale *= 1.0003f; // f16 has steps of 1 / 1024 and smaller
  AdoptedCodes adopted = adoptCodes(matrix);
  ASSERT_TRUE(adopted.matrix);
  EXPECT_EQ(adopted.matrix->codes, matrix.codes);
  EXPECT_NEAR(adopted.error, relativeError(*adopted.matrix, decode(matrix)), 1e-12);
  EXPECT_GT(adopted.error, 5e-5);
  EXPECT_LT(adopted.error, 5e-4);
}

TEST(AdoptedCodes, SlicesKeepTheScalesOfTheirColumns) {
  CodedMatrix matrix = coded(128, 32, 4, true);
  for (size_t i = 0; i < matrix.scales.size(); ++i)
    matrix.minimums.push_back(float(i) / 64);
  std::vector<float> whole = decode(matrix);
  std::vector<int64_t> rows = {1, 3}, columns(64);
  std::iota(columns.begin(), columns.begin() + 32, 32); // groups 1 and 3
  std::iota(columns.begin() + 32, columns.end(), 96);
  CodedMatrix taken = takeCodes(matrix, rows, columns);
  std::vector<float> expected;
  for (int64_t row : rows)
    for (int64_t column : columns)
      expected.push_back(whole[size_t(row * 128 + column)]);
  EXPECT_EQ(decode(taken), expected);
  taken.minimums.clear();
  matrix.minimums.clear();
  expectExact(taken, "stored:int4-g32-asym");
  columns.erase(columns.begin());
  EXPECT_THAT(adoptCodes(takeCodes(matrix, rows, columns)).why, HasSubstr("not beside each other"));
}

} // namespace
} // namespace stc
