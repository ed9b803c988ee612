// GGUF's block types: the codes, scales and minimums of one block at a time.
#ifndef STC_LIB_FORMATS_BLOCKTYPES_H
#define STC_LIB_FORMATS_BLOCKTYPES_H

#include "stc/Formats/Tensor.h"

namespace stc {

constexpr int64_t maxBlockElements = 256, maxBlockGroups = 16;

/// What a block holds: element i is codes[i] * scales[i / group] - minimums[i / group].
struct BlockCodes {
  int8_t codes[maxBlockElements];
  float scales[maxBlockGroups];
  float minimums[maxBlockGroups]; // set where the type has them
};

/// How the blocks of one type are read.
struct BlockType {
  int64_t group; // elements that share a scale
  int bits;      // codes are in [-2^(bits - 1), 2^(bits - 1) - 1]
  bool hasMinimums;
  /// Fills the codes from dtypeBlockBytes. False if a scale of the block is NaN or infinite.
  bool (*read)(const uint8_t *block, BlockCodes &out);
};

/// The block type of an element type; nullptr for plain types.
const BlockType *findBlockType(DType dtype);

/// The values of `count` elements, from the first on, of codes that were read.
void dequantize(const BlockType &type, const BlockCodes &block, int64_t count, float *out);

} // namespace stc

#endif // STC_LIB_FORMATS_BLOCKTYPES_H
