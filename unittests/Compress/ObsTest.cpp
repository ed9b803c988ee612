// Optimal brain surgery against closed forms, exhaustive search and its own promises.
#include "stc/Compress/Obs.h"
#include "stc/Compress/Scores.h"
#include "stc/Support/Parallel.h"

#include "CompressTestUtil.h"

#include <algorithm>

using namespace stc;

namespace {

PrunePattern pattern(absl::string_view text) { return parsePruneSpec(text).value().pattern; }
QuantizeSpec spec(absl::string_view text) { return parseQuantizeSpec(text).value(); }

ObsResult solve(const ObsOptions &options, int64_t rows, absl::Span<const float> weights,
                const SecondMoments &moments, double damping = 0.01, bool ordered = false) {
  int64_t unit = options.mask.empty() ? orderUnit(options.pattern) : 1;
  auto factor = factorInverse(moments, damping,
                              ordered ? activationOrder(moments, unit) : std::vector<int64_t>());
  EXPECT_TRUE(factor.ok()) << factor.status();
  auto result = solveObs(options, rows, weights, moments, *factor);
  EXPECT_TRUE(result.ok()) << result.status();
  return std::move(result).value();
}

std::vector<float> masked(std::vector<float> values, const std::vector<uint8_t> &mask) {
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = mask[i] ? values[i] : 0;
  return values;
}

double roundingError(const QuantizeSpec &s, int64_t rows, const std::vector<float> &weights,
                     const SecondMoments &moments) {
  return outputError(moments, rows, weights,
                     dequantize(quantizeRoundToNearest(s, rows, moments.columns(), weights)));
}

} // namespace

TEST(Obs, OneRemovedWeightIsMadeUpForExactly) {
  // Hassibi and Stork's closed form, w -= w_q / [H^-1]_qq H^-1 e_q, is the least-squares optimum.
  constexpr int64_t n = 6;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SecondMoments moments = correlatedMoments(30, n, seed);
    std::vector<float> w = randomNormal(n, 100 + seed);
    Dense h = denseOf(moments);
    std::vector<double> unit(n, 0.0);
    unit[0] = 1;
    std::vector<double> column = solveDense(h, unit); // H^-1 e_0
    std::vector<uint8_t> mask = {0, 1, 1, 1, 1, 1};
    ObsOptions options;
    options.mask = mask;
    ObsResult result = solve(options, 1, w, moments, 0);
    std::vector<double> best = bestUnderMask(h, timesH(h, w.data()), mask.data());
    for (size_t i = 0; i < n; ++i) {
      double closed = w[i] - w[0] / column[0] * column[i];
      EXPECT_NEAR(best[i], closed, 1e-9);
      EXPECT_NEAR(result.values[i], i ? closed : 0, 1e-3);
    }
    double loss = double(w[0]) * w[0] / column[0];
    EXPECT_NEAR(result.error, std::sqrt(loss / rowError(h, {w.begin(), w.end()})),
                1e-3 * result.error);
  }
}

TEST(Obs, LeadingRemovedWeightsGiveTheOptimumOfTheRest) {
  for (int64_t n : {8, 40, 150, 300})
    for (bool ordered : {false, true}) {
      SecondMoments moments = correlatedMoments(n * 2, n, uint64_t(n));
      std::vector<int64_t> order = ordered ? activationOrder(moments) : std::vector<int64_t>();
      InverseFactor factor = factorInverse(moments, 1e-4, order).value();
      std::vector<float> w = randomNormal(2 * n, 5);
      std::vector<uint8_t> mask(size_t(2 * n), 1);
      for (int64_t i = 0; i < n / 3; ++i)
        mask[size_t(factor.columnAt(i))] = mask[size_t(n + factor.columnAt(i))] = 0;
      ObsOptions options;
      options.mask = mask;
      ObsResult result = solveObs(options, 2, w, moments, factor).value();
      Dense h = denseOf(moments);
      for (size_t i = 0; i < size_t(n); ++i)
        h[i][i] += factor.damping;
      for (int64_t row = 0; row < 2; ++row) {
        std::vector<double> best =
            bestUnderMask(h, timesH(h, w.data() + row * n), mask.data() + row * n);
        for (int64_t i = 0; i < n; ++i)
          ASSERT_NEAR(result.values[size_t(row * n + i)], best[size_t(i)], 5e-3) << n << " " << i;
      }
      EXPECT_EQ(result.mask, mask);
    }
}

