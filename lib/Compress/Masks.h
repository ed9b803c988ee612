// Choosing the largest of many scores, for all who make masks.
#ifndef STC_COMPRESS_MASKS_H
#define STC_COMPRESS_MASKS_H

#include "stc/Support/Float.h"

#include "absl/types/span.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace stc {

/// Magnitudes as integers that order alike: with the sign bit cleared, a float's bits grow with it.
inline int32_t magnitudeKey(float value) { return int32_t(floatBits(value) & 0x7FFFFFFF); }

/// How many of `count` stay when `ratio` of them go.
inline int64_t keptCount(double ratio, int64_t count) {
  return std::clamp<int64_t>(std::llround((1 - ratio) * double(count)), 0, count);
}

/// Marks the `kept` largest of `keys` (none negative), of equal ones the first.
void keepLargest(absl::Span<const int32_t> keys, int64_t kept, uint8_t *mask);

} // namespace stc

#endif // STC_COMPRESS_MASKS_H
