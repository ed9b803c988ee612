// Packs matrices into layouts, unpacks them, and validates stored bytes.
#ifndef STC_PACKING_PACK_H
#define STC_PACKING_PACK_H

#include "stc/Packing/Layout.h"

#include "absl/types/span.h"

#include <functional>
#include <vector>

namespace stc {

/// A quantized matrix before packing: weight = (code - zero) * scale - minimum. Codes and zeros are
/// signed, in [-zeroPoint, zeroPoint - 1]: what is stored has the layout's zero point added.
struct QuantizedMatrix {
  int64_t rows = 0, columns = 0, group = 0;
  std::vector<int8_t> codes;      // [rows][columns]
  std::vector<uint16_t> scales;   // f16 bits, [rows][groups()]
  std::vector<int8_t> zeros;      // the same shape, or empty: `commonZero` everywhere
  std::vector<uint16_t> minimums; // f16 bits, the same shape, or empty: all zero
  /// The zero of all groups where `zeros` is empty: 0 in a symmetric matrix, -zeroPoint, which is
  /// stored as 0, in one with minimums.
  int8_t commonZero = 0;

  int64_t groups() const { return (columns + group - 1) / group; }
  /// The code that means zero in a group of a row.
  int zeroOf(int64_t row, int64_t groupNumber) const {
    return zeros.empty() ? commonZero : zeros[size_t(row * groups() + groupNumber)];
  }
  /// What is subtracted from the products in a group of a row.
  float minimumOf(int64_t row, int64_t groupNumber) const;
};

/// Checks a matrix's shape (rows and columns in [1, 2^31)), the number of its codes, scales and
/// zeros (for `layout`, asymmetric or not), and of its minimums, that scales and minimums are
/// finite and codes fit the element.
absl::Status verifyQuantizedMatrix(const QuantizedMatrix &matrix, const Layout &layout);

/// The weights as f32: the code's distance from the zero times the scale, minus the minimum.
std::vector<float> dequantize(const QuantizedMatrix &matrix);
/// How many weights are not zero: by their code, or with minimums by their value.
int64_t countNonZero(const QuantizedMatrix &matrix);

/// Errors unless every value is finite, naming the first that is not. `name` is the tensor's.
absl::Status checkFinite(absl::Span<const float> values, absl::string_view name);

/// Checks the layout, that rows and columns are in [1, 2^31), and that Block can count its steps.
absl::Status verifyPackedShape(const Layout &layout, int64_t rows, int64_t columns);

/// Bytes of a packed matrix including kTailSlack. Errors: a layout that does not exist, a size out
/// of range, and layouts with a table, whose size depends on the codes.
absl::StatusOr<int64_t> packedBytes(const Layout &layout, int64_t rows, int64_t columns);
/// The same for a Bitmap or a Block; `matrix` must pass verifyQuantizedMatrix.
int64_t packedTableBytes(const Layout &layout, const QuantizedMatrix &matrix);
/// The same for a Bitmap of floats, whose row-major `values` are finite and fit the element.
int64_t packedTableBytes(const Layout &layout, int64_t rows, int64_t columns,
                         absl::Span<const float> values);

/// Packs row-major finite f32 values into a float layout (Rows, Dense, Bitmap or NM). NM fails if
/// a row has more than N non-zeros in M columns.
absl::StatusOr<std::vector<uint8_t>> packFloats(const Layout &layout, int64_t rows, int64_t columns,
                                                absl::Span<const float> values);
/// Packs codes into a quantized layout. NM and Pairs fail if a row has more than N non-zeros in M
/// columns.
absl::StatusOr<std::vector<uint8_t>> packQuantized(const Layout &layout,
                                                   const QuantizedMatrix &matrix);

/// Unpacks any layout to row-major f32 values, checking every offset, mask, count and position:
/// stored bytes that break the layout's rules are an error.
absl::StatusOr<std::vector<float>> unpack(const Layout &layout, int64_t rows, int64_t columns,
                                          absl::Span<const uint8_t> bytes);
/// The codes, scales, zeros and minimums of a quantized layout.
absl::StatusOr<QuantizedMatrix> unpackQuantized(const Layout &layout, int64_t rows, int64_t columns,
                                                absl::Span<const uint8_t> bytes);

/// Quantizes one group of activations as generated code does: scale = max|x| / 127 (f32), code =
/// round-to-nearest-even(x * (1 / scale)) (f32 arithmetic; all zero when max|x| is 0). Returns the
/// scale. The reference interpreter and the kernels share this definition for finite x whose
/// max|x| is 0 or at least 2^-100; anything else gives codes in [-127, 127] without a promise.
float quantizeActivations(absl::Span<const float> x, absl::Span<int8_t> codes);

/// An activation as the bits of two bf16 numbers, which products with bf16 weights take one after
/// the other: high is x rounded to nearest even (cut off where that would be infinite), low is x -
/// high rounded in the same way. Their sum is within 2^-17 |x| of x, or within 2^-134 where x is so
/// small that low is subnormal. Infinite and not a number: high is x, low zero. The reference
/// interpreter and the kernels share this definition.
struct SplitActivation {
  uint16_t high, low;
};
SplitActivation splitActivation(float x);
/// An activation as the bits of one number of a 16-bit type, F16 or BF16: rounded to nearest even,
/// cut off where that would be infinite. Infinite and not a number stay what they are. The
/// reference interpreter and the kernels share this definition.
uint16_t roundActivation(ElementKind element, float x);

/// Columns of split activations are a multiple of this, 64 bytes; those past the input's are zero.
constexpr int64_t kSplitColumns = 32;
/// The columns of one half (all high or all low parts) of a token of `columns` activations: an odd
/// multiple of kSplitColumns, so that the same columns of many tokens are in different sets of a
/// cache. A token's low half follows right behind its high half.
inline int64_t splitHalfColumns(int64_t columns) {
  return ((columns + kSplitColumns - 1) / kSplitColumns | 1) * kSplitColumns;
}
/// Splits one token: `halves` has room for its two halves.
void splitActivations(absl::Span<const float> x, absl::Span<uint16_t> halves);
/// Rounds one token: `rounded` has room for one half.
void roundActivations(ElementKind element, absl::Span<const float> x, absl::Span<uint16_t> rounded);

} // namespace stc

#endif // STC_PACKING_PACK_H
