// The few operations on large f32 matrices that compression needs, on all threads.
#ifndef STC_COMPRESS_LINEARALGEBRA_H
#define STC_COMPRESS_LINEARALGEBRA_H

#include "absl/types/span.h"

#include <cstdint>
#include <vector>

namespace stc::linalg {

// All matrices are row-major. Work is cut into pieces of fixed size, so results are the same for
// any number of threads (on processors for which OpenBLAS picks the same kernels).

/// A matrix operand: its first element, the distance of its rows, and whether it is transposed.
struct Operand {
  const float *data;
  int64_t stride;
  bool transposed = false;
};

/// C [rows x columns] = alpha A B + beta C, with A [rows x inner] and B [inner x columns].
void multiply(int64_t rows, int64_t columns, int64_t inner, float alpha, Operand a, Operand b,
              float beta, float *c, int64_t stride);

/// The upper triangle of C [n x n] += alpha X^T X, with X [rows x n]; some of what lies just below
/// the diagonal changes too.
void addGram(int64_t rows, int64_t n, float alpha, const float *x, float *c);

/// Copies the upper triangle to the lower one.
void mirrorUpper(int64_t n, float *a);

/// Overwrites the symmetric matrix in the upper triangle of A [n x n] by the upper triangular U
/// with A = U U^T, and what is below the diagonal by zeros. False if A is not positive definite to
/// working precision; then A is spoilt.
bool factorReverse(int64_t n, float *a);

/// Overwrites an upper triangular matrix, zeros below the diagonal, by its inverse.
void invertUpper(int64_t n, float *u);

/// W [rows x n] = W U, or W U^T, with U upper triangular.
void multiplyByUpper(int64_t rows, int64_t n, const float *u, bool transposed, float *w);

/// The sum over the rows d of D of d H d^T, with a symmetric H [n x n].
double quadraticForm(int64_t rows, int64_t n, const float *d, absl::Span<const float> h);

/// The inner product of two vectors, summed in double.
double dot(const float *a, const float *b, int64_t n);

} // namespace stc::linalg

#endif // STC_COMPRESS_LINEARALGEBRA_H
