// Repair reaches the least-squares optimum of dense solves, and never makes anything worse.
#include "stc/Compress/Repair.h"
#include "stc/Compress/Obs.h"
#include "stc/Compress/Scores.h"
#include "stc/Support/Float.h"
#include "stc/Support/Parallel.h"

#include "CompressTestUtil.h"

#include <algorithm>

using namespace stc;

namespace {

PrunePattern pattern(absl::string_view text) { return parsePruneSpec(text).value().pattern; }
QuantizeSpec spec(absl::string_view text) { return parseQuantizeSpec(text).value(); }

std::vector<float> refit(int64_t rows, const std::vector<float> &weights,
                         const std::vector<uint8_t> &mask, const SecondMoments &moments,
                         absl::Span<const float> cross, const RefitOptions &options = {}) {
  auto result = refitWeights(options, rows, weights, mask, moments, cross);
  EXPECT_TRUE(result.ok()) << result.status();
  return std::move(result).value();
}

QuantizedMatrix refit(const QuantizeSpec &s, const QuantizedMatrix &matrix,
                      absl::Span<const uint8_t> mask, const SecondMoments &moments,
                      absl::Span<const float> cross, const RefitCodesOptions &options = {}) {
  auto result = refitCodes(options, s, matrix, mask, moments, cross);
  EXPECT_TRUE(result.ok()) << result.status();
  return std::move(result).value();
}

/// What both squared errors of a row have in common left out: w H w^T - 2 w c^T.
double objective(const Dense &h, const float *w, const float *c) {
  std::vector<double> row(w, w + h.size());
  double sum = rowError(h, row);
  for (size_t i = 0; i < h.size(); ++i)
    sum -= 2 * row[i] * c[i];
  return sum;
}

} // namespace

TEST(Repair, WeightsReachTheDenseSolution) {
  for (int64_t columns : {1, 2, 17, 60})
    for (const char *text : {"0.5", "2:4", "none"})
      for (double damping : {0.0, 1e-2}) {
        SCOPED_TRACE(testing::Message() << columns << " " << text << " " << damping);
        constexpr int64_t rows = 5, tokens = 200;
        // A teacher of its own weights on inputs of its own: C is no W H.
        std::vector<float> x = correlatedInputs(tokens, columns, 1);
        std::vector<float> y = randomNormal(tokens * rows, 2);
        for (int64_t t = 0; t < tokens; ++t)
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t i = 0; i < columns; ++i)
              y[size_t(t * rows + row)] += x[size_t(t * columns + i)] * float((i + row) % 3);
        SecondMoments moments = momentsOf(columns, x);
        CrossMoments cross(rows, columns);
        ASSERT_TRUE(cross.add(y, x).ok());
        std::vector<float> w = randomNormal(rows * columns, 3);
        std::vector<uint8_t> mask = magnitudeMask(pattern(text), rows, columns, w);
        RefitOptions options;
        options.damping = damping;
        options.iterations = 200;
        options.tolerance = 1e-6;
        std::vector<float> fitted = refit(rows, w, mask, moments, cross.matrix(), options);
        Dense h = denseOf(moments);
        double ridge = damping * moments.meanDiagonal();
        for (size_t i = 0; i < h.size(); ++i)
          h[i][i] += ridge;
        for (int64_t row = 0; row < rows; ++row) {
          std::vector<double> target;
          for (int64_t i = 0; i < columns; ++i) {
            size_t at = size_t(row * columns + i);
            target.push_back(cross.matrix()[at] + ridge * (mask[at] ? w[at] : 0));
          }
          std::vector<double> best = bestUnderMask(h, target, mask.data() + row * columns);
          for (int64_t i = 0; i < columns; ++i)
            ASSERT_NEAR(fitted[size_t(row * columns + i)], best[size_t(i)], 5e-3);
        }
        EXPECT_LE(targetError(moments, cross, fitted), targetError(moments, cross, w) + 1e-6);
      }
}

