// What each weight counts, and masks that keep what counts most.
#ifndef STC_COMPRESS_SCORES_H
#define STC_COMPRESS_SCORES_H

#include "stc/Compress/Prune.h"
#include "stc/Compress/SecondMoments.h"

namespace stc {

/// Keeps what scores highest, one byte per weight, 1 = kept. `scores` are [rows][columns], of
/// which only the magnitudes count. Ratio patterns keep exactly round((1 - ratio) * count) weights
/// (or blocks, scored by the L2 norm of their scores) of each row (unstructured) or of the matrix
/// (blocks); ties keep the lower column. Ragged last N:M groups keep at most N.
std::vector<uint8_t> maskFromScores(const PrunePattern &pattern, int64_t rows, int64_t columns,
                                    absl::Span<const float> scores);

/// Wanda (Sun et al. 2024): |w_ij| times the L2 norm of input j over the calibration tokens, the
/// root of squares[j]. `weights` are [rows][squares.size()], as is the result.
std::vector<float> wandaScores(absl::Span<const float> weights, absl::Span<const double> squares);
inline std::vector<float> wandaScores(absl::Span<const float> weights,
                                      const SecondMoments &moments) {
  return wandaScores(weights, moments.squares());
}

/// OWL (Yin et al. 2024): the share of scores above `multiple` times their mean. Layers with many
/// outliers bear less pruning. 0 for no scores.
double outlierRatio(absl::Span<const float> scores, double multiple = 5);

/// OWL's ratios of zeros per layer: the more outliers the fewer zeros, within `lambda` of `ratio`,
/// such that the mean over layers, weighted by `sizes` (weights per layer), is `ratio`. No layer
/// gets more than half of the way to losing nothing or everything. `outliers` and `sizes` have one
/// entry per layer.
std::vector<double> owlRatios(absl::Span<const double> outliers, absl::Span<const int64_t> sizes,
                              double ratio, double lambda = 0.08);

/// The same for N:M: how many of `m` weights each layer keeps, from 1 to m - 1, as near to
/// owlRatios as whole numbers come whose mean, weighted by `sizes`, is not above `n`: equal layers
/// have exactly that mean.
std::vector<int64_t> owlCounts(absl::Span<const double> outliers, absl::Span<const int64_t> sizes,
                               int64_t n, int64_t m, double lambda = 0.08);

} // namespace stc

#endif // STC_COMPRESS_SCORES_H
