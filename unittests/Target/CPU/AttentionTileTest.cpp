// Generated attention against float64 attention.
#include "AttentionCase.h"

#include <algorithm>

using namespace stc;

namespace {

class Attention
    : public testing::TestWithParam<std::tuple<AttentionShape, KVElement, std::string>> {};

TEST_P(Attention, AgreesWithFloat64) {
  auto [shape, element, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  // One token through pieces of one and two blocks and without pieces; several at a time.
  struct {
    const char *tokens, *passes;
  } variants[] = {{"1", "packed-tile-ops{piece-keys=64}"},
                  {"1", "packed-tile-ops{piece-keys=128}"},
                  {"1", "packed-tile-ops{piece-keys=512}"},
                  {"?", "packed-tile-ops{rows-per-tile=8}"},
                  {"?", ""}};
  for (auto [tokens, passes] : variants) {
    AttentionProblem problem{shape, element, tokens};
    auto kernel = CompiledKernel::create(problem.parameters(), problem.body(), target, passes);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    auto check = [&, &shape = shape, &element = element](int64_t position, int64_t count,
                                                         float spread) {
      checkAttention(
          shape, element, [&](auto arguments) { (*kernel)->run(std::move(arguments)); }, position,
          count, spread);
    };
    SCOPED_TRACE(absl::StrCat(tokens, " ", passes));
    // Around the borders of vectors, blocks and pieces; chunks that continue; the whole cache.
    std::vector<int64_t> positions = {0,  1,  15,  16,  17,  40,  62,  63,
                                      64, 65, 127, 128, 150, 191, 192, 207};
    std::vector<int64_t> counts = {1, 2, 7, 33, 207};
    if (isEmulated(target)) { // and slow
      positions = {0, 64, 150};
      counts = {1, 7};
    }
    for (int64_t position : positions)
      for (int64_t count : counts) {
        if (position + count > kAttentionCapacity || (*tokens == '1' && count > 1))
          continue;
        check(position, count, 1);
        if (HasFatalFailure())
          return;
      }
    // Scores far apart: most probabilities vanish, and maxima grow often.
    check(150, 1, 12);
  }
}

static std::string testName(const testing::TestParamInfo<Attention::ParamType> &info) {
  auto [shape, element, target] = info.param;
  std::string name = absl::StrCat(shape.str(), "_", kvElementName(element), "_", target);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Emulated, Attention,
                         testing::Combine(testing::Values(AttentionShape{4, 2, 16, 0, 0},
                                                          AttentionShape{2, 2, 80, 20, 3},
                                                          AttentionShape{4, 2, 16, 9, 0, 1.5},
                                                          AttentionShape{4, 2, 16, 20, 3, 0, true,
                                                                         true, true, 32, 128}),
                                          testing::Values(KVElement::F32, KVElement::F16,
                                                          KVElement::Int8, KVElement::Float8),
                                          testing::ValuesIn(emulatedTargets())),
                         testName);

INSTANTIATE_TEST_SUITE_P(
    All, Attention,
    testing::Combine(
        testing::Values(AttentionShape{4, 2, 16, 0, 0}, AttentionShape{8, 1, 64, 0, 0},
                        AttentionShape{2, 2, 80, 20, 0}, AttentionShape{6, 2, 64, 16, 3},
                        AttentionShape{4, 4, 4, 5, 1}, AttentionShape{1, 1, 129, 1, 0},
                        AttentionShape{7, 1, 8, 70, 65}, AttentionShape{3, 3, 128, 0, 0},
                        AttentionShape{4, 2, 32, 20, 3, 0.75}, AttentionShape{2, 1, 128, 0, 0, 50}),
        testing::Values(KVElement::F32, KVElement::F16, KVElement::Int8, KVElement::Float8),
        testing::Values("native", "x86-64-v3", "x86-64-v2")),
    testName);

INSTANTIATE_TEST_SUITE_P(
    EndsAndBiases, Attention,
    testing::Combine(
        testing::Values( // All positions; windows to both sides, also with sinks behind them.
            AttentionShape{4, 2, 16, 0, 0, 0, true}, AttentionShape{2, 2, 64, 20, 0, 0, true},
            AttentionShape{6, 2, 16, 9, 70, 0, true},
            // A logit that takes part; biases by distance: slopes, also of heads that
            // are no power of two, and buckets; everything at once.
            AttentionShape{4, 2, 16, 20, 0, 0, false, true},
            AttentionShape{12, 3, 16, 0, 0, 0, false, false, true},
            AttentionShape{6, 6, 64, 0, 0, 0, true, false, true},
            AttentionShape{4, 2, 16, 0, 0, 0, false, false, false, 32, 128},
            AttentionShape{4, 4, 64, 0, 0, 0, true, false, false, 32, 128},
            AttentionShape{3, 1, 16, 30, 3, 1.5, true, true, true, 8, 300},
            AttentionShape{2, 1, 16, 12, 0, 0, false, true, true, 5, 2000}),
        testing::Values(KVElement::F32, KVElement::F16, KVElement::Int8, KVElement::Float8),
        testing::Values("native", "x86-64-v2")),
    testName);

// Around the borders of blocks of 64: patterns that skip blocks, and patterns within them.
INSTANTIATE_TEST_SUITE_P(
    Patterns, Attention,
    testing::Combine(
        testing::Values(
            withPattern({4, 2, 16, 0, 0}, "dilated:5x3"),
            withPattern({4, 2, 16, 0, 0}, "dilated:2x100"),
            withPattern({4, 2, 16, 0, 0}, "strided:150"),
            withPattern({3, 3, 80, 0, 0}, "strided:7"), withPattern({4, 2, 16, 0, 0}, "strided:1"),
            withPattern({4, 2, 16, 0, 0}, "fixed:100x3"),
            withPattern({6, 1, 16, 0, 0, 0.75}, "fixed:9x2"),
            withPattern({4, 2, 16, 0, 0}, "local:10+3"),
            withPattern({4, 2, 16, 0, 0}, "bigbird:16x3+1+2@7"),
            withPattern({2, 2, 80, 0, 0}, "bigbird:64x1+0+1@2"),
            withPattern({4, 2, 16, 0, 0}, "bigbird:48x1+1+20@2"),
            withPattern({4, 2, 16, 0, 0}, "blocks:64:0/1/0,2"),
            withPattern({4, 2, 16, 0, 0}, "blocks:32:0/0,1"),
            // Both ways, with biases, and everything at once.
            withPattern({4, 2, 16, 0, 0, 0, true}, "local:10+3"),
            withPattern({4, 2, 16, 0, 0, 0, true}, "fixed:100x3"),
            withPattern({4, 2, 16, 0, 0, 0, true}, "bigbird:16x3+1+2@7"),
            withPattern({3, 1, 16, 0, 0, 1.5, true, true, true, 8, 300}, "dilated:20x3"),
            withPattern({4, 2, 16, 0, 0, 0, false, true, true}, "strided:70")),
        testing::Values(KVElement::F32, KVElement::F16, KVElement::Int8, KVElement::Float8),
        testing::Values("native", "x86-64-v3")),
    testName);

INSTANTIATE_TEST_SUITE_P(
    EmulatedPatterns, Attention,
    testing::Combine(testing::Values(withPattern({4, 2, 16, 0, 0}, "fixed:100x3"),
                                     withPattern({4, 2, 16, 0, 0}, "bigbird:16x1+1+1@7")),
                     testing::Values(KVElement::F16), testing::ValuesIn(emulatedTargets())),
    testName);

} // namespace