TEST(Repair, TargetErrorIsThatOfTheOutputs) {
  constexpr int64_t rows = 3, columns = 10, tokens = 40;
  std::vector<float> x = randomNormal(tokens * columns, 1), y = randomNormal(tokens * rows, 2);
  std::vector<float> w = randomNormal(rows * columns, 3);
  SecondMoments moments = momentsOf(columns, x);
  CrossMoments cross(rows, columns);
  ASSERT_TRUE(cross.add(y, x).ok());
  double error = 0, total = 0;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t row = 0; row < rows; ++row) {
      double sum = -y[size_t(t * rows + row)];
      total += sum * sum;
      for (int64_t i = 0; i < columns; ++i)
        sum += double(w[size_t(row * columns + i)]) * x[size_t(t * columns + i)];
      error += sum * sum;
    }
  EXPECT_NEAR(targetError(moments, cross, w), std::sqrt(error / total), 1e-5);
}

TEST(Repair, WeightsOfEveryPatternGetBetter) {
  constexpr int64_t rows = 40, columns = 256;
  SecondMoments moments = correlatedMoments(1000, columns, 4);
  std::vector<float> w = randomNormal(rows * columns, 5);
  std::vector<float> cross = crossOfWeights(moments, rows, w);
  for (const char *text : {"0.5", "0.7", "2:4", "8:16", "block4x4:0.5"}) {
    PrunePattern p = pattern(text);
    std::vector<uint8_t> mask = maskFromScores(p, rows, columns, wandaScores(w, moments));
    std::vector<float> wanda = w;
    for (size_t i = 0; i < w.size(); ++i)
      wanda[i] *= mask[i];
    double before = outputError(moments, rows, w, wanda);
    std::vector<float> fitted = refit(rows, w, mask, moments, cross);
    EXPECT_LT(outputError(moments, rows, w, fitted), 0.7 * before) << text;
    for (size_t i = 0; i < w.size(); ++i)
      ASSERT_TRUE(mask[i] || fitted[i] == 0);
    // What OBS leaves gets better too.
    InverseFactor factor = factorInverse(moments).value();
    ObsResult obs = solveObs({p, {}, {}}, rows, w, moments, factor).value();
    std::vector<float> repaired = refit(rows, obs.values, obs.mask, moments, cross);
    EXPECT_LT(outputError(moments, rows, w, repaired), 0.95 * obs.error) << text;
  }
}

TEST(Repair, ScalesReachTheDenseSolution) {
  // Two groups: their best scales solve two equations.
  constexpr int64_t columns = 64;
  SecondMoments moments = correlatedMoments(300, columns, 6);
  std::vector<float> w = randomNormal(columns, 7);
  QuantizeSpec s = spec("int4");
  QuantizedMatrix q = quantizeRoundToNearest(s, 1, columns, w);
  std::vector<float> cross = crossOfWeights(moments, 1, w);
  RefitCodesOptions options;
  options.codes = false;
  QuantizedMatrix fitted = refit(s, q, {}, moments, cross, options);
  EXPECT_EQ(fitted.codes, q.codes);
  Dense h = denseOf(moments), a(2, std::vector<double>(2));
  std::vector<double> b(2);
  for (size_t i = 0; i < columns; ++i) {
    b[i / 32] += double(cross[i]) * q.codes[i];
    for (size_t j = 0; j < columns; ++j)
      a[i / 32][j / 32] += double(q.codes[i]) * h[i][j] * q.codes[j];
  }
  std::vector<double> best = solveDense(a, b);
  for (size_t g = 0; g < 2; ++g)
    EXPECT_NEAR(halfToFloat(fitted.scales[g]), best[g], 2e-3 * std::fabs(best[g]));
}

