// AMD's instructions that multiply matrices: their shapes, and which lanes have what.
#ifndef STC_LIB_TARGET_GPU_MATRIXINSTRUCTIONS_H
#define STC_LIB_TARGET_GPU_MATRIXINSTRUCTIONS_H

#include "stc/Target/GPU/TargetDescription.h"

namespace stc::gpu {

/// D = A B + C of 16 rows and 16 tokens. Lane l of the wave has
///  - of A, row l mod 16: columns laneColumns * block to laneColumns * (block + 1) - 1, of B the
///  same
///    columns of token l mod 16, where block is l / 16, or 0 where `blocks` is 1 and all blocks of
///    lanes have the same;
///  - of C and D, in value v, row rowStep * v + blockRows * (l / 16) of token l mod 16.
///
/// Sources: AMD's matrix instruction calculator (--detail-instruction); "AMD Instinct MI200",
/// "CDNA3" and "RDNA3 Instruction Set Architecture", the chapters on matrix operations.
struct MatrixInstruction {
  /// How operands stand in the call.
  enum class Form {
    Mfma,   // A, B, C, three modifiers
    Smfmac, // A, B, C, places, two modifiers
    WmmaIU, // is A signed, A, is B signed, B, C, clamp
    Wmma    // A, B, C
  };
  const char *intrinsic;
  Form form;
  int64_t columns, laneColumns;
  int64_t values, rowStep, blockRows;

  int64_t blocks() const { return columns / laneColumns; }
};

/// What a target has; null: it has none. Sparse: A has two of every four columns, in half the
/// bytes, and four bits that say which.
struct MatrixInstructions {
  const MatrixInstruction *bytes, *sparseBytes;   // of signed bytes
  const MatrixInstruction *halves, *sparseHalves; // of bf16
};

/// The instructions of a target, or null.
const MatrixInstructions *matrixInstructions(const TargetDescription &target);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_MATRIXINSTRUCTIONS_H
