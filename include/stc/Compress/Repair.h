// Least-squares repair: what is left of a compressed matrix is fitted to the outputs wanted.
#ifndef STC_COMPRESS_REPAIR_H
#define STC_COMPRESS_REPAIR_H

#include "stc/Compress/Quantize.h"
#include "stc/Compress/SecondMoments.h"

#include <vector>

namespace stc {

// The outputs wanted are Y over the calibration tokens, given by the cross moments C = Y X^T
// [rows][columns]; the inputs X, by H = X X^T. Y may be a teacher's outputs and X a student's
// inputs (CrossMoments), or Y = W X for the weights W before compression (crossOfWeights).

/// C = W H, the cross moments of what W [rows][columns] itself gives.
std::vector<float> crossOfWeights(const SecondMoments &moments, int64_t rows,
                                  absl::Span<const float> weights);

/// sqrt(|W X - Y|^2 / |Y|^2) over the calibration tokens, `weights` being W. 0 if Y is zero.
double targetError(const SecondMoments &moments, const CrossMoments &targets,
                   absl::Span<const float> weights);

struct RefitOptions {
  /// How much staying near the weights given counts, relative to the mean of H's diagonal.
  double damping = 1e-3;
  /// Conjugate-gradient iterations at most, one product with H each.
  int iterations = 24;
  /// Rows whose residual fell below this share of its start are done.
  double tolerance = 1e-4;
};

/// Weights W' that are zero where `mask` (1 = kept) is, and minimize
/// |W' X - Y|^2 + damping |W' - W|^2, W being `weights` [rows][columns] with the mask applied: by
/// conjugate gradients over all rows at once, preconditioned by the diagonal. A row that does not
/// get better stays as it was. Errors: sizes that do not fit.
absl::StatusOr<std::vector<float>> refitWeights(const RefitOptions &options, int64_t rows,
                                                absl::Span<const float> weights,
                                                absl::Span<const uint8_t> mask,
                                                const SecondMoments &moments,
                                                absl::Span<const float> cross);

struct RefitCodesOptions {
  /// Rounds of fitting scales, then zeros and codes one by one.
  int sweeps = 2;
  /// Whether codes and zeros may change, or scales only.
  bool codes = true;
};

/// Fits scales (by least squares over all groups of a row), and zeros and codes (by coordinate
/// descent), to Y. Weights that are zero by their code where `mask` is 0 stay zero; an empty mask
/// keeps every code that means zero. The squared error of a row never grows: rows that do not get
/// better stay as they were. `spec` gives the codes' range. Errors: sizes that do not fit.
absl::StatusOr<QuantizedMatrix> refitCodes(const RefitCodesOptions &options,
                                           const QuantizeSpec &spec, const QuantizedMatrix &matrix,
                                           absl::Span<const uint8_t> mask,
                                           const SecondMoments &moments,
                                           absl::Span<const float> cross);

} // namespace stc

#endif // STC_COMPRESS_REPAIR_H
