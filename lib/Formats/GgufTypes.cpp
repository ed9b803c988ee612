// The tensor type codes of GGUF files: those we read, and the names of those we do not.
#include "GgufTypes.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

struct ReadableType {
  uint32_t code;
  DType dtype;
};

constexpr ReadableType readable[] = {
    {0, DType::F32},    {1, DType::F16},    {30, DType::BF16},   {28, DType::F64},
    {8, DType::Q8_0},   {2, DType::Q4_0},   {3, DType::Q4_1},    {6, DType::Q5_0},
    {7, DType::Q5_1},   {10, DType::Q2_K},  {11, DType::Q3_K},   {12, DType::Q4_K},
    {13, DType::Q5_K},  {14, DType::Q6_K},  {20, DType::IQ4_NL}, {23, DType::IQ4_XS},
    {39, DType::MXFP4}, {40, DType::NVFP4}, {24, DType::I8},     {25, DType::I16},
    {26, DType::I32},   {27, DType::I64},
};

struct KnownType {
  uint32_t code;
  absl::string_view name;
};

constexpr KnownType unreadable[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {29, "IQ1_M"},   {34, "TQ1_0"},  {35, "TQ2_0"},
};

} // namespace

absl::optional<DType> dtypeFromGguf(uint32_t code) {
  for (const ReadableType &type : readable)
    if (type.code == code)
      return type.dtype;
  return absl::nullopt;
}

absl::optional<uint32_t> ggufFromDtype(DType dtype) {
  for (const ReadableType &type : readable)
    if (type.dtype == dtype)
      return type.code;
  return absl::nullopt;
}

std::string ggufTypeName(uint32_t code) {
  for (const KnownType &type : unreadable)
    if (type.code == code)
      return absl::StrCat(type.name, " (type ", code, ")");
  return absl::StrCat("type ", code);
}

std::string supportedGgufTypes() {
  std::string list;
  for (const ReadableType &type : readable)
    absl::StrAppend(&list, list.empty() ? "" : ", ", dtypeName(type.dtype));
  return list;
}

} // namespace stc
