// Codes in the bytes that other formats give them.
#ifndef STC_EXPORT_STOREDCODES_H
#define STC_EXPORT_STOREDCODES_H

#include "stc/Packing/Pack.h"

namespace stc {

/// compressed-tensors' pack_to_int32 along the last dimension: every row of signed codes in
/// [-2^(bits - 1), 2^(bits - 1) - 1] becomes ceil(columns * bits / 32) words that hold its codes
/// plus 2^(bits - 1), one after another from the lowest bit of the first word on; zero bits fill up
/// the last word. `bits` is 1 to 8.
std::vector<uint32_t> packWords(absl::Span<const int8_t> codes, int64_t rows, int64_t columns,
                                int bits);
/// The same along the first dimension: [ceil(rows * bits / 32)][columns].
std::vector<uint32_t> packWordsByColumn(absl::Span<const int8_t> codes, int64_t rows,
                                        int64_t columns, int bits);

/// GGML's Q4_0: for each 32 columns an f16 scale and 16 bytes; byte j holds the code plus 8 of
/// column j in its low and of column j + 16 in its high half. `matrix` is symmetric, its group 32,
/// its codes fit four bits and its columns are a multiple of 32.
std::vector<uint8_t> encodeQ4_0(const QuantizedMatrix &matrix);
/// GGML's Q8_0: for each 32 columns an f16 scale and 32 signed bytes. As above, in eight bits.
std::vector<uint8_t> encodeQ8_0(const QuantizedMatrix &matrix);

/// GGML's Q4_1: for each 32 columns an f16 scale, an f16 minimum, of the other sign than in
/// `matrix`, and 16 bytes as in Q4_0, of codes from 0 on. `matrix` has minimums and is as above
/// otherwise.
std::vector<uint8_t> encodeQ4_1(const QuantizedMatrix &matrix);
/// GGML's Q5_1: as Q4_1, with 4 bytes of fifth bits, bit j of which is column j's, before the 16.
/// Codes have eight bits, and count from 0 to 31 at most.
std::vector<uint8_t> encodeQ5_1(const QuantizedMatrix &matrix);

} // namespace stc

#endif // STC_EXPORT_STOREDCODES_H
