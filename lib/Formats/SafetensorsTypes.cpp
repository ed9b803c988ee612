// The dtype names of safetensors files: our plain types, under the names they have there.
#include "SafetensorsTypes.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

constexpr DType plainTypes[] = {
    DType::F64, DType::F32, DType::F16,  DType::BF16,   DType::I64,    DType::I32,   DType::I16,
    DType::I8,  DType::U8,  DType::Bool, DType::F8E4M3, DType::F8E5M2, DType::F8E8M0};

} // namespace

absl::optional<DType> dtypeFromSafetensors(absl::string_view name) {
  for (DType dtype : plainTypes)
    if (dtypeName(dtype) == name)
      return dtype;
  return absl::nullopt;
}

std::string supportedSafetensorsTypes() {
  std::string list;
  for (DType dtype : plainTypes)
    absl::StrAppend(&list, list.empty() ? "" : ", ", dtypeName(dtype));
  return list;
}

} // namespace stc
