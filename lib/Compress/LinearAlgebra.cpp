// Blocked operations on large f32 matrices over single-threaded BLAS calls.
#include "stc/Compress/LinearAlgebra.h"

#include "stc/Support/Parallel.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <mutex>

// OpenBLAS without threads of its own hands out its scratch buffers without a lock, so that two
// callers may get the same one. The linker puts these in between (see CMakeLists.txt).
extern "C" {
void *__real_blas_memory_alloc(int where);
void __real_blas_memory_free(void *buffer);
void *__wrap_blas_memory_alloc(int where);
void __wrap_blas_memory_free(void *buffer);
}

static std::mutex blasBuffers;
void *__wrap_blas_memory_alloc(int where) {
  std::lock_guard<std::mutex> lock(blasBuffers);
  return __real_blas_memory_alloc(where);
}
void __wrap_blas_memory_free(void *buffer) {
  std::lock_guard<std::mutex> lock(blasBuffers);
  __real_blas_memory_free(buffer);
}

namespace stc::linalg {

namespace {

/// Pieces of a product that one thread computes at a time, and the width of a factorization's
/// panels.
constexpr int64_t kTileRows = 256, kTileColumns = 1024, kTriangleTile = 512, kPanel = 128;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
CBLAS_TRANSPOSE transpose(bool on) { return on ? CblasTrans : CblasNoTrans; }
/// BLAS counts with 32 bits; no extent here comes near.
blasint extent(int64_t value) { return blasint(value); }

void gemm(int64_t rows, int64_t columns, int64_t inner, float alpha, Operand a, Operand b,
          float beta, float *c, int64_t stride) {
  cblas_sgemm(CblasRowMajor, transpose(a.transposed), transpose(b.transposed), extent(rows),
              extent(columns), extent(inner), alpha, a.data, extent(a.stride), b.data,
              extent(b.stride), beta, c, extent(stride));
}

/// Calls `body(first row, rows, first column, columns)` for tiles that cover the upper triangle.
template <typename Body> void forUpperTiles(int64_t n, Body body) {
  int64_t across = ceilDiv(n, kTriangleTile);
  std::vector<std::pair<int64_t, int64_t>> tiles;
  for (int64_t i = 0; i < across; ++i)
    for (int64_t j = i; j < across; ++j)
      tiles.emplace_back(i * kTriangleTile, j * kTriangleTile);
  parallelFor(int64_t(tiles.size()), [&](int64_t tile) {
    auto [row, column] = tiles[size_t(tile)];
    body(row, std::min(kTriangleTile, n - row), column, std::min(kTriangleTile, n - column));
  });
}

/// U U^T = A for a block on the diagonal, in place; sums in double keep what is left of a nearly
/// singular pivot.
bool factorBlock(int64_t n, float *a, int64_t stride) {
  for (int64_t j = n - 1; j >= 0; --j) {
    float *pivotRow = a + j * stride;
    double pivot = pivotRow[j];
    for (int64_t l = j + 1; l < n; ++l)
      pivot -= double(pivotRow[l]) * pivotRow[l];
    if (!(pivot > 0) || !std::isfinite(pivot))
      return false;
    double root = std::sqrt(pivot);
    pivotRow[j] = float(root);
    for (int64_t i = 0; i < j; ++i) {
      float *row = a + i * stride;
      double sum = row[j];
      for (int64_t l = j + 1; l < n; ++l)
        sum -= double(row[l]) * pivotRow[l];
      row[j] = float(sum / root);
    }
  }
  return true;
}

} // namespace

void multiply(int64_t rows, int64_t columns, int64_t inner, float alpha, Operand a, Operand b,
              float beta, float *c, int64_t stride) {
  int64_t down = ceilDiv(rows, kTileRows), across = ceilDiv(columns, kTileColumns);
  parallelFor(down * across, [&](int64_t tile) {
    int64_t row = tile / across * kTileRows, column = tile % across * kTileColumns;
    Operand left = a, right = b;
    left.data += a.transposed ? row : row * a.stride;
    right.data += b.transposed ? column * b.stride : column;
    gemm(std::min(kTileRows, rows - row), std::min(kTileColumns, columns - column), inner, alpha,
         left, right, beta, c + row * stride + column, stride);
  });
}

void addGram(int64_t rows, int64_t n, float alpha, const float *x, float *c) {
  forUpperTiles(n, [&](int64_t row, int64_t height, int64_t column, int64_t width) {
    gemm(height, width, rows, alpha, {x + row, n, true}, {x + column, n}, 1, c + row * n + column,
         n);
  });
}

void mirrorUpper(int64_t n, float *a) {
  constexpr int64_t tile = 64; // two of them fit the first cache
  parallelFor(ceilDiv(n, tile), [&](int64_t block) {
    int64_t last = std::min(n, (block + 1) * tile);
    for (int64_t first = 0; first < last; first += tile)
      for (int64_t row = block * tile; row < last; ++row)
        for (int64_t column = first; column < std::min(row, first + tile); ++column)
          a[row * n + column] = a[column * n + row];
  });
}

bool factorReverse(int64_t n, float *a) {
  // A matrix that is singular but for rounding leaves pivots of the size of rounding errors.
  constexpr float smallest = 1e-6f;
  std::vector<float> diagonal(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    diagonal[size_t(i)] = a[i * n + i];
  for (int64_t end = n; end > 0; end -= std::min(kPanel, end)) {
    int64_t begin = std::max<int64_t>(0, end - kPanel), width = end - begin;
    float *block = a + begin * n + begin;
    if (!factorBlock(width, block, n))
      return false;
    for (int64_t i = begin; i < end; ++i) {
      float root = a[i * n + i];
      if (!(root * root > smallest * diagonal[size_t(i)]))
        return false;
      std::fill(a + i * n, a + i * n + i, 0.0f);
    }
    parallelFor(ceilDiv(begin, kTileRows), [&](int64_t chunk) {
      int64_t row = chunk * kTileRows;
      cblas_strsm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit,
                  extent(std::min(kTileRows, begin - row)), extent(width), 1, block, extent(n),
                  a + row * n + begin, extent(n));
    });
    forUpperTiles(begin, [&](int64_t row, int64_t height, int64_t column, int64_t columns) {
      gemm(height, columns, width, -1, {a + row * n + begin, n}, {a + column * n + begin, n, true},
           1, a + row * n + column, n);
    });
  }
  return true;
}

void invertUpper(int64_t n, float *u) {
  std::vector<float> panel(size_t(n * std::min(n, kPanel)));
  for (int64_t begin = 0; begin < n; begin += kPanel) {
    int64_t width = std::min(kPanel, n - begin);
    float *block = u + begin * n + begin;
    std::vector<float> inverse(size_t(width * width), 0.0f);
    for (int64_t i = 0; i < width; ++i)
      inverse[size_t(i * width + i)] = 1;
    cblas_strsm(CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasNonUnit, extent(width),
                extent(width), 1, block, extent(n), inverse.data(), extent(width));
    for (int64_t i = 0; i < width; ++i)
      std::copy_n(inverse.data() + i * width, width, block + i * n);
    // The columns above become -(inverse above) * (they) * (inverse of the block).
    multiply(begin, width, width, -1, {u + begin, n}, {inverse.data(), width}, 0, panel.data(),
             width);
    parallelFor(ceilDiv(begin, kTileRows), [&](int64_t chunk) {
      int64_t row = chunk * kTileRows;
      gemm(std::min(kTileRows, begin - row), width, begin - row, 1, {u + row * n + row, n},
           {panel.data() + row * width, width}, 0, u + row * n + begin, n);
    });
  }
}

void multiplyByUpper(int64_t rows, int64_t n, const float *u, bool transposed, float *w) {
  parallelFor(ceilDiv(rows, kTileRows), [&](int64_t chunk) {
    int64_t row = chunk * kTileRows;
    cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, transpose(transposed), CblasNonUnit,
                extent(std::min(kTileRows, rows - row)), extent(n), 1, u, extent(n), w + row * n,
                extent(n));
  });
}

double dot(const float *a, const float *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += double(a[i]) * double(b[i]);
  return sum;
}

double quadraticForm(int64_t rows, int64_t n, const float *d, absl::Span<const float> h) {
  // Twice the upper triangle less the diagonal: half the work of the whole matrix.
  int64_t chunks = ceilDiv(rows, kTileRows);
  std::vector<double> sums(static_cast<size_t>(chunks));
  parallelFor(chunks, [&](int64_t chunk) {
    int64_t first = chunk * kTileRows, height = std::min(kTileRows, rows - first);
    const float *in = d + first * n;
    std::vector<float> product(in, in + height * n);
    cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, extent(height),
                extent(n), 1, h.data(), extent(n), product.data(), extent(n));
    double sum = 0;
    for (int64_t row = 0; row < height; ++row)
      for (int64_t column = 0; column < n; ++column) {
        double value = in[row * n + column];
        sum += value *
               (2.0 * product[size_t(row * n + column)] - value * h[size_t(column * n + column)]);
      }
    sums[size_t(chunk)] = sum;
  });
  double total = 0;
  for (double sum : sums)
    total += sum;
  return total;
}

} // namespace stc::linalg
