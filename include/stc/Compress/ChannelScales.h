// Scales of input channels that move difficulty from weights to activations or back.
#ifndef STC_COMPRESS_CHANNELSCALES_H
#define STC_COMPRESS_CHANNELSCALES_H

#include "stc/Compress/Quantize.h"
#include "stc/Compress/SecondMoments.h"

#include <vector>

namespace stc {

// A scale s_j per input channel: column j of every matrix with these inputs is multiplied by s_j,
// and what comes before divides channel j by it, so that nothing changes but what rounding does.

/// One of the matrices that share their inputs: weights [rows][columns].
struct SharedInputMatrix {
  int64_t rows = 0;
  absl::Span<const float> weights;
};

struct AwqOptions {
  /// Exponents 0, 1 / steps, ..., 1 are tried.
  int steps = 20;
  /// Rows of each matrix that are measured, evenly spread; all have the same inputs.
  int64_t rows = 512;
};

struct AwqResult {
  std::vector<float> scales; // [columns], the largest times the smallest being 1
  double exponent = 0;       // the best one
  double error = 0;          // relative output error of the rows measured, with these scales
  double plainError = 0;     // and without scales
};

/// AWQ (Lin et al. 2024): s_j = (mean |x_j|)^exponent, with the exponent of least output error
/// over all matrices once they are rounded to nearest as `spec` says. Without scales (exponent 0)
/// is one candidate, so `error` is never above `plainError`. Dead channels get the smallest scale
/// of the others. Errors: no matrix, or sizes that do not fit.
absl::StatusOr<AwqResult> searchAwqScales(const AwqOptions &options, const QuantizeSpec &spec,
                                          absl::Span<const SharedInputMatrix> matrices,
                                          const SecondMoments &moments);

/// SmoothQuant (Xiao et al. 2023): s_j = max|x_j|^strength / max_i|w_ij|^(1 - strength), the
/// largest weight of column j over all matrices; 1 for channels or columns that are zero. Errors:
/// as searchAwqScales, and a strength outside [0, 1].
absl::StatusOr<std::vector<float>> smoothQuantScales(double strength,
                                                     absl::Span<const SharedInputMatrix> matrices,
                                                     const SecondMoments &moments);

} // namespace stc

#endif // STC_COMPRESS_CHANNELSCALES_H
