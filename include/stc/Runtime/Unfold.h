// Convolutions over rows as products with one matrix: what each of its rows is multiplied with.
#ifndef STC_RUNTIME_UNFOLD_H
#define STC_RUNTIME_UNFOLD_H

#include "absl/types/span.h"

#include <cstdint>
#include <vector>

namespace stc {

/// Row t of the result holds, for each column c of `rows` ([count][columns]), its values in the
/// rows stride * t - 1, stride * t and stride * t + 1, zeros standing for rows that do not exist:
/// [ceil(count / stride)][columns * 3]. Multiplied with a kernel [outputs][columns][3] that is read
/// as [outputs][columns * 3], this is a convolution of kernel size 3 and padding 1.
std::vector<float> unfoldRows(absl::Span<const float> rows, int64_t columns, int64_t stride);

} // namespace stc

#endif // STC_RUNTIME_UNFOLD_H
