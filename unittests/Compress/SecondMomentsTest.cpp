// Moments are the sums they promise, however they arrive, and their factor is the inverse's.
#include "stc/Compress/InverseFactor.h"
#include "stc/Support/Parallel.h"

#include "CompressTestUtil.h"

#include <cfloat>
#include <numeric>

using namespace stc;

TEST(SecondMoments, AreTheSumsOverTokens) {
  for (int64_t columns : {1, 3, 64, 130, 600})
    for (int64_t tokens : {1, 7, 300}) {
      std::vector<float> x = correlatedInputs(tokens, columns, uint64_t(columns));
      SecondMoments moments = momentsOf(columns, x);
      EXPECT_EQ(moments.tokens(), tokens);
      for (int64_t i = 0; i < columns; i += 1 + columns / 40)
        for (int64_t j = 0; j < columns; ++j) {
          double sum = 0, size = 0;
          for (int64_t t = 0; t < tokens; ++t) {
            double product = double(x[size_t(t * columns + i)]) * x[size_t(t * columns + j)];
            sum += product;
            size += std::fabs(product);
          }
          ASSERT_NEAR(moments.matrix()[size_t(i * columns + j)], sum, 1e-5 * size);
          if (i == j)
            EXPECT_DOUBLE_EQ(moments.squares()[size_t(i)], sum);
        }
    }
}

TEST(SecondMoments, PerChannelSums) {
  SecondMoments moments = momentsOf(2, {1, -2, 3, 0, -5, 4});
  EXPECT_EQ(moments.tokens(), 3);
  EXPECT_EQ(moments.squares()[0], 35);
  EXPECT_EQ(moments.magnitudes()[0], 9);
  EXPECT_EQ(moments.sums()[0], -1);
  EXPECT_EQ(moments.largest()[0], 5);
  EXPECT_EQ(moments.largest()[1], 4);
  EXPECT_EQ(moments.matrix()[1], -2 - 20);
  EXPECT_EQ(moments.meanDiagonal(), (35 + 20) / 2.0);
}

TEST(SecondMoments, DoNotDependOnChunksOrThreads) {
  constexpr int64_t columns = 530, tokens = 700;
  std::vector<float> x = correlatedInputs(tokens, columns, 3);
  SecondMoments whole = momentsOf(columns, x);
  for (int threads : {1, 2, 3})
    for (int64_t chunk : {1, 100, 257}) {
      setParallelThreads(threads);
      SecondMoments parts(columns);
      for (int64_t t = 0; t < tokens; t += chunk)
        ASSERT_TRUE(
            parts.add(absl::MakeSpan(x).subspan(size_t(t * columns), size_t(chunk * columns)))
                .ok());
      ASSERT_EQ(parts.matrix(), whole.matrix());
      EXPECT_EQ(parts.squares(), whole.squares());
    }
  setParallelThreads(0);
}

TEST(SecondMoments, RefuseWhatIsNotFinite) {
  SecondMoments moments(4);
  ASSERT_TRUE(moments.add({1, 2, 3, 4}).ok());
  std::vector<float> before(moments.matrix().begin(), moments.matrix().end());
  EXPECT_EQ(moments.add({1, 2, 3, 4, 5, 6, NAN, 8}).message(),
            "calibration inputs: expected finite activations, got nan at token 1, channel 2");
  EXPECT_EQ(moments.add({1, -INFINITY, 3, 4}).message(),
            "calibration inputs: expected finite activations, got -inf at token 0, channel 1");
  EXPECT_EQ(moments.add({1, 2, 3}).message(),
            "calibration inputs: expected a multiple of 4, got 3 values");
  EXPECT_FALSE(moments.add({1e30f, 0, 0, 0}).ok());
  EXPECT_EQ(moments.tokens(), 1);
  EXPECT_EQ(moments.matrix(), absl::MakeConstSpan(before));
}

TEST(SecondMoments, CountDeadInputs) {
  SecondMoments moments = momentsOf(3, {1, 0, 2, -0.0f, 0, 2});
  EXPECT_EQ(moments.deadInputs(), 1);
  EXPECT_EQ(SecondMoments(5).deadInputs(), 5);
  EXPECT_EQ(SecondMoments(5).meanDiagonal(), 1);
}

