// Packed bytes read back exactly, both by unpack and by a slow reader written from Layout.h alone.
#include "PackingTestUtil.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace stc;

namespace {

/// Reads one weight's unsigned code straight from the stored bytes, as Layout.h describes them.
class SlowReader {
public:
  SlowReader(const Layout &layout, int64_t rows, int64_t columns, const std::vector<uint8_t> &bytes)
      : layout(layout), geometry(tileGeometry(layout, rows, columns)), bytes(bytes) {}

  int64_t code(int64_t row, int64_t column) const {
    int64_t step = column / 4, bit = row % 16 * 4 + column % 4;
    const uint8_t *tile = tileBegin(row / 16);
    const uint8_t *values = tile + geometry.valuesOffset;
    if (layout.kind == LayoutKind::Dense)
      return denseCode(values, step, bit);
    if (layout.kind == LayoutKind::Pairs)
      return pairCode(values, row % 16, column);
    if (layout.kind == LayoutKind::Block)
      return blockCode(tile, step, bit);
    auto mask = [&](int64_t at) { return load<uint64_t>(tile + geometry.masksOffset + at * 8); };
    auto count = [&](int64_t chunk) {
      int64_t sum = 0;
      for (int64_t i = 0; i < layout.chunkSteps(); ++i)
        sum += __builtin_popcountll(mask(chunk * layout.chunkSteps() + i));
      return sum;
    };
    if (!(mask(step) >> bit & 1))
      return layout.zeroPoint();
    int64_t chunk = step / layout.chunkSteps(), index = 0;
    for (int64_t at = chunk * layout.chunkSteps(); at < step; ++at)
      index += __builtin_popcountll(mask(at));
    index += __builtin_popcountll(mask(step) & ((uint64_t(1) << bit) - 1));
    if (layout.lanes() == 1) {
      for (int64_t before = 0; before < chunk; ++before)
        index += count(before);
      return values[index];
    }
    for (int64_t pair = 0; pair < chunk / 2; ++pair) {
      int64_t size = std::max(count(pair * 2), count(pair * 2 + 1));
      if (layout.kind == LayoutKind::NM) {
        EXPECT_EQ(size, geometry.chunkPairBytes);
      }
      index += size;
    }
    return values[index] >> (chunk % 2 * 4) & 15;
  }

  uint16_t scale(int64_t row, int64_t column) const {
    return load<uint16_t>(tileBegin(row / 16) + geometry.scalesOffset +
                          (scaleGroup(column) * 16 + row % 16) * 2);
  }

  uint16_t minimum(int64_t row, int64_t column) const {
    return load<uint16_t>(tileBegin(row / 16) + geometry.minimumsOffset +
                          (scaleGroup(column) * 16 + row % 16) * 2);
  }

  int64_t zero(int64_t row, int64_t column) const {
    return tileBegin(row / 16)[geometry.zerosOffset + scaleGroup(column) * 16 + row % 16];
  }

  int64_t scaleGroup(int64_t column) const { return layout.perRow ? 0 : column / layout.group; }

private:
  int64_t denseCode(const uint8_t *values, int64_t step, int64_t place) const {
    switch (layout.codeBits()) {
    case 8:
      return values[step * 64 + place];
    case 4:
      return values[step / 2 * 64 + place] >> (step % 2 * 4) & 15;
    case 2:
      return values[step / 4 * 64 + place] >> (step % 4 * 2) & 3;
    }
    const uint8_t *block = values + step / 8 * 192 + place;
    int64_t low = block[step % 8 / 4 * 64] >> (step % 4 * 2) & 3;
    return low + (block[128] >> (step % 8) & 1) * 4;
  }

  int64_t pairCode(const uint8_t *values, int64_t row, int64_t column) const {
    int64_t code = 0, chunk = column / 16, seen = 0;
    for (int64_t i = 0; i < layout.n; ++i) {
      int64_t at = layout.n == 8   ? chunk * 128 + i / 4 * 64 + row * 4 + i % 4
                   : layout.n == 4 ? chunk * 64 + row * 4 + i
                   : layout.n == 2 ? chunk / 2 * 64 + row * 4 + chunk % 2 * 2 + i
                                   : chunk / 4 * 64 + row * 4 + chunk % 4;
      if ((values[at] & 15) != column % 16)
        continue;
      code = int8_t(values[at]) >> 4;
      ++seen;
    }
    EXPECT_LE(seen, 1);
    return code + 8;
  }

