// Round-to-nearest quantization of one matrix with group scales.
#ifndef STC_COMPRESS_QUANTIZE_H
#define STC_COMPRESS_QUANTIZE_H

#include "stc/Packing/Pack.h"

#include <string>

namespace stc {

/// "none", or a method with element and group.
struct QuantizeSpec {
  std::string method = "rtn";
  bool enabled = false;
  ElementKind element = ElementKind::I8;
  int64_t group = 32;
  std::string str() const; // "none", "rtn:int4-g32"
};
/// Parses "none", "int8", "int4" (group 32), "int8-g64", "int4-g128", "rtn:int4-g32". A method or
/// width the design names but this build lacks is an error that lists what is supported.
absl::StatusOr<QuantizeSpec> parseQuantizeSpec(absl::string_view text);

/// Symmetric round to nearest. Per (row, group) the scale is chosen among a few clipping ratios by
/// least squared error (ratio 1 included), stored as f16; codes use the stored scale. A zero weight
/// gets code 0, so pruned weights stay pruned.
QuantizedMatrix quantizeRoundToNearest(const QuantizeSpec &spec, int64_t rows, int64_t columns,
                                       absl::Span<const float> values);

/// sqrt(sum (q - w)^2 / sum w^2).
double relativeError(const QuantizedMatrix &quantized, absl::Span<const float> values);

} // namespace stc

#endif // STC_COMPRESS_QUANTIZE_H
