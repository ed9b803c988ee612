// The tensors of bitsandbytes' 4-bit layers: numbers of the entries of a table (NF4 or FP4).
//
// Linear4bit (nn/modules.py) stores beside L.weight what QuantState.as_dict (functional.py) names:
//   L.weight                   the numbers, two in a byte, the first in the high half; any type
//   L.weight.quant_map         F32 [16], the table
//   L.weight.absmax            the largest magnitude of each block: F32, or U8 where they are
//                              quantized too (double quantization: QLoRA, Dettmers et al. 2023)
//   L.weight.nested_absmax     F32, what each block of those is multiplied with
//   L.weight.nested_quant_map  F32 [256], the table of those
//   L.weight.quant_state.bitsandbytes__nf4 or __fp4
//                              U8, JSON: quant_type, blocksize, shape, nested_blocksize,
//                              nested_offset, which is added to the maxima, and types
#ifndef STC_LIB_FORMATS_BITSANDBYTES4_H
#define STC_LIB_FORMATS_BITSANDBYTES4_H

#include "stc/Formats/Encoding.h"

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"

namespace stc {

/// Whether L.weight has such a quant_state among `tensors`.
bool isBitsAndBytes4(const TensorView &weight,
                     const absl::flat_hash_map<std::string, const TensorView *> &tensors);

/// The encoding of L.weight, all of whose shapes are checked. `take` gives the tensor L + suffix or
/// null. Errors: parts that are missing or of another type or shape than the quant_state says, and
/// a quant_state that makes no sense.
absl::StatusOr<StoredEncoding>
describeBitsAndBytes4(const TensorView &weight,
                      absl::FunctionRef<const TensorView *(absl::string_view)> take);

/// The codes of a matrix that is stored so, in groups that lie in one block each. Errors: numbers
/// that are not finite.
absl::StatusOr<CodedMatrix> readTable(const StoredEncoding &encoding);

} // namespace stc

#endif // STC_LIB_FORMATS_BITSANDBYTES4_H
