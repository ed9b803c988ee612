// The tensor type codes of GGUF files.
#ifndef STC_LIB_FORMATS_GGUFTYPES_H
#define STC_LIB_FORMATS_GGUFTYPES_H

#include "stc/Formats/Tensor.h"

#include "absl/types/optional.h"

namespace stc {

/// The element type of a GGUF type code; nothing for one we cannot read.
absl::optional<DType> dtypeFromGguf(uint32_t code);

/// The type code of an element type; nothing for one that GGUF lacks.
absl::optional<uint32_t> ggufFromDtype(DType dtype);

/// "Q2_K (type 10)", or "type 99" for a code without a known name.
std::string ggufTypeName(uint32_t code);

/// The types we read, as a list for messages.
std::string supportedGgufTypes();

} // namespace stc

#endif // STC_LIB_FORMATS_GGUFTYPES_H
