// Biases reach the least squares of weights and bias together, and take all of the mean error.
#include "stc/Compress/Bias.h"
#include "stc/Compress/CompressMatrix.h"

#include "CompressTestUtil.h"

using namespace stc;

namespace {

constexpr int64_t kRows = 4, kColumns = 12, kTokens = 300;

/// Inputs with means of their own, and the outputs of weights and a bias on them.
struct Problem {
  Problem() {
    for (int64_t i = 0; i < kTokens * kColumns; ++i)
      x[size_t(i)] += float(i % kColumns) - 4;
    for (int64_t t = 0; t < kTokens; ++t)
      for (int64_t row = 0; row < kRows; ++row) {
        double sum = bias[size_t(row)];
        for (int64_t i = 0; i < kColumns; ++i)
          sum += double(w[size_t(row * kColumns + i)]) * double(x[size_t(t * kColumns + i)]);
        y.push_back(float(sum));
      }
  }
  /// Means per row, and the sum of squares, of what weights and a bias miss.
  std::pair<std::vector<double>, double> missed(const std::vector<float> &weights,
                                                const std::vector<float> &shift) const {
    std::vector<double> means(kRows, 0.0);
    double squares = 0;
    for (int64_t t = 0; t < kTokens; ++t)
      for (int64_t row = 0; row < kRows; ++row) {
        double rest = double(y[size_t(t * kRows + row)]) - double(shift[size_t(row)]);
        for (int64_t i = 0; i < kColumns; ++i)
          rest -= double(weights[size_t(row * kColumns + i)]) * double(x[size_t(t * kColumns + i)]);
        means[size_t(row)] += rest / kTokens;
        squares += rest * rest;
      }
    return {means, squares};
  }
  std::vector<float> x = correlatedInputs(kTokens, kColumns, 1);
  std::vector<float> w = randomNormal(kRows * kColumns, 2), bias = randomNormal(kRows, 3);
  std::vector<float> y;
};

/// The problem without means.
struct Centred {
  explicit Centred(const Problem &problem) : x(problem.x), y(problem.y) {
    inputMeans = removeMeans(kColumns, absl::MakeSpan(x));
    outputMeans = removeMeans(kRows, absl::MakeSpan(y));
    EXPECT_TRUE(statistics.moments().add(x).ok());
    // The inputs may keep their means: those of the outputs are gone.
    EXPECT_TRUE(targets.add(y, problem.x).ok());
  }
  CompressedMatrix compress(const char *prune, const char *quantize, double damping,
                            const std::vector<float> &weights) {
    MatrixMethod method;
    method.prune = parsePruneSpec(prune).value();
    method.quantize = parseQuantizeSpec(quantize).value();
    method.repairDamping = damping;
    auto result = compressMatrix(method, kRows, kColumns, weights, &statistics, &targets);
    EXPECT_TRUE(result.ok()) << result.status();
    return std::move(result).value();
  }
  std::vector<float> x, y;
  std::vector<double> inputMeans, outputMeans;
  InputStatistics statistics{kColumns};
  CrossMoments targets{kRows, kColumns};
};

} // namespace

TEST(Bias, MeansAreTakenOut) {
  std::vector<float> x = {1, 10, -3, 20, 5, 60};
  EXPECT_EQ(removeMeans(2, absl::MakeSpan(x)), (std::vector<double>{1, 30}));
  EXPECT_EQ(x, (std::vector<float>{0, -20, -4, -10, 4, 30}));
  EXPECT_EQ(fitBias({1, 2, 0, -1}, {1, 30}, {70, 0}), (std::vector<float>{9, 30}));
  std::vector<float> none;
  EXPECT_EQ(removeMeans(2, absl::MakeSpan(none)), (std::vector<double>{0, 0}));
}

TEST(Bias, NothingLostIsNothingChanged) {
  Problem problem;
  Centred centred(problem);
  std::vector<float> bias = fitBias(problem.w, centred.inputMeans, centred.outputMeans);
  for (size_t row = 0; row < kRows; ++row)
    EXPECT_NEAR(bias[row], problem.bias[row], 1e-5);
}

TEST(Bias, TakesTheMeanErrorExactly) {
  Problem problem;
  for (const char *quantize : {"none", "int4", "int2-asym"})
    for (const char *prune : {"none", "magnitude:0.5", "sparsegpt:2:4"}) {
      SCOPED_TRACE(testing::Message() << prune << " " << quantize);
      Centred centred(problem);
      std::vector<float> values = centred.compress(prune, quantize, 0.05, problem.w).values;
      auto [before, squaresBefore] = problem.missed(values, problem.bias);
      std::vector<float> bias = fitBias(values, centred.inputMeans, centred.outputMeans);
      auto [after, squares] = problem.missed(values, bias);
      for (size_t row = 0; row < kRows; ++row) {
        EXPECT_NEAR(after[row], 0, 2e-5);
        EXPECT_NEAR(double(bias[row]) - double(problem.bias[row]), before[row], 2e-5);
      }
      EXPECT_LE(squares, squaresBefore * (1 + 1e-6));
    }
}

TEST(Bias, ReachesTheLeastSquaresOfWeightsAndBias) {
  Problem problem;
  Centred centred(problem);
  CompressedMatrix compressed = centred.compress("magnitude:0.5", "none", 0, problem.w);
  std::vector<float> bias = fitBias(compressed.values, centred.inputMeans, centred.outputMeans);
  // The same with a channel that is always 1.
  std::vector<float> augmented;
  for (int64_t t = 0; t < kTokens; ++t) {
    augmented.insert(augmented.end(), problem.x.begin() + t * kColumns,
                     problem.x.begin() + (t + 1) * kColumns);
    augmented.push_back(1);
  }
  Dense h = denseOf(momentsOf(kColumns + 1, augmented));
  for (int64_t row = 0; row < kRows; ++row) {
    std::vector<double> target(kColumns + 1, 0.0);
    for (int64_t t = 0; t < kTokens; ++t)
      for (int64_t i = 0; i <= kColumns; ++i)
        target[size_t(i)] += double(problem.y[size_t(t * kRows + row)]) *
                             double(augmented[size_t(t * (kColumns + 1) + i)]);
    std::vector<uint8_t> mask(compressed.mask.begin() + row * kColumns,
                              compressed.mask.begin() + (row + 1) * kColumns);
    mask.push_back(1);
    std::vector<double> best = bestUnderMask(h, target, mask.data());
    for (int64_t i = 0; i < kColumns; ++i)
      EXPECT_NEAR(compressed.values[size_t(row * kColumns + i)], best[size_t(i)], 2e-3);
    EXPECT_NEAR(bias[size_t(row)], best[kColumns], 2e-2);
  }
}
