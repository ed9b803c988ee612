// A tensor as a checkpoint stores it: name, type, shape and borrowed bytes.
#ifndef STC_FORMATS_TENSOR_H
#define STC_FORMATS_TENSOR_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

/// Element types of stored tensors. The block types are GGUF's.
enum class DType {
  F64,
  F32,
  F16,
  BF16,
  I64,
  I32,
  I16,
  I8,
  U8,
  Bool,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q4_K,
  Q5_K,
  Q6_K,
  F8E4M3,
  F8E8M0,
  Q2_K,
  Q3_K,
  IQ4_NL,
  IQ4_XS,
  MXFP4,
  NVFP4,
  F8E5M2
};

/// "F32", "BF16", "Q4_K" ...
absl::string_view dtypeName(DType dtype);
/// Elements per block (1 for plain types) and bytes per block.
int64_t dtypeBlockElements(DType dtype);
int64_t dtypeBlockBytes(DType dtype);
/// Whether `readFloats` can read it: the float types and the quantized block types. F8E4M3 and
/// F8E5M2 are those of Micikevicius et al. 2022, "FP8 Formats for Deep Learning": the former has no
/// infinity, and NaN is 0x7F; the latter is the upper half of F16.
/// F8E8M0 holds powers of two, the scales of the OCP Microscaling Formats (2023): NaN is 0xFF.
bool dtypeIsFloat(DType dtype);

struct StoredEncoding; // see Encoding.h

/// A view into a mapped checkpoint; `shape` is outermost first (row-major), as PyTorch writes it.
struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes = {};
  /// For messages: the path of the file the bytes are in (borrowed like the bytes) and where.
  absl::string_view file = {};
  uint64_t offset = 0;
  /// Set where the values come from several tensors; `bytes` is empty then, and `dtype` the type
  /// that holds the values.
  std::shared_ptr<const StoredEncoding> encoding = {};
  /// GGUF's NVFP4 only: F32 numbers that the values are multiplied with, one for all or one for
  /// each index of the first of three dimensions; finite and above 0. Empty: 1.
  absl::Span<const uint8_t> ownScales = {};

  int64_t elementCount() const;
};

/// The bytes that `shape` takes in `dtype`: an error for negative sizes, an overflow, or rows (the
/// last dimension) that are no whole number of blocks.
absl::StatusOr<uint64_t> tensorBytes(DType dtype, absl::Span<const int64_t> shape,
                                     const ErrorSite &site);

/// Converts `out.size()` elements starting at element `first` (a multiple of the block size) to
/// f32. Fails for integer types, for elements the tensor does not have, and for blocks whose scales
/// are not finite. With several scales of its own a tensor is read by its matrices only.
absl::Status readFloats(const TensorView &tensor, int64_t first, absl::Span<float> out);

/// The first of a tensor's own scales, or 1.
float ownScaleOf(const TensorView &tensor);

} // namespace stc

#endif // STC_FORMATS_TENSOR_H
