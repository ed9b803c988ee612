// Fast Walsh-Hadamard transforms with signs.
#include "stc/Compress/Hadamard.h"

#include "stc/Support/Parallel.h"
#include "stc/Support/Random.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// Rows, or columns of 16 floats, that one thread transforms at a time.
constexpr int64_t kRowChunk = 64, kWidth = 16;

/// Paley's construction for a prime 4 k + 3: a Hadamard matrix of size prime + 1.
std::vector<float> paley(int64_t prime) {
  std::vector<int> character(size_t(prime), -1); // whether a number is a square modulo the prime
  character[0] = 0;
  for (int64_t i = 1; i < prime; ++i)
    character[size_t(i * i % prime)] = 1;
  int64_t n = prime + 1;
  std::vector<float> matrix(size_t(n * n));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      int value = i == j   ? 1
                  : i == 0 ? 1
                  : j == 0 ? -1
                           : character[size_t((i - j + prime) % prime)];
      matrix[size_t(i * n + j)] = float(value);
    }
  return matrix;
}

} // namespace

HadamardRotation::HadamardRotation(int64_t size, uint64_t seed) : base(1), power(1) {
  while (size % (2 * power) == 0)
    power *= 2;
  int64_t odd = size / power;
  // 5 * 4 = 20 and 3 * 4 = 12 take a factor of four of the power.
  if (power >= 4 && (odd % 5 == 0 || odd % 3 == 0)) {
    base = odd % 5 == 0 ? 20 : 12;
    power /= 4;
    baseMatrix = paley(base - 1);
  }
  Random random(seed);
  float norm = float(1 / std::sqrt(double(block())));
  for (int64_t i = 0; i < size; ++i)
    signs.push_back(random.next() >> 63 ? -norm : norm);
}

/// Transforms size() vectors of `width` floats that follow each other.
void HadamardRotation::transform(float *values, int64_t width, bool inverse) const {
  int64_t count = size();
  auto applySigns = [&] {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < width; ++j)
        values[i * width + j] *= signs[size_t(i)];
  };
  if (!inverse)
    applySigns();
  std::vector<float> copy;
  for (int64_t first = 0; first < count; first += block()) {
    float *data = values + first * width;
    for (int64_t half = 1; half < power; half *= 2)
      for (int64_t i = 0; i < block(); i += 2 * half) {
        float *a = data + i * width, *b = a + half * width;
        for (int64_t j = 0; j < half * width; ++j) {
          float sum = a[j] + b[j], difference = a[j] - b[j];
          a[j] = sum;
          b[j] = difference;
        }
      }
    if (base == 1)
      continue;
    int64_t run = power * width;
    copy.assign(data, data + base * run);
    for (int64_t i = 0; i < base; ++i) {
      std::fill_n(data + i * run, run, 0.0f);
      for (int64_t k = 0; k < base; ++k) {
        float factor = baseMatrix[size_t(inverse ? k * base + i : i * base + k)];
        for (int64_t j = 0; j < run; ++j)
          data[i * run + j] += factor * copy[size_t(k * run + j)];
      }
    }
  }
  if (inverse)
    applySigns();
}

void HadamardRotation::rotateColumns(int64_t rows, float *values, bool inverse) const {
  parallelFor((rows + kRowChunk - 1) / kRowChunk, [&](int64_t chunk) {
    for (int64_t row = chunk * kRowChunk; row < std::min(rows, (chunk + 1) * kRowChunk); ++row)
      transform(values + row * size(), 1, inverse);
  });
}

void HadamardRotation::rotateRows(int64_t columns, float *values, bool inverse) const {
  parallelFor((columns + kWidth - 1) / kWidth, [&](int64_t chunk) {
    int64_t first = chunk * kWidth, width = std::min(kWidth, columns - first);
    std::vector<float> part(size_t(size() * width));
    for (int64_t i = 0; i < size(); ++i)
      std::copy_n(values + i * columns + first, width, part.data() + i * width);
    transform(part.data(), width, inverse);
    for (int64_t i = 0; i < size(); ++i)
      std::copy_n(part.data() + i * width, width, values + i * columns + first);
  });
}

} // namespace stc
