// The number types of the OCP Microscaling Formats (MX) specification, version 1.0 (2023).
#ifndef STC_LIB_FORMATS_MICROSCALING_H
#define STC_LIB_FORMATS_MICROSCALING_H

#include <cmath>
#include <cstdint>
#include <limits>

namespace stc {

/// Twice the value of an E2M1 (FP4) number in the low four bits, which is whole: the magnitudes are
/// 0, 0.5, 1, 1.5, 2, 3, 4 and 6, and the highest bit is the sign. -0 becomes 0.
inline int8_t twiceFloat4(uint8_t bits) {
  constexpr int8_t magnitudes[] = {0, 1, 2, 3, 4, 6, 8, 12};
  int8_t magnitude = magnitudes[bits & 7];
  return bits & 8 ? int8_t(-magnitude) : magnitude;
}

/// An E8M0 number: 2^(bits - 127), the scale of 32 elements. 255 is NaN.
inline float float8E8M0ToFloat(uint8_t bits) {
  return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, bits - 127);
}

} // namespace stc

#endif // STC_LIB_FORMATS_MICROSCALING_H
