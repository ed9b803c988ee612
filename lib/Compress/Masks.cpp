// Masks that keep what scores highest, in every pattern.
#include "Masks.h"

#include "stc/Compress/Scores.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// The `kept`-th largest key (kept >= 1), found bit by bit: 31 counting passes over a row in cache
/// vectorize and so take a fraction of what partitioning does.
int32_t nthLargest(absl::Span<const int32_t> keys, int64_t kept) {
  int32_t threshold = 0;
  for (int bit = 30; bit >= 0; --bit) {
    int32_t candidate = threshold | int32_t(1) << bit;
    int64_t count = 0;
    constexpr size_t block = 4096; // counted in 32 bits
    for (size_t begin = 0; begin < keys.size(); begin += block) {
      int32_t part = 0;
      for (size_t i = begin; i < std::min(begin + block, keys.size()); ++i)
        part += keys[i] >= candidate;
      count += part;
    }
    if (count >= kept)
      threshold = candidate;
  }
  return threshold;
}

} // namespace

void keepLargest(absl::Span<const int32_t> keys, int64_t kept, uint8_t *mask) {
  size_t count = keys.size();
  if (kept <= 0 || size_t(kept) >= count) {
    std::fill_n(mask, count, uint8_t(kept > 0));
    return;
  }
  int32_t threshold = nthLargest(keys, kept);
  int64_t above = 0;
  for (size_t i = 0; i < count; ++i) {
    mask[i] = keys[i] > threshold;
    above += mask[i];
  }
  for (size_t i = 0; above < kept; ++i)
    if (keys[i] == threshold) {
      mask[i] = 1;
      ++above;
    }
}

namespace {

void maskUnstructured(const PrunePattern &pattern, int64_t rows, int64_t columns,
                      const float *values, uint8_t *mask) {
  std::vector<int32_t> keys(static_cast<size_t>(columns));
  int64_t kept = keptCount(pattern.ratio, columns);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column)
      keys[size_t(column)] = magnitudeKey(values[row * columns + column]);
    keepLargest(keys, kept, mask + row * columns);
  }
}

/// Keeps a value of a group if fewer than n others come before it. Groups are short, so counting
/// every pair is fast, and with a fixed width (`Width` >= m; missing values come last) it
/// vectorizes.
template <int Width>
void maskGroups(const PrunePattern &pattern, int64_t rows, int64_t columns, const float *values,
                uint8_t *mask) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t first = 0; first < columns; first += pattern.m) {
      int64_t count = std::min(pattern.m, columns - first);
      const float *in = values + row * columns + first;
      uint8_t *out = mask + row * columns + first;
      int32_t keys[Width], before[Width] = {};
      std::fill_n(keys, Width, -1);
      for (int64_t i = 0; i < count; ++i)
        keys[i] = magnitudeKey(in[i]);
      // Of equals the first comes before: for j < i that makes "greater" "greater or equal".
      for (int j = 0; j < Width; ++j)
        for (int i = 0; i < Width; ++i)
          before[i] += keys[j] > keys[i] - (j < i);
      for (int64_t i = 0; i < count; ++i)
        out[i] = before[i] < pattern.n;
    }
}

/// Blocks by their L2 norm, over the whole matrix. A block cut off by the edge has fewer weights to
/// lose, and a norm to match.
void maskBlocks(const PrunePattern &pattern, int64_t rows, int64_t columns, const float *values,
                uint8_t *mask) {
  int64_t across = (columns + pattern.blockColumns - 1) / pattern.blockColumns;
  int64_t down = (rows + pattern.blockRows - 1) / pattern.blockRows;
  std::vector<int32_t> keys(size_t(across * down));
  std::vector<double> sums(static_cast<size_t>(across));
  for (int64_t block = 0; block < down; ++block) {
    std::fill(sums.begin(), sums.end(), 0.0);
    int64_t first = block * pattern.blockRows;
    for (int64_t row = first; row < std::min(first + pattern.blockRows, rows); ++row)
      for (int64_t column = 0; column < columns; ++column) {
        double value = values[row * columns + column];
        sums[size_t(column / pattern.blockColumns)] += value * value;
      }
    for (int64_t i = 0; i < across; ++i)
      keys[size_t(block * across + i)] = magnitudeKey(float(std::sqrt(sums[size_t(i)])));
  }
  std::vector<uint8_t> keep(keys.size());
  keepLargest(keys, keptCount(pattern.ratio, int64_t(keys.size())), keep.data());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      mask[row * columns + column] =
          keep[size_t(row / pattern.blockRows * across + column / pattern.blockColumns)];
}

void maskAnyGroups(const PrunePattern &pattern, int64_t rows, int64_t columns, const float *values,
                   uint8_t *mask) {
  auto run = pattern.m <= 4    ? maskGroups<4>
             : pattern.m <= 8  ? maskGroups<8>
             : pattern.m <= 16 ? maskGroups<16>
                               : maskGroups<64>;
  run(pattern, rows, columns, values, mask);
}

} // namespace

std::vector<uint8_t> maskFromScores(const PrunePattern &pattern, int64_t rows, int64_t columns,
                                    absl::Span<const float> scores) {
  std::vector<uint8_t> mask(scores.size(), 1);
  switch (pattern.kind) {
  case PrunePattern::Kind::None:
    break;
  case PrunePattern::Kind::Unstructured:
    maskUnstructured(pattern, rows, columns, scores.data(), mask.data());
    break;
  case PrunePattern::Kind::NM:
    maskAnyGroups(pattern, rows, columns, scores.data(), mask.data());
    break;
  case PrunePattern::Kind::Block:
    maskBlocks(pattern, rows, columns, scores.data(), mask.data());
    break;
  }
  return mask;
}

} // namespace stc