TEST(Repair, CodesNeverGetWorse) {
  constexpr int64_t rows = 30;
  for (int64_t columns : {32, 100, 200})
    for (const char *text :
         {"int8", "int4", "int4-g128", "int3-g64", "int2", "int4-asym", "int2-g128-asym",
          "int8-asym", "int8-row", "int4-row", "int3-row-asym"})
      for (bool codes : {false, true}) {
        SCOPED_TRACE(testing::Message() << columns << " " << text << " " << codes);
        SecondMoments moments = correlatedMoments(400, columns, 8);
        std::vector<float> w = randomNormal(rows * columns, 9);
        for (size_t i = 0; i < w.size(); i += 3)
          w[i] = 0;
        QuantizeSpec s = spec(text);
        QuantizedMatrix q = quantizeRoundToNearest(s, rows, columns, w);
        std::vector<float> cross = crossOfWeights(moments, rows, w), before = dequantize(q);
        RefitCodesOptions options;
        options.codes = codes;
        QuantizedMatrix fitted = refit(s, q, {}, moments, cross, options);
        ASSERT_TRUE(verifyQuantizedMatrix(fitted, s.layout()).ok());
        std::vector<float> after = dequantize(fitted);
        Dense h = denseOf(moments);
        int better = 0;
        for (int64_t row = 0; row < rows; ++row) {
          const float *c = cross.data() + row * columns;
          double old = objective(h, before.data() + row * columns, c);
          double now = objective(h, after.data() + row * columns, c);
          double size = std::fabs(objective(h, w.data() + row * columns, c));
          ASSERT_LE(now, old + 1e-5 * size);
          better += now < old;
        }
        EXPECT_GT(better, rows / 2);
        for (size_t i = 0; i < w.size(); ++i)
          ASSERT_TRUE(before[i] != 0 || after[i] == 0);
        if (codes)
          EXPECT_LT(outputError(moments, rows, w, after),
                    0.85 * outputError(moments, rows, w, before));
      }
}

TEST(Repair, CodesOfObsGetBetter) {
  constexpr int64_t rows = 40, columns = 256;
  SecondMoments moments = correlatedMoments(1000, columns, 10);
  std::vector<float> w = randomNormal(rows * columns, 11);
  std::vector<float> cross = crossOfWeights(moments, rows, w);
  InverseFactor factor = factorInverse(moments).value();
  for (const char *prune : {"none", "2:4", "0.5"})
    for (const char *codes : {"int4-g128", "int3-g128-asym", "int2", "int4-row", "int3-row-asym"}) {
      QuantizeSpec s = spec(codes);
      ObsResult obs = solveObs({pattern(prune), {}, s}, rows, w, moments, factor).value();
      QuantizedMatrix fitted = refit(s, obs.quantized, obs.mask, moments, cross);
      std::vector<float> values = dequantize(fitted);
      EXPECT_LT(outputError(moments, rows, w, values), 0.97 * obs.error) << prune << " " << codes;
      for (size_t i = 0; i < w.size(); ++i)
        ASSERT_TRUE(obs.mask[i] || values[i] == 0);
    }
}

TEST(Repair, ZerosAreFitted) {
  constexpr int64_t rows = 6, columns = 128;
  SecondMoments moments = momentsOf(columns, randomNormal(600 * columns, 14));
  QuantizedMatrix exact =
      quantizeRoundToNearest(spec("int4-asym"), rows, columns, randomNormal(rows * columns, 15));
  for (size_t i = 0; i < exact.zeros.size(); ++i)
    exact.zeros[i] = int8_t(int(i % 5) - 2); // none at the end of its range
  std::vector<float> wanted = dequantize(exact);
  std::vector<float> cross = crossOfWeights(moments, rows, wanted);
  QuantizedMatrix moved = exact;
  for (size_t i = 0; i < moved.zeros.size(); ++i)
    moved.zeros[i] = int8_t(moved.zeros[i] + (i % 2 ? 1 : -1));
  std::vector<uint8_t> mask(size_t(rows * columns), 1);
  RefitCodesOptions options;
  options.sweeps = 8;
  QuantizedMatrix fitted = refit(spec("int4-asym"), moved, mask, moments, cross, options);
  EXPECT_NE(fitted.zeros, moved.zeros);
  int64_t found = 0;
  for (size_t i = 0; i < exact.zeros.size(); ++i)
    found += fitted.zeros[i] == exact.zeros[i];
  EXPECT_GT(found, int64_t(exact.zeros.size()) / 2);
  double start = outputError(moments, rows, wanted, dequantize(moved));
  EXPECT_LT(outputError(moments, rows, wanted, dequantize(fitted)), 0.05 * start);
  // Scales alone cannot do that.
  options.codes = false;
  QuantizedMatrix scales = refit(spec("int4-asym"), moved, mask, moments, cross, options);
  EXPECT_EQ(scales.zeros, moved.zeros);
  EXPECT_GT(outputError(moments, rows, wanted, dequantize(scales)),
            2 * outputError(moments, rows, wanted, dequantize(fitted)));
}

