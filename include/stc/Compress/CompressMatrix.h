// One matrix through every step of compression: prune, repair, quantize, repair.
#ifndef STC_COMPRESS_COMPRESSMATRIX_H
#define STC_COMPRESS_COMPRESSMATRIX_H

#include "stc/Compress/InverseFactor.h"
#include "stc/Compress/Prune.h"
#include "stc/Compress/Quantize.h"
#include "stc/Compress/SecondMoments.h"

#include <map>

namespace stc {

/// What calibration knows of the inputs that some matrices share, and the factors of their second
/// moments, made when they are first asked for.
class InputStatistics {
public:
  explicit InputStatistics(int64_t columns) : inputMoments(columns) {}
  SecondMoments &moments() { return inputMoments; }
  const SecondMoments &moments() const { return inputMoments; }
  /// For columns as stored (unit 0), or by decreasing moment in units of so many.
  absl::StatusOr<const InverseFactor *> factor(double damping, int64_t unit);
  /// What dampings are multiplied by where there are fewer tokens for each channel than moments
  /// need to be worth what damping takes them for: what is fitted to so few would not hold
  /// elsewhere. At least 1.
  double scarcity() const;

private:
  SecondMoments inputMoments;
  std::map<std::pair<double, int64_t>, InverseFactor> factors;
};

/// How to compress a matrix.
struct MatrixMethod {
  PruneSpec prune;
  QuantizeSpec quantize;
  /// Added to the diagonal of the second moments, relative to its mean.
  double damping = 0.01;
  /// Whether GPTQ takes columns by decreasing second moment.
  bool activationOrder = true;
  /// Whether pruning and rounding may go in one pass (of sparsegpt and gptq).
  bool joint = true;
  /// Whether what is left is fitted to the outputs wanted.
  bool repair = true;
  /// How much staying near the weights given counts in that, relative to the mean of the diagonal.
  double repairDamping = 0.05;
  /// Rounds of fitting scales and codes.
  int sweeps = 2;
};

struct CompressedMatrix {
  std::vector<float> values; // [rows][columns]; if quantized, exactly what the codes give
  std::vector<uint8_t> mask; // [rows][columns], 1 = kept; empty: nothing was pruned
  QuantizedMatrix quantized; // no codes: not quantized
  /// sqrt(|W' X - Y|^2 / |Y|^2): of the outputs wanted.
  double error = 0;
};

/// Compresses W [rows][columns], y = W x. `targets` are the outputs wanted for the inputs of
/// `statistics`; null means those of W itself. Methods that need no calibration (magnitude, rtn)
/// without repair do without `statistics` too. With `joint`, sparsegpt and gptq, and repair,
/// pruning and rounding in one pass and one after the other with repair between them are both
/// tried, and the lower error is taken.
/// Errors: a method that lacks statistics, weights that are not finite, sizes that do not fit.
absl::StatusOr<CompressedMatrix> compressMatrix(const MatrixMethod &method, int64_t rows,
                                                int64_t columns, absl::Span<const float> weights,
                                                InputStatistics *statistics,
                                                const CrossMoments *targets);

} // namespace stc

#endif // STC_COMPRESS_COMPRESSMATRIX_H
