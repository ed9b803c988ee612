// How to quantize, and round-to-nearest quantization of one matrix with group scales.
#ifndef STC_COMPRESS_QUANTIZE_H
#define STC_COMPRESS_QUANTIZE_H

#include "stc/Packing/Pack.h"

#include <string>

namespace stc {

/// "none", or a method with element, group and whether zero points or minimums are stored.
struct QuantizeSpec {
  std::string method = "rtn"; // or "gptq", "awq", or "stored": the checkpoint's own codes
  bool methodGiven = false;   // by the text, and not by default
  bool enabled = false;
  ElementKind element = ElementKind::I8;
  int64_t group = 32;
  bool asymmetric = false;
  bool perRow = false;     // one scale for all columns of a row; the group is kRowScaleGroup then
  bool minimums = false;   // only of codes that a checkpoint stores
  std::string str() const; // "none", "rtn:int4-g32", "gptq:int3-g128-asym", "rtn:int4-row"
  /// Whether the method asks what the inputs of a matrix are.
  bool needsCalibration() const { return method != "rtn"; }
  /// The dense layout of the codes.
  Layout layout() const {
    return {LayoutKind::Dense, element, group, 0, 0, asymmetric, perRow, minimums};
  }
  /// Columns that share a scale in a matrix of so many.
  int64_t groupOf(int64_t columns) const { return layout().scaleColumns(columns); }
};
/// Parses "none", or int8, int4, int3 or int2, then perhaps -g16 (not of int3), -g32 (the default),
/// -g64, -g128 or -row, then perhaps -asym; "rtn:", "gptq:" or "awq:" may stand in front. The error
/// of an unknown method lists those there are.
absl::StatusOr<QuantizeSpec> parseQuantizeSpec(absl::string_view text);
/// The same of a weight that was quantized, which may also have kept the codes that its checkpoint
/// stores: "stored:" in front, and then perhaps -min in place of -asym.
absl::StatusOr<QuantizeSpec> parseWeightSpec(absl::string_view text);

/// Round to nearest. Per (row, group) the scale, stored as f16, and in asymmetric matrices the zero
/// are those of least squared error among a few candidates (the whole range among them) and what
/// least squares makes of the best one; codes use the stored scale. A zero weight gets the code of
/// zero, so pruned weights stay pruned.
QuantizedMatrix quantizeRoundToNearest(const QuantizeSpec &spec, int64_t rows, int64_t columns,
                                       absl::Span<const float> values);

/// sqrt(sum (q - w)^2 / sum w^2).
double relativeError(const QuantizedMatrix &quantized, absl::Span<const float> values);

} // namespace stc

#endif // STC_COMPRESS_QUANTIZE_H
