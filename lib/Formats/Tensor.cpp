// Element types of stored tensors and the conversion of all of them to f32.
#include "stc/Formats/Tensor.h"

#include "BlockTypes.h"
#include "Microscaling.h"
#include "stc/Formats/Encoding.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace stc {

namespace {

struct DTypeRow {
  DType dtype;
  absl::string_view name;
  int64_t blockElements, blockBytes;
  bool isFloat;
};

constexpr DTypeRow table[] = {
    {DType::F64, "F64", 1, 8, true},         {DType::F32, "F32", 1, 4, true},
    {DType::F16, "F16", 1, 2, true},         {DType::BF16, "BF16", 1, 2, true},
    {DType::I64, "I64", 1, 8, false},        {DType::I32, "I32", 1, 4, false},
    {DType::I16, "I16", 1, 2, false},        {DType::I8, "I8", 1, 1, false},
    {DType::U8, "U8", 1, 1, false},          {DType::Bool, "BOOL", 1, 1, false},
    {DType::Q8_0, "Q8_0", 32, 34, true},     {DType::Q4_0, "Q4_0", 32, 18, true},
    {DType::Q4_1, "Q4_1", 32, 20, true},     {DType::Q5_0, "Q5_0", 32, 22, true},
    {DType::Q5_1, "Q5_1", 32, 24, true},     {DType::Q4_K, "Q4_K", 256, 144, true},
    {DType::Q5_K, "Q5_K", 256, 176, true},   {DType::Q6_K, "Q6_K", 256, 210, true},
    {DType::F8E4M3, "F8_E4M3", 1, 1, true},  {DType::F8E8M0, "F8_E8M0", 1, 1, true},
    {DType::Q2_K, "Q2_K", 256, 84, true},    {DType::Q3_K, "Q3_K", 256, 110, true},
    {DType::IQ4_NL, "IQ4_NL", 32, 18, true}, {DType::IQ4_XS, "IQ4_XS", 256, 136, true},
    {DType::MXFP4, "MXFP4", 32, 17, true},   {DType::NVFP4, "NVFP4", 64, 36, true},
    {DType::F8E5M2, "F8_E5M2", 1, 1, true},
};

const DTypeRow &row(DType dtype) { return table[size_t(dtype)]; }

/// Loads through memcpy, since nothing promises alignment inside a file.
template <typename Stored, typename Convert>
void convertPlain(const uint8_t *bytes, absl::Span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, bytes + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(value);
  }
}

/// Sign, four bits of exponent with bias 7 and three of mantissa.
float float8ToFloat(uint8_t bits) {
  int exponent = bits >> 3 & 15, mantissa = bits & 7;
  if ((bits & 0x7F) == 0x7F)
    return std::numeric_limits<float>::quiet_NaN();
  float magnitude =
      exponent ? std::ldexp(float(8 + mantissa), exponent - 10) : std::ldexp(float(mantissa), -9);
  return bits & 0x80 ? -magnitude : magnitude;
}

absl::Status readBlocks(const TensorView &tensor, int64_t first, absl::Span<float> out) {
  const DTypeRow &type = row(tensor.dtype);
  const BlockType &layout = *findBlockType(tensor.dtype);
  int64_t block = first / type.blockElements;
  for (size_t at = 0; at < out.size(); at += size_t(type.blockElements), ++block) {
    const uint8_t *bytes = tensor.bytes.data() + block * type.blockBytes;
    size_t wanted = std::min(out.size() - at, size_t(type.blockElements));
    BlockCodes codes;
    if (!layout.read(bytes, codes))
      return formatError({std::string(tensor.file), tensor.name,
                          tensor.offset + uint64_t(block * type.blockBytes)},
                         absl::StrCat("finite scales in every ", type.name, " block"),
                         "NaN or infinity");
    float own = ownScaleOf(tensor);
    for (int64_t group = 0; group < type.blockElements / layout.group; ++group)
      codes.scales[group] *= own;
    dequantize(layout, codes, int64_t(wanted), &out[at]);
  }
  return absl::OkStatus();
}

} // namespace