TEST(Repair, DeadInputsAndZerosAreLeftAlone) {
  constexpr int64_t rows = 4, columns = 64;
  std::vector<float> w = randomNormal(rows * columns, 1);
  std::vector<uint8_t> mask(w.size(), 1);
  SecondMoments none(columns);
  std::vector<float> cross = crossOfWeights(none, rows, w);
  EXPECT_EQ(refit(rows, w, mask, none, cross), w);
  for (const char *text : {"int4", "int4-asym"}) {
    QuantizedMatrix q = quantizeRoundToNearest(spec(text), rows, columns, w);
    QuantizedMatrix fitted = refit(spec(text), q, {}, none, cross);
    EXPECT_EQ(fitted.codes, q.codes);
    EXPECT_EQ(fitted.scales, q.scales);
  }
  // Fewer tokens than channels, dead channels, and a row of zeros.
  std::vector<float> x = correlatedInputs(12, columns, 2);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = i % columns < 9 ? 0 : x[i];
  SecondMoments moments = momentsOf(columns, x);
  std::fill_n(w.begin(), columns, 0.0f);
  mask = magnitudeMask(pattern("2:4"), rows, columns, w);
  cross = crossOfWeights(moments, rows, w);
  std::vector<float> fitted = refit(rows, w, mask, moments, cross);
  EXPECT_TRUE(checkFinite(fitted, "fitted").ok());
  EXPECT_EQ(std::count(fitted.begin(), fitted.begin() + columns, 0.0f), columns);
  QuantizedMatrix q = quantizeRoundToNearest(spec("int4-asym"), rows, columns, fitted);
  EXPECT_TRUE(checkFinite(dequantize(refit(spec("int4-asym"), q, mask, moments, cross)), "").ok());
}

TEST(Repair, DoesNotDependOnThreads) {
  constexpr int64_t rows = 600, columns = 300;
  SecondMoments moments = correlatedMoments(400, columns, 8);
  std::vector<float> w = randomNormal(rows * columns, 9);
  std::vector<float> cross = crossOfWeights(moments, rows, w);
  std::vector<uint8_t> mask = magnitudeMask(pattern("2:4"), rows, columns, w);
  QuantizedMatrix q = quantizeRoundToNearest(spec("int4"), rows, columns, w);
  std::vector<float> weights = refit(rows, w, mask, moments, cross);
  QuantizedMatrix codes = refit(spec("int4"), q, {}, moments, cross);
  setParallelThreads(1);
  EXPECT_EQ(refit(rows, w, mask, moments, cross), weights);
  QuantizedMatrix again = refit(spec("int4"), q, {}, moments, cross);
  EXPECT_EQ(again.codes, codes.codes);
  EXPECT_EQ(again.scales, codes.scales);
  setParallelThreads(0);
}

TEST(Repair, RefusesWhatDoesNotFit) {
  SecondMoments moments = correlatedMoments(30, 32, 1);
  std::vector<float> w = randomNormal(64, 2), cross = crossOfWeights(moments, 2, w);
  std::vector<uint8_t> mask(64, 1);
  EXPECT_FALSE(refitWeights({}, 3, w, mask, moments, cross).ok());
  EXPECT_FALSE(refitWeights({}, 2, w, absl::MakeSpan(mask).subspan(1), moments, cross).ok());
  QuantizedMatrix q = quantizeRoundToNearest(spec("int4"), 2, 32, w);
  EXPECT_TRUE(refitCodes({}, spec("int4"), q, mask, moments, cross).ok());
  EXPECT_FALSE(refitCodes({}, spec("int4-asym"), q, mask, moments, cross).ok());
  EXPECT_FALSE(refitCodes({}, spec("int4"), q, mask, SecondMoments(31), cross).ok());
  EXPECT_FALSE(
      refitCodes({}, spec("int4"), q, mask, moments, absl::MakeSpan(cross).subspan(1)).ok());
}
