// Which layouts exist, what they are called, and how large they are.
#include "PackingTestUtil.h"
#include "stc/Support/File.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <gtest/gtest.h>

#include <limits>

using namespace stc;

TEST(Layout, Names) {
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::I4, 32}).str(), "dense-int4-g32");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::I3, 64}).str(), "dense-int3-g64");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::I2, 32, 0, 0, true}).str(),
            "dense-int2-g32-asym");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::I8, 16}).str(), "dense-int8-g16");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::I2, 16, 0, 0, false, false, true}).str(),
            "dense-int2-g16-min");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::I4, 128, 0, 0, false, true}).str(),
            "dense-int4-row");
  EXPECT_EQ((Layout{LayoutKind::NM, ElementKind::I8, 128, 2, 4, false, true}).str(),
            "2:4-int8-row");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::I3, 128, 0, 0, true, true}).str(),
            "dense-int3-row-asym");
  EXPECT_EQ((Layout{LayoutKind::Bitmap, ElementKind::I4, 128}).str(), "bitmap-int4-g128");
  EXPECT_EQ((Layout{LayoutKind::NM, ElementKind::I8, 32, 2, 4}).str(), "2:4-int8-g32");
  EXPECT_EQ((Layout{LayoutKind::Pairs, ElementKind::I4, 128, 4, 16}).str(), "4:16-pairs-int4-g128");
  EXPECT_EQ((Layout{LayoutKind::Block, ElementKind::I8, 64}).str(), "block-int8-g64");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::BF16}).str(), "dense-bf16");
  EXPECT_EQ((Layout{LayoutKind::Dense, ElementKind::F16}).str(), "dense-f16");
  EXPECT_EQ((Layout{LayoutKind::Bitmap, ElementKind::F32}).str(), "bitmap-f32");
  EXPECT_EQ((Layout{LayoutKind::NM, ElementKind::BF16, 0, 2, 4}).str(), "2:4-bf16");
  EXPECT_EQ((Layout{LayoutKind::Rows, ElementKind::F32}).str(), "rows-f32");
}

TEST(Layout, AcceptsExactlyWhatExists) {
  // Every combination, against the rule of the header written out once more.
  enum Kinds { Rows, Dense, Bitmap, NM, Pairs, Block };
  enum Elements { F32, BF16, I8, I4, F16, I3, I2 };
  int accepted = 0, perRow = 0, minimums = 0;
  auto check = [&](Layout layout) {
    int kind = int(layout.kind), element = int(layout.element);
    int64_t group = layout.group, n = layout.n, m = layout.m;
    bool floats = element == F32 || element == BF16 || element == F16;
    bool bytes = element == I8 || element == I4;
    bool isShort = group == 16 && kind == Dense && element != I3;
    bool groupFits = floats ? group == 0 : group == 32 || group == 64 || group == 128 || isShort;
    bool patternFits = kind == NM ? (m == 4 || m == 8 || m == 16) && n > 0 && n < m
                       : kind == Pairs
                           ? m == 16 && (n == 1 ? group >= 64 : n == 2 || n == 4 || n == 8)
                           : n == 0 && m == 0;
    bool kindFits = kind == Rows    ? floats
                    : kind == Dense ? true
                    : kind == Pairs ? element == I4
                    : kind <= NM    ? floats || bytes
                                    : kind == Block && bytes;
    bool zerosFit = !layout.asymmetric || (kind == Dense && !floats);
    bool rowsFit = !layout.perRow || (!floats && group == 128);
    bool minimumsFit =
        !layout.minimums || (kind == Dense && !floats && !layout.asymmetric && !layout.perRow);
    bool exists =
        kindFits && element <= I2 && groupFits && patternFits && zerosFit && rowsFit && minimumsFit;
    absl::Status status = verifyLayout(layout);
    ASSERT_EQ(status.ok(), exists) << layout.str() << ": " << status;
    if (!exists) {
      EXPECT_NE(status.message().find("expected "), std::string::npos);
    }
    (layout.perRow ? perRow : layout.minimums ? minimums : accepted) += exists;
  };
  for (int kind = 0; kind < 7; ++kind)
    for (int element = 0; element < 8; ++element)
      for (int64_t group : {-32, 0, 1, 16, 32, 48, 64, 128, 256})
        for (int64_t m : {-4, 0, 2, 4, 6, 8, 16, 32})
          for (int64_t n = -1; n <= 17; ++n)
            for (bool asymmetric : {false, true})
              for (bool ofRows : {false, true})
                for (bool lowered : {false, true})
                  check({LayoutKind(kind), ElementKind(element), group, n, m, asymmetric, ofRows,
                         lowered});
  // 3 + 3 float layouts, 3 bitmaps and 3 times 25 patterns of floats; per element and group, 16 but
  // for int3, 2 dense; of int8 and int4 also 1 bitmap, 1 block and 3 + 7 + 15 patterns; pairs of 2,
  // 4 and 8 per group and of 1 for two groups.
  EXPECT_EQ(accepted,
            6 + 3 * (1 + 3 + 7 + 15) + (4 * 3 + 3) * 2 + 2 * 3 * (1 + 1 + 3 + 7 + 15) + 3 * 3 + 2);
  EXPECT_EQ(minimums, 4 * 3 + 3);
  EXPECT_EQ(perRow, 4 * 2 + 2 * (1 + 1 + 3 + 7 + 15) + 4);
}

