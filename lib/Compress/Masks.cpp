// Masks that keep what scores highest, in every pattern.
#include "Masks.h"

#include "stc/Compress/Scores.h"
#include "stc/Support/ProcessorClones.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace stc {

namespace {

/// How many keys are `least` or more.
STC_ALWAYS_INLINE int64_t countFrom(int32_t least, const int32_t *keys, int64_t count) {
  constexpr int64_t block = 4096; // counted in 32 bits
  int64_t total = 0;
  for (int64_t begin = 0; begin < count; begin += block) {
    int32_t part = 0;
    for (int64_t i = begin; i < std::min(begin + block, count); ++i)
      part += keys[i] >= least;
    total += part;
  }
  return total;
}

/// Marks the `kept` largest keys, 0 < kept < count. The least of them is found bit by bit: counting
/// passes over a row in cache vectorize and so take a fraction of what partitioning does. Bits that
/// no key has, as the lower half in floats that were bf16, take no pass, and the search ends where
/// exactly as many keys are above as stay.
STC_PROCESSOR_CLONES
void keepLargestOf(const int32_t *keys, int64_t count, int64_t kept, uint8_t *mask) {
  int32_t used = 0, threshold = 0;
  for (int64_t i = 0; i < count; ++i)
    used |= keys[i];
  int64_t from = count; // keys of `threshold` or more
  for (int bit = 30; bit >= 0 && from != kept; --bit) {
    if (!(used >> bit & 1))
      continue;
    int32_t candidate = threshold | int32_t(1) << bit;
    if (int64_t some = countFrom(candidate, keys, count); some >= kept) {
      threshold = candidate;
      from = some;
    }
  }
  for (int64_t i = 0; i < count; ++i)
    mask[i] = keys[i] >= threshold;
  // Of equal ones the last go.
  for (int64_t i = count - 1; from > kept; --i)
    if (keys[i] == threshold) {
      mask[i] = 0;
      --from;
    }
}

} // namespace

