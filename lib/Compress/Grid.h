// The values that the codes of one group can give, and rounding to them.
#ifndef STC_COMPRESS_GRID_H
#define STC_COMPRESS_GRID_H

#include "stc/Compress/Quantize.h"

#include <cstdint>

namespace stc {

/// The longest group there is, but for whole rows.
constexpr int64_t kMaxGroup = 128;

struct CodeRange {
  float lowest, highest;
};

/// Adding and taking away 1.5 * 2^23 rounds a small float to the nearest even integer, with plain
/// additions that every target has. The order of the comparisons turns NaN into `lowest`. Also for
/// vectors; static, because how those are passed differs between targets.
template <typename T> static inline T roundCode(T scaled, T lowest, T highest) {
  constexpr float round = 12582912.0f;
  T code = (scaled + round) - round;
  code = code > lowest ? code : lowest;
  return code < highest ? code : highest;
}

/// How a group is rounded: codes minus the zero are in `range`, and times `scale`, which f16 holds,
/// give weights.
struct Grid {
  float scale = 0;
  CodeRange range = {0, 0};

  /// 1 / scale; a scale of zero makes all codes zero.
  float inverse() const { return scale != 0 ? 1 / scale : 0; }
  /// The code of a weight minus the zero; `inverse` is inverse(), taken once per group.
  float round(float value, float inverse) const {
    return roundCode(value * inverse, range.lowest, range.highest);
  }
  /// The code that means zero, counted from the layout's zero point.
  float zero(int64_t zeroPoint, bool asymmetric) const {
    return asymmetric ? -range.lowest - float(zeroPoint) : 0;
  }
};

/// The grid of a group of `count` <= `group` values, missing ones being zero: the one of least
/// squared error among a few candidates (the whole range among them) and what least squares makes
/// of the best one. `weights`, if not null, says what each squared error counts (>= 0).
Grid chooseGrid(ElementKind element, bool asymmetric, const float *values, const float *weights,
                int64_t count, int64_t group);

/// Rounds values [rows][columns] to the grids of their groups, [rows][groups].
QuantizedMatrix encode(const QuantizeSpec &spec, absl::Span<const Grid> grids, int64_t rows,
                       int64_t columns, absl::Span<const float> values);

} // namespace stc

#endif // STC_COMPRESS_GRID_H
