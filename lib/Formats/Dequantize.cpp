// Decoding of GGUF's quantized blocks, after the block layouts that the GGML format defines.
#include "Dequantize.h"

#include "stc/Support/Float.h"

#include <cmath>
#include <cstring>

namespace stc {

namespace {

float loadHalf(const uint8_t *bytes) { return halfToFloat(uint16_t(bytes[0] | bytes[1] << 8)); }

/// Bit `index` of a little-endian bit field, moved to bit 4: the fifth bit of a 5-bit value.
int fifthBit(const uint8_t *bits, int index) { return (bits[index / 8] >> (index % 8) & 1) << 4; }

// The 32-element blocks: f16 scale [f16 minimum] [4 bytes of fifth bits] values. Four-bit values
// lie two to a byte, element j in the low and element j + 16 in the high half.

bool dequantizeQ8_0(const uint8_t *block, float *out) {
  float scale = loadHalf(block);
  for (int j = 0; j < 32; ++j)
    out[j] = scale * float(int8_t(block[2 + j]));
  return std::isfinite(scale);
}

bool dequantizeQ4_0(const uint8_t *block, float *out) {
  float scale = loadHalf(block);
  const uint8_t *values = block + 2;
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * float((values[j] & 15) - 8);
    out[j + 16] = scale * float((values[j] >> 4) - 8);
  }
  return std::isfinite(scale);
}

bool dequantizeQ4_1(const uint8_t *block, float *out) {
  float scale = loadHalf(block), minimum = loadHalf(block + 2);
  const uint8_t *values = block + 4;
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * float(values[j] & 15) + minimum;
    out[j + 16] = scale * float(values[j] >> 4) + minimum;
  }
  return std::isfinite(scale) && std::isfinite(minimum);
}

bool dequantizeQ5_0(const uint8_t *block, float *out) {
  float scale = loadHalf(block);
  const uint8_t *high = block + 2, *values = block + 6;
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * float(((values[j] & 15) | fifthBit(high, j)) - 16);
    out[j + 16] = scale * float(((values[j] >> 4) | fifthBit(high, j + 16)) - 16);
  }
  return std::isfinite(scale);
}

bool dequantizeQ5_1(const uint8_t *block, float *out) {
  float scale = loadHalf(block), minimum = loadHalf(block + 2);
  const uint8_t *high = block + 4, *values = block + 8;
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * float((values[j] & 15) | fifthBit(high, j)) + minimum;
    out[j + 16] = scale * float((values[j] >> 4) | fifthBit(high, j + 16)) + minimum;
  }
  return std::isfinite(scale) && std::isfinite(minimum);
}

/// The 6-bit scale and minimum of each of the 8 groups of 32 in a Q4_K or Q5_K block, packed in 12
/// bytes: groups 0-3 in the low 6 bits of bytes 0-7, groups 4-7 in the halves of bytes 8-11 with
/// their top two bits above those of groups 0-3.
struct GroupScales {
  uint8_t scale[8], minimum[8];

  explicit GroupScales(const uint8_t *packed) {
    for (int j = 0; j < 4; ++j) {
      scale[j] = packed[j] & 63;
      minimum[j] = packed[j + 4] & 63;
      scale[j + 4] = uint8_t((packed[j + 8] & 15) | packed[j] >> 6 << 4);
      minimum[j + 4] = uint8_t(packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4);
    }
  }
};

// The 256-element blocks. In Q4_K and Q5_K, 32 bytes hold groups 2p (low halves) and 2p + 1 (high
// halves); byte l of Q5_K's fifth bits holds element l of all 8 groups.

template <bool fiveBits> bool dequantizeGroups(const uint8_t *block, float *out) {
  float scale = loadHalf(block), minimum = loadHalf(block + 2);
  GroupScales groups(block + 4);
  const uint8_t *high = block + 16, *values = block + (fiveBits ? 48 : 16);
  for (int group = 0; group < 8; ++group) {
    float groupScale = scale * float(groups.scale[group]);
    float groupMinimum = minimum * float(groups.minimum[group]);
    const uint8_t *bytes = values + group / 2 * 32;
    int shift = group % 2 * 4;
    for (int l = 0; l < 32; ++l) {
      int value = bytes[l] >> shift & 15;
      if (fiveBits)
        value |= (high[l] >> group & 1) << 4;
      out[group * 32 + l] = groupScale * float(value) - groupMinimum;
    }
  }
  return std::isfinite(scale) && std::isfinite(minimum);
}

/// Q6_K: 128 bytes of low halves, 64 of upper bit pairs, 16 signed group scales, an f16 scale. Each
/// half of the block (128 elements) is four runs of 32: runs 0 and 1 take the low halves of 64
/// bytes, runs 2 and 3 the high halves; run r takes bit pair r of each of 32 bytes.
bool dequantizeQ6_K(const uint8_t *block, float *out) {
  float scale = loadHalf(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = block + half * 64, *high = block + 128 + half * 32;
    const uint8_t *scales = block + 192 + half * 8;
    for (int run = 0; run < 4; ++run) {
      const uint8_t *bytes = low + run % 2 * 32;
      for (int l = 0; l < 32; ++l) {
        int value = (bytes[l] >> run / 2 * 4 & 15) | (high[l] >> run * 2 & 3) << 4;
        float groupScale = scale * float(int8_t(scales[run * 2 + l / 16]));
        out[half * 128 + run * 32 + l] = groupScale * float(value - 32);
      }
    }
  }
  return std::isfinite(scale);
}

} // namespace

DequantizeBlock blockDequantizer(DType dtype) {
  switch (dtype) {
  case DType::Q8_0:
    return dequantizeQ8_0;
  case DType::Q4_0:
    return dequantizeQ4_0;
  case DType::Q4_1:
    return dequantizeQ4_1;
  case DType::Q5_0:
    return dequantizeQ5_0;
  case DType::Q5_1:
    return dequantizeQ5_1;
  case DType::Q4_K:
    return dequantizeGroups<false>;
  case DType::Q5_K:
    return dequantizeGroups<true>;
  case DType::Q6_K:
    return dequantizeQ6_K;
  default:
    return nullptr;
  }
}

} // namespace stc
