// Rotations are orthonormal, invertible, and spread outliers.
#include "stc/Compress/Hadamard.h"

#include "CompressTestUtil.h"

#include <algorithm>

using namespace stc;

TEST(Hadamard, BlocksAreTheLargestThatDivide) {
  struct {
    int64_t size, block;
  } cases[] = {{1, 1},       {2, 2},    {3, 1},     {4, 4},      {6, 2},        {12, 12},
               {20, 20},     {24, 24},  {40, 40},   {36, 12},    {60, 20},      {100, 20},
               {2048, 2048}, {176, 16}, {384, 384}, {5632, 512}, {14336, 2048}, {7, 1}};
  for (auto [size, block] : cases)
    EXPECT_EQ(HadamardRotation(size, 1).block(), block) << size;
}

TEST(Hadamard, IsOrthonormal) {
  for (int64_t n : {1, 2, 3, 8, 12, 20, 24, 36, 40, 60, 64, 96, 160, 176}) {
    HadamardRotation rotation(n, uint64_t(n));
    size_t size = size_t(n);
    std::vector<float> q(size * size, 0.0f), transposed = q;
    for (size_t i = 0; i < size; ++i)
      q[i * size + i] = transposed[i * size + i] = 1;
    rotation.rotateRows(n, q.data());             // Q
    rotation.rotateColumns(n, transposed.data()); // Q^T
    double entry = 1 / std::sqrt(double(rotation.block()));
    for (size_t i = 0; i < size; ++i)
      for (size_t j = 0; j < size; ++j) {
        EXPECT_EQ(q[i * size + j], transposed[j * size + i]);
        bool inside = int64_t(i) / rotation.block() == int64_t(j) / rotation.block();
        ASSERT_NEAR(std::fabs(q[i * size + j]), inside ? entry : 0, 1e-6);
        double product = 0;
        for (size_t k = 0; k < size; ++k)
          product += double(q[i * size + k]) * double(q[j * size + k]);
        ASSERT_NEAR(product, i == j, 1e-6) << n << " " << i << " " << j;
      }
  }
}

TEST(Hadamard, RotationsCancel) {
  constexpr int64_t rows = 70, columns = 60;
  std::vector<float> w = randomNormal(rows * columns, 1), rotated = w;
  HadamardRotation in(columns, 2), out(rows, 3);
  in.rotateColumns(rows, rotated.data());
  out.rotateRows(columns, rotated.data());
  // (Q_out W Q_in^T) (Q_in x) = Q_out (W x).
  std::vector<float> x = randomNormal(columns, 4), qx = x, y(rows, 0.0f), qy(rows, 0.0f);
  in.rotateRows(1, qx.data());
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j) {
      y[i] += w[i * columns + j] * x[j];
      qy[i] += rotated[i * columns + j] * qx[j];
    }
  out.rotateRows(1, y.data());
  for (size_t i = 0; i < rows; ++i)
    EXPECT_NEAR(qy[i], y[i], 1e-3);
  in.rotateColumns(rows, rotated.data(), true);
  out.rotateRows(columns, rotated.data(), true);
  for (size_t i = 0; i < w.size(); ++i)
    ASSERT_NEAR(rotated[i], w[i], 1e-5);
}

TEST(Hadamard, SpreadsOutliersBySeed) {
  std::vector<float> x(256, 0.01f);
  x[17] = 10;
  std::vector<float> first = x, again = x, other = x;
  HadamardRotation(256, 1).rotateRows(1, first.data());
  HadamardRotation(256, 1).rotateRows(1, again.data());
  HadamardRotation(256, 2).rotateRows(1, other.data());
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  for (float value : first)
    EXPECT_LT(std::fabs(value), 0.7f);
}