TEST(SecondMoments, DividedInputsHaveTheMomentsOfTheQuotients) {
  std::vector<float> x = correlatedInputs(30, 7, 1), divisors = {2, 0.5f, -4, 1, 8, 0.25f, 1};
  SecondMoments moments = momentsOf(7, x);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] /= divisors[i % 7]; // by powers of two, so nothing is rounded
  moments.divideInputs(divisors);
  SecondMoments expected = momentsOf(7, x);
  EXPECT_EQ(moments.matrix(), expected.matrix());
  EXPECT_EQ(moments.squares(), expected.squares());
  EXPECT_EQ(moments.magnitudes(), expected.magnitudes());
  EXPECT_EQ(moments.sums(), expected.sums());
  EXPECT_EQ(moments.largest(), expected.largest());
}

TEST(SecondMoments, SerializeWithoutLoss) {
  SecondMoments moments = correlatedMoments(40, 37, 5);
  std::vector<uint8_t> bytes = moments.serialize();
  auto back = SecondMoments::deserialize(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->matrix(), moments.matrix());
  EXPECT_EQ(back->squares(), moments.squares());
  EXPECT_EQ(back->magnitudes(), moments.magnitudes());
  EXPECT_EQ(back->sums(), moments.sums());
  EXPECT_EQ(back->largest(), moments.largest());
  EXPECT_EQ(back->tokens(), 40);
  EXPECT_EQ(back->serialize(), bytes);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(SecondMoments::deserialize(absl::MakeSpan(bytes).subspan(0, size)).ok()) << size;
  bytes.push_back(0);
  EXPECT_FALSE(SecondMoments::deserialize(bytes).ok());
  bytes.pop_back();
  for (size_t i = 0; i < 4; ++i)
    bytes[bytes.size() - 1 - i] = 0xFF;
  EXPECT_FALSE(SecondMoments::deserialize(bytes).ok());
  bytes[8] = 200; // another number of columns
  EXPECT_FALSE(SecondMoments::deserialize(bytes).ok());
}

TEST(CrossMoments, AreTheSumsOverTokens) {
  constexpr int64_t rows = 5, columns = 9, tokens = 33;
  std::vector<float> x = randomNormal(tokens * columns, 1), y = randomNormal(tokens * rows, 2);
  CrossMoments cross(rows, columns);
  ASSERT_TRUE(
      cross.add(absl::MakeSpan(y).subspan(0, 8 * rows), absl::MakeSpan(x).subspan(0, 8 * columns))
          .ok());
  ASSERT_TRUE(
      cross.add(absl::MakeSpan(y).subspan(8 * rows), absl::MakeSpan(x).subspan(8 * columns)).ok());
  EXPECT_EQ(cross.tokens(), tokens);
  for (int64_t i = 0; i < rows; ++i) {
    double squares = 0;
    for (int64_t t = 0; t < tokens; ++t)
      squares += std::pow(y[size_t(t * rows + i)], 2);
    EXPECT_NEAR(cross.squares()[size_t(i)], squares, 1e-9);
    for (int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < tokens; ++t)
        sum += double(y[size_t(t * rows + i)]) * x[size_t(t * columns + j)];
      EXPECT_NEAR(cross.matrix()[size_t(i * columns + j)], sum, 1e-4);
    }
  }
  EXPECT_FALSE(cross.add(y, x).ok() && cross.add(absl::MakeSpan(y).subspan(rows), x).ok());
  EXPECT_EQ(cross.add({1, 2, 3, 4, NAN}, randomNormal(columns, 1)).message(),
            "calibration outputs: expected finite activations, got nan at token 0, channel 4");
}