TEST(Obs, MasksKeepTheirPromises) {
  for (int64_t columns : {1, 5, 64, 100, 130, 300})
    for (const char *text : {"0.5", "0.7", "2:4", "4:8", "5:7", "8:16", "30:64", "block16x4:0.75",
                             "block3x5:0.5", "block1x200:0.5"})
      for (bool ordered : {false, true}) {
        SCOPED_TRACE(testing::Message() << text << " " << columns << " " << ordered);
        PrunePattern p = pattern(text);
        constexpr int64_t rows = 37;
        SecondMoments moments = correlatedMoments(columns + 20, columns, 1);
        std::vector<float> w = randomNormal(rows * columns, 2);
        ObsResult result = solve({p, {}, {}}, rows, w, moments, 0.01, ordered);
        int64_t kept = std::count(result.mask.begin(), result.mask.end(), 1);
        for (size_t i = 0; i < w.size(); ++i)
          ASSERT_TRUE(result.mask[i] || result.values[i] == 0);
        if (p.kind == PrunePattern::Kind::Unstructured)
          EXPECT_EQ(kept, std::llround((1 - p.ratio) * double(w.size())));
        if (p.kind == PrunePattern::Kind::NM)
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t first = 0; first < columns; first += p.m) {
              int64_t width = std::min(p.m, columns - first);
              auto begin = result.mask.begin() + row * columns + first;
              ASSERT_EQ(std::count(begin, begin + width, 1), std::min(p.n, width));
            }
        if (p.kind == PrunePattern::Kind::Block) {
          int64_t down = (rows + p.blockRows - 1) / p.blockRows, blocks = 0;
          int64_t across = (columns + p.blockColumns - 1) / p.blockColumns;
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t column = 0; column < columns; ++column) {
              int64_t top = row / p.blockRows * p.blockRows;
              int64_t left = column / p.blockColumns * p.blockColumns;
              ASSERT_EQ(result.mask[size_t(row * columns + column)],
                        result.mask[size_t(top * columns + left)]);
              blocks += row == top && column == left && result.mask[size_t(row * columns + column)];
            }
          EXPECT_EQ(blocks, std::llround((1 - p.ratio) * double(down * across)));
        }
      }
}

TEST(Obs, ShortGroupsAreChosenBest) {
  // Against every mask of one group: by exchanges, all but few groups of 16 get the best one too.
  for (const char *text : {"1:4", "2:4", "3:4", "4:8", "6:8", "2:16", "13:16"}) {
    PrunePattern p = pattern(text);
    double sum = 0, least = 0;
    for (uint64_t seed = 0; seed < 15; ++seed) {
      SecondMoments moments = correlatedMoments(4 * p.m, p.m, seed);
      InverseFactor factor = factorInverse(moments, 1e-5).value();
      std::vector<float> w = randomNormal(p.m, 50 + seed);
      double ours = solveObs({p, {}, {}}, 1, w, moments, factor)->error, best = INFINITY;
      for (uint32_t bits = 0; bits < uint32_t(1) << p.m; ++bits) {
        if (__builtin_popcount(bits) != p.n)
          continue;
        std::vector<uint8_t> mask;
        for (int64_t i = 0; i < p.m; ++i)
          mask.push_back(bits >> i & 1);
        ObsOptions options;
        options.mask = mask;
        best = std::min(best, solveObs(options, 1, w, moments, factor)->error);
      }
      if (p.m <= 8)
        EXPECT_LE(ours, best * 1.001) << text << " " << seed;
      sum += ours * ours;
      least += best * best;
    }
    EXPECT_LE(sum, 1.1 * least) << text;
  }
}

TEST(Obs, NothingToDoChangesNothing) {
  SecondMoments moments = correlatedMoments(100, 70, 1);
  std::vector<float> w = randomNormal(5 * 70, 2);
  w[3] = 0;
  ObsResult result = solve({}, 5, w, moments);
  EXPECT_EQ(result.values, w);
  EXPECT_EQ(result.error, 0);
  EXPECT_EQ(result.mask[3], 0);
  EXPECT_EQ(std::count(result.mask.begin(), result.mask.end(), 0), 1);
  EXPECT_TRUE(result.quantized.codes.empty());
}

