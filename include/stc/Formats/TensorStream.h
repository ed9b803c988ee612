// Writing tensors whose bytes come one tensor at a time.
#ifndef STC_FORMATS_TENSORSTREAM_H
#define STC_FORMATS_TENSORSTREAM_H

#include "stc/Formats/Tensor.h"

#include "absl/functional/function_ref.h"

namespace stc {

/// Gives the bytes of a tensor that was announced by name, type and shape; they need to live until
/// the next call. A writer calls it once for each tensor, in the order in which it stores them.
using TensorProducer =
    absl::FunctionRef<absl::StatusOr<absl::Span<const uint8_t>>(const TensorView &)>;

} // namespace stc

#endif // STC_FORMATS_TENSORSTREAM_H
