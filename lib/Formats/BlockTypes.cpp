// GGUF's block types, after the block layouts that the GGML format defines (ggml-common.h).
#include "BlockTypes.h"

#include "Microscaling.h"
#include "stc/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace stc {

namespace {

float loadHalf(const uint8_t *bytes) { return halfToFloat(uint16_t(bytes[0] | bytes[1] << 8)); }

/// Bit `index` of a little-endian bit field, moved to bit 4: the fifth bit of a 5-bit value.
int fifthBit(const uint8_t *bits, int index) { return (bits[index / 8] >> (index % 8) & 1) << 4; }

//===----------------------------------------------------------------------===//
// Blocks of 32 elements
//===----------------------------------------------------------------------===//
// f16 scale [f16 minimum] [4 bytes of fifth bits] values. Four-bit values lie two to a byte,
// element j in the low and element j + 16 in the high half. A minimum is added to the products.

template <typename Convert>
void readNibbles(const uint8_t *values, int8_t *codes, Convert convert) {
  for (int j = 0; j < 16; ++j) {
    codes[j] = int8_t(convert(values[j] & 15, j));
    codes[j + 16] = int8_t(convert(values[j] >> 4, j + 16));
  }
}

bool readQ8_0(const uint8_t *block, BlockCodes &out) {
  out.scales[0] = loadHalf(block);
  std::memcpy(out.codes, block + 2, 32);
  return std::isfinite(out.scales[0]);
}

bool readQ4_0(const uint8_t *block, BlockCodes &out) {
  out.scales[0] = loadHalf(block);
  readNibbles(block + 2, out.codes, [](int value, int) { return value - 8; });
  return std::isfinite(out.scales[0]);
}

bool readQ4_1(const uint8_t *block, BlockCodes &out) {
  out.scales[0] = loadHalf(block);
  out.minimums[0] = -loadHalf(block + 2);
  readNibbles(block + 4, out.codes, [](int value, int) { return value; });
  return std::isfinite(out.scales[0]) && std::isfinite(out.minimums[0]);
}

bool readQ5_0(const uint8_t *block, BlockCodes &out) {
  out.scales[0] = loadHalf(block);
  const uint8_t *high = block + 2;
  readNibbles(block + 6, out.codes,
              [&](int value, int j) { return (value | fifthBit(high, j)) - 16; });
  return std::isfinite(out.scales[0]);
}

bool readQ5_1(const uint8_t *block, BlockCodes &out) {
  out.scales[0] = loadHalf(block);
  out.minimums[0] = -loadHalf(block + 2);
  const uint8_t *high = block + 4;
  readNibbles(block + 8, out.codes, [&](int value, int j) { return value | fifthBit(high, j); });
  return std::isfinite(out.scales[0]) && std::isfinite(out.minimums[0]);
}

/// What the values of IQ4_NL and IQ4_XS stand for (`kvalues_iq4nl`): dense around zero.
constexpr int8_t unevenValues[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

bool readIQ4_NL(const uint8_t *block, BlockCodes &out) {
  out.scales[0] = loadHalf(block);
  readNibbles(block + 2, out.codes, [](int value, int) { return unevenValues[value]; });
  return std::isfinite(out.scales[0]);
}

/// An E8M0 scale, and E2M1 values that become codes of twice the value.
bool readMXFP4(const uint8_t *block, BlockCodes &out) {
  out.scales[0] = 0.5f * float8E8M0ToFloat(block[0]);
  readNibbles(block + 1, out.codes, [](int value, int) { return twiceFloat4(uint8_t(value)); });
  return std::isfinite(out.scales[0]);
}

/// Four scales of 16 elements, E4M3 numbers without a sign (the highest bit means nothing, and NaN
/// is 0), then E2M1 values of each group, element j in the low and element j + 8 in the high half.
bool readNVFP4(const uint8_t *block, BlockCodes &out) {
  for (int group = 0; group < 4; ++group) {
    int bits = block[group] & 0x7F, exponent = bits >> 3, mantissa = bits & 7;
    float scale =
        exponent ? std::ldexp(float(8 + mantissa), exponent - 10) : std::ldexp(float(mantissa), -9);
    out.scales[group] = bits == 0x7F ? 0 : 0.5f * scale;
    const uint8_t *values = block + 4 + group * 8;
    for (int j = 0; j < 8; ++j) {
      out.codes[group * 16 + j] = twiceFloat4(values[j] & 15);
      out.codes[group * 16 + j + 8] = twiceFloat4(values[j] >> 4);
    }
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Blocks of 256 elements: an f16 scale of the scales of 8 or 16 groups
//===----------------------------------------------------------------------===//

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

/// In Q4_K and Q5_K, 32 bytes hold groups 2p (low halves) and 2p + 1 (high halves); byte l of
/// Q5_K's fifth bits holds element l of all 8 groups.
template <bool fiveBits> bool readGroups(const uint8_t *block, BlockCodes &out) {
  float scale = loadHalf(block), minimum = loadHalf(block + 2);
  GroupScales groups(block + 4);
  const uint8_t *high = block + 16, *values = block + (fiveBits ? 48 : 16);
  for (int group = 0; group < 8; ++group) {
    out.scales[group] = scale * float(groups.scale[group]);
    out.minimums[group] = minimum * float(groups.minimum[group]);
    const uint8_t *bytes = values + group / 2 * 32;
    int shift = group % 2 * 4;
    for (int l = 0; l < 32; ++l) {
      int value = bytes[l] >> shift & 15;
      if (fiveBits)
        value |= (high[l] >> group & 1) << 4;
      out.codes[group * 32 + l] = int8_t(value);
    }
  }
  return std::isfinite(scale) && std::isfinite(minimum);
}

/// Calls `code(half, run, l)` for each element: a half of the block (128 elements) is four runs of
/// 32, of which run r takes bit pair r of each of 32 bytes.
template <typename Code> void readRuns(BlockCodes &out, Code code) {
  for (int half = 0; half < 2; ++half)
    for (int run = 0; run < 4; ++run)
      for (int l = 0; l < 32; ++l)
        out.codes[half * 128 + run * 32 + l] = int8_t(code(half, run, l));
}

/// 16 bytes of a 4-bit scale below a 4-bit minimum, 64 of bit pairs, f16 scale, f16 minimum.
bool readQ2_K(const uint8_t *block, BlockCodes &out) {
  float scale = loadHalf(block + 80), minimum = loadHalf(block + 82);
  for (int group = 0; group < 16; ++group) {
    out.scales[group] = scale * float(block[group] & 15);
    out.minimums[group] = minimum * float(block[group] >> 4);
  }
  readRuns(out, [&](int half, int run, int l) { return block[16 + half * 32 + l] >> run * 2 & 3; });
  return std::isfinite(scale) && std::isfinite(minimum);
}

/// 32 bytes of third bits (bit i of byte l is run i's element l, clear for 4 less), 64 of bit
/// pairs, 12 of 6-bit scales with an offset of 32, f16 scale. The low halves of scales 0-7 and 8-15
/// are those of bytes 0-7, the upper bit pairs of scales 4p..4p + 3 are bit pair p of bytes 8-11.
bool readQ3_K(const uint8_t *block, BlockCodes &out) {
  float scale = loadHalf(block + 108);
  const uint8_t *packed = block + 96;
  for (int group = 0; group < 16; ++group) {
    int low = packed[group % 8] >> group / 8 * 4 & 15;
    int high = packed[8 + group % 4] >> group / 4 * 2 & 3;
    out.scales[group] = scale * float((low | high << 4) - 32);
  }
  readRuns(out, [&](int half, int run, int l) {
    int third = block[l] >> (half * 4 + run) & 1;
    return (block[32 + half * 32 + l] >> run * 2 & 3) - (third ? 0 : 4);
  });
  return std::isfinite(scale);
}

/// Q6_K: 128 bytes of low halves, 64 of upper bit pairs, 16 signed group scales, an f16 scale. Runs
/// 0 and 1 of a half take the low halves of 64 bytes, runs 2 and 3 the high halves.
bool readQ6_K(const uint8_t *block, BlockCodes &out) {
  float scale = loadHalf(block + 208);
  for (int group = 0; group < 16; ++group)
    out.scales[group] = scale * float(int8_t(block[192 + group]));
  readRuns(out, [&](int half, int run, int l) {
    int low = block[half * 64 + run % 2 * 32 + l] >> run / 2 * 4 & 15;
    return (low | (block[128 + half * 32 + l] >> run * 2 & 3) << 4) - 32;
  });
  return std::isfinite(scale);
}

/// f16 scale, 16 upper bit pairs and 8 low halves of scales with an offset of 32, then the values
/// of each group as in a block of 32 elements.
bool readIQ4_XS(const uint8_t *block, BlockCodes &out) {
  float scale = loadHalf(block);
  int high = block[2] | block[3] << 8;
  for (int group = 0; group < 8; ++group) {
    int low = block[4 + group / 2] >> group % 2 * 4 & 15;
    out.scales[group] = scale * float((low | (high >> group * 2 & 3) << 4) - 32);
    readNibbles(block + 8 + group * 16, out.codes + group * 32,
                [](int value, int) { return unevenValues[value]; });
  }
  return std::isfinite(scale);
}

} // namespace

const BlockType *findBlockType(DType dtype) {
  // Codes that are not signed take one more bit than is stored.
  static constexpr std::pair<DType, BlockType> types[] = {
      {DType::Q8_0, {32, 8, false, readQ8_0}},
      {DType::Q4_0, {32, 4, false, readQ4_0}},
      {DType::Q4_1, {32, 5, true, readQ4_1}},
      {DType::Q5_0, {32, 5, false, readQ5_0}},
      {DType::Q5_1, {32, 6, true, readQ5_1}},
      {DType::Q2_K, {16, 3, true, readQ2_K}},
      {DType::Q3_K, {16, 3, false, readQ3_K}},
      {DType::Q4_K, {32, 5, true, readGroups<false>}},
      {DType::Q5_K, {32, 6, true, readGroups<true>}},
      {DType::Q6_K, {16, 6, false, readQ6_K}},
      {DType::IQ4_NL, {32, 8, false, readIQ4_NL}},
      {DType::IQ4_XS, {32, 8, false, readIQ4_XS}},
      {DType::MXFP4, {32, 5, false, readMXFP4}},
      {DType::NVFP4, {16, 5, false, readNVFP4}},
  };
  for (const auto &[known, type] : types)
    if (known == dtype)
      return &type;
  return nullptr;
}

void dequantize(const BlockType &type, const BlockCodes &block, int64_t count, float *out) {
  for (int64_t first = 0, group = 0; first < count; first += type.group, ++group) {
    float scale = block.scales[group];
    float minimum = type.hasMinimums ? block.minimums[group] : 0;
    for (int64_t i = first; i < std::min(count, first + type.group); ++i)
      out[i] = scale * float(block.codes[i]) - minimum;
  }
}

} // namespace stc