TEST(Layout, ScalesOfRowsAreOfCodesInGroupsOf128) {
  EXPECT_EQ(verifyLayout({LayoutKind::Dense, ElementKind::I4, 64, 0, 0, false, true}).message(),
            "layout group: expected 128 with scales of rows, got 64");
  EXPECT_EQ(verifyLayout({LayoutKind::Dense, ElementKind::F32, 0, 0, 0, false, true}).message(),
            "layout group: expected 0 for floats, got scales of rows");
  // As docs/Layouts.md has it.
  for (bool zeros : {false, true}) {
    Layout layout{LayoutKind::Dense, ElementKind::I4, 128, 0, 0, zeros, true};
    double bits = double(packedBytes(layout, 2048, 2048).value()) * 8 / (2048.0 * 2048.0);
    EXPECT_NEAR(bits, zeros ? 4.031 : 4.016, 0.00051);
  }
}

TEST(Layout, MinimumsAreOfGroupsOfDenseCodes) {
  auto messageOf = [](Layout layout) {
    layout.minimums = true;
    return std::string(verifyLayout(layout).message());
  };
  EXPECT_EQ(
      messageOf({LayoutKind::Block, ElementKind::I4, 32}),
      "layout minimums: expected none unless the layout is dense and quantized, got minimums");
  EXPECT_EQ(
      messageOf({LayoutKind::Dense, ElementKind::F32}),
      "layout minimums: expected none unless the layout is dense and quantized, got minimums");
  EXPECT_EQ(messageOf({LayoutKind::Dense, ElementKind::I4, 32, 0, 0, true}),
            "layout minimums: expected none beside zeros or scales of rows, got minimums");
  EXPECT_EQ(messageOf({LayoutKind::Dense, ElementKind::I4, 128, 0, 0, false, true}),
            "layout minimums: expected none beside zeros or scales of rows, got minimums");
  EXPECT_EQ(verifyLayout({LayoutKind::Dense, ElementKind::I3, 16}).message(),
            "layout group: expected 32, 64 or 128, got 16");
  EXPECT_EQ(verifyLayout({LayoutKind::Dense, ElementKind::I4, 8}).message(),
            "layout group: expected 16, 32, 64 or 128, got 8");
}