absl::string_view dtypeName(DType dtype) { return row(dtype).name; }
int64_t dtypeBlockElements(DType dtype) { return row(dtype).blockElements; }
int64_t dtypeBlockBytes(DType dtype) { return row(dtype).blockBytes; }
bool dtypeIsFloat(DType dtype) { return row(dtype).isFloat; }

float ownScaleOf(const TensorView &tensor) {
  float scale = 1;
  if (tensor.ownScales.size() >= sizeof(scale))
    std::memcpy(&scale, tensor.ownScales.data(), sizeof(scale));
  return scale;
}

int64_t TensorView::elementCount() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

absl::StatusOr<uint64_t> tensorBytes(DType dtype, absl::Span<const int64_t> shape,
                                     const ErrorSite &site) {
  const DTypeRow &type = row(dtype);
  auto shown = [&] { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); };
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0)
      return formatError(site, "sizes of 0 or more", shown());
    if (__builtin_mul_overflow(count, size, &count))
      return formatError(site, "fewer than 2^63 elements", shown());
  }
  if (type.blockElements > 1 && (shape.empty() || shape.back() % type.blockElements != 0))
    return formatError(
        site, absl::StrCat("rows of a multiple of ", type.blockElements, " for ", type.name),
        shown());
  int64_t bytes;
  if (__builtin_mul_overflow(count / type.blockElements, type.blockBytes, &bytes))
    return formatError(site, "fewer than 2^63 bytes", shown());
  return uint64_t(bytes);
}

absl::Status readFloats(const TensorView &tensor, int64_t first, absl::Span<float> out) {
  const DTypeRow &type = row(tensor.dtype);
  ErrorSite site{std::string(tensor.file), tensor.name, {}};
  if (!type.isFloat)
    return formatError(site, "a float type", type.name);
  if (tensor.encoding) {
    STC_ASSIGN_OR_RETURN(std::vector<float> values, readEncoded(tensor));
    if (first < 0 || uint64_t(first) > values.size() ||
        out.size() > values.size() - uint64_t(first))
      return formatError(site, absl::StrCat("a range of ", values.size(), " elements"),
                         absl::StrCat(out.size(), " elements from ", first));
    std::copy_n(values.begin() + first, out.size(), out.begin());
    return absl::OkStatus();
  }
  STC_ASSIGN_OR_RETURN(uint64_t needed, tensorBytes(tensor.dtype, tensor.shape, site));
  if (needed > tensor.bytes.size())
    return formatError(site, absl::StrCat(needed, " bytes"), absl::StrCat(tensor.bytes.size()));
  int64_t count = tensor.elementCount();
  if (first < 0 || first > count || out.size() > uint64_t(count - first) ||
      first % type.blockElements != 0)
    return formatError(site,
                       absl::StrCat("a range of ", count, " elements from a block's start on"),
                       absl::StrCat(out.size(), " elements from ", first));
  const uint8_t *bytes = tensor.bytes.data() + first * type.blockBytes;
  switch (tensor.dtype) {
  case DType::F32:
    if (!out.empty())
      std::memcpy(out.data(), bytes, out.size() * sizeof(float));
    return absl::OkStatus();
  case DType::F64:
    convertPlain<double>(bytes, out, [](double value) { return float(value); });
    return absl::OkStatus();
  case DType::F16:
    convertPlain<uint16_t>(bytes, out, halfToFloat);
    return absl::OkStatus();
  case DType::BF16:
    convertPlain<uint16_t>(bytes, out, bfloat16ToFloat);
    return absl::OkStatus();
  case DType::F8E4M3: {
    static const std::array<float, 256> values = [] {
      std::array<float, 256> all;
      for (size_t i = 0; i < all.size(); ++i)
        all[i] = float8ToFloat(uint8_t(i));
      return all;
    }();
    convertPlain<uint8_t>(bytes, out, [&](uint8_t bits) { return values[bits]; });
    return absl::OkStatus();
  }
  case DType::F8E5M2:
    convertPlain<uint8_t>(bytes, out,
                          [](uint8_t bits) { return halfToFloat(uint16_t(bits << 8)); });
    return absl::OkStatus();
  case DType::F8E8M0:
    convertPlain<uint8_t>(bytes, out, float8E8M0ToFloat);
    return absl::OkStatus();
  default:
    return readBlocks(tensor, first, out);
  }
}

} // namespace stc
