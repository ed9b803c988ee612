// Packs matrices into layouts, unpacks them, and validates stored bytes.
#ifndef STC_PACKING_PACK_H
#define STC_PACKING_PACK_H

#include "stc/Packing/Layout.h"

#include "absl/types/span.h"

#include <functional>
#include <vector>

namespace stc {

/// A quantized matrix before packing: codes are signed, in [-zeroPoint, zeroPoint - 1].
struct QuantizedMatrix {
  int64_t rows = 0, columns = 0, group = 0;
  std::vector<int8_t> codes;    // [rows][columns]
  std::vector<uint16_t> scales; // f16 bits, [rows][ceil(columns / group)]
};

/// Checks a matrix's shape (rows and columns in [1, 2^31)), the number of its codes and scales,
/// that scales are finite and codes fit `element`.
absl::Status verifyQuantizedMatrix(const QuantizedMatrix &matrix, ElementKind element);

/// Errors unless every value is finite, naming the first that is not. `name` is the tensor's.
absl::Status checkFinite(absl::Span<const float> values, absl::string_view name);

/// Bytes of a packed matrix including kTailSlack. Errors: a layout that does not exist, a size out
/// of range, and Bitmap, whose size depends on the codes.
absl::StatusOr<int64_t> packedBytes(const Layout &layout, int64_t rows, int64_t columns);
/// The same for a Bitmap; `matrix` must pass verifyQuantizedMatrix.
int64_t packedBitmapBytes(const Layout &layout, const QuantizedMatrix &matrix);

/// Packs row-major finite f32 values into a float layout (Rows or Dense, F32 or BF16).
absl::StatusOr<std::vector<uint8_t>> packFloats(const Layout &layout, int64_t rows, int64_t columns,
                                                absl::Span<const float> values);
/// Packs codes into a quantized layout. NM fails if a row has more than N non-zeros in an M-group.
absl::StatusOr<std::vector<uint8_t>> packQuantized(const Layout &layout,
                                                   const QuantizedMatrix &matrix);

/// Unpacks any layout to row-major f32 values, checking every offset and mask on the way: stored
/// bytes that break the layout's rules are an error.
absl::StatusOr<std::vector<float>> unpack(const Layout &layout, int64_t rows, int64_t columns,
                                          absl::Span<const uint8_t> bytes);
/// The codes and scales of a quantized layout.
absl::StatusOr<QuantizedMatrix> unpackQuantized(const Layout &layout, int64_t rows, int64_t columns,
                                                absl::Span<const uint8_t> bytes);

/// Quantizes one group of activations as generated code does: scale = max|x| / 127 (f32), code =
/// round-to-nearest-even(x * (1 / scale)) (f32 arithmetic; all zero when max|x| is 0). Returns the
/// scale. The reference interpreter and the kernels share this definition for finite x whose
/// max|x| is 0 or at least 2^-100; anything else gives codes in [-127, 127] without a promise.
float quantizeActivations(absl::Span<const float> x, absl::Span<int8_t> codes);

} // namespace stc

#endif // STC_PACKING_PACK_H
