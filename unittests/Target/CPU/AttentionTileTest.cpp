// Generated attention against float64 attention, with caches that hold NaN where nobody may look.
#include "KernelHarness.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace stc;

namespace {

struct AttentionShape {
  int64_t heads, kvHeads, headDim, window;
};

constexpr int64_t kCapacity = 96;
constexpr int64_t kLayers = 2;

class Attention : public testing::TestWithParam<std::tuple<AttentionShape, const char *>> {};

/// Attention of `tokens` tokens from `position` on over random keys and values.
void check(const CompiledKernel &kernel, const AttentionShape &shape, int64_t position,
           int64_t tokens, float spread) {
  RandomNumbers random(position * 31 + tokens);
  float nan = std::numeric_limits<float>::quiet_NaN();
  int64_t columns = shape.heads * shape.headDim, dim = shape.headDim;
  Buffer<float> keys(kLayers * shape.kvHeads, kCapacity * dim, nan);
  Buffer<float> values(kLayers * shape.kvHeads, kCapacity * dim, nan);
  Buffer<float> queries(tokens, columns), out(tokens, columns, nan);
  const int64_t layer = 1;
  auto key = [&](int64_t head, int64_t s, int64_t d) -> float & {
    return keys(layer * shape.kvHeads + head, (s / 16 * dim + d) * 16 + s % 16);
  };
  auto value = [&](int64_t head, int64_t s, int64_t d) -> float & {
    return values(layer * shape.kvHeads + head, s * dim + d);
  };
  for (int64_t head = 0; head < shape.kvHeads; ++head)
    for (int64_t s = 0; s < position + tokens; ++s)
      for (int64_t d = 0; d < dim; ++d) {
        key(head, s, d) = random.real(-spread, spread);
        value(head, s, d) = random.real();
      }
  for (int64_t i = 0; i < queries.size(); ++i)
    queries[i] = random.real(-spread, spread);

  kernel.run({Argument::matrix(queries), Argument::matrix(out), Argument::number(layer),
              Argument::number(position), Argument::address(nullptr),
              Argument::address(keys.data()), Argument::address(values.data())});

  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t head = 0; head < shape.heads; ++head) {
      int64_t kvHead = head / (shape.heads / shape.kvHeads), last = position + t;
      int64_t first = shape.window ? std::max<int64_t>(0, last - shape.window + 1) : 0;
      std::vector<double> scores;
      for (int64_t s = first; s <= last; ++s) {
        double score = 0;
        for (int64_t d = 0; d < dim; ++d)
          score += double(queries(t, head * dim + d)) * key(kvHead, s, d);
        scores.push_back(score * 0.25);
      }
      double largest = *std::max_element(scores.begin(), scores.end()), sum = 0;
      for (double &score : scores)
        sum += score = std::exp(score - largest);
      for (int64_t d = 0; d < dim; ++d) {
        double expected = 0;
        for (int64_t s = first; s <= last; ++s)
          expected += scores[s - first] / sum * value(kvHead, s, d);
        ASSERT_NEAR(out(t, head * dim + d), expected, 4e-6 * std::max(1.0f, spread * spread))
            << "position " << position << " token " << t << " head " << head << " element " << d;
      }
    }
}

TEST_P(Attention, AgreesWithFloat64) {
  auto [shape, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  for (const char *tokens : {"1", "?"}) {
    std::string matrix = absl::StrCat("memref<", tokens, "x", shape.heads * shape.headDim, "xf32>");
    std::string cache =
        absl::StrCat("!stc.kv_cache<layers = ", kLayers, ", kv_heads = ", shape.kvHeads,
                     ", head_dim = ", shape.headDim, ", capacity = ", kCapacity, ">");
    auto kernel = CompiledKernel::create(
        absl::StrCat("%q: ", matrix, ", %y: ", matrix, ", %layer: index, %position: index, ",
                     "%cache: ", cache, ", %keys: !llvm.ptr, %values: !llvm.ptr"),
        absl::StrCat("packed.attention ins(%q : ", matrix,
                     ") cache(%cache[%layer, %position] : ", cache, ") outs(%y : ", matrix,
                     ") heads ", shape.heads, " scale 2.5e-01 window ", shape.window),
        target);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    // The last tile full and partial; chunks that continue; the whole cache.
    for (int64_t position : {0, 1, 14, 15, 16, 17, 40, 63, 95})
      for (int64_t count : {1, 2, 7, 33, 96}) {
        if (position + count > kCapacity || (*tokens == '1' && count > 1))
          continue;
        check(**kernel, shape, position, count, 1);
        if (HasFatalFailure())
          return;
      }
    // Scores far apart: most probabilities vanish, and maxima grow often.
    check(**kernel, shape, 50, 1, 12);
  }
}

static std::string testName(const testing::TestParamInfo<Attention::ParamType> &info) {
  const AttentionShape &shape = std::get<0>(info.param);
  std::string name = absl::StrCat("heads", shape.heads, "of", shape.kvHeads, "x", shape.headDim,
                                  "window", shape.window, "_", std::get<1>(info.param));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Emulated, Attention,
                         testing::Combine(testing::Values(AttentionShape{4, 2, 16, 0},
                                                          AttentionShape{2, 2, 80, 20}),
                                          testing::ValuesIn(kEmulatedTargets)),
                         testName);

INSTANTIATE_TEST_SUITE_P(
    All, Attention,
    testing::Combine(testing::Values(AttentionShape{4, 2, 16, 0}, AttentionShape{8, 1, 8, 0},
                                     AttentionShape{2, 2, 80, 20}, AttentionShape{6, 2, 64, 16},
                                     AttentionShape{4, 4, 4, 5}, AttentionShape{1, 1, 129, 1}),
                     testing::Values("native", "x86-64-v3", "x86-64-v2")),
    testName);

} // namespace