TEST(Layout, GeometryOfTiles) {
  // 40 columns are padded to 64: 2 groups, 16 steps. Scales 2 * 32 = 64 bytes, masks 128.
  TileGeometry dense = tileGeometry({LayoutKind::Dense, ElementKind::I4, 32}, 33, 40);
  EXPECT_EQ(dense.rowTiles, 3);
  EXPECT_EQ(dense.paddedColumns, 64);
  EXPECT_EQ(dense.groups, 2);
  EXPECT_EQ(dense.steps, 16);
  EXPECT_EQ(dense.valuesOffset, 64);
  EXPECT_EQ(dense.tileBytes, 64 + 8 * 64);
  TileGeometry bytes = tileGeometry({LayoutKind::Dense, ElementKind::I8, 128}, 1, 40);
  EXPECT_EQ(bytes.paddedColumns, 128);
  EXPECT_EQ(bytes.tileBytes, 64 + 32 * 64); // one group's 32 bytes of scales are rounded up
  TileGeometry pattern = tileGeometry({LayoutKind::NM, ElementKind::I4, 32, 2, 4}, 16, 64);
  EXPECT_EQ(pattern.masksOffset, 64);
  EXPECT_EQ(pattern.valuesOffset, 64 + 128);
  EXPECT_EQ(pattern.chunkPairBytes, 32);
  EXPECT_EQ(pattern.tileBytes, 64 + 128 + 8 * 32);
  TileGeometry bitmap = tileGeometry({LayoutKind::Bitmap, ElementKind::I8, 32}, 256, 32);
  EXPECT_EQ(bitmap.tableBytes, 128); // 17 entries
  EXPECT_EQ(bitmap.tileBytes, 0);
  // int3: 192 bytes for 8 steps. The zeros follow the scales, 2 * 16 bytes rounded up.
  TileGeometry zeros = tileGeometry({LayoutKind::Dense, ElementKind::I3, 32, 0, 0, true}, 16, 64);
  EXPECT_EQ(zeros.zerosOffset, 64);
  EXPECT_EQ(zeros.valuesOffset, 128);
  EXPECT_EQ(zeros.tileBytes, 128 + 2 * 192);
  // Groups of 16: 40 columns are padded to 48. Minimums follow the scales, 3 * 32 bytes rounded up.
  TileGeometry lowered =
      tileGeometry({LayoutKind::Dense, ElementKind::I8, 16, 0, 0, false, false, true}, 16, 40);
  EXPECT_EQ(lowered.groups, 3);
  EXPECT_EQ(lowered.steps, 12);
  EXPECT_EQ(lowered.minimumsOffset, 128);
  EXPECT_EQ(lowered.valuesOffset, 256);
  EXPECT_EQ(lowered.tileBytes, 256 + 12 * 64);
  TileGeometry quarter = tileGeometry({LayoutKind::Dense, ElementKind::I2, 128}, 16, 256);
  EXPECT_EQ(quarter.tileBytes, 64 + 64 * 64 / 4);
  // One scale and one zero for a row.
  TileGeometry ofRows =
      tileGeometry({LayoutKind::Dense, ElementKind::I4, 128, 0, 0, true, true}, 16, 1024);
  EXPECT_EQ(ofRows.groups, 8);
  EXPECT_EQ(ofRows.scaleGroups, 1);
  EXPECT_EQ(ofRows.zerosOffset, 64);
  EXPECT_EQ(ofRows.valuesOffset, 128);
  EXPECT_EQ(ofRows.tileBytes, 128 + 256 * 32);
  // Four bytes for each row and every 16 columns, or every 32 or 64.
  for (int64_t n : {1, 2, 4, 8})
    EXPECT_EQ(tileGeometry({LayoutKind::Pairs, ElementKind::I4, 64, n, 16}, 16, 128).tileBytes,
              64 + 128 * n);
  // 130 columns are padded to 160: 5 groups, 40 steps.
  Layout blocks{LayoutKind::Block, ElementKind::I4, 32};
  TileGeometry block = tileGeometry(blocks, 40, 130);
  EXPECT_EQ(block.endsOffset, 192);
  EXPECT_EQ(block.indicesOffset, 256);
  EXPECT_EQ(block.valuesOffset, 256);
  EXPECT_EQ(blockValuesOffset(block, 0), 256);
  EXPECT_EQ(blockValuesOffset(block, 32), 256 + 64);
  EXPECT_EQ(blockValuesOffset(block, 33), 256 + 128);
  EXPECT_EQ(blockStepBytes(blocks), 32);
  EXPECT_EQ(block.tableBytes, 64);
  EXPECT_EQ(block.tileBytes, 0);
  TileGeometry floats = tileGeometry({LayoutKind::Dense, ElementKind::BF16}, 17, 3);
  EXPECT_EQ(floats.paddedColumns, 3);
  EXPECT_EQ(floats.tileBytes, 128); // 96 rounded up
  EXPECT_EQ(floats.groups + floats.steps + floats.valuesOffset, 0);
}

