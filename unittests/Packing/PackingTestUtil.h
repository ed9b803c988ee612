// What the packing tests share: every layout, and matrices of random codes.
#ifndef STC_UNITTESTS_PACKING_PACKINGTESTUTIL_H
#define STC_UNITTESTS_PACKING_PACKINGTESTUTIL_H

#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"
#include "stc/Support/Random.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace stc {

constexpr int64_t kTestRows[] = {1, 15, 16, 17, 33, 172};
constexpr int64_t kTestColumns[] = {1, 4, 31, 32, 64, 172, 200};

inline std::vector<Layout> quantizedLayouts() {
  std::vector<Layout> layouts;
  for (ElementKind element : {ElementKind::I8, ElementKind::I4})
    for (int64_t group : {32, 64, 128}) {
      layouts.push_back({LayoutKind::Bitmap, element, group});
      layouts.push_back({LayoutKind::Block, element, group});
      const int64_t patterns[][2] = {{1, 4}, {2, 4}, {3, 4}, {4, 8}, {2, 8}, {4, 16}, {8, 16}};
      for (auto &pattern : patterns)
        layouts.push_back({LayoutKind::NM, element, group, pattern[0], pattern[1]});
    }
  for (int64_t group : {16, 32, 64, 128}) {
    for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
      for (int own : {0, 1, 2}) // nothing, zeros or minimums
        if (group > 16 || element != ElementKind::I3)
          layouts.push_back(
              {LayoutKind::Dense, element, group, 0, 0, own == 1, /*perRow=*/false, own == 2});
    if (group == 16)
      continue;
    for (int64_t n : {1, 2, 4, 8})
      if (n > 1 || group > 32)
        layouts.push_back({LayoutKind::Pairs, ElementKind::I4, group, n, 16});
  }
  // Those in groups of 128 with scales of rows too.
  for (size_t i = 0, count = layouts.size(); i < count; ++i)
    if (layouts[i].group == kRowScaleGroup && !layouts[i].minimums) {
      layouts.push_back(layouts[i]);
      layouts.back().perRow = true;
    }
  return layouts;
}

inline std::vector<Layout> floatLayouts() {
  std::vector<Layout> layouts;
  for (LayoutKind kind : {LayoutKind::Rows, LayoutKind::Dense})
    for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16})
      layouts.push_back({kind, element});
  return layouts;
}

/// Layouts of floats with masks.
inline std::vector<Layout> sparseFloatLayouts() {
  std::vector<Layout> layouts;
  for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16}) {
    layouts.push_back({LayoutKind::Bitmap, element});
    const int64_t patterns[][2] = {{1, 4}, {2, 4}, {3, 4}, {4, 8}, {6, 8}, {4, 16}};
    for (auto &pattern : patterns)
      layouts.push_back({LayoutKind::NM, element, 0, pattern[0], pattern[1]});
  }
  return layouts;
}

/// Random floats that every element holds exactly; a fraction `sparsity` is zero, and of NM what is
/// more than N of M too.
inline std::vector<float> randomFloats(const Layout &layout, int64_t rows, int64_t columns,
                                       double sparsity, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(size_t(rows * columns));
  for (float &value : values)
    value = random.uniform() < sparsity ? 0.0f : float(int64_t(random.next() % 255) - 127) / 16;
  for (int64_t row = 0; layout.m != 0 && row < rows; ++row)
    for (int64_t first = 0; first < columns; first += layout.m) {
      float *group = values.data() + row * columns + first;
      int64_t width = std::min(layout.m, columns - first);
      int64_t count = width - std::count(group, group + width, 0.0f);
      while (count > layout.n) {
        float &value = group[random.next() % uint64_t(width)];
        count -= value != 0;
        value = 0;
      }
    }
  return values;
}

/// Random codes over the whole range that fit `layout`; a fraction `sparsity` means zero (of
/// blocks: that fraction of steps).
inline QuantizedMatrix randomMatrix(const Layout &layout, int64_t rows, int64_t columns,
                                    double sparsity, uint64_t seed) {
  Random random(seed);
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.group = layout.scaleColumns(columns);
  int64_t zeroPoint = layout.zeroPoint(), steps = (columns + 3) / 4;
  auto anyCode = [&] {
    return int8_t(int64_t(random.next() % uint64_t(2 * zeroPoint)) - zeroPoint);
  };
  for (int64_t i = 0; i < rows * matrix.groups(); ++i) {
    matrix.scales.push_back(floatToHalf(float(random.normal())));
    if (layout.asymmetric)
      matrix.zeros.push_back(anyCode());
    if (layout.minimums)
      matrix.minimums.push_back(floatToHalf(float(random.normal())));
  }
  matrix.commonZero = int8_t(layout.minimums ? -zeroPoint : 0);
  std::vector<bool> absentSteps;
  for (int64_t i = 0; i < (rows + 15) / 16 * steps; ++i)
    absentSteps.push_back(random.uniform() < sparsity);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      bool absent = random.uniform() < sparsity;
      if (layout.kind == LayoutKind::Block)
        absent = absentSteps[size_t(row / 16 * steps + column / 4)];
      matrix.codes.push_back(absent ? int8_t(matrix.zeroOf(row, column / matrix.group))
                                    : anyCode());
    }
  if (layout.m == 0)
    return matrix;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t first = 0; first < columns; first += layout.m) {
      int64_t width = std::min(layout.m, columns - first), count = 0;
      int8_t *codes = matrix.codes.data() + row * columns + first;
      for (int64_t i = 0; i < width; ++i)
        count += codes[i] != 0;
      while (count > layout.n) {
        int8_t &code = codes[random.next() % uint64_t(width)];
        count -= code != 0;
        code = 0;
      }
    }
  return matrix;
}

inline std::string shapeName(const Layout &layout, int64_t rows, int64_t columns) {
  return layout.str() + " " + std::to_string(rows) + "x" + std::to_string(columns);
}

} // namespace stc

#endif // STC_UNITTESTS_PACKING_PACKINGTESTUTIL_H
