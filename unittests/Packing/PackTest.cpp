// Packed bytes read back exactly, both by unpack and by a slow reader written from Layout.h alone.
#include "PackingTestUtil.h"

#include <gtest/gtest.h>

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
      return layout.element == ElementKind::I8 ? values[step * 64 + bit]
                                               : values[step / 2 * 64 + bit] >> (step % 2 * 4) & 15;
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
                          (column / layout.group * 16 + row % 16) * 2);
  }

private:
  template <typename T> static T load(const uint8_t *at) {
    T value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  const uint8_t *tileBegin(int64_t tile) const {
    if (layout.kind == LayoutKind::Bitmap)
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
  if (layout.kind == LayoutKind::Bitmap)
    ASSERT_EQ(int64_t(packed->size()), packedBitmapBytes(layout, matrix));
  else
    ASSERT_EQ(int64_t(packed->size()), packedBytes(layout, matrix.rows, matrix.columns).value());
  ASSERT_EQ(packed->size() % 64, 0u);
  auto back = unpackQuantized(layout, matrix.rows, matrix.columns, *packed);
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->codes, matrix.codes);
  ASSERT_EQ(back->scales, matrix.scales);
  ASSERT_EQ(back->group, matrix.group);
  auto values = unpack(layout, matrix.rows, matrix.columns, *packed);
  ASSERT_TRUE(values.ok()) << values.status();
  int64_t groups = (matrix.columns + matrix.group - 1) / matrix.group;
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t column = 0; column < matrix.columns; ++column) {
      size_t at = size_t(row * matrix.columns + column);
      float scale = halfToFloat(matrix.scales[size_t(row * groups + column / matrix.group)]);
      ASSERT_EQ((*values)[at], float(matrix.codes[at]) * scale);
    }
}

} // namespace

TEST(Pack, DenseAndPatternsRoundTrip) {
  for (const Layout &layout : quantizedLayouts())
    for (int64_t rows : kTestRows)
      for (int64_t columns : kTestColumns)
        if (layout.kind != LayoutKind::Bitmap)
          checkRoundTrip(layout,
                         randomMatrix(layout, rows, columns, 0.3, uint64_t(rows + columns)));
}

TEST(Pack, BitmapsOfEverySparsityRoundTrip) {
  for (const Layout &layout : quantizedLayouts())
    for (int64_t rows : kTestRows)
      for (int64_t columns : kTestColumns)
        for (double sparsity : {0.0, 0.5, 0.9, 1.0})
          if (layout.kind == LayoutKind::Bitmap)
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
        int64_t groups = padded / layout.group;
        for (int64_t row = 0; row < (rows + 15) / 16 * 16; ++row)
          for (int64_t column = 0; column < padded; ++column) {
            bool inside = row < rows && column < columns;
            int64_t code = inside ? matrix.codes[size_t(row * columns + column)] : 0;
            ASSERT_EQ(reader.code(row, column), code + layout.zeroPoint()) << row << ", " << column;
            uint16_t scale = row < rows
                                 ? matrix.scales[size_t(row * groups + column / layout.group)]
                                 : uint16_t(0);
            ASSERT_EQ(reader.scale(row, column), scale);
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
          bool narrow = layout.element == ElementKind::BF16;
          values.push_back(narrow ? bfloat16ToFloat(floatToBfloat16(value)) : value);
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

TEST(Pack, RefusesWhatDoesNotFit) {
  Layout dense{LayoutKind::Dense, ElementKind::I4, 32};
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
  refused([](QuantizedMatrix &m) { m.scales[1] = 0x7C00; }, dense, "finite");
  refused([](QuantizedMatrix &m) { m.scales[1] = 0xFE00; }, dense, "finite");
  refused([](QuantizedMatrix &m) { m.rows = -3; }, dense, "rows and columns");
  refused([](QuantizedMatrix &m) { m.group = 0; }, dense, "group");
  refused(nothing, {LayoutKind::Dense, ElementKind::I4, 64}, "expected 64, got 32");
  refused(nothing, {LayoutKind::Dense, ElementKind::F32}, "a quantized layout");
  refused(nothing, {LayoutKind::Dense, ElementKind::I4, 33}, "32, 64 or 128");
  refused([](QuantizedMatrix &m) { std::fill(m.codes.begin(), m.codes.end(), int8_t(1)); },
          {LayoutKind::NM, ElementKind::I4, 32, 2, 4},
          "row 0: expected at most 2 non-zero weights in columns 0 to 3, got 4");

  std::vector<float> values(12, 1.0f);
  Layout floats{LayoutKind::Dense, ElementKind::BF16};
  EXPECT_TRUE(packFloats(floats, 3, 4, values).ok());
  EXPECT_FALSE(packFloats(floats, 4, 4, values).ok());
  EXPECT_FALSE(packFloats(dense, 3, 4, values).ok());
  values[7] = 3.4e38f; // rounds to infinity as bf16
  EXPECT_FALSE(packFloats(floats, 3, 4, values).ok());
  EXPECT_TRUE(packFloats({LayoutKind::Dense, ElementKind::F32}, 3, 4, values).ok());
  values[7] = std::numeric_limits<float>::quiet_NaN();
  absl::Status status = packFloats({LayoutKind::Rows, ElementKind::F32}, 3, 4, values).status();
  EXPECT_EQ(status.message(), "matrix: expected finite values, got NaN at element 7");
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
