// Conversion from f32 to IEEE binary16, round to nearest even.
#include "stc/Support/Float.h"

namespace stc {

uint16_t floatToHalf(float value) {
  uint32_t bits = floatBits(value);
  uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) {
    uint16_t payload = uint16_t(magnitude >> 13 & 0x3FF);
    return uint16_t(sign | 0x7C00 | (payload ? payload : 0x200));
  }
  // 65520 is halfway between the largest half and the next power of two: it rounds to infinity.
  if (magnitude >= 0x477FF000)
    return uint16_t(sign | 0x7C00);
  uint32_t exponent = magnitude >> 23;
  if (exponent >= 113) {
    uint32_t rebased = magnitude - (112u << 23);
    return uint16_t(sign | (rebased + 0xFFF + (rebased >> 13 & 1)) >> 13);
  }
  if (exponent < 102)
    return sign; // below half of the smallest subnormal
  uint32_t mantissa = (magnitude & 0x7FFFFF) | 0x800000;
  uint32_t shift = 126 - exponent;
  uint32_t kept = mantissa >> shift, rest = mantissa & ((1u << shift) - 1),
           half = 1u << (shift - 1);
  kept += rest > half || (rest == half && (kept & 1));
  return uint16_t(sign | kept);
}

} // namespace stc