  int64_t blockCode(const uint8_t *tile, int64_t step, int64_t place) const {
    auto number = [&](int64_t offset, int64_t i) { return load<uint16_t>(tile + offset + i * 2); };
    int64_t group = step * 4 / layout.group;
    int64_t begin = group == 0 ? 0 : number(geometry.endsOffset, group - 1);
    int64_t stored = number(geometry.endsOffset, geometry.groups - 1);
    for (int64_t i = begin; i < number(geometry.endsOffset, group); ++i) {
      if (number(geometry.indicesOffset, i) != step)
        continue;
      const uint8_t *values = tile + geometry.indicesOffset + (stored * 2 + 63) / 64 * 64;
      if (layout.element == ElementKind::I8)
        return int8_t(values[i * 64 + place]) + 128;
      int64_t nibble = values[i * 32 + place % 32] >> (place / 32 * 4) & 15;
      return (nibble < 8 ? nibble : nibble - 16) + 8;
    }
    return layout.zeroPoint();
  }

  template <typename T> static T load(const uint8_t *at) {
    T value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  const uint8_t *tileBegin(int64_t tile) const {
    if (layout.hasTable())
      return bytes.data() + int64_t(load<uint32_t>(bytes.data() + tile * 4)) * 64;
    return bytes.data() + tile * geometry.tileBytes;
  }
  Layout layout;
  TileGeometry geometry;
  const std::vector<uint8_t> &bytes;
};

void checkRoundTrip(const Layout &layout, const QuantizedMatrix &matrix) {
  SCOPED_TRACE(shapeName(layout, matrix.rows, matrix.columns));
  auto packed = packQuantized(layout, matrix);
  ASSERT_TRUE(packed.ok()) << packed.status();
  if (layout.hasTable())
    ASSERT_EQ(int64_t(packed->size()), packedTableBytes(layout, matrix));
  else
    ASSERT_EQ(int64_t(packed->size()), packedBytes(layout, matrix.rows, matrix.columns).value());
  ASSERT_EQ(packed->size() % 64, 0u);
  auto back = unpackQuantized(layout, matrix.rows, matrix.columns, *packed);
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->codes, matrix.codes);
  ASSERT_EQ(back->scales, matrix.scales);
  ASSERT_EQ(back->zeros, matrix.zeros);
  ASSERT_EQ(back->minimums, matrix.minimums);
  ASSERT_EQ(back->commonZero, matrix.commonZero);
  ASSERT_EQ(back->group, matrix.group);
  auto values = unpack(layout, matrix.rows, matrix.columns, *packed);
  ASSERT_TRUE(values.ok()) << values.status();
  int64_t groups = matrix.groups();
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t column = 0; column < matrix.columns; ++column) {
      size_t at = size_t(row * matrix.columns + column);
      float scale = halfToFloat(matrix.scales[size_t(row * groups + column / matrix.group)]);
      int zero = matrix.zeroOf(row, column / matrix.group);
      float minimum = 0;
      if (layout.minimums) {
        zero = -int(layout.zeroPoint());
        minimum = halfToFloat(matrix.minimums[size_t(row * groups + column / matrix.group)]);
      }
      ASSERT_EQ((*values)[at], float(matrix.codes[at] - zero) * scale - minimum);
    }
}

} // namespace

TEST(Pack, DenseAndPatternsRoundTrip) {
  for (const Layout &layout : quantizedLayouts())
    for (int64_t rows : kTestRows)
      for (int64_t columns : kTestColumns)
        if (!layout.hasTable())
          checkRoundTrip(layout,
                         randomMatrix(layout, rows, columns, 0.3, uint64_t(rows + columns)));
}

TEST(Pack, WhatHasATableRoundTripsAtEverySparsity) {
  for (const Layout &layout : quantizedLayouts())
    for (int64_t rows : kTestRows)
      for (int64_t columns : kTestColumns)
        for (double sparsity : {0.0, 0.5, 0.9, 1.0})
          if (layout.hasTable())
            checkRoundTrip(layout, randomMatrix(layout, rows, columns, sparsity,
                                                uint64_t(rows * 1000 + columns)));
}

