// Conversions between f32 and the 16-bit floats, round to nearest even, NaN and infinity kept.
#ifndef STC_SUPPORT_FLOAT_H
#define STC_SUPPORT_FLOAT_H

#include <cstdint>
#include <cstring>

namespace stc {

/// The bits of a float, and the float of 32 bits.
inline uint32_t floatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float floatFromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// IEEE binary16 bits to float. Free of branches so that loops over it vectorize, and of denormal
/// arithmetic so that it is fast and right whatever the floating-point mode.
inline float halfToFloat(uint16_t bits) {
  uint32_t magnitude = uint32_t(bits & 0x7FFF) << 13;
  uint32_t subnormal = floatBits(float(int32_t(bits & 0x3FF)) * 0x1p-24f);
  uint32_t normal = magnitude + (112u << 23);
  uint32_t special = magnitude | 0x7F800000;
  uint32_t wide = magnitude < 0x00800000 ? subnormal : magnitude < 0x0F800000 ? normal : special;
  return floatFromBits(wide | uint32_t(bits & 0x8000) << 16);
}
uint16_t floatToHalf(float value);

/// bfloat16 bits to float and back.
inline float bfloat16ToFloat(uint16_t bits) { return floatFromBits(uint32_t(bits) << 16); }
inline uint16_t floatToBfloat16(float value) {
  uint32_t bits = floatBits(value);
  uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  // A NaN whose payload sits in the lower half alone would otherwise turn into infinity.
  uint32_t notANumber = bits >> 16 | ((bits & 0x7F0000) == 0 ? 0x40u : 0u);
  return uint16_t((bits & 0x7FFFFFFF) > 0x7F800000 ? notANumber : rounded);
}

} // namespace stc

#endif // STC_SUPPORT_FLOAT_H
