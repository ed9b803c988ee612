// Valid packed matrices of random values, for measurements.
#include "stc/Target/Autotune/RandomWeights.h"

#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"
#include "stc/Support/Random.h"

#include <algorithm>

using namespace stc;

std::vector<uint8_t> stc::randomWeights(const Layout &layout, int64_t rows, int64_t columns,
                                        double density) {
  Random random(1);
  size_t size = size_t(rows * columns);
  auto isKept = [&](int64_t row, int64_t column) {
    if (layout.kind == LayoutKind::Bitmap)
      return random.uniform() < density;
    if (layout.kind == LayoutKind::Block)
      // The same choice for the 16 rows and 4 columns of a step.
      return Random(uint64_t(row / kTileRows * 65537 + column / kDotColumns)).uniform() < density;
    return layout.n == 0 || (column + row) % layout.m < layout.n;
  };
  if (!layout.isQuantized()) {
    std::vector<float> values(size);
    for (size_t i = 0; i < size; ++i) {
      bool kept = isKept(int64_t(i) / columns, int64_t(i) % columns);
      values[i] = kept ? float(2 * random.uniform() - 1) : 0;
    }
    return packFloats(layout, rows, columns, values).value();
  }
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.group = layout.scaleColumns(columns);
  matrix.codes.reserve(size);
  int64_t zero = layout.zeroPoint();
  auto code = [&] { return int64_t(random.next() % uint64_t(2 * zero)) - zero; };
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      bool kept = isKept(row, column);
      int64_t value = code();
      // A kept weight of zero would count as pruned.
      matrix.codes.push_back(kept ? value ? value : 1 : 0);
    }
  size_t groups = size_t(rows * matrix.groups());
  for (size_t i = 0; i < groups; ++i)
    matrix.scales.push_back(floatToHalf(float(0.001 + 0.009 * random.uniform())));
  if (layout.asymmetric)
    for (size_t i = 0; i < groups; ++i)
      matrix.zeros.push_back(code());
  if (layout.minimums) {
    matrix.commonZero = int8_t(-zero);
    // About the middle of the codes' range.
    for (uint16_t scale : matrix.scales)
      matrix.minimums.push_back(floatToHalf(halfToFloat(scale) * float(zero)));
  }
  return packQuantized(layout, matrix).value();
}
