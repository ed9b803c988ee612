// Products and factorizations give the same bits from any number of threads, many times over.
#include "stc/Compress/LinearAlgebra.h"

#include "stc/Support/Parallel.h"

#include "CompressTestUtil.h"

#include <atomic>

using namespace stc;

TEST(LinearAlgebra, ManyThreadsAtOnceAgree) {
  // Each thread's products must be its own: scratch buffers of the library are not shared.
  constexpr int64_t n = 112; // smaller products need no buffers
  std::vector<float> a = randomNormal(n * n, 1), b = randomNormal(n * n, 2), expected(n * n);
  linalg::multiply(n, n, n, 1, {a.data(), n}, {b.data(), n}, 0, expected.data(), n);
  setParallelThreads(8);
  std::atomic<int> wrong{0};
  parallelFor(60000, [&](int64_t) {
    std::vector<float> c(n * n);
    linalg::multiply(n, n, n, 1, {a.data(), n}, {b.data(), n}, 0, c.data(), n);
    wrong += c != expected;
  });
  setParallelThreads(0);
  EXPECT_EQ(wrong, 0);
}

TEST(LinearAlgebra, ProductsAreThoseOfLoops) {
  constexpr int64_t rows = 300, columns = 1100, inner = 33;
  std::vector<float> a = randomNormal(rows * inner, 1), b = randomNormal(inner * columns, 2);
  std::vector<float> at(a.size()), bt(b.size());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = 0; k < inner; ++k)
      at[size_t(k * rows + i)] = a[size_t(i * inner + k)];
  for (int64_t k = 0; k < inner; ++k)
    for (int64_t j = 0; j < columns; ++j)
      bt[size_t(j * inner + k)] = b[size_t(k * columns + j)];
  for (bool left : {false, true})
    for (bool right : {false, true}) {
      std::vector<float> c(rows * columns, 1.0f);
      linalg::multiply(
          rows, columns, inner, 2, {left ? at.data() : a.data(), left ? rows : inner, left},
          {right ? bt.data() : b.data(), right ? inner : columns, right}, 3, c.data(), columns);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; j += 7) {
          double sum = 3;
          for (int64_t k = 0; k < inner; ++k)
            sum += 2.0 * double(a[size_t(i * inner + k)]) * double(b[size_t(k * columns + j)]);
          ASSERT_NEAR(c[size_t(i * columns + j)], sum, 1e-3);
        }
    }
}

TEST(LinearAlgebra, TriangularProducts) {
  constexpr int64_t rows = 3, n = 50;
  std::vector<float> u = randomNormal(n * n, 1), w = randomNormal(rows * n, 2);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j)
      u[size_t(i * n + j)] = 0;
  for (bool transposed : {false, true}) {
    std::vector<float> result = w;
    linalg::multiplyByUpper(rows, n, u.data(), transposed, result.data());
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < n; ++k)
          sum += double(w[size_t(row * n + k)]) *
                 double(u[size_t(transposed ? j * n + k : k * n + j)]);
        ASSERT_NEAR(result[size_t(row * n + j)], sum, 1e-4);
      }
  }
}

TEST(LinearAlgebra, IndefiniteMatricesHaveNoFactor) {
  std::vector<float> a = {1, 2, 2, 1}, nan = {1, NAN, NAN, 1}, singular = {1, 1, 1, 1};
  EXPECT_FALSE(linalg::factorReverse(2, a.data()));
  EXPECT_FALSE(linalg::factorReverse(2, nan.data()));
  EXPECT_FALSE(linalg::factorReverse(2, singular.data()));
}
