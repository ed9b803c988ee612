// Products of many tokens as the threads of a block compute them together.
#include "../CPU/MatmulCase.h"
#include "BlockEmulator.h"

#include "absl/strings/str_cat.h"

using namespace stc;

namespace {

constexpr char kTarget[] = "nvptx-sm_90";

std::string configOf(int64_t rowTiles) {
  return absl::StrCat("<tokens = 32, accumulators = 1, prefetch = 0, row_tiles = ", rowTiles, ">");
}

testing::AssertionResult agrees(const EmulatedKernel &kernel, const MatmulProblem &problem,
                                MatmulData data, int64_t tokens) {
  // Buffers begin where pages do, as vectors of floats are aligned on GPUs.
  data.guard = Guard::Before;
  data.splitsInputs = problem.layout.floatBytes() == 2;
  MatmulRun run(problem, data, tokens);
  return run.agrees([&](std::vector<Argument> arguments) { kernel.run(std::move(arguments)); });
}

std::unique_ptr<EmulatedKernel> compile(const MatmulProblem &problem) {
  auto kernel = EmulatedKernel::create(problem.parameters(), problem.body(), kTarget);
  if (!kernel.ok()) {
    ADD_FAILURE() << kernel.status();
    return nullptr;
  }
  return *std::move(kernel);
}

class BlockMatmul : public testing::TestWithParam<Layout> {};

} // namespace

TEST_P(BlockMatmul, GivesExactResults) {
  MatmulProblem problem;
  problem.layout = GetParam();
  problem.rows = 90; // neither whole tiles nor whole pieces
  problem.columns = 300;
  problem.config = configOf(4);
  auto kernel = compile(problem);
  ASSERT_NE(kernel, nullptr);
  for (int64_t tokens : {1, 8, 11, 37, 64, 70})
    for (double density : {1.0, 0.4}) {
      MatmulData data;
      data.density = density;
      data.seed = uint32_t(tokens);
      EXPECT_TRUE(agrees(*kernel, problem, data, tokens));
    }
}

TEST_P(BlockMatmul, StaysInRangeAtExtremes) {
  MatmulProblem problem;
  problem.layout = GetParam();
  problem.rows = 16;
  problem.columns = 256;
  problem.config = configOf(1);
  auto kernel = compile(problem);
  ASSERT_NE(kernel, nullptr);
  for (WeightPattern weights : {WeightPattern::Lowest, WeightPattern::Highest})
    for (InputPattern inputs : {InputPattern::Lowest, InputPattern::Highest}) {
      MatmulData data;
      data.weights = weights;
      data.inputs = inputs;
      EXPECT_TRUE(agrees(*kernel, problem, data, 9));
    }
}

TEST_P(BlockMatmul, RoundsNoMoreThanItsTermsDo) {
  MatmulProblem problem;
  problem.layout = GetParam();
  problem.rows = 64;
  problem.columns = 260;
  problem.bias = problem.gate = problem.residual = true;
  problem.rotaryPairs = 32;
  problem.config = configOf(2);
  auto kernel = compile(problem);
  ASSERT_NE(kernel, nullptr);
  MatmulData data;
  data.exact = false;
  EXPECT_TRUE(agrees(*kernel, problem, data, 66));
  data.exact = true;
  EXPECT_TRUE(agrees(*kernel, problem, data, 5));
}

INSTANTIATE_TEST_SUITE_P(Layouts, BlockMatmul, testing::ValuesIn(allLayouts()),
                         [](auto info) { return testName(absl::StrCat(info.param.str())); });

TEST(BlockMatmul, LeavesOutWhatIsPruned) {
  for (ElementKind element : {ElementKind::I8, ElementKind::I4})
    for (int64_t group : {32, 64, 128})
      for (bool isDynamic : {true, false}) {
        MatmulProblem problem;
        problem.layout = makeLayout(LayoutKind::NM, element, group, 2, 4);
        problem.rows = 100;
        problem.columns = 500;
        problem.tokens = isDynamic ? "?" : "13";
        problem.config = configOf(4);
        auto kernel = compile(problem);
        ASSERT_NE(kernel, nullptr);
        EXPECT_EQ(kernel->countIntrinsics("llvm.nvvm.mma.sp.") > 0, group != 32);
        for (double density : {1.0, 0.5}) {
          MatmulData data;
          data.density = density;
          EXPECT_TRUE(agrees(*kernel, problem, data, 13));
        }
      }
}

TEST(BlockMatmul, TakesStaticNumbersOfTokensAndOddNumbersOfTiles) {
  for (int64_t tokens : {1, 3, 20, 65, 100})
    for (int64_t rowTiles : {3, 8, 20}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::Dense, ElementKind::I4, 32);
      problem.rows = 23 * 16 + 1;
      problem.columns = 64;
      problem.tokens = absl::StrCat(tokens);
      problem.bias = true;
      problem.config = configOf(rowTiles);
      auto kernel = compile(problem);
      ASSERT_NE(kernel, nullptr);
      EXPECT_TRUE(agrees(*kernel, problem, MatmulData(), tokens));
      EXPECT_GT(kernel->countIntrinsics("llvm.nvvm.mma.m16n8k32"), 0);
    }
}
