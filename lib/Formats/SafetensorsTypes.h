// The dtype names of safetensors files.
#ifndef STC_LIB_FORMATS_SAFETENSORSTYPES_H
#define STC_LIB_FORMATS_SAFETENSORSTYPES_H

#include "stc/Formats/Tensor.h"

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace stc {

/// The element type of that name; nothing for one that safetensors does not have or we cannot use.
absl::optional<DType> dtypeFromSafetensors(absl::string_view name);

/// Those names as a list for messages.
std::string supportedSafetensorsTypes();

} // namespace stc

#endif // STC_LIB_FORMATS_SAFETENSORSTYPES_H