TEST(Obs, RoundingIsNearTheBestThereIs) {
  // All roundings of one row to int2, with the scale and zero that the pass chose.
  double ours = 0, best = 0, nearest = 0;
  for (int64_t n : {4, 5, 6})
    for (bool asymmetric : {false, true})
      for (uint64_t seed = 0; seed < 40; ++seed) {
        SecondMoments moments = correlatedMoments(40, n, seed);
        std::vector<float> w = randomNormal(n, 200 + seed);
        QuantizeSpec s = spec(asymmetric ? "int2-asym" : "int2");
        ObsResult result = solve({{}, {}, s}, 1, w, moments);
        double error = result.error, least = 1e30, plain = 0;
        QuantizedMatrix q = result.quantized;
        ASSERT_TRUE(verifyQuantizedMatrix(q, s.layout()).ok());
        std::vector<float> rounded = dequantize(q);
        EXPECT_EQ(rounded, result.values);
        EXPECT_NEAR(outputError(moments, 1, w, rounded), error, 1e-6);
        for (int64_t i = 0; i < int64_t(1) << (2 * n); ++i) {
          for (int64_t j = 0; j < n; ++j)
            q.codes[size_t(j)] = int8_t((i >> (2 * j) & 3) - 2);
          least = std::min(least, outputError(moments, 1, w, dequantize(q)));
        }
        std::vector<float> levels(4), closest(w.size());
        for (int i = 0; i < 4; ++i) {
          q.codes[0] = int8_t(i - 2);
          levels[size_t(i)] = dequantize(q)[0];
        }
        for (size_t j = 0; j < w.size(); ++j)
          closest[j] = *std::min_element(levels.begin(), levels.end(), [&](float a, float b) {
            return std::fabs(a - w[j]) < std::fabs(b - w[j]);
          });
        plain = outputError(moments, 1, w, closest);
        EXPECT_GE(error, least * (1 - 1e-5));
        ours += error * error;
        best += least * least;
        nearest += plain * plain;
      }
  // Of what rounding to the nearest loses beyond the best, more than half is won back.
  EXPECT_LT(ours - best, 0.5 * (nearest - best));
}

TEST(Obs, RoundingBeatsRoundToNearest) {
  constexpr int64_t rows = 40;
  for (int64_t columns : {96, 200, 384}) {
    SecondMoments moments = correlatedMoments(600, columns, 3);
    std::vector<float> w = randomNormal(rows * columns, 4, 0.02);
    for (const char *text : {"int8", "int4", "int4-g64", "int4-g128", "int3-g128", "int2",
                             "int8-asym", "int4-g128-asym", "int3-asym", "int2-g64-asym",
                             "int8-row", "int4-row", "int3-row-asym"}) {
      SCOPED_TRACE(testing::Message() << text << " " << columns);
      QuantizeSpec s = spec(text);
      double nearest = roundingError(s, rows, w, moments);
      ObsResult plain = solve({{}, {}, s}, rows, w, moments);
      ObsResult ordered = solve({{}, {}, s}, rows, w, moments, 0.01, true);
      EXPECT_LT(plain.error, 0.9 * nearest);
      EXPECT_LT(ordered.error, 0.9 * nearest);
      for (const ObsResult *result : {&plain, &ordered}) {
        ASSERT_TRUE(verifyQuantizedMatrix(result->quantized, s.layout()).ok());
        EXPECT_EQ(dequantize(result->quantized), result->values);
      }
    }
  }
}

TEST(Obs, PruningBeatsWandaBeatsMagnitude) {
  constexpr int64_t rows = 64, columns = 256;
  SecondMoments moments = correlatedMoments(1000, columns, 5);
  std::vector<float> w = randomNormal(rows * columns, 6);
  for (const char *text : {"0.5", "0.7", "2:4", "4:8", "6:8", "8:16", "block16x4:0.5"}) {
    PrunePattern p = pattern(text);
    double magnitude = outputError(moments, rows, w, masked(w, magnitudeMask(p, rows, columns, w)));
    double wanda = outputError(
        moments, rows, w, masked(w, maskFromScores(p, rows, columns, wandaScores(w, moments))));
    ObsResult obs = solve({p, {}, {}}, rows, w, moments);
    RecordProperty(text, std::to_string(obs.error));
    EXPECT_LT(wanda, magnitude) << text;
    EXPECT_LT(obs.error, 0.9 * wanda) << text;
  }
}

