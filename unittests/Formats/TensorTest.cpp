// Tests of element types and of their conversion to f32: every block type against its definition.
#include "stc/Formats/Encoding.h"

#include "stc/Support/Float.h"
#include "stc/Support/Random.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace stc {
namespace {

using testing::HasSubstr;

using Bytes = std::vector<uint8_t>;

const DType blockTypes[] = {DType::Q8_0,   DType::Q4_0,   DType::Q4_1,  DType::Q5_0, DType::Q5_1,
                            DType::Q2_K,   DType::Q3_K,   DType::Q4_K,  DType::Q5_K, DType::Q6_K,
                            DType::IQ4_NL, DType::IQ4_XS, DType::MXFP4, DType::NVFP4};

double half(const uint8_t *bytes) { return halfToFloat(uint16_t(bytes[0] | bytes[1] << 8)); }

/// The value of element `i` of a block, straight from the definition of its type: one element at a
/// time, in double, with no code in common with the library.
double definition(DType dtype, const uint8_t *b, int i) {
  int group = i / 32, l = i % 32; // of the 256-element types
  auto nibble = [&](const uint8_t *values) {
    return i < 16 ? values[i] % 16 : values[i - 16] / 16;
  };
  auto bit = [](const uint8_t *bits, int index) { return bits[index / 8] / (1 << index % 8) % 2; };
  auto uneven = [](int value) {
    constexpr int values[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                              1,    13,   25,  38,  53,  69,  89,  113};
    return values[value];
  };
  switch (dtype) {
  case DType::Q8_0:
    return half(b) * int8_t(b[2 + i]);
  case DType::Q4_0:
    return half(b) * (nibble(b + 2) - 8);
  case DType::Q4_1:
    return half(b) * nibble(b + 4) + half(b + 2);
  case DType::Q5_0:
    return half(b) * (nibble(b + 6) + 16 * bit(b + 2, i) - 16);
  case DType::Q5_1:
    return half(b) * (nibble(b + 8) + 16 * bit(b + 4, i)) + half(b + 2);
  case DType::Q4_K:
  case DType::Q5_K: {
    const uint8_t *s = b + 4, *values = b + (dtype == DType::Q4_K ? 16 : 48);
    int scale = group < 4 ? s[group] % 64 : s[group + 4] % 16 + s[group - 4] / 64 * 16;
    int minimum = group < 4 ? s[group + 4] % 64 : s[group + 4] / 16 + s[group] / 64 * 16;
    int value = values[group / 2 * 32 + l] / (group % 2 ? 16 : 1) % 16;
    if (dtype == DType::Q5_K)
      value += 16 * (b[16 + l] / (1 << group) % 2);
    return half(b) * scale * value - half(b + 2) * minimum;
  }
  case DType::Q2_K: {
    int value = b[16 + i / 128 * 32 + l] / (1 << 2 * (group % 4)) % 4;
    return half(b + 80) * (b[i / 16] % 16) * value - half(b + 82) * (b[i / 16] / 16);
  }
  case DType::Q3_K: {
    int number = i / 16, value = b[32 + i / 128 * 32 + l] / (1 << 2 * (group % 4)) % 4;
    int low = b[96 + number % 8] / (number < 8 ? 1 : 16) % 16;
    int high = b[104 + number % 4] / (1 << 2 * (number / 4)) % 4;
    int third = b[l] / (1 << group) % 2;
    return half(b + 108) * (low + 16 * high - 32) * (value + 4 * third - 4);
  }
  case DType::IQ4_NL:
    return half(b) * uneven(nibble(b + 2));
  case DType::IQ4_XS: {
    int low = b[4 + group / 2] / (group % 2 ? 16 : 1) % 16;
    int high = (b[2] + 256 * b[3]) / (1 << 2 * group) % 4;
    const uint8_t *values = b + 8 + 16 * group;
    return half(b) * (low + 16 * high - 32) * uneven(l < 16 ? values[l] % 16 : values[l - 16] / 16);
  }
  case DType::MXFP4: {
    int bits = nibble(b + 1), exponent = bits / 2 % 4;
    double value = exponent ? std::ldexp(1 + bits % 2 / 2.0, exponent - 1) : bits % 2 / 2.0;
    return (bits / 8 ? -value : value) * std::ldexp(1.0, b[0] - 127);
  }
  case DType::NVFP4: {
    int own = b[i / 16] % 128, values = b[4 + i / 16 * 8 + i % 8];
    int bits = i % 16 < 8 ? values % 16 : values / 16, exponent = bits / 2 % 4;
    double value = exponent ? std::ldexp(1 + bits % 2 / 2.0, exponent - 1) : bits % 2 / 2.0;
    double scale = own < 8 ? own / 512.0 : std::ldexp(1 + own % 8 / 8.0, own / 8 - 7);
    return (bits / 8 ? -value : value) * (own == 127 ? 0 : scale);
  }
  case DType::Q6_K: {
    int part = i / 128, run = i % 128 / 32;
    int low = b[part * 64 + run % 2 * 32 + l] / (run < 2 ? 1 : 16) % 16;
    int high = b[128 + part * 32 + l] / (1 << 2 * run) % 4;
    return half(b + 208) * int8_t(b[192 + i / 16]) * (low + 16 * high - 32);
  }
  default:
    return std::numeric_limits<double>::quiet_NaN();
  }
}

/// Where a block type keeps its f16 scales.
std::vector<int> scaleOffsets(DType dtype) {
  switch (dtype) {
  case DType::Q6_K:
    return {208};
  case DType::Q2_K:
    return {80, 82};
  case DType::Q3_K:
    return {108};
  case DType::MXFP4:
  case DType::NVFP4:
    return {}; // an exponent, numbers of eight bits
  case DType::Q8_0:
  case DType::Q4_0:
  case DType::Q5_0:
  case DType::IQ4_NL:
  case DType::IQ4_XS:
    return {0};
  default:
    return {0, 2};
  }
}

void setHalf(Bytes &bytes, size_t at, float value) {
  uint16_t bits = floatToHalf(value);
  bytes[at] = uint8_t(bits);
  bytes[at + 1] = uint8_t(bits >> 8);
}

Bytes randomBlocks(DType dtype, int64_t count, uint64_t seed) {
  Random random(seed);
  int64_t size = dtypeBlockBytes(dtype);
  Bytes bytes(size_t(count * size));
  for (uint8_t &byte : bytes)
    byte = uint8_t(random.next());
  for (int64_t block = 0; block < count; ++block) {
    for (int offset : scaleOffsets(dtype))
      setHalf(bytes, size_t(block * size + offset), float(random.normal()));
    if (dtype == DType::MXFP4)
      bytes[size_t(block * size)] = uint8_t(120 + random.next() % 10);
  }
  return bytes;
}

TEST(Tensor, typesHaveTheirSizes) {
  struct {
    DType dtype;
    absl::string_view name;
    int64_t elements, bytes;
  } cases[] = {
      {DType::F64, "F64", 1, 8},         {DType::F32, "F32", 1, 4},
      {DType::F16, "F16", 1, 2},         {DType::BF16, "BF16", 1, 2},
      {DType::I64, "I64", 1, 8},         {DType::I32, "I32", 1, 4},
      {DType::I16, "I16", 1, 2},         {DType::I8, "I8", 1, 1},
      {DType::U8, "U8", 1, 1},           {DType::Bool, "BOOL", 1, 1},
      {DType::Q8_0, "Q8_0", 32, 34},     {DType::Q4_0, "Q4_0", 32, 18},
      {DType::Q4_1, "Q4_1", 32, 20},     {DType::Q5_0, "Q5_0", 32, 22},
      {DType::Q5_1, "Q5_1", 32, 24},     {DType::Q4_K, "Q4_K", 256, 144},
      {DType::Q5_K, "Q5_K", 256, 176},   {DType::Q6_K, "Q6_K", 256, 210},
      {DType::F8E4M3, "F8_E4M3", 1, 1},  {DType::F8E8M0, "F8_E8M0", 1, 1},
      {DType::Q2_K, "Q2_K", 256, 84},    {DType::Q3_K, "Q3_K", 256, 110},
      {DType::IQ4_NL, "IQ4_NL", 32, 18}, {DType::IQ4_XS, "IQ4_XS", 256, 136},
      {DType::MXFP4, "MXFP4", 32, 17},   {DType::NVFP4, "NVFP4", 64, 36},
      {DType::F8E5M2, "F8_E5M2", 1, 1},
  };
  for (const auto &test : cases) {
    EXPECT_EQ(dtypeName(test.dtype), test.name);
    EXPECT_EQ(dtypeBlockElements(test.dtype), test.elements) << test.name;
    EXPECT_EQ(dtypeBlockBytes(test.dtype), test.bytes) << test.name;
  }
}

TEST(Tensor, bytesOfAShapeAreCheckedForOverflow) {
  EXPECT_EQ(*tensorBytes(DType::F32, {}, {}), 4u);
  EXPECT_EQ(*tensorBytes(DType::F32, {3, 5}, {}), 60u);
  EXPECT_EQ(*tensorBytes(DType::BF16, {3, 0}, {}), 0u);
  EXPECT_EQ(*tensorBytes(DType::Q4_0, {3, 64}, {}), 108u);
  int64_t huge = int64_t(1) << 62;
  EXPECT_FALSE(tensorBytes(DType::F32, {huge}, {}).ok());
  EXPECT_FALSE(tensorBytes(DType::U8, {huge, 2}, {}).ok());
  EXPECT_FALSE(tensorBytes(DType::U8, {huge, huge, 0}, {}).ok());
  EXPECT_FALSE(tensorBytes(DType::F32, {-1}, {}).ok());
  EXPECT_FALSE(tensorBytes(DType::Q4_0, {64, 3}, {}).ok());
  EXPECT_FALSE(tensorBytes(DType::Q4_K, {4, 64}, {}).ok()); // 256 elements, but rows of 64
  EXPECT_FALSE(tensorBytes(DType::Q8_0, {}, {}).ok());
}

TEST(Tensor, plainTypesConvertExactly) {
  // All 16-bit patterns, at an odd address, for nothing promises alignment in a file.
  Bytes bytes(1 + 65536 * 2);
  for (uint32_t i = 0; i < 65536; ++i) {
    bytes[1 + 2 * i] = uint8_t(i);
    bytes[2 + 2 * i] = uint8_t(i >> 8);
  }
  std::vector<float> out(65536);
  for (DType dtype : {DType::F16, DType::BF16}) {
    TensorView view{"t", dtype, {65536}, absl::MakeConstSpan(bytes).subspan(1)};
    ASSERT_TRUE(readFloats(view, 0, absl::MakeSpan(out)).ok());
    for (uint32_t i = 0; i < 65536; ++i) {
      float expected =
          dtype == DType::F16 ? halfToFloat(uint16_t(i)) : bfloat16ToFloat(uint16_t(i));
      ASSERT_EQ(floatBits(out[i]), floatBits(expected)) << i;
    }
  }
  double doubles[] = {0.1, -1e-50, 1e300, 3};
  Bytes wide(reinterpret_cast<uint8_t *>(doubles), reinterpret_cast<uint8_t *>(doubles + 4));
  std::vector<float> four(4);
  ASSERT_TRUE(readFloats({"t", DType::F64, {4}, wide}, 0, absl::MakeSpan(four)).ok());
  EXPECT_EQ(four[0], 0.1f);
  EXPECT_EQ(four[1], 0.f);
  EXPECT_EQ(four[3], 3.f);
  float singles[] = {1, 2, 3, 4};
  Bytes narrow(reinterpret_cast<uint8_t *>(singles), reinterpret_cast<uint8_t *>(singles + 4));
  ASSERT_TRUE(
      readFloats({"t", DType::F32, {2, 2}, narrow}, 1, absl::MakeSpan(four).subspan(0, 3)).ok());
  EXPECT_EQ(four[0], 2);
  EXPECT_EQ(four[2], 4);
}

TEST(Tensor, blocksConvertAsDefined) {
  for (DType dtype : blockTypes) {
    constexpr int64_t count = 40;
    int64_t elements = dtypeBlockElements(dtype), size = dtypeBlockBytes(dtype);
    Bytes bytes = randomBlocks(dtype, count, uint64_t(dtype));
    TensorView view{"t", dtype, {count, elements}, bytes};
    std::vector<float> out(size_t(count * elements));
    ASSERT_TRUE(readFloats(view, 0, absl::MakeSpan(out)).ok());
    double nonZero = 0;
    for (int64_t i = 0; i < count * elements; ++i) {
      double expected = definition(dtype, &bytes[size_t(i / elements * size)], int(i % elements));
      // Three roundings to float at most, of terms no larger than 64 * 64 * 31.
      ASSERT_NEAR(out[size_t(i)], expected, 1e-6 * (std::fabs(expected) + 600))
          << dtypeName(dtype) << " element " << i;
      nonZero += expected != 0;
    }
    EXPECT_GT(nonZero, 0.8 * double(out.size())) << dtypeName(dtype);
  }
}

TEST(Tensor, eightBitFloatsConvertAsDefined) {
  // Table 1 of Micikevicius et al. 2022: the largest is 448, the smallest normal 2^-6, the smallest
  // of all 2^-9, and all ones but the sign are not a number.
  Bytes bytes(256);
  std::iota(bytes.begin(), bytes.end(), uint8_t(0));
  std::vector<float> out(256);
  ASSERT_TRUE(readFloats({"t", DType::F8E4M3, {256}, bytes}, 0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[0x7E], 448);
  EXPECT_EQ(out[0x08], std::ldexp(1.0f, -6));
  EXPECT_EQ(out[0x01], std::ldexp(1.0f, -9));
  EXPECT_EQ(out[0x38], 1);
  EXPECT_EQ(out[0x39], 1.125f);
  EXPECT_EQ(out[0x00], 0);
  EXPECT_TRUE(std::isnan(out[0x7F]) && std::isnan(out[0xFF]));
  for (int i = 0; i < 0x7E; ++i) {
    EXPECT_LT(out[i], out[i + 1]);
    EXPECT_EQ(out[i + 128], -out[i]);
  }
}

TEST(Tensor, eightBitFloatsWithFiveBitsOfExponentConvertAsDefined) {
  // The same table: the largest is 57344, the smallest normal 2^-14, the smallest of all 2^-16.
  Bytes bytes(256);
  std::iota(bytes.begin(), bytes.end(), uint8_t(0));
  std::vector<float> out(256);
  ASSERT_TRUE(readFloats({"t", DType::F8E5M2, {256}, bytes}, 0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[0x7B], 57344);
  EXPECT_EQ(out[0x04], std::ldexp(1.0f, -14));
  EXPECT_EQ(out[0x01], std::ldexp(1.0f, -16));
  EXPECT_EQ(out[0x3C], 1);
  EXPECT_EQ(out[0x3D], 1.25f);
  EXPECT_TRUE(std::isinf(out[0x7C]) && std::isinf(out[0xFC]));
  EXPECT_TRUE(std::isnan(out[0x7D]) && std::isnan(out[0xFF]));
  for (int i = 0; i < 0x7B; ++i) {
    EXPECT_LT(out[i], out[i + 1]);
    EXPECT_EQ(out[i + 128], -out[i]);
  }
}

TEST(Tensor, powersOfTwoConvertAsDefined) {
  // Section 5.4.1 of the OCP Microscaling Formats specification: a bias of 127, no infinity.
  Bytes bytes = {0, 126, 127, 128, 254, 255};
  std::vector<float> out(6);
  ASSERT_TRUE(readFloats({"t", DType::F8E8M0, {6}, bytes}, 0, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out[0], std::ldexp(1.0f, -127));
  EXPECT_EQ(out[1], 0.5f);
  EXPECT_EQ(out[2], 1);
  EXPECT_EQ(out[3], 2);
  EXPECT_EQ(out[4], std::ldexp(1.0f, 127));
  EXPECT_TRUE(std::isnan(out[5]));
}

TEST(Tensor, codesOfBlocksHaveTheirValues) {
  for (DType dtype : blockTypes) {
    int64_t elements = dtypeBlockElements(dtype);
    Bytes bytes = randomBlocks(dtype, 12, 5);
    TensorView view{"t", dtype, {4, 3 * elements}, bytes};
    std::vector<float> values(size_t(12 * elements));
    ASSERT_TRUE(readFloats(view, 0, absl::MakeSpan(values)).ok());
    ASSERT_TRUE(isCoded(view)) << dtypeName(dtype);
    absl::StatusOr<CodedMatrix> codes = readCodes(view);
    ASSERT_TRUE(codes.ok()) << dtypeName(dtype);
    bool isShort = dtype == DType::Q2_K || dtype == DType::Q3_K || dtype == DType::Q6_K ||
                   dtype == DType::NVFP4;
    EXPECT_EQ(codes->group, isShort ? 16 : 32) << dtypeName(dtype);
    bool hasMinimums = dtype == DType::Q4_1 || dtype == DType::Q5_1 || dtype == DType::Q2_K ||
                       dtype == DType::Q4_K || dtype == DType::Q5_K;
    EXPECT_EQ(codes->minimums.size(), hasMinimums ? codes->scales.size() : 0) << dtypeName(dtype);
    EXPECT_EQ(int64_t(codes->scales.size()), codes->rows * codes->groups()) << dtypeName(dtype);
    for (int code : codes->codes) {
      ASSERT_GE(code, -(1 << (codes->bits - 1))) << dtypeName(dtype);
      ASSERT_LT(code, 1 << (codes->bits - 1)) << dtypeName(dtype);
    }
    EXPECT_EQ(decode(*codes), values) << dtypeName(dtype);
  }
  Bytes bytes(64);
  EXPECT_FALSE(isCoded({"t", DType::F16, {4, 8}, bytes}));
  EXPECT_FALSE(isCoded({"t", DType::Q8_0, {32}, bytes})); // a vector
}

TEST(Tensor, scalesOfMicroscalingBlocksAreNumbers) {
  Bytes block(17);
  block[0] = 255;
  std::vector<float> out(32);
  absl::Status status = readFloats({"w", DType::MXFP4, {32}, block}, 0, absl::MakeSpan(out));
  EXPECT_THAT(std::string(status.message()), HasSubstr("finite scales in every MXFP4 block"));
}

TEST(Tensor, partsOfATensorCanBeRead) {
  for (DType dtype : blockTypes) {
    int64_t elements = dtypeBlockElements(dtype);
    Bytes bytes = randomBlocks(dtype, 6, 9);
    TensorView view{"t", dtype, {6 * elements}, bytes};
    std::vector<float> all(size_t(6 * elements)), part(size_t(elements + elements / 2 + 1), -1e9f);
    ASSERT_TRUE(readFloats(view, 0, absl::MakeSpan(all)).ok());
    ASSERT_TRUE(readFloats(view, 2 * elements, absl::MakeSpan(part)).ok());
    for (size_t i = 0; i < part.size(); ++i)
      ASSERT_EQ(part[i], all[size_t(2 * elements) + i]) << dtypeName(dtype) << i;
    EXPECT_TRUE(readFloats(view, 6 * elements, {}).ok());
  }
}

TEST(Tensor, wrongRequestsAreErrors) {
  Bytes bytes(144);
  float room[300] = {};
  TensorView view{"t", DType::Q4_K, {1, 256}, bytes};
  auto read = [&](int64_t first, size_t count) {
    return readFloats(view, first, absl::MakeSpan(room, count));
  };
  EXPECT_TRUE(read(0, 256).ok());
  EXPECT_FALSE(read(0, 257).ok());
  EXPECT_FALSE(read(1, 8).ok());
  EXPECT_FALSE(read(-256, 8).ok());
  EXPECT_FALSE(read(256, 1).ok());
  EXPECT_FALSE(read(int64_t(1) << 62, 1).ok());
  view.shape = {2, 256}; // more than the bytes hold
  EXPECT_FALSE(read(0, 256).ok());
  for (DType dtype : {DType::I64, DType::I32, DType::I16, DType::I8, DType::U8, DType::Bool}) {
    TensorView integers{"ids", dtype, {8}, bytes};
    absl::Status status = readFloats(integers, 0, absl::MakeSpan(room, 8));
    EXPECT_EQ(status.message(), "ids: expected a float type, got " + std::string(dtypeName(dtype)));
  }
}

TEST(Tensor, scalesThatAreNoNumbersAreRefused) {
  for (DType dtype : blockTypes) {
    int64_t elements = dtypeBlockElements(dtype), size = dtypeBlockBytes(dtype);
    for (int offset : scaleOffsets(dtype)) {
      for (float bad :
           {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
            std::numeric_limits<float>::quiet_NaN()}) {
        Bytes bytes = randomBlocks(dtype, 3, 5);
        setHalf(bytes, size_t(2 * size + offset), bad);
        TensorView view{"w", dtype, {3, elements}, bytes, "m.gguf", 0x100};
        std::vector<float> out(size_t(3 * elements));
        absl::Status status = readFloats(view, 0, absl::MakeSpan(out));
        ASSERT_FALSE(status.ok()) << dtypeName(dtype);
        EXPECT_THAT(std::string(status.message()), HasSubstr("m.gguf: w @0x"));
        EXPECT_THAT(std::string(status.message()), HasSubstr("finite scales"));
        EXPECT_TRUE(readFloats(view, 0, absl::MakeSpan(out).subspan(0, size_t(elements))).ok());
      }
    }
  }
}

} // namespace
} // namespace stc
