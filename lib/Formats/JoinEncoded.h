// Puts the tensors of pre-compressed linear layers together.
#ifndef STC_LIB_FORMATS_JOINENCODED_H
#define STC_LIB_FORMATS_JOINENCODED_H

#include "QuantizationConfig.h"
#include "stc/Formats/Tensor.h"

namespace stc {

/// The tensors with those of each compressed layer replaced by one that is called `LAYER.weight`
/// and has an `StoredEncoding`; what only says how activations were quantized is left out. All else stays
/// as it is, in order. Errors: parts that are missing, of another type or shape than the
/// configuration and the codes ask for, or group numbers out of range.
absl::StatusOr<std::vector<TensorView>> joinEncoded(const std::vector<TensorView> &tensors,
                                                    const QuantizationConfig &config);

} // namespace stc

#endif // STC_LIB_FORMATS_JOINENCODED_H