TEST(Layout, SizesAreCheckedForOverflow) {
  constexpr int64_t large = std::numeric_limits<int32_t>::max();
  for (Layout layout : floatLayouts()) {
    EXPECT_FALSE(packedBytes(layout, large, large).ok()) << layout.str();
    EXPECT_TRUE(packedBytes(layout, large, 1).ok());
    EXPECT_TRUE(packedBytes(layout, 1, large).ok());
  }
  for (Layout layout : quantizedLayouts())
    for (int64_t bad : {int64_t(0), int64_t(-1), large + 1, std::numeric_limits<int64_t>::max()}) {
      EXPECT_FALSE(packedBytes(layout, bad, 32).ok());
      EXPECT_FALSE(packedBytes(layout, 32, bad).ok());
    }
  // Just below and above 2^62 bytes.
  Layout bytes{LayoutKind::Dense, ElementKind::I8, 32};
  EXPECT_TRUE(packedBytes(bytes, large, large / 17 * 16 - 1024).ok());
  EXPECT_FALSE(packedBytes(bytes, large, large).ok());
  for (LayoutKind kind : {LayoutKind::Bitmap, LayoutKind::Block})
    EXPECT_FALSE(packedBytes({kind, ElementKind::I4, 32}, 16, 32).ok());
  // Steps are counted with 16 bits.
  Layout blocks{LayoutKind::Block, ElementKind::I4, 128};
  EXPECT_TRUE(verifyPackedShape(blocks, 1, 262016).ok());
  EXPECT_EQ(verifyPackedShape(blocks, 1, 262017).message(),
            "matrix columns: expected at most 262016 in blocks, got 262017");
  EXPECT_TRUE(verifyPackedShape({LayoutKind::Bitmap, ElementKind::I4, 128}, 1, 262017).ok());
}

TEST(Layout, TheDocumentedBitsPerFloatAreRight) {
  constexpr int64_t size = 2048;
  auto bits = [&](absl::string_view name, ElementKind element) {
    Layout layout{LayoutKind::Dense, element};
    std::vector<absl::string_view> parts = absl::StrSplit(name, absl::ByAnyChar(":, "));
    int64_t bytes = 0;
    if (parts[0] == "bitmap") {
      double zeros = 0;
      EXPECT_TRUE(absl::SimpleAtod(parts[2], &zeros)) << name;
      layout.kind = LayoutKind::Bitmap;
      Random random(1);
      std::vector<float> values(size_t(size * size));
      for (float &value : values)
        value = random.uniform() >= zeros / 100 ? 1 : 0;
      bytes = packedTableBytes(layout, size, size, values);
    } else {
      if (absl::SimpleAtoi(parts[0], &layout.n)) {
        layout.kind = LayoutKind::NM;
        EXPECT_TRUE(absl::SimpleAtoi(parts[1], &layout.m)) << name;
      }
      bytes = packedBytes(layout, size, size).value();
    }
    return double(bytes) * 8 / double(size * size);
  };
  auto text = readFile(absl::StrCat(STC_SOURCE_DIR, "/docs/Layouts.md"));
  ASSERT_TRUE(text.ok()) << text.status();
  size_t begin = text->find("| floats | bf16, f16 | f32 |");
  ASSERT_NE(begin, text->npos);
  int rows = 0;
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(*text).substr(begin), absl::MaxSplits('\n', 20))) {
    std::vector<absl::string_view> cells = absl::StrSplit(line, " | ");
    double half = 0, whole = 0;
    if (cells.size() != 3 || !absl::SimpleAtod(cells[1], &half))
      continue;
    ASSERT_TRUE(absl::SimpleAtod(cells[2].substr(0, cells[2].find(' ')), &whole)) << line;
    absl::string_view name = cells[0].substr(2);
    for (ElementKind element : {ElementKind::BF16, ElementKind::F16})
      EXPECT_NEAR(bits(name, element), half, 0.00051) << line;
    EXPECT_NEAR(bits(name, ElementKind::F32), whole, 0.00051) << line;
    ++rows;
  }
  EXPECT_EQ(rows, 12);
}