TEST(Pack, BytesLieWhereLayoutSays) {
  for (const Layout &layout : quantizedLayouts())
    for (int64_t rows : {1, 17, 33})
      for (int64_t columns : {4, 31, 172}) {
        SCOPED_TRACE(shapeName(layout, rows, columns));
        QuantizedMatrix matrix = randomMatrix(layout, rows, columns, 0.6, 7);
        auto packed = packQuantized(layout, matrix);
        ASSERT_TRUE(packed.ok()) << packed.status();
        SlowReader reader(layout, rows, columns, *packed);
        int64_t padded = tileGeometry(layout, rows, columns).paddedColumns;
        int64_t groups = layout.perRow ? 1 : padded / layout.group;
        for (int64_t row = 0; row < (rows + 15) / 16 * 16; ++row)
          for (int64_t column = 0; column < padded; ++column) {
            bool inside = row < rows && column < columns;
            int64_t group = reader.scaleGroup(column);
            int64_t zero = row < rows ? matrix.zeroOf(row, group) : 0;
            int64_t code = inside ? matrix.codes[size_t(row * columns + column)] : zero;
            ASSERT_EQ(reader.code(row, column), code + layout.zeroPoint()) << row << ", " << column;
            uint16_t scale = row < rows ? matrix.scales[size_t(row * groups + group)] : uint16_t(0);
            ASSERT_EQ(reader.scale(row, column), scale);
            if (layout.asymmetric) {
              ASSERT_EQ(reader.zero(row, column), zero + layout.zeroPoint());
            }
            if (layout.minimums) {
              size_t at = size_t(row * groups + group);
              ASSERT_EQ(reader.minimum(row, column),
                        row < rows ? matrix.minimums[at] : uint16_t(0));
            }
          }
      }
}

TEST(Pack, FloatsRoundTrip) {
  for (const Layout &layout : floatLayouts())
    for (int64_t rows : kTestRows)
      for (int64_t columns : kTestColumns) {
        SCOPED_TRACE(shapeName(layout, rows, columns));
        Random random(3);
        std::vector<float> values;
        for (int64_t i = 0; i < rows * columns; ++i) {
          float value = float(random.normal());
          if (layout.element == ElementKind::BF16)
            value = bfloat16ToFloat(floatToBfloat16(value));
          else if (layout.element == ElementKind::F16)
            value = halfToFloat(floatToHalf(value));
          values.push_back(value);
        }
        auto packed = packFloats(layout, rows, columns, values);
        ASSERT_TRUE(packed.ok()) << packed.status();
        ASSERT_EQ(int64_t(packed->size()), packedBytes(layout, rows, columns).value());
        auto back = unpack(layout, rows, columns, *packed);
        ASSERT_TRUE(back.ok()) << back.status();
        ASSERT_EQ(*back, values);
        // [k][16 rows] within a tile.
        if (layout == (Layout{LayoutKind::Dense, ElementKind::F32})) {
          int64_t tile = tileGeometry(layout, rows, columns).tileBytes;
          int64_t row = rows - 1, column = columns / 2;
          float value;
          std::memcpy(&value, packed->data() + row / 16 * tile + (column * 16 + row % 16) * 4, 4);
          EXPECT_EQ(value, values[size_t(row * columns + column)]);
        }
      }
}

TEST(Pack, SparseFloatsRoundTrip) {
  for (const Layout &layout : sparseFloatLayouts())
    for (int64_t rows : kTestRows)
      for (int64_t columns : kTestColumns)
        for (double sparsity : {0.0, 0.5, 1.0}) {
          SCOPED_TRACE(shapeName(layout, rows, columns));
          std::vector<float> values =
              randomFloats(layout, rows, columns, sparsity, uint64_t(rows + columns));
          auto packed = packFloats(layout, rows, columns, values);
          ASSERT_TRUE(packed.ok()) << packed.status();
          int64_t bytes = layout.hasTable() ? packedTableBytes(layout, rows, columns, values)
                                            : packedBytes(layout, rows, columns).value();
          ASSERT_EQ(int64_t(packed->size()), bytes);
          auto back = unpack(layout, rows, columns, *packed);
          ASSERT_TRUE(back.ok()) << back.status();
          ASSERT_EQ(*back, values);
        }
}

