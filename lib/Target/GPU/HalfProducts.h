// Products of 16-bit floats by the tensor cores of a warp, and how registers get them.
#ifndef STC_LIB_TARGET_GPU_HALFPRODUCTS_H
#define STC_LIB_TARGET_GPU_HALFPRODUCTS_H

#include "BlockBuilder.h"

namespace stc::gpu {

/// Columns that an instruction multiplies: mma.m16n8k16, and mma.sp.m16n8k32.
constexpr int64_t kStepColumns = 16, kSparseStepColumns = 32;
/// Rows, and columns of 16 bits, of the matrices that `loadMatrices` loads.
constexpr int64_t kMatrixRows = 8, kMatrixRowBytes = 16;

/// Loads `count` (2 or 4) matrices of 8 rows of 16 bytes from shared memory (ldmatrix): lane
/// 8 i + r of the warp says with `row` where row r of matrix i lies, a multiple of 16 bytes. Each
/// lane gets one i32 of each matrix: lane 4 p + t columns 2 t and 2 t + 1 of row p, or, transposed,
/// rows 2 t and 2 t + 1 of column p. With two matrices the rows of lanes from 16 on do not count.
Values loadMatrices(BlockBuilder &builder, Value row, int64_t count, bool isTransposed);

/// `sums` (four f32) plus the products of 16 columns of weights and inputs of `element` (BF16 or
/// F16): four and two i32, as mma.m16n8k16 has them in registers. Products are exact.
void addHalfProducts(BlockBuilder &builder, ElementKind element, ValueRange weights,
                     ValueRange inputs, llvm::MutableArrayRef<Value> sums);

/// The same of 32 columns of 2:4 weights: four i32 of weights that are stored and four of inputs,
/// as mma.sp.m16n8k32 has them. `places` (i32) of the weights, two bits each, are those of the
/// threads 2 * threadPair and 2 * threadPair + 1 of four.
void addSparseHalfProducts(BlockBuilder &builder, ElementKind element, ValueRange weights,
                           Value places, int64_t threadPair, ValueRange inputs,
                           llvm::MutableArrayRef<Value> sums);

/// Two numbers as sums of two bf16 each: pairs of those as i32.
struct SplitPair {
  Value high, low;
};
/// Of two f32, but for 2^-17 of them. The target must have NVIDIA's conversions.
SplitPair splitPair(BlockBuilder &builder, Value first, Value second);
/// Of two f16 (one i32), exactly.
SplitPair splitHalves(BlockBuilder &builder, Value pair);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_HALFPRODUCTS_H
