// Codes as a checkpoint stores them -> codes as a layout holds them.
#ifndef STC_DIALECT_STC_UTILS_ADOPTEDCODES_H
#define STC_DIALECT_STC_UTILS_ADOPTEDCODES_H

#include "stc/Compress/Quantize.h"
#include "stc/Formats/Encoding.h"

#include <optional>

namespace stc {

/// Most that rounding scales and minimums to f16 may change of a matrix whose codes are kept, as a
/// share of its norm: f16 has 11 bits, unless a scale is very small.
constexpr double kMostScaleError = 1e-3;

/// Stored codes in the form of a layout, or why no layout holds them.
struct AdoptedCodes {
  std::optional<QuantizedMatrix> matrix;
  QuantizeSpec spec; // of the matrix, with the method "stored"
  double error = 0;  // relative; 0: not a bit is lost
  std::string why;   // there is no matrix
};

/// Codes stay as they are. Groups become those of a layout: a larger one of 256 columns is two of
/// 128 with the same scale, and columns that are out of order may still make up whole groups. Five
/// to seven bits take eight, and three bits in groups of 16 take four. Eight bits in groups of 16,
/// and groups that are of no layout, become eight bits in groups of 32 where the scales of each 32
/// columns are small multiples of one. Codes with minimums count from 0, and stay those they are.
/// Tables have no place in a layout.
AdoptedCodes adoptCodes(const CodedMatrix &stored);

/// The order of columns in which those of one group stand beside each other, as whole groups of a
/// layout; empty where they make up such groups as they are, or in no order do. Reads no codes.
std::vector<int32_t> sortingOrder(const CodedMatrix &stored);

/// What is left of codes when only these rows and columns are, in this order.
CodedMatrix takeCodes(const CodedMatrix &stored, absl::Span<const int64_t> rows,
                      absl::Span<const int64_t> columns);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_ADOPTEDCODES_H