TEST(Pack, SparseFloatsThatRoundToZeroAreNotStored) {
  Layout layout{LayoutKind::Bitmap, ElementKind::F16};
  std::vector<float> values = {1e-9f, -0.0f, 1.0f, -1e-9f};
  auto packed = packFloats(layout, 1, 4, values);
  ASSERT_TRUE(packed.ok());
  EXPECT_EQ(*unpack(layout, 1, 4, *packed), (std::vector<float>{0, 0, 1, 0}));
  EXPECT_EQ(int64_t(packed->size()), packedTableBytes(layout, 1, 4, values));
  // Nor do they count against N.
  EXPECT_TRUE(packFloats({LayoutKind::NM, ElementKind::F16, 0, 1, 4}, 1, 4, values).ok());
  EXPECT_EQ(packFloats({LayoutKind::NM, ElementKind::F16, 0, 1, 4}, 1, 4, {1, 0, 0, 2})
                .status()
                .message(),
            "row 0: expected at most 1 non-zero weights in columns 0 to 3, got 2");
}

TEST(Pack, RefusesWhatDoesNotFit) {
  Layout dense{LayoutKind::Dense, ElementKind::I4, 32};
  Layout asymmetric{LayoutKind::Dense, ElementKind::I4, 32, 0, 0, true};
  QuantizedMatrix good = randomMatrix(dense, 3, 40, 0, 1);
  ASSERT_TRUE(packQuantized(dense, good).ok());
  auto refused = [&](auto change, const Layout &layout, absl::string_view text) {
    QuantizedMatrix bad = good;
    change(bad);
    absl::Status status = packQuantized(layout, bad).status();
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find(text), absl::string_view::npos) << status;
  };
  auto nothing = [](QuantizedMatrix &) {};
  refused([](QuantizedMatrix &m) { m.codes[5] = 8; }, dense, "expected values from -8 to 7");
  refused([](QuantizedMatrix &m) { m.codes[5] = -9; }, dense, "expected values from -8 to 7");
  refused([](QuantizedMatrix &m) { m.codes.pop_back(); }, dense, "codes: expected 120, got 119");
  refused([](QuantizedMatrix &m) { m.scales.push_back(0); }, dense, "scales: expected 6, got 7");
  refused([](QuantizedMatrix &m) { m.zeros.resize(6); }, dense, "zeros: expected 0, got 6");
  refused([](QuantizedMatrix &m) { m.zeros.resize(5); }, asymmetric, "zeros: expected 6, got 5");
  refused([](QuantizedMatrix &m) { m.zeros.assign(6, 8); }, asymmetric,
          "zeros: expected values from -8 to 7");
  refused([](QuantizedMatrix &m) { m.codes[5] = 4; }, {LayoutKind::Dense, ElementKind::I3, 32},
          "codes: expected values from -4 to 3");
  refused([](QuantizedMatrix &m) { m.codes[5] = -3; }, {LayoutKind::Dense, ElementKind::I2, 32},
          "codes: expected values from -2 to 1");
  refused([](QuantizedMatrix &m) { m.scales[1] = 0x7C00; }, dense, "finite");
  refused([](QuantizedMatrix &m) { m.scales[1] = 0xFE00; }, dense, "finite");
  refused([](QuantizedMatrix &m) { m.rows = -3; }, dense, "rows and columns");
  refused([](QuantizedMatrix &m) { m.group = 0; }, dense, "group");
  Layout lowered{LayoutKind::Dense, ElementKind::I4, 32, 0, 0, false, false, true};
  refused(nothing, lowered, "minimums: expected 6, got 0");
  refused([](QuantizedMatrix &m) { m.minimums.resize(6); }, dense, "minimums: expected 0, got 6");
  refused([](QuantizedMatrix &m) { m.minimums.resize(6); }, lowered,
          "common zero: expected -8, got 0");
  refused([](QuantizedMatrix &m) { m.commonZero = -8; }, dense, "common zero: expected 0, got -8");
  refused(
      [](QuantizedMatrix &m) {
        m.minimums.assign(6, 0x7C00);
        m.commonZero = -8;
      },
      lowered, "minimums: expected finite values, got NaN or infinity");
  refused(nothing, {LayoutKind::Dense, ElementKind::I4, 64}, "expected 64, got 32");
  refused(nothing, {LayoutKind::Dense, ElementKind::F32}, "a quantized layout");
  refused(nothing, {LayoutKind::Dense, ElementKind::I4, 33}, "32, 64 or 128");
  refused([](QuantizedMatrix &m) { std::fill(m.codes.begin(), m.codes.end(), int8_t(1)); },
          {LayoutKind::NM, ElementKind::I4, 32, 2, 4},
          "row 0: expected at most 2 non-zero weights in columns 0 to 3, got 4");
  refused([](QuantizedMatrix &m) { std::fill(m.codes.begin(), m.codes.end(), int8_t(1)); },
          {LayoutKind::Pairs, ElementKind::I4, 32, 4, 16},
          "row 0: expected at most 4 non-zero weights in columns 0 to 15, got 16");
  refused(
      [](QuantizedMatrix &m) {
        m.rows = 1;
        m.columns = 262112 + 1;
        m.codes.assign(size_t(m.columns), 0);
        m.scales.assign(size_t(m.groups()), 0);
      },
      {LayoutKind::Block, ElementKind::I4, 32},
      "matrix columns: expected at most 262112 in blocks");

  std::vector<float> values(12, 1.0f);
  Layout floats{LayoutKind::Dense, ElementKind::BF16};
  EXPECT_TRUE(packFloats(floats, 3, 4, values).ok());
  EXPECT_FALSE(packFloats(floats, 4, 4, values).ok());
  EXPECT_FALSE(packFloats(dense, 3, 4, values).ok());
  values[7] = 3.4e38f; // rounds to infinity as bf16
  EXPECT_FALSE(packFloats(floats, 3, 4, values).ok());
  EXPECT_TRUE(packFloats({LayoutKind::Dense, ElementKind::F32}, 3, 4, values).ok());
  Layout halves{LayoutKind::Rows, ElementKind::F16};
  values[7] = 65519.0f; // rounds to the largest f16, 65504
  EXPECT_TRUE(packFloats(halves, 3, 4, values).ok());
  values[7] = -65520.0f;
  EXPECT_EQ(packFloats(halves, 3, 4, values).status().message(),
            "matrix: expected values within the range of f16, got -65520 at element 7");
  values[7] = std::numeric_limits<float>::quiet_NaN();
  absl::Status status = packFloats({LayoutKind::Rows, ElementKind::F32}, 3, 4, values).status();
  EXPECT_EQ(status.message(), "matrix: expected finite values, got NaN at element 7");
}

