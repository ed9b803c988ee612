// The ADMM solver for masks and weights.
#include "stc/Compress/Alps.h"

#include "stc/Compress/InverseFactor.h"
#include "stc/Compress/LinearAlgebra.h"
#include "stc/Compress/Repair.h"
#include "stc/Compress/Scores.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// The force between the copies at the start, and after how many iterations it grows, as in the
/// paper; relative to a diagonal of H scaled to 1.
constexpr double kFirstForce = 0.1;
constexpr int kCheckEvery = 3;

/// All in the space where every input has the norm 1: weights times the norms of their inputs.
class Solver {
public:
  Solver(const AlpsOptions &options, int64_t rows, absl::Span<const float> weights,
         const SecondMoments &moments)
      : options(options), rows(rows), columns(moments.columns()), h(moments.matrix()),
        damping(options.damping * moments.meanDiagonal()), pruned(weights.begin(), weights.end()),
        dual(weights.size(), 0.0f), dense(weights.size()), factor(h.size()) {
    for (double square : moments.squares())
      norms.push_back(float(std::sqrt(square + damping)));
    scale(pruned);
    // W (H + damping) in scaled space; the norms stay on one side.
    target = crossOfWeights(moments, rows, weights);
    parallelFor(rows, [&](int64_t row) {
      for (int64_t i = row * columns, j = 0; j < columns; ++i, ++j)
        target[size_t(i)] =
            float(target[size_t(i)] + damping * double(weights[size_t(i)])) / norms[size_t(j)];
    });
    mask.assign(weights.size(), 1);
  }

  /// Runs until the mask stays; false where the moments cannot be factored.
  bool run();
  const std::vector<uint8_t> &keep() const { return mask; }
  /// The pruned weights, unscaled.
  std::vector<float> weights() const;
  int iterations = 0;

private:
  void scale(std::vector<float> &values) const;
  bool factorWith(double force);
  void project(double force);
  int64_t changes(const std::vector<uint8_t> &other) const;

  const AlpsOptions &options;
  const int64_t rows, columns;
  absl::Span<const float> h;
  const double damping;
  std::vector<float> norms;
  std::vector<float> pruned, dual, dense, target, factor;
  std::vector<uint8_t> mask;
};

void Solver::scale(std::vector<float> &values) const {
  parallelFor(rows, [&](int64_t row) {
    for (int64_t j = 0; j < columns; ++j)
      values[size_t(row * columns + j)] *= norms[size_t(j)];
  });
}

std::vector<float> Solver::weights() const {
  std::vector<float> values = pruned;
  for (int64_t i = 0; i < rows * columns; ++i)
    values[size_t(i)] /= norms[size_t(i % columns)];
  return values;
}

bool Solver::factorWith(double force) {
  parallelFor(columns, [&](int64_t row) {
    for (int64_t j = row; j < columns; ++j)
      factor[size_t(row * columns + j)] =
          h[size_t(row * columns + j)] / (norms[size_t(row)] * norms[size_t(j)]);
    // (H_jj + damping) / norm^2 is 1.
    factor[size_t(row * columns + row)] = float(1 + force);
  });
  if (!linalg::factorReverse(columns, factor.data()))
    return false;
  linalg::invertUpper(columns, factor.data());
  return true;
}

/// The pruned copy is what of dense + dual / force is largest; the dual takes up the difference.
void Solver::project(double force) {
  float inverse = float(1 / force), strength = float(force);
  parallelFor(rows, [&](int64_t row) {
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
      pruned[size_t(i)] = dense[size_t(i)] + dual[size_t(i)] * inverse;
  });
  bool whole = options.pattern.kind == PrunePattern::Kind::Unstructured;
  mask =
      maskFromScores(options.pattern, whole ? 1 : rows, whole ? rows * columns : columns, pruned);
  parallelFor(rows, [&](int64_t row) {
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      pruned[size_t(i)] = mask[size_t(i)] ? pruned[size_t(i)] : 0;
      dual[size_t(i)] += strength * (dense[size_t(i)] - pruned[size_t(i)]);
    }
  });
}

int64_t Solver::changes(const std::vector<uint8_t> &other) const {
  int64_t count = 0;
  for (size_t i = 0; i < mask.size(); ++i)
    count += mask[i] != other[i];
  return count;
}

bool Solver::run() {
  double force = kFirstForce;
  if (!factorWith(force))
    return false;
  std::vector<uint8_t> before;
  int64_t kept = 0;
  while (iterations < options.iterations) {
    float strength = float(force);
    parallelFor(rows, [&](int64_t row) {
      for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
        dense[size_t(i)] = target[size_t(i)] + strength * pruned[size_t(i)] - dual[size_t(i)];
    });
    linalg::multiplyByUpper(rows, columns, factor.data(), true, dense.data());
    linalg::multiplyByUpper(rows, columns, factor.data(), false, dense.data());
    project(force);
    if (++iterations % kCheckEvery != 0)
      continue;
    if (kept == 0)
      kept = std::count(mask.begin(), mask.end(), 1);
    int64_t changed = before.empty() ? int64_t(mask.size()) : changes(before);
    if (changed == 0)
      break;
    before = mask;
    // The paper's schedule: the more still changes, the faster the copies are drawn together.
    force *= double(changed) >= 0.1 * double(kept)     ? 1.3
             : double(changed) >= 0.005 * double(kept) ? 1.2
                                                       : 1.1;
    if (!factorWith(force))
      return false;
  }
  return true;
}

} // namespace

absl::StatusOr<AlpsResult> solveAlps(const AlpsOptions &options, int64_t rows,
                                     absl::Span<const float> weights,
                                     const SecondMoments &moments) {
  int64_t columns = moments.columns();
  if (rows < 1 || int64_t(weights.size()) != rows * columns)
    return formatError({"", "matrix", {}}, absl::StrCat("rows of ", columns, " weights"),
                       absl::StrCat(weights.size(), " in ", rows, " rows"));
  STC_RETURN_IF_ERROR(checkFinite(weights, "matrix"));
  AlpsResult result;
  Solver solver(options, rows, weights, moments);
  if (!solver.run())
    return formatError({"", "second moments", {}}, "a positive definite matrix once damped",
                       absl::StrCat("another with damping ", options.damping));
  result.iterations = solver.iterations;
  result.mask = solver.keep();
  RefitOptions refit;
  refit.damping = options.damping;
  STC_ASSIGN_OR_RETURN(result.values,
                       refitWeights(refit, rows, solver.weights(), result.mask, moments,
                                    crossOfWeights(moments, rows, weights)));
  result.error = outputError(moments, rows, weights, result.values);
  return result;
}

} // namespace stc