void keepLargest(absl::Span<const int32_t> keys, int64_t kept, uint8_t *mask) {
  int64_t count = int64_t(keys.size());
  if (kept <= 0 || kept >= count)
    std::fill_n(mask, count, uint8_t(kept > 0));
  else
    keepLargestOf(keys.data(), count, kept, mask);
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

/// Sixteen keys at once, in whatever registers the target has: whole groups of 2, 4, 8 or 16.
constexpr int kLanes = 16;
using Keys = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
using Bytes = uint8_t __attribute__((vector_size(kLanes)));

/// The lane of the same group of M that is `shift` behind, around the group's end.
constexpr int behind(int lane, int m, int shift) { return lane / m * m + (lane + shift) % m; }

/// Adds to `before`, for each lane, whether the key `Shift` lanes behind comes before its own. Of
/// equals the first does: there "greater" becomes "greater or equal".
template <int M, int Shift, int... Lane>
STC_ALWAYS_INLINE void addBefore(const Keys &keys, Keys &before,
                                 std::integer_sequence<int, Lane...>) {
  Keys others = __builtin_shufflevector(keys, keys, behind(Lane, M, Shift)...);
  Keys earlier = {(behind(Lane, M, Shift) < Lane)...};
  before -= others > keys - earlier;
}

template <int M, int... Shift>
STC_ALWAYS_INLINE void countBefore(const Keys &keys, Keys &before,
                                   std::integer_sequence<int, Shift...>) {
  (addBefore<M, Shift + 1>(keys, before, std::make_integer_sequence<int, kLanes>()), ...);
}

/// The mask of `count` <= kLanes values, the first at the start of a group of M; missing ones come
/// last.
template <int M>
STC_ALWAYS_INLINE void maskLanes(int32_t n, const float *values, int64_t count, uint8_t *mask) {
  Keys keys = Keys{} - 1, before = {};
  if (count == kLanes) {
    std::memcpy(&keys, values, sizeof(keys));
    keys &= 0x7FFFFFFF; // magnitudeKey
  } else {
    for (int64_t i = 0; i < count; ++i)
      keys[i] = magnitudeKey(values[i]);
  }
  countBefore<M>(keys, before, std::make_integer_sequence<int, M - 1>());
  Bytes kept = __builtin_convertvector((before < n) & 1, Bytes);
  std::memcpy(mask, &kept, size_t(count));
}

template <int M>
STC_ALWAYS_INLINE void maskRows(int32_t n, int64_t rows, int64_t columns, const float *values,
                                uint8_t *mask) {
  for (int64_t row = 0; row < rows; ++row, values += columns, mask += columns) {
    int64_t first = 0;
    for (; first + kLanes <= columns; first += kLanes)
      maskLanes<M>(n, values + first, kLanes, mask + first);
    if (first < columns)
      maskLanes<M>(n, values + first, columns - first, mask + first);
  }
}

/// Groups of 2, 4, 8 or 16.
STC_PROCESSOR_CLONES
void maskVectors(int64_t n, int64_t m, int64_t rows, int64_t columns, const float *values,
                 uint8_t *mask) {
  if (m == 2)
    maskRows<2>(int32_t(n), rows, columns, values, mask);
  else if (m == 4)
    maskRows<4>(int32_t(n), rows, columns, values, mask);
  else if (m == 8)
    maskRows<8>(int32_t(n), rows, columns, values, mask);
  else
    maskRows<16>(int32_t(n), rows, columns, values, mask);
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

void maskAnyGroups(const PrunePattern &pattern, int64_t rows, int64_t columns, const float *values,
                   uint8_t *mask) {
  if (pattern.m <= kLanes && kLanes % pattern.m == 0)
    return maskVectors(pattern.n, pattern.m, rows, columns, values, mask);
  auto run = pattern.m <= 8 ? maskGroups<8> : pattern.m <= 16 ? maskGroups<16> : maskGroups<64>;
  run(pattern, rows, columns, values, mask);
}

void maskBlocks(const PrunePattern &pattern, int64_t rows, int64_t columns, const float *values,
                uint8_t *mask) {
  BlockMask blocks(pattern, rows, columns);
  blocks.add(rows, values);
  blocks.fill(0, rows, mask);
}

} // namespace

BlockMask::BlockMask(const PrunePattern &pattern, int64_t rows, int64_t columns)
    : pattern(pattern), rows(rows), columns(columns),
      across((columns + pattern.blockColumns - 1) / pattern.blockColumns),
      sums(size_t(across), 0.0) {}

void BlockMask::add(int64_t count, const float *values) {
  for (int64_t i = 0; i < count; ++i, values += columns) {
    for (int64_t block = 0; block < across; ++block) {
      int64_t first = block * pattern.blockColumns;
      double sum = sums[size_t(block)];
      for (int64_t column = first; column < std::min(first + pattern.blockColumns, columns);
           ++column)
        sum += double(values[column]) * double(values[column]);
      sums[size_t(block)] = sum;
    }
    ++seen;
    if (seen % pattern.blockRows != 0 && seen != rows)
      continue;
    for (double &sum : sums) {
      keys.push_back(magnitudeKey(float(std::sqrt(sum))));
      sum = 0;
    }
  }
  if (seen != rows)
    return;
  keep.resize(keys.size());
  keepLargest(keys, keptCount(pattern.ratio, int64_t(keys.size())), keep.data());
}

void BlockMask::fill(int64_t firstRow, int64_t count, uint8_t *mask) const {
  for (int64_t row = firstRow; row < firstRow + count; ++row, mask += columns)
    for (int64_t block = 0; block < across; ++block) {
      int64_t first = block * pattern.blockColumns;
      std::fill(mask + first, mask + std::min(first + pattern.blockColumns, columns),
                keep[size_t(row / pattern.blockRows * across + block)]);
    }
}

void fillMask(const PrunePattern &pattern, int64_t rows, int64_t columns, const float *scores,
              uint8_t *mask) {
  switch (pattern.kind) {
  case PrunePattern::Kind::None:
    std::fill_n(mask, rows * columns, uint8_t(1));
    break;
  case PrunePattern::Kind::Unstructured:
    maskUnstructured(pattern, rows, columns, scores, mask);
    break;
  case PrunePattern::Kind::NM:
    maskAnyGroups(pattern, rows, columns, scores, mask);
    break;
  case PrunePattern::Kind::Block:
    maskBlocks(pattern, rows, columns, scores, mask);
    break;
  }
}

/// Without a choice, which would be a branch that nobody can predict.
STC_PROCESSOR_CLONES
static void zeroOthersOf(const uint8_t *mask, int64_t count, float *values) {
  for (int64_t i = 0; i < count; ++i)
    values[i] = floatFromBits(floatBits(values[i]) & (0 - uint32_t(mask[i])));
}

void zeroOthers(const uint8_t *mask, int64_t count, float *values) {
  zeroOthersOf(mask, count, values);
}

std::vector<uint8_t> maskFromScores(const PrunePattern &pattern, int64_t rows, int64_t columns,
                                    absl::Span<const float> scores) {
  std::vector<uint8_t> mask(scores.size());
  fillMask(pattern, rows, columns, scores.data(), mask.data());
  return mask;
}

} // namespace stc
