// Choosing the largest of many scores, for all who make masks.
#ifndef STC_COMPRESS_MASKS_H
#define STC_COMPRESS_MASKS_H

#include "stc/Compress/Prune.h"
#include "stc/Support/Float.h"

#include "absl/types/span.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace stc {

/// Magnitudes as integers that order alike: with the sign bit cleared, a float's bits grow with it.
inline int32_t magnitudeKey(float value) { return int32_t(floatBits(value) & 0x7FFFFFFF); }

/// How many of `count` stay when `ratio` of them go.
inline int64_t keptCount(double ratio, int64_t count) {
  return std::clamp<int64_t>(std::llround((1 - ratio) * double(count)), 0, count);
}

/// Marks the `kept` largest of `keys` (none negative), of equal ones the first.
void keepLargest(absl::Span<const int32_t> keys, int64_t kept, uint8_t *mask);

/// The mask that maskFromScores (Scores.h) returns.
void fillMask(const PrunePattern &pattern, int64_t rows, int64_t columns, const float *scores,
              uint8_t *mask);

/// Makes zeros of the values that a mask does not mark with 1.
void zeroOthers(const uint8_t *mask, int64_t count, float *values);

/// The mask of a matrix in blocks, of those of largest L2 norm. A block cut off by the edge has
/// fewer weights to lose, and a norm to match.
class BlockMask {
public:
  BlockMask(const PrunePattern &pattern, int64_t rows, int64_t columns);
  /// The next rows. All have to come before the mask is known.
  void add(int64_t count, const float *values);
  /// The mask of some rows.
  void fill(int64_t firstRow, int64_t count, uint8_t *mask) const;

private:
  PrunePattern pattern;
  int64_t rows, columns, across, seen = 0;
  std::vector<double> sums; // of squares, of the blocks that are not complete
  std::vector<int32_t> keys;
  std::vector<uint8_t> keep; // by block
};

} // namespace stc

#endif // STC_COMPRESS_MASKS_H
