// Decoding of GGUF's quantized blocks, one block at a time.
#ifndef STC_LIB_FORMATS_DEQUANTIZE_H
#define STC_LIB_FORMATS_DEQUANTIZE_H

#include "stc/Formats/Tensor.h"

namespace stc {

constexpr int64_t maxBlockElements = 256;

/// Decodes one block (dtypeBlockBytes in, dtypeBlockElements out). False if a scale of the block
/// is NaN or infinite.
using DequantizeBlock = bool (*)(const uint8_t *block, float *out);

/// The decoder of a block type; nullptr for plain types.
DequantizeBlock blockDequantizer(DType dtype);

} // namespace stc

#endif // STC_LIB_FORMATS_DEQUANTIZE_H