TEST(Obs, JointBeatsPruningThenRounding) {
  constexpr int64_t rows = 64, columns = 256;
  SecondMoments moments = correlatedMoments(1000, columns, 7);
  std::vector<float> w = randomNormal(rows * columns, 8);
  for (const char *text : {"0.5", "2:4", "4:8", "block16x4:0.5"})
    for (const char *codes : {"int4-g128", "int3", "int4-asym", "int4-row"})
      for (bool ordered : {false, true}) {
        SCOPED_TRACE(testing::Message() << text << " " << codes << " " << ordered);
        QuantizeSpec s = spec(codes);
        ObsResult joint = solve({pattern(text), {}, s}, rows, w, moments, 0.01, ordered);
        ObsResult pruned = solve({pattern(text), {}, {}}, rows, w, moments, 0.01, ordered);
        std::vector<float> rounded =
            dequantize(quantizeRoundToNearest(s, rows, columns, pruned.values));
        EXPECT_LT(joint.error, outputError(moments, rows, w, rounded));
        EXPECT_GE(joint.error, 0.95 * pruned.error);
        for (size_t i = 0; i < w.size(); ++i)
          ASSERT_TRUE(joint.mask[i] || joint.values[i] == 0);
        EXPECT_EQ(dequantize(joint.quantized), joint.values);
        EXPECT_LE(countNonZero(joint.quantized),
                  std::count(joint.mask.begin(), joint.mask.end(), 1));
      }
}

TEST(Obs, DeadInputsAndSingularMoments) {
  constexpr int64_t rows = 8, columns = 64;
  // Inputs 10 to 19 are always zero, and there are fewer tokens than channels.
  std::vector<float> x = correlatedInputs(20, columns, 1);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = i % columns >= 10 && i % columns < 20 ? 0 : x[i];
  SecondMoments moments = momentsOf(columns, x);
  std::vector<float> w = randomNormal(rows * columns, 2);
  for (const char *text : {"0.5", "2:4", "block4x4:0.5"}) {
    ObsResult result = solve({pattern(text), {}, spec("int4")}, rows, w, moments);
    EXPECT_TRUE(checkFinite(result.values, "values").ok());
    EXPECT_LT(result.error, 0.5);
  }
  // Weights of dead inputs go first.
  ObsResult result = solve({pattern("0.5"), {}, {}}, rows, w, moments);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 10; i < 20; ++i)
      EXPECT_EQ(result.mask[size_t(row * columns + i)], 0);
  // No calibration at all: nothing breaks.
  ObsResult blind = solve({pattern("2:4"), {}, spec("int4")}, rows, w, SecondMoments(columns));
  EXPECT_EQ(blind.mask, magnitudeMask(pattern("2:4"), rows, columns, w));
}

TEST(Obs, ResultsDoNotDependOnThreads) {
  constexpr int64_t rows = 300, columns = 520;
  SecondMoments moments = correlatedMoments(700, columns, 9);
  std::vector<float> w = randomNormal(rows * columns, 10);
  for (const char *text : {"0.5", "2:4", "block16x4:0.5"}) {
    ObsResult all = solve({pattern(text), {}, spec("int4-g64")}, rows, w, moments);
    setParallelThreads(1);
    ObsResult one = solve({pattern(text), {}, spec("int4-g64")}, rows, w, moments);
    setParallelThreads(0);
    EXPECT_EQ(all.values, one.values);
    EXPECT_EQ(all.mask, one.mask);
    EXPECT_EQ(all.error, one.error);
  }
}

TEST(Obs, RefusesWhatDoesNotFit) {
  SecondMoments moments = correlatedMoments(30, 8, 1);
  InverseFactor factor = factorInverse(moments).value();
  std::vector<float> w = randomNormal(16, 2);
  EXPECT_FALSE(solveObs({}, 3, w, moments, factor).ok());
  EXPECT_FALSE(solveObs({}, 0, {}, moments, factor).ok());
  std::vector<uint8_t> mask(15);
  ObsOptions options;
  options.mask = mask;
  EXPECT_FALSE(solveObs(options, 2, w, moments, factor).ok());
  w[5] = NAN;
  EXPECT_EQ(solveObs({}, 2, w, moments, factor).status().message(),
            "matrix: expected finite values, got NaN at element 5");
  w[5] = 0;
  InverseFactor torn = factorInverse(moments, 0.01, {0, 2, 1, 3, 4, 5, 6, 7}).value();
  EXPECT_EQ(solveObs({pattern("2:4"), {}, {}}, 2, w, moments, torn).status().message(),
            "order: expected units of 4 columns for the pattern 2:4, got column 2 at position 1");
  EXPECT_TRUE(solveObs({pattern("0.5"), {}, {}}, 2, w, moments, torn).ok());
}