TEST(InverseFactor, TimesItselfIsTheInverse) {
  for (int64_t n : {1, 2, 7, 128, 129, 300, 700})
    for (bool ordered : {false, true}) {
      SecondMoments moments = correlatedMoments(n + 50, n, uint64_t(n));
      auto factor =
          factorInverse(moments, 0.01, ordered ? activationOrder(moments) : std::vector<int64_t>());
      ASSERT_TRUE(factor.ok()) << factor.status();
      EXPECT_EQ(factor->note, "");
      EXPECT_NEAR(factor->damping, 0.01 * moments.meanDiagonal(), 1e-9 * factor->damping);
      // R (H + damping I) R^T = I needs no inverse to check.
      size_t size = size_t(n);
      auto damped = [&](size_t i, size_t j) {
        int64_t a = factor->columnAt(int64_t(i)), b = factor->columnAt(int64_t(j));
        return double(moments.matrix()[size_t(a * n + b)]) + (i == j ? factor->damping : 0);
      };
      std::vector<double> product(size * size, 0.0);
      for (size_t i = 0; i < size; ++i)
        for (size_t k = i; k < size; ++k)
          for (size_t j = 0; j < size; ++j)
            product[i * size + j] += double(factor->factor[i * size + k]) * damped(k, j);
      for (size_t i = 0; i < size; ++i)
        for (size_t j = i; j < size; ++j) {
          double sum = 0;
          for (size_t k = j; k < size; ++k)
            sum += product[i * size + k] * double(factor->factor[j * size + k]);
          ASSERT_NEAR(sum, i == j, 2e-3) << n << " " << i << " " << j;
        }
      for (size_t i = 0; i < size; ++i)
        for (size_t j = 0; j < i; ++j)
          ASSERT_EQ(factor->factor[i * size + j], 0);
    }
}

TEST(InverseFactor, SingularMomentsAreDampedMoreWithANote) {
  // Rank 1 and no damping wanted; then no input at all.
  std::vector<float> x = randomNormal(40, 1);
  SecondMoments moments = momentsOf(40, x);
  auto factor = factorInverse(moments, 0);
  ASSERT_TRUE(factor.ok()) << factor.status();
  EXPECT_GT(factor->damping, 0);
  EXPECT_NE(factor->note.find("singular"), std::string::npos) << factor->note;
  EXPECT_EQ(factor->note.find('\n'), std::string::npos);
  auto empty = factorInverse(SecondMoments(7), 0.01);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->note, "");
  for (size_t i = 0; i < 7; ++i)
    EXPECT_NEAR(empty->factor[i * 8], 10, 1e-4);
}

TEST(InverseFactor, OrderIsByDecreasingMoments) {
  SecondMoments moments = momentsOf(7, {1, 5, 2, 2, 0, 7, 9});
  EXPECT_EQ(activationOrder(moments), (std::vector<int64_t>{6, 5, 1, 2, 3, 0, 4}));
  EXPECT_EQ(activationOrder(moments, 2), (std::vector<int64_t>{4, 5, 0, 1, 2, 3, 6}));
  EXPECT_FALSE(factorInverse(moments, 0.01, {0, 1, 2, 3, 4, 5, 5}).ok());
  EXPECT_FALSE(factorInverse(moments, 0.01, {0, 1}).ok());
}

TEST(InverseFactor, DoesNotDependOnThreads) {
  SecondMoments moments = correlatedMoments(900, 800, 4);
  auto all = factorInverse(moments);
  setParallelThreads(1);
  auto one = factorInverse(moments);
  setParallelThreads(0);
  ASSERT_TRUE(all.ok() && one.ok());
  EXPECT_EQ(all->factor, one->factor);
}

TEST(OutputError, IsThatOfTheOutputs) {
  constexpr int64_t rows = 3, columns = 20, tokens = 50;
  std::vector<float> x = correlatedInputs(tokens, columns, 6);
  std::vector<float> w = randomNormal(rows * columns, 7), q = randomNormal(rows * columns, 8);
  double total = 0, error = 0;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t row = 0; row < rows; ++row) {
      double y = 0, d = 0;
      for (int64_t i = 0; i < columns; ++i) {
        double input = x[size_t(t * columns + i)];
        y += w[size_t(row * columns + i)] * input;
        d += (q[size_t(row * columns + i)] - w[size_t(row * columns + i)]) * input;
      }
      total += y * y;
      error += d * d;
    }
  SecondMoments moments = momentsOf(columns, x);
  EXPECT_NEAR(outputError(moments, rows, w, q), std::sqrt(error / total), 1e-4);
  EXPECT_EQ(outputError(moments, rows, w, w), 0);
  EXPECT_EQ(outputError(SecondMoments(columns), rows, w, q), 0);
}
