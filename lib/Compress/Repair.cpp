// Re-fits the weights that a mask keeps, by conjugate gradients on all rows at once.
#include "stc/Compress/Repair.h"

#include "stc/Compress/LinearAlgebra.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// Rows that are solved together; more would only take more memory.
constexpr int64_t kRowBatch = 1024;

/// Conjugate gradients for a batch of rows of W' (H + damping) = C + damping W on their supports.
class Batch {
public:
  Batch(int64_t rows, int64_t columns, const float *h, double damping)
      : rows(rows), columns(columns), h(h), damping(damping), residual(size_t(rows * columns)),
        direction(residual.size()), product(residual.size()), energy(size_t(rows)),
        first(size_t(rows)), inverse(size_t(columns)) {
    for (int64_t i = 0; i < columns; ++i) {
      double diagonal = double(h[i * columns + i]) + damping;
      inverse[size_t(i)] = diagonal > 0 ? float(1 / diagonal) : 0;
    }
  }

  /// Moves the rows of `weights` towards their optimum; `mask` and `cross` are of the same rows.
  void solve(const RefitOptions &options, float *weights, const uint8_t *mask, const float *cross) {
    std::vector<float> start(weights, weights + rows * columns);
    multiplyByH(weights);
    parallelFor(rows, [&](int64_t row) { begin(row, mask, cross); });
    initial = residual;
    for (int i = 0; i < options.iterations; ++i) {
      bool done = true;
      for (int64_t row = 0; row < rows; ++row)
        done &= finished(row, options.tolerance);
      if (done)
        break;
      multiplyByH(direction.data());
      parallelFor(rows, [&](int64_t row) {
        if (!finished(row, options.tolerance))
          step(row, weights, mask);
      });
    }
    // The error's change, from the step and the residual at the start: exact where both are small.
    for (size_t i = 0; i < start.size(); ++i)
      direction[i] = weights[i] - start[i];
    multiplyByH(direction.data());
    parallelFor(rows, [&](int64_t row) {
      const float *moved = direction.data() + row * columns;
      double change = linalg::dot(moved, product.data() + row * columns, columns) +
                      damping * linalg::dot(moved, moved, columns) -
                      2 * linalg::dot(moved, initial.data() + row * columns, columns);
      if (!(change < 0))
        std::copy_n(start.data() + row * columns, columns, weights + row * columns);
    });
  }

private:
  bool finished(int64_t row, double tolerance) const {
    return !(energy[size_t(row)] > tolerance * tolerance * first[size_t(row)]);
  }
  void multiplyByH(const float *left) {
    linalg::multiply(rows, columns, columns, 1, {left, columns}, {h, columns}, 0, product.data(),
                     columns);
  }
  void begin(int64_t row, const uint8_t *mask, const float *cross) {
    double sum = 0;
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      residual[size_t(i)] = mask[i] ? cross[i] - product[size_t(i)] : 0;
      direction[size_t(i)] = residual[size_t(i)] * inverse[size_t(i - row * columns)];
      sum += double(residual[size_t(i)]) * double(direction[size_t(i)]);
    }
    energy[size_t(row)] = first[size_t(row)] = sum;
  }
  void step(int64_t row, float *weights, const uint8_t *mask) {
    float *p = direction.data() + row * columns, *r = residual.data() + row * columns;
    const float *q = product.data() + row * columns;
    double curvature = linalg::dot(p, q, columns) + damping * linalg::dot(p, p, columns);
    if (!(curvature > 0)) {
      energy[size_t(row)] = 0;
      return;
    }
    float alpha = float(energy[size_t(row)] / curvature), ridge = float(damping);
    double sum = 0;
    for (int64_t i = 0; i < columns; ++i) {
      weights[row * columns + i] += alpha * p[i];
      r[i] -= mask[row * columns + i] ? alpha * (q[i] + ridge * p[i]) : 0;
      sum += double(r[i]) * double(r[i] * inverse[size_t(i)]);
    }
    float beta = float(sum / energy[size_t(row)]);
    energy[size_t(row)] = sum;
    for (int64_t i = 0; i < columns; ++i)
      p[i] = r[i] * inverse[size_t(i)] + beta * p[i];
  }

  const int64_t rows, columns;
  const float *h;
  const double damping;
  std::vector<float> residual, direction, product, initial;
  std::vector<double> energy, first; // per row: residual * preconditioned residual
  std::vector<float> inverse;        // of the damped diagonal
};

} // namespace

std::vector<float> crossOfWeights(const SecondMoments &moments, int64_t rows,
                                  absl::Span<const float> weights) {
  int64_t columns = moments.columns();
  std::vector<float> cross(weights.size());
  linalg::multiply(rows, columns, columns, 1, {weights.data(), columns},
                   {moments.matrix().data(), columns}, 0, cross.data(), columns);
  return cross;
}

double targetError(const SecondMoments &moments, const CrossMoments &targets,
                   absl::Span<const float> weights) {
  double total = 0;
  for (double square : targets.squares())
    total += square;
  double products = linalg::dot(weights.data(), targets.matrix().data(), int64_t(weights.size()));
  double squares =
      linalg::quadraticForm(targets.rows(), moments.columns(), weights.data(), moments.matrix());
  double error = total - 2 * products + squares;
  return total > 0 ? std::sqrt(std::max(error, 0.0) / total) : 0;
}

absl::StatusOr<std::vector<float>> refitWeights(const RefitOptions &options, int64_t rows,
                                                absl::Span<const float> weights,
                                                absl::Span<const uint8_t> mask,
                                                const SecondMoments &moments,
                                                absl::Span<const float> cross) {
  int64_t columns = moments.columns(), count = rows * columns;
  if (rows < 1 || int64_t(weights.size()) != count || int64_t(mask.size()) != count ||
      int64_t(cross.size()) != count)
    return formatError({"", "repair", {}},
                       absl::StrCat(count, " weights, mask bytes and cross moments"),
                       absl::StrCat(weights.size(), ", ", mask.size(), " and ", cross.size()));
  std::vector<float> result(weights.begin(), weights.end());
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = mask[i] ? result[i] : 0;
  absl::Span<const float> h = moments.matrix();
  double damping = options.damping * moments.meanDiagonal();
  for (int64_t row = 0; row < rows; row += kRowBatch) {
    Batch batch(std::min(kRowBatch, rows - row), columns, h.data(), damping);
    batch.solve(options, result.data() + row * columns, mask.data() + row * columns,
                cross.data() + row * columns);
  }
  return result;
}

} // namespace stc