TEST(Pack, WithMinimumsTheValueSaysWhatIsZero) {
  QuantizedMatrix matrix;
  matrix.rows = 1;
  matrix.columns = matrix.group = 4;
  matrix.codes = {-8, -6, -7, 7}; // stored as 0, 2, 1 and 15
  matrix.scales = {0x3800};       // 0.5
  matrix.minimums = {0x3C00};     // 1
  matrix.commonZero = -8;
  EXPECT_EQ(dequantize(matrix), (std::vector<float>{-1, 0, -0.5, 6.5}));
  EXPECT_EQ(countNonZero(matrix), 3);
}

TEST(Pack, CheckFiniteNamesTheFirst) {
  std::vector<float> values(10000, 0.5f);
  EXPECT_TRUE(checkFinite(values, "w").ok());
  EXPECT_TRUE(checkFinite({}, "w").ok());
  values[9999] = std::numeric_limits<float>::quiet_NaN();
  values[5000] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(checkFinite(values, "w").message(),
            "w: expected finite values, got -infinity at element 5000");
}

TEST(Pack, SplitActivations) {
  auto sumOf = [](SplitActivation split) {
    return double(bfloat16ToFloat(split.high)) + bfloat16ToFloat(split.low);
  };
  double worst = 0;
  for (uint32_t bits = 0; bits < 0x7F800000; bits += 9973) {
    float x = floatFromBits(bits);
    SplitActivation split = splitActivation(x), negative = splitActivation(-x);
    EXPECT_EQ(negative.high, split.high ^ 0x8000) << x;
    EXPECT_EQ(sumOf(negative), -sumOf(split)) << x;
    ASSERT_LE(std::abs(sumOf(split) - x), std::max(double(x) * 0x1p-17, 0x1p-134)) << x;
    if (x > 1e-30f)
      worst = std::max(worst, std::abs(sumOf(split) - x) / x);
  }
  EXPECT_GT(worst, 0x1p-18); // The bound is tight.

  constexpr float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(sumOf(splitActivation(inf)), inf);
  EXPECT_EQ(sumOf(splitActivation(-inf)), -inf);
  EXPECT_TRUE(std::isnan(sumOf(splitActivation(std::numeric_limits<float>::quiet_NaN()))));

  const float x[] = {1.0f, -3.0f, 1.00390625f}; // The last is halfway between 1 and 1.0078125.
  uint16_t halves[64];
  std::fill_n(halves, 64, uint16_t(0xFFFF));
  splitActivations(x, absl::MakeSpan(halves));
  for (int64_t i = 0; i < 64; ++i) {
    float expected = i < 3 ? std::floor(x[i]) : i == 34 ? 0.00390625f : 0;
    EXPECT_EQ(bfloat16ToFloat(halves[i]), expected) << i;
  }
}

