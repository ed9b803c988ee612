// Round-to-nearest quantization with group scales.
#include "stc/Compress/Quantize.h"

#include "stc/Compress/RoundRows.h"
#include "stc/Support/Float.h"

#include <algorithm>
#include <cmath>

namespace stc {

QuantizedMatrix quantizeRoundToNearest(const QuantizeSpec &spec, int64_t rows, int64_t columns,
                                       absl::Span<const float> values) {
  QuantizedMatrix matrix = emptyMatrix(spec, rows, columns);
  roundRows(spec, 0, values, matrix);
  return matrix;
}

double relativeError(const QuantizedMatrix &quantized, absl::Span<const float> values) {
  int64_t groups = quantized.groups();
  double error = 0, total = 0;
  for (int64_t row = 0; row < quantized.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      double scale = halfToFloat(quantized.scales[size_t(row * groups + group)]);
      int zero = quantized.zeroOf(row, group);
      double minimum = quantized.minimumOf(row, group);
      int64_t last = std::min(quantized.columns, (group + 1) * quantized.group);
      for (int64_t column = group * quantized.group; column < last; ++column) {
        size_t at = size_t(row * quantized.columns + column);
        double difference = (quantized.codes[at] - zero) * scale - minimum - double(values[at]);
        error += difference * difference;
        total += double(values[at]) * double(values[at]);
      }
    }
  return total > 0 ? std::sqrt(error / total) : 0;
}

} // namespace stc