TEST(Layout, TheDocumentedBitsPerWeightAreRight) {
  constexpr int64_t size = 2048;
  auto bits = [&](absl::string_view name, int64_t group) {
    std::vector<absl::string_view> parts = absl::StrSplit(name, absl::ByAnyChar(":-, "));
    Layout layout{LayoutKind::Dense, ElementKind::I4, group};
    for (ElementKind element : {ElementKind::I8, ElementKind::I3, ElementKind::I2}) {
      layout.element = element;
      if (name.find(Layout{LayoutKind::Dense, element}.str().substr(5)) != name.npos)
        break;
      layout.element = ElementKind::I4;
    }
    layout.asymmetric = name.find("-asym") != name.npos;
    layout.minimums = name.find("-min") != name.npos;
    int64_t bytes = 0;
    if (parts[0] == "bitmap" || parts[0] == "block") {
      double zeros = 0;
      EXPECT_TRUE(absl::SimpleAtod(parts[3], &zeros)) << name;
      layout.kind = parts[0] == "bitmap" ? LayoutKind::Bitmap : LayoutKind::Block;
      Random random(1);
      QuantizedMatrix matrix;
      matrix.rows = matrix.columns = size;
      matrix.group = group;
      matrix.codes.resize(size_t(size * size));
      int64_t rows = layout.kind == LayoutKind::Bitmap ? 1 : 16;
      int64_t columns = layout.kind == LayoutKind::Bitmap ? 1 : 4;
      for (int64_t row = 0; row < size; row += rows)
        for (int64_t column = 0; column < size; column += columns)
          if (random.uniform() >= zeros / 100)
            matrix.codes[size_t(row * size + column)] = 1;
      bytes = packedTableBytes(layout, matrix);
    } else {
      if (parts[0] != "dense") {
        layout.kind = parts[2] == "pairs" ? LayoutKind::Pairs : LayoutKind::NM;
        EXPECT_TRUE(absl::SimpleAtoi(parts[0], &layout.n) && absl::SimpleAtoi(parts[1], &layout.m));
      }
      bytes = packedBytes(layout, size, size).value();
    }
    return double(bytes) * 8 / double(size * size);
  };
  auto text = readFile(absl::StrCat(STC_SOURCE_DIR, "/docs/Layouts.md"));
  ASSERT_TRUE(text.ok()) << text.status();
  int rows = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    std::vector<absl::string_view> cells = absl::StrSplit(line, " | ");
    if (line.substr(0, 2) != "| " || cells.size() != 5 || line.find("int") == line.npos ||
        cells[4].find('.') == cells[4].npos)
      continue;
    absl::string_view name = cells[0].substr(2);
    int64_t group = 16;
    for (size_t i = 1; i < 5; ++i, group *= 2) {
      if (cells[i].substr(0, 1) == "-") { // no such layout
        bool isDense = name.substr(0, 5) == "dense" && name.substr(0, 10) != "dense-int3";
        EXPECT_TRUE(group == 16 ? !isDense : group == 32 && name == "1:16-pairs-int4") << line;
        continue;
      }
      double documented = 0;
      absl::string_view cell = cells[i].substr(0, cells[i].find(' '));
      ASSERT_TRUE(absl::SimpleAtod(cell, &documented)) << line;
      EXPECT_NEAR(bits(name, group), documented, 0.00051) << line;
    }
    ++rows;
  }
  EXPECT_EQ(rows, 44);
}
