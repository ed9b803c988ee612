// Attention as the threads of a block compute it together, against float64 attention.
#include "../CPU/AttentionCase.h"
#include "BlockEmulator.h"

using namespace stc;

namespace {

class BlockAttention : public testing::TestWithParam<std::tuple<AttentionShape, KVElement>> {};

TEST_P(BlockAttention, AgreesWithFloat64) {
  auto [shape, element] = GetParam();
  // Warps that share the keys of a piece or of the cache; warps with rows of their own.
  struct {
    const char *tokens, *passes, *target = "nvptx-sm_90";
  } variants[] = {{"1", "", "amdgpu-gfx942"},
                  {"?", "packed-tile-ops{rows-per-tile=8}", "amdgpu-gfx942"},
                  {"1", "packed-tile-ops{piece-keys=64}"},
                  {"1", "packed-tile-ops{piece-keys=128}"},
                  {"1", ""},
                  {"?", "packed-tile-ops{rows-per-tile=8}"},
                  {"?", ""}};
  for (auto [tokens, passes, target] : variants) {
    AttentionProblem problem{shape, element, tokens};
    auto kernel = EmulatedKernel::create(problem.parameters(), problem.body(), target, passes);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    SCOPED_TRACE(absl::StrCat(tokens, " ", passes, " ", target));
    // Many rows go through tensor cores.
    bool hasMatrices = *tokens == '?' && *passes == '\0' && element != KVElement::F32;
    EXPECT_EQ((*kernel)->countIntrinsics("llvm.nvvm.mma.m16n8k16") > 0, hasMatrices);
    auto check = [&, &shape = shape, &element = element](int64_t position, int64_t count,
                                                         float spread) {
      // Vectors of floats are aligned on GPUs: buffers begin where pages do.
      checkAttention(
          shape, element, [&](auto arguments) { (*kernel)->run(std::move(arguments)); }, position,
          count, spread, Guard::Before);
    };
    for (int64_t position : {0, 31, 150, 207})
      for (int64_t count : {1, 33}) {
        if (position + count > kAttentionCapacity || (*tokens == '1' && count > 1))
          continue;
        check(position, count, 1);
        if (HasFatalFailure())
          return;
      }
    check(150, 1, 12);
  }
}

std::string testName(const testing::TestParamInfo<BlockAttention::ParamType> &info) {
  auto [shape, element] = info.param;
  std::string name = absl::StrCat(shape.str(), "_", kvElementName(element));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BlockAttention,
    testing::Combine(
        testing::Values(AttentionShape{4, 2, 16, 0, 0}, AttentionShape{2, 2, 80, 20, 0},
                        AttentionShape{6, 2, 64, 16, 3}, AttentionShape{4, 4, 4, 5, 1},
                        AttentionShape{1, 1, 129, 1, 0}, AttentionShape{7, 1, 8, 70, 65},
                        AttentionShape{12, 1, 128, 0, 0}, AttentionShape{2, 1, 256, 0, 0, 50},
                        // As the CPU's: ends, sinks that are logits, slopes and buckets.
                        AttentionShape{4, 2, 16, 0, 0, 0, true},
                        AttentionShape{2, 2, 80, 20, 0, 0, true},
                        AttentionShape{6, 2, 64, 9, 70, 0, true},
                        AttentionShape{4, 2, 16, 20, 0, 0, false, true},
                        AttentionShape{12, 3, 16, 0, 0, 0, false, false, true},
                        AttentionShape{4, 2, 16, 0, 0, 0, false, false, false, 32, 128},
                        AttentionShape{4, 4, 64, 0, 0, 0, true, false, false, 32, 128},
                        AttentionShape{3, 1, 16, 30, 3, 1.5, true, true, true, 8, 300}),
        testing::Values(KVElement::F32, KVElement::F16, KVElement::Int8, KVElement::Float8)),
    testName);

INSTANTIATE_TEST_SUITE_P(
    Patterns, BlockAttention,
    testing::Combine(testing::Values(withPattern({4, 2, 16, 0, 0}, "dilated:2x100"),
                                     withPattern({4, 2, 16, 0, 0}, "strided:7"),
                                     withPattern({12, 1, 128, 0, 0}, "fixed:100x3"),
                                     withPattern({4, 2, 16, 0, 0}, "local:10+3"),
                                     withPattern({4, 2, 16, 0, 0}, "bigbird:16x3+1+2@7"),
                                     withPattern({2, 2, 80, 0, 0}, "blocks:64:0/1/0,2")),
                     testing::Values(KVElement::F32, KVElement::F16, KVElement::Int8,
                                     KVElement::Float8)),
    testName);

} // namespace
