// A solver for masks and weights together, for high sparsity.
#ifndef STC_COMPRESS_ALPS_H
#define STC_COMPRESS_ALPS_H

#include "stc/Compress/Prune.h"
#include "stc/Compress/SecondMoments.h"

#include <vector>

namespace stc {

struct AlpsOptions {
  /// What to prune; unstructured keeps the ratio of the matrix, and rows may differ.
  PrunePattern pattern;
  /// Added to H's diagonal, relative to its mean.
  double damping = 0.01;
  /// Iterations at most; each is two products with a triangular matrix of H's size.
  int iterations = 150;
};

struct AlpsResult {
  std::vector<float> values; // [rows][columns]
  std::vector<uint8_t> mask; // [rows][columns], 1 = kept
  double error = 0;          // outputError() of `values`
  int iterations = 0;        // until the mask no longer changed
};

/// Prunes a matrix W [rows][columns], y = W x, towards the least error of its outputs (ALPS, Meng
/// et al. 2024): the alternating direction method of multipliers, in which a dense and a pruned
/// copy of the weights approach each other with growing force until the mask stays, then conjugate
/// gradients on what stays. Errors: sizes that do not fit, weights that are not finite.
absl::StatusOr<AlpsResult> solveAlps(const AlpsOptions &options, int64_t rows,
                                     absl::Span<const float> weights, const SecondMoments &moments);

} // namespace stc

#endif // STC_COMPRESS_ALPS_H
