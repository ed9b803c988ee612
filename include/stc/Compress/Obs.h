// Optimal brain surgery: prunes and quantizes a matrix in one pass, each change made up for by the
// weights still to come.
#ifndef STC_COMPRESS_OBS_H
#define STC_COMPRESS_OBS_H

#include "stc/Compress/InverseFactor.h"
#include "stc/Compress/Prune.h"
#include "stc/Compress/Quantize.h"

namespace stc {

struct ObsOptions {
  /// What to prune; None prunes nothing, and what is zero stays zero.
  PrunePattern pattern;
  /// A mask to keep to instead, [rows][columns], 1 = kept; then `pattern` is not looked at.
  absl::Span<const uint8_t> mask;
  /// How to quantize what stays; not enabled: not at all. The method's name is not looked at.
  QuantizeSpec quantize;
};

struct ObsResult {
  std::vector<float> values; // [rows][columns]; if quantized, exactly what the codes give
  std::vector<uint8_t> mask; // [rows][columns], 1 = kept
  QuantizedMatrix quantized; // empty unless asked for; pruned weights have the code of zero
  double error = 0;          // outputError() of `values`
};

/// The number of consecutive columns that a pattern decides on together and an order of columns
/// must therefore keep together: M, the columns of a block, or 1.
int64_t orderUnit(const PrunePattern &pattern);

/// Prunes and quantizes a matrix W [rows][columns], y = W x, such that the error of the outputs
/// tr(D H D^T) grows least: columns in the factor's order, what each loses made up for by later
/// ones (SparseGPT, Frantar and Alistarh 2023; GPTQ, Frantar et al. 2023; jointly, so that errors
/// of rounding and of pruning make up for each other).
///
/// Masks: unstructured ones are chosen per 128 columns over all rows, as many of each 128 as the
/// losses over the whole matrix at the start suggest, so the ratio is exact for the matrix, and
/// rows and columns may differ; blocks the same way by the sum over their rows; N:M when the M
/// columns are reached. Scales are chosen when their group is reached, for the weights as they are
/// then and by the diagonal of H; in another order than the stored one (activation order) all are
/// chosen at the start. Codes and scales are those of quantizeRoundToNearest.
///
/// The same factor serves all matrices with the same inputs. Errors: sizes that do not fit, weights
/// that are not finite, an order that tears a unit of the pattern apart.
absl::StatusOr<ObsResult> solveObs(const ObsOptions &options, int64_t rows,
                                   absl::Span<const float> weights, const SecondMoments &moments,
                                   const InverseFactor &factor);

} // namespace stc

#endif // STC_COMPRESS_OBS_H
