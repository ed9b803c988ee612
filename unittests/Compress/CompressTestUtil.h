// Random weights, correlated inputs, and dense double-precision algebra to judge by.
#ifndef STC_UNITTESTS_COMPRESS_COMPRESSTESTUTIL_H
#define STC_UNITTESTS_COMPRESS_COMPRESSTESTUTIL_H

#include "stc/Compress/SecondMoments.h"
#include "stc/Support/Random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace stc {

inline std::vector<float> randomNormal(int64_t count, uint64_t seed, double scale = 1) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float &value : values)
    value = float(random.normal() * scale);
  return values;
}

/// Inputs [tokens][columns] as layers see them: neighbours correlate, a few channels are large.
inline std::vector<float> correlatedInputs(int64_t tokens, int64_t columns, uint64_t seed) {
  Random random(seed);
  std::vector<double> sizes;
  for (int64_t i = 0; i < columns; ++i)
    sizes.push_back(std::exp(0.5 * random.normal()) * (random.uniform() < 0.03 ? 8 : 1));
  std::vector<double> shared(16 * size_t(columns));
  for (double &value : shared)
    value = random.normal();
  std::vector<float> inputs;
  for (int64_t token = 0; token < tokens; ++token) {
    double factors[16], last = 0;
    for (double &value : factors)
      value = random.normal() * 0.5;
    for (int64_t i = 0; i < columns; ++i) {
      last = 0.7 * last + 0.7 * random.normal();
      double value = last;
      for (size_t k = 0; k < 16; ++k)
        value += factors[k] * shared[k * size_t(columns) + size_t(i)];
      inputs.push_back(float(value * sizes[size_t(i)]));
    }
  }
  return inputs;
}

inline SecondMoments momentsOf(int64_t columns, const std::vector<float> &inputs) {
  SecondMoments moments(columns);
  EXPECT_TRUE(moments.add(inputs).ok());
  return moments;
}
inline SecondMoments correlatedMoments(int64_t tokens, int64_t columns, uint64_t seed) {
  return momentsOf(columns, correlatedInputs(tokens, columns, seed));
}

using Dense = std::vector<std::vector<double>>;

inline Dense denseOf(const SecondMoments &moments) {
  size_t n = size_t(moments.columns());
  Dense h(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      h[i][j] = moments.matrix()[i * n + j];
  return h;
}

/// Solves A x = b by Gaussian elimination with pivoting.
inline std::vector<double> solveDense(Dense a, std::vector<double> b) {
  size_t n = b.size();
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k; i < n; ++i)
      if (std::fabs(a[i][k]) > std::fabs(a[pivot][k]))
        pivot = i;
    std::swap(a[k], a[pivot]);
    std::swap(b[k], b[pivot]);
    for (size_t i = k + 1; i < n; ++i) {
      double factor = a[i][k] / a[k][k];
      for (size_t j = k; j < n; ++j)
        a[i][j] -= factor * a[k][j];
      b[i] -= factor * b[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j)
      b[k] -= a[k][j] * b[j];
    b[k] /= a[k][k];
  }
  return b;
}

/// d H d^T of one row.
inline double rowError(const Dense &h, const std::vector<double> &d) {
  double sum = 0;
  for (size_t i = 0; i < d.size(); ++i)
    for (size_t j = 0; j < d.size(); ++j)
      sum += d[i] * h[i][j] * d[j];
  return sum;
}

/// The best values of the weights that a mask keeps: least squares of w H towards `target` (a row
/// of cross moments, or w H).
inline std::vector<double> bestUnderMask(const Dense &h, const std::vector<double> &target,
                                         const uint8_t *mask) {
  std::vector<size_t> kept;
  for (size_t i = 0; i < target.size(); ++i)
    if (mask[i])
      kept.push_back(i);
  Dense a;
  std::vector<double> b;
  for (size_t i : kept) {
    a.emplace_back();
    for (size_t j : kept)
      a.back().push_back(h[i][j]);
    b.push_back(target[i]);
  }
  std::vector<double> solved = solveDense(a, b), result(target.size(), 0.0);
  for (size_t i = 0; i < kept.size(); ++i)
    result[kept[i]] = solved[i];
  return result;
}

/// w H for one row.
inline std::vector<double> timesH(const Dense &h, const float *w) {
  std::vector<double> result(h.size(), 0.0);
  for (size_t i = 0; i < h.size(); ++i)
    for (size_t j = 0; j < h.size(); ++j)
      result[j] += double(w[i]) * h[i][j];
  return result;
}

} // namespace stc

#endif // STC_UNITTESTS_COMPRESS_COMPRESSTESTUTIL_H
