// The order in which compressed-tensors' `marlin-24` stores the codes of 2:4 matrices.
#ifndef STC_LIB_FORMATS_MARLIN24_H
#define STC_LIB_FORMATS_MARLIN24_H

#include "stc/Formats/Tensor.h"

namespace stc {

/// Rows and columns of a matrix that has this order are multiples of these.
constexpr int64_t kMarlin24Rows = 64, kMarlin24Columns = 32;

/// The codes [rows][columns], from -2^(bits - 1) on and 0 where none is kept, of a matrix whose
/// linear layer is `rows` outputs of `columns` inputs.
///
/// `words`, I32 [columns / 32][rows * bits / 2], has the kept half of the columns in tiles of 16 of
/// them and 64 rows, each in the order in which the fragments of mma.m16n8k16 lie in the registers
/// of a warp: `get_permutations_24` of compressed-tensors' utils/permutations_24.py. 4 or 8 bits.
///
/// `positions`, I16 [columns / 32][2 * rows], has four bits for every four columns of a row: the
/// place of the first code that is kept, and above it that of the second. Its elements are in the
/// order that CUTLASS's sparse products read: `reorder_meta` of its host_reorder.h.
///
/// Errors: places that do not ascend. Shapes have been checked.
absl::StatusOr<std::vector<int8_t>> readMarlin24(const TensorView &words,
                                                 const TensorView &positions, int64_t rows,
                                                 int64_t columns, int bits);

} // namespace stc

#endif // STC_LIB_FORMATS_MARLIN24_H