TEST(Pack, RoundedActivations) {
  auto half = [](float x) { return halfToFloat(roundActivation(ElementKind::F16, x)); };
  auto bfloat = [](float x) { return bfloat16ToFloat(roundActivation(ElementKind::BF16, x)); };
  EXPECT_EQ(half(1 + 0x1p-11f), 1.0f); // halfway, to even
  EXPECT_EQ(half(1 + 0x3p-11f), 1 + 0x1p-9f);
  EXPECT_EQ(half(0x1p-24f), 0x1p-24f);
  EXPECT_EQ(half(0x1p-26f), 0.0f);
  EXPECT_EQ(half(65519.99f), 65504.0f);
  EXPECT_EQ(half(65520.0f), 65504.0f); // would be infinite
  EXPECT_EQ(half(-3e38f), -65504.0f);
  EXPECT_EQ(bfloat(1.01171875f), 1.015625f); // halfway, to even
  EXPECT_EQ(bfloat(-3.4e38f), bfloat16ToFloat(0xFF7F));
  EXPECT_EQ(half(-HUGE_VALF), -HUGE_VALF);
  EXPECT_EQ(bfloat(-HUGE_VALF), -HUGE_VALF);
  EXPECT_TRUE(std::isnan(half(std::nanf(""))));

  const float x[] = {1.0f, 1.0f + 0x1p-12f, -65536.0f};
  uint16_t rounded[32];
  std::fill_n(rounded, 32, uint16_t(0xFFFF));
  roundActivations(ElementKind::F16, x, absl::MakeSpan(rounded));
  for (int i = 0; i < 32; ++i)
    EXPECT_EQ(halfToFloat(rounded[i]), i < 2 ? 1.0f : i == 2 ? -65504.0f : 0.0f) << i;
}

TEST(Pack, QuantizedActivations) {
  const float x[] = {0.0f, 1.27f, -1.27f, 0.005f, 0.015f, -0.635f};
  int8_t codes[6];
  float scale = quantizeActivations(x, absl::MakeSpan(codes));
  EXPECT_FLOAT_EQ(scale, 0.01f);
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(codes[1], 127);
  EXPECT_EQ(codes[2], -127);
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(codes[i], int8_t(std::nearbyint(x[i] * (1.0f / scale))));
  const float zeros[4] = {0, -0.0f, 0, 0};
  EXPECT_EQ(quantizeActivations(zeros, absl::MakeSpan(codes, 4)), 0.0f);
  EXPECT_EQ(codes[0] | codes[1] | codes[2] | codes[3], 0);
  // Without a promise, but without undefined conversions either.
  constexpr float inf = std::numeric_limits<float>::infinity();
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(), inf, -inf, 1e-45f};
  quantizeActivations(odd, absl::MakeSpan(codes, 4));
  quantizeActivations(absl::MakeSpan(odd + 3, 1), absl::MakeSpan(codes, 1));
}
