// Magnitude masks, and the patterns that zeros already form.
#include "stc/Compress/Prune.h"

#include "stc/Compress/Scores.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// The blocks that are looked for among zeros; larger ones on the same grid consist of them.
constexpr int64_t kBlockRows = 16, kBlockColumns = 4;

/// Most non-zeros in any group of m consecutive columns of a row.
int64_t densestGroup(int64_t m, int64_t rows, int64_t columns, const float *values) {
  int64_t densest = 0;
  for (int64_t row = 0; row < rows && densest < m; ++row)
    for (int64_t first = 0; first < columns; first += m) {
      const float *in = values + row * columns + first;
      int64_t count = 0;
      for (int64_t i = 0; i < std::min(m, columns - first); ++i)
        count += in[i] != 0;
      densest = std::max(densest, count);
    }
  return densest;
}

/// The share of blocks of 16 rows x 4 columns that hold a non-zero.
double usedBlocks(int64_t rows, int64_t columns, const float *values) {
  int64_t across = (columns + kBlockColumns - 1) / kBlockColumns, used = 0, all = 0;
  std::vector<uint8_t> any(static_cast<size_t>(across));
  for (int64_t first = 0; first < rows; first += kBlockRows) {
    std::fill(any.begin(), any.end(), uint8_t(0));
    for (int64_t row = first; row < std::min(first + kBlockRows, rows); ++row)
      for (int64_t column = 0; column < columns; ++column)
        any[size_t(column / kBlockColumns)] |= values[row * columns + column] != 0;
    used += std::count(any.begin(), any.end(), 1);
    all += across;
  }
  return double(used) / double(all);
}

} // namespace

std::vector<uint8_t> magnitudeMask(const PrunePattern &pattern, int64_t rows, int64_t columns,
                                   absl::Span<const float> values) {
  return maskFromScores(pattern, rows, columns, values);
}

PrunePattern detectPattern(int64_t rows, int64_t columns, absl::Span<const float> values) {
  // Fewer zeros than this are chance, or save nothing.
  constexpr double fewestZeros = 0.05;
  // A group's slots must mostly be in use: zeros strewn at random also fit some N:M by luck.
  constexpr double fewestUsed = 0.7;
  PrunePattern pattern;
  if (values.empty())
    return pattern;
  int64_t nonZero = 0;
  for (float value : values)
    nonZero += value != 0;
  double density = double(nonZero) / double(values.size());
  if (density > 1 - fewestZeros)
    return pattern;
  for (int64_t m : {4, 8, 16}) {
    int64_t n = densestGroup(m, rows, columns, values.data());
    bool tighter = pattern.kind == PrunePattern::Kind::None || n * pattern.m < pattern.n * m;
    if (n == 0 || n == m || !tighter || density < fewestUsed * double(n) / double(m))
      continue;
    pattern.kind = PrunePattern::Kind::NM;
    pattern.n = n;
    pattern.m = m;
  }
  double used = usedBlocks(rows, columns, values.data());
  bool tighter =
      pattern.kind == PrunePattern::Kind::None || used * double(pattern.m) <= double(pattern.n);
  if (used > 0 && used < 1 - fewestZeros && tighter && density >= fewestUsed * used)
    return {PrunePattern::Kind::Block, 1 - used, 0, 0, kBlockRows, kBlockColumns};
  if (pattern.kind == PrunePattern::Kind::None) {
    pattern.kind = PrunePattern::Kind::Unstructured;
    pattern.ratio = 1 - density;
  }
  return pattern;
}

} // namespace stc
