// Round-to-nearest quantization of a matrix some rows at a time, so that its floats need not all be
// in memory.
#ifndef STC_COMPRESS_ROUNDROWS_H
#define STC_COMPRESS_ROUNDROWS_H

#include "stc/Compress/Quantize.h"

namespace stc {

/// A matrix with room for the codes, scales and zeros of a specification, all of them 0.
QuantizedMatrix emptyMatrix(const QuantizeSpec &spec, int64_t rows, int64_t columns);

/// Rounds whole rows of `values` as quantizeRoundToNearest does, into the rows of an emptyMatrix
/// from `firstRow` on.
void roundRows(const QuantizeSpec &spec, int64_t firstRow, absl::Span<const float> values,
               QuantizedMatrix &matrix);

} // namespace stc

#endif // STC_COMPRESS_ROUNDROWS_H
