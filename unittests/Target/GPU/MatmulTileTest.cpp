// Products of many tokens as the threads of a block compute them together.
#include "BlockMatmulCase.h"
#include "SparseFloatLayouts.h"
#include "WarpInstructions.h"

#include "absl/strings/match.h"

using namespace stc;

namespace {

constexpr const char *kTargets[] = {kTarget, "amdgpu-gfx90a", "amdgpu-gfx942", "amdgpu-gfx1100"};

class BlockMatmul : public testing::TestWithParam<std::tuple<Layout, const char *>> {
protected:
  Layout layout() const { return std::get<0>(GetParam()); }
  std::string target() const { return std::get<1>(GetParam()); }
  /// Whether its products are to be those of matrix instructions: not of groups of 16 where columns
  /// are no multiple of 128, and AMD's code has none for steps that are stored or absent, and for
  /// minimums.
  bool hasProducts() const {
    if (!layout().isQuantized())
      return layout().floatBytes() == 2 && !layout().isSparse();
    return layout().group >= 32 &&
           (target() == kTarget || (layout().kind != LayoutKind::Block && !layout().minimums));
  }
};

} // namespace

TEST_P(BlockMatmul, GivesExactResults) {
  MatmulProblem problem;
  problem.layout = layout();
  problem.rows = 90; // neither whole tiles nor whole pieces
  problem.columns = 300;
  problem.config = configOf(4);
  auto kernel = compile(problem, target());
  ASSERT_NE(kernel, nullptr);
  EXPECT_EQ(countProducts(*kernel) > 0, hasProducts());
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
  problem.layout = layout();
  problem.rows = 16;
  problem.columns = 256;
  problem.config = configOf(1);
  auto kernel = compile(problem, target());
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
  problem.layout = layout();
  problem.rows = 64;
  problem.columns = 260;
  problem.bias = problem.gate = problem.residual = true;
  problem.rotaryPairs = 32;
  problem.config = configOf(2);
  auto kernel = compile(problem, target());
  ASSERT_NE(kernel, nullptr);
  MatmulData data;
  data.exact = false;
  EXPECT_TRUE(agrees(*kernel, problem, data, 66));
  data.exact = true;
  EXPECT_TRUE(agrees(*kernel, problem, data, 5));
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, BlockMatmul,
    testing::Combine(testing::ValuesIn(allLayouts()), testing::ValuesIn(kTargets)), [](auto info) {
      return testName(absl::StrCat(std::get<0>(info.param).str(), "_", std::get<1>(info.param)));
    });

INSTANTIATE_TEST_SUITE_P(SparseFloats, BlockMatmul,
                         testing::Combine(testing::ValuesIn(sparseFloatLayouts()),
                                          testing::ValuesIn(kTargets)),
                         [](auto info) {
                           return testName(absl::StrCat(std::get<0>(info.param).str(), "_",
                                                        std::get<1>(info.param)));
                         });

TEST(BlockMatmul, TakesGroupsOfHalfAnInstruction) {
  for (int own : {0, 1, 2})
    for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I2}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::Dense, element, 16);
      problem.layout.asymmetric = own == 1;
      problem.layout.minimums = own == 2;
      problem.rows = 70;
      problem.columns = 384;
      problem.config = configOf(4);
      auto kernel = compile(problem);
      ASSERT_NE(kernel, nullptr);
      EXPECT_GT(kernel->countIntrinsics("llvm.nvvm.mma.m16n8k32"), 0);
      for (int64_t tokens : {1, 9, 40, 130})
        for (bool isExact : {true, false}) {
          MatmulData data;
          data.exact = isExact;
          data.seed = uint32_t(tokens);
          EXPECT_TRUE(agrees(*kernel, problem, data, tokens));
        }
    }
}

TEST(BlockMatmul, LeavesOutWhatIsPruned) {
  struct {
    const char *target, *intrinsic;
  } cases[] = {{kTarget, "llvm.nvvm.mma.sp."}, {"amdgpu-gfx942", "llvm.amdgcn.smfmac."}};
  for (auto [target, intrinsic] : cases)
    for (auto [element, group, isDynamic] :
         {std::tuple(ElementKind::I8, 32, true), std::tuple(ElementKind::I8, 64, false),
          std::tuple(ElementKind::I8, 128, true), std::tuple(ElementKind::I4, 32, false),
          std::tuple(ElementKind::I4, 64, true), std::tuple(ElementKind::I4, 128, false)}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::NM, element, group, 2, 4);
      problem.rows = 100;
      problem.columns = 500;
      problem.tokens = isDynamic ? "?" : "13";
      problem.config = configOf(4);
      auto kernel = compile(problem, target);
      ASSERT_NE(kernel, nullptr);
      EXPECT_EQ(kernel->countIntrinsics(intrinsic) > 0, group != 32);
      for (double density : {1.0, 0.5}) {
        MatmulData data;
        data.density = density;
        EXPECT_TRUE(agrees(*kernel, problem, data, 13));
      }
    }
}

TEST(BlockMatmul, StagesWhatIsPruned) {
  const struct {
    ElementKind element;
    int64_t group;
    bool perRow;
    int64_t rowTiles;
    const char *target;
  } cases[] = {{ElementKind::I8, 64, false, 1, "nvptx-sm_80"},
               {ElementKind::I8, 128, false, 4, "nvptx-sm_90a"},
               {ElementKind::I8, 128, true, 6, "nvptx-sm_100"},
               {ElementKind::I4, 64, false, 8, "nvptx-sm_86"},
               {ElementKind::I4, 128, false, 2, kTarget},
               {ElementKind::I4, 128, true, 4, "nvptx-sm_120"}};
  for (auto [element, group, perRow, rowTiles, target] : cases) {
    MatmulProblem problem;
    problem.layout = makeLayout(LayoutKind::NM, element, group, 2, 4);
    problem.layout.perRow = perRow;
    problem.rows = 150; // neither whole tiles nor whole pieces
    problem.columns = 600;
    problem.config = configOf(rowTiles);
    auto kernel = compile(problem, target);
    ASSERT_NE(kernel, nullptr);
    EXPECT_GT(kernel->countIntrinsics("llvm.nvvm.mma.sp."), 0);
    // Places are exchanged through shared memory, not between lanes.
    EXPECT_EQ(kernel->countIntrinsics("llvm.nvvm.shfl."), 0);
    for (int64_t tokens : {1, 33, 64, 200}) {
      MatmulData data;
      data.density = tokens == 33 ? 0.5 : 1;
      data.seed = uint32_t(tokens);
      EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
          << problem.layout.str() << ", " << rowTiles << " row tiles, " << tokens;
    }
    for (WeightPattern weights : {WeightPattern::Lowest, WeightPattern::Highest}) {
      MatmulData data;
      data.weights = weights;
      data.inputs = InputPattern::Lowest;
      EXPECT_TRUE(agrees(*kernel, problem, data, 9));
    }
  }
}

TEST(BlockMatmul, LeavesOutWhatIsPrunedByWarpgroups) {
  for (ElementKind element : {ElementKind::I8, ElementKind::I4})
    for (auto [group, perRow, rowTiles] :
         {std::tuple(64, false, 4), {128, false, 8}, {128, true, 4}}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::NM, element, group, 2, 4);
      problem.layout.perRow = perRow;
      problem.rows = 150; // neither whole tiles nor whole pieces
      problem.columns = 600;
      problem.config = configOf(rowTiles);
      auto kernel = compile(problem, "nvptx-sm_90a");
      ASSERT_NE(kernel, nullptr);
      EXPECT_GT(kernel->countIntrinsics("stc.wgmma.sp.m64n64k64.s32.s8.s8"), 0);
      EXPECT_EQ(kernel->countIntrinsics("stc.wgmma.m64"), 0);
      for (int64_t tokens : {33, 64, 131, 200}) {
        MatmulData data;
        data.density = tokens == 131 ? 0.5 : 1;
        data.seed = uint32_t(tokens);
        EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
            << problem.layout.str() << ", " << rowTiles << " row tiles, " << tokens;
      }
      for (WeightPattern weights : {WeightPattern::Lowest, WeightPattern::Highest}) {
        MatmulData data;
        data.weights = weights;
        data.inputs = InputPattern::Lowest;
        EXPECT_TRUE(agrees(*kernel, problem, data, 70));
      }
    }
}

TEST(BlockMatmul, DividesTokens) {
  // Kernels that are staged, by warps and by warpgroups, those that are not, floats, and AMD's.
  const Layout dense = makeLayout(LayoutKind::Dense, ElementKind::I4, 64);
  const struct {
    Layout layout;
    const char *target;
    int64_t pieceTokens;
    bool isDynamic;
  } cases[] = {{dense, kTarget, 128, true},
               {dense, kTarget, 64, false},
               {dense, "nvptx-sm_90a", 64, true},
               {makeLayout(LayoutKind::NM, ElementKind::I8, 64, 2, 4), kTarget, 128, true},
               {makeLayout(LayoutKind::NM, ElementKind::I4, 64, 2, 4), "nvptx-sm_90a", 128, true},
               {makeLayout(LayoutKind::Bitmap, ElementKind::I4, 32), kTarget, 128, true},
               {makeLayout(LayoutKind::Block, ElementKind::I8, 32), kTarget, 64, true},
               {makeLayout(LayoutKind::Dense, ElementKind::BF16), kTarget, 128, true},
               {makeLayout(LayoutKind::Dense, ElementKind::F32), kTarget, 128, true},
               {dense, "amdgpu-gfx942", 128, true}};
  for (auto [layout, target, pieceTokens, isDynamic] : cases) {
    MatmulProblem problem;
    problem.layout = layout;
    problem.rows = 100;
    problem.columns = 256;
    problem.bias = problem.gate = problem.residual = true;
    problem.config = configOf(4, pieceTokens);
    // None is left over, or some, or a piece is not even as large.
    std::unique_ptr<EmulatedKernel> kernel;
    for (int64_t tokens : {256, 200, 40}) {
      problem.tokens = isDynamic ? "?" : absl::StrCat(tokens);
      if (!kernel || !isDynamic)
        kernel = compile(problem, target);
      ASSERT_NE(kernel, nullptr);
      MatmulData data;
      data.seed = uint32_t(tokens);
      EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
          << layout.str() << " for " << target << ", pieces of " << pieceTokens << ", " << tokens;
    }
  }
}

TEST(BlockMatmul, ComputesTheTokensOfItsPieceOnly) {
  constexpr int64_t kTokens = 150, kPiece = 64;
  for (LayoutKind kind : {LayoutKind::Dense, LayoutKind::Bitmap})
    for (int64_t first : {64, 128}) {
      MatmulProblem problem;
      problem.layout = makeLayout(kind, ElementKind::I4, 128);
      problem.rows = 64;
      problem.columns = 128;
      std::string body =
          absl::StrCat("%tile = arith.constant 0 : index\n%first = arith.constant ", first,
                       " : index\npacked.matmul_tile %tile tokens from %first ",
                       problem.text().operands(), " config ", configOf(4, kPiece));
      auto kernel = EmulatedKernel::create(problem.parameters(), body, kTarget);
      ASSERT_TRUE(kernel.ok()) << kernel.status();
      MatmulData data;
      data.guard = Guard::Before;
      MatmulRun run(problem, data, kTokens);
      Buffer<float> &out = run.results();
      constexpr float kUntouched = 12345.5f;
      std::fill_n(out.data(), out.size(), kUntouched);
      (*kernel)->run(run.arguments());
      for (int64_t token = 0; token < kTokens; ++token) {
        bool isOwn = token >= first && token < first + kPiece;
        int64_t left = 0;
        for (int64_t row = 0; row < problem.rows; ++row)
          left += out(token, row) == kUntouched;
        EXPECT_EQ(left, isOwn ? 0 : problem.rows) << "token " << token << " of piece " << first;
      }
    }
}

TEST(BlockMatmul, GivesTheSameHoweverTokensAreDivided) {
  for (LayoutKind kind : {LayoutKind::Dense, LayoutKind::NM}) {
    MatmulProblem problem;
    int64_t n = kind == LayoutKind::NM ? 2 : 0;
    problem.layout = makeLayout(kind, ElementKind::I4, 128, n, 2 * n);
    problem.rows = 64;
    problem.columns = 1024;
    MatmulData data;
    data.exact = false; // real scales, so that an order of sums of its own would be seen
    data.guard = Guard::Before;
    std::vector<float> results[2];
    for (int64_t divided : {0, 1}) {
      problem.config = configOf(4, 128 * divided);
      auto kernel = compile(problem);
      ASSERT_NE(kernel, nullptr);
      MatmulRun run(problem, data, 256);
      ASSERT_TRUE(
          run.agrees([&](std::vector<Argument> arguments) { kernel->run(std::move(arguments)); }));
      Buffer<float> &out = run.results();
      results[divided].assign(out.data(), out.data() + out.size());
    }
    EXPECT_EQ(results[0], results[1]);
  }
}

TEST(BlockMatmul, MultipliesByWarpgroups) {
  for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
    for (int64_t group : {32, 64, 128})
      for (bool isAsymmetric : {false, true})
        for (int64_t rowTiles : {4, 8}) {
          MatmulProblem problem;
          problem.layout = makeLayout(LayoutKind::Dense, element, group);
          problem.layout.asymmetric = isAsymmetric;
          problem.rows = 120;
          problem.columns = 640;
          problem.config = configOf(rowTiles);
          auto kernel = compile(problem, "nvptx-sm_90a");
          ASSERT_NE(kernel, nullptr);
          EXPECT_GT(kernel->countIntrinsics(kWarpgroupProducts.str()), 0);
          for (int64_t tokens : {64, 128, 200}) {
            MatmulData data;
            data.seed = uint32_t(tokens);
            EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
                << problem.layout.str() << ", " << rowTiles << " row tiles, " << tokens;
          }
        }
}

TEST(BlockMatmul, PartsWarpgroups) {
  struct {
    LayoutKind kind;
    ElementKind element;
    int64_t group;
    bool isAsymmetric, perRow;
  } cases[] = {{LayoutKind::Dense, ElementKind::I8, 128, false, false},
               {LayoutKind::Dense, ElementKind::I4, 32, false, false},
               {LayoutKind::Dense, ElementKind::I3, 64, true, false},
               {LayoutKind::Dense, ElementKind::I4, 128, false, true},
               {LayoutKind::NM, ElementKind::I8, 128, false, false},
               {LayoutKind::NM, ElementKind::I4, 64, false, false}};
  for (auto [kind, element, group, isAsymmetric, perRow] : cases)
    for (int64_t portions : {1, 2, 7}) { // fewer than there are buffers, and more
      MatmulProblem problem;
      problem.layout = kind == LayoutKind::NM ? makeLayout(kind, element, group, 2, 4)
                                              : makeLayout(kind, element, group);
      problem.layout.asymmetric = isAsymmetric;
      problem.layout.perRow = perRow;
      problem.rows = 120; // no whole pieces
      problem.columns = 128 * portions;
      problem.config = configOf(8);
      auto kernel = compile(problem, "nvptx-sm_90a");
      ASSERT_NE(kernel, nullptr);
      EXPECT_GT(kernel->countIntrinsics("llvm.nvvm.barrier.cta.arrive"), 0);
      for (int64_t tokens : {256, 332}) { // blocks of 128, and what is left over
        MatmulData data;
        data.seed = uint32_t(tokens);
        EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
            << problem.layout.str() << ", " << portions << " portions, " << tokens;
      }
      for (WeightPattern weights : {WeightPattern::Lowest, WeightPattern::Highest}) {
        MatmulData data;
        data.weights = weights;
        data.inputs = InputPattern::Lowest;
        EXPECT_TRUE(agrees(*kernel, problem, data, 128));
      }
    }
}

TEST(BlockMatmul, SumsWholeRowsInIntegers) {
  const struct {
    const char *target, *product;
    LayoutKind kind;
    ElementKind element;
    bool isAsymmetric;
    int64_t rowTiles, pieceTokens;
  } cases[] = {
      {"nvptx-sm_90a", "stc.wgmma.m64n128k32", LayoutKind::Dense, ElementKind::I8, false, 8, 256},
      {"nvptx-sm_90a", "stc.wgmma.m64n128k32", LayoutKind::Dense, ElementKind::I4, false, 8, 0},
      {"nvptx-sm_90a", "stc.wgmma.m64n64k32", LayoutKind::Dense, ElementKind::I8, true, 4, 256},
      {"nvptx-sm_90a", "stc.wgmma.sp.m64n128k64", LayoutKind::NM, ElementKind::I8, false, 8, 256},
      {"nvptx-sm_90a", "stc.wgmma.sp.m64n128k64", LayoutKind::NM, ElementKind::I4, false, 8, 0},
      {"nvptx-sm_90a", "llvm.nvvm.mma.m16n8k32", LayoutKind::Dense, ElementKind::I4, true, 2, 0},
      {"nvptx-sm_80", "llvm.nvvm.mma.m16n8k32", LayoutKind::Dense, ElementKind::I8, false, 4, 128},
      {"nvptx-sm_86", "llvm.nvvm.mma.m16n8k32", LayoutKind::Dense, ElementKind::I3, true, 3, 0},
      {"nvptx-sm_120", "llvm.nvvm.mma.sp.", LayoutKind::NM, ElementKind::I8, false, 8, 0},
      {kTarget, "llvm.nvvm.mma.sp.", LayoutKind::NM, ElementKind::I4, false, 1, 0}};
  for (auto [target, product, kind, element, isAsymmetric, rowTiles, pieceTokens] : cases)
    for (int64_t portions : {2, 7}) { // fewer than there are buffers, and more
      MatmulProblem problem;
      problem.layout = kind == LayoutKind::NM ? makeLayout(kind, element, 128, 2, 4)
                                              : makeLayout(kind, element, 128);
      problem.layout.asymmetric = isAsymmetric;
      problem.layout.perRow = true;
      problem.perToken = true;
      problem.rows = 120;                    // no whole pieces
      problem.columns = 128 * portions - 28; // nor portions
      problem.config = configOf(rowTiles, pieceTokens);
      auto kernel = compile(problem, target);
      ASSERT_NE(kernel, nullptr);
      EXPECT_GT(kernel->countIntrinsics(product), 0) << target;
      for (int64_t tokens : {5, 70, 256, 332}) { // whole blocks, and what is left over
        MatmulData data;
        data.seed = uint32_t(tokens);
        EXPECT_TRUE(agrees(*kernel, problem, data, tokens)) << target << ", " << tokens;
      }
      for (WeightPattern weights : {WeightPattern::Lowest, WeightPattern::Highest}) {
        MatmulData data;
        data.weights = weights;
        data.inputs = InputPattern::Lowest;
        EXPECT_TRUE(agrees(*kernel, problem, data, 128)) << target;
      }
    }
}

TEST(BlockMatmul, SumsWholeRowsOfPairs) {
  for (const char *target : {"nvptx-sm_90a", "nvptx-sm_80"}) {
    MatmulProblem problem;
    problem.layout = makeLayout(LayoutKind::Dense, ElementKind::I8, 128);
    problem.layout.perRow = problem.perToken = true;
    problem.rows = 128;
    problem.columns = 384;
    problem.bias = problem.gate = problem.residual = true;
    problem.rotaryPairs = 32;
    problem.config = configOf(4, 256);
    auto kernel = compile(problem, target);
    ASSERT_NE(kernel, nullptr);
    for (bool isExact : {true, false}) {
      MatmulData data;
      data.exact = isExact;
      EXPECT_TRUE(agrees(*kernel, problem, data, 300));
    }
  }
}

TEST(BlockMatmul, ScalesEachGroupWhereKernelsSumNoWholeRows) {
  MatmulProblem problem;
  problem.layout = makeLayout(LayoutKind::Bitmap, ElementKind::I8, 128);
  problem.layout.perRow = problem.perToken = true;
  problem.rows = 16;
  problem.columns = 256;
  problem.config = configOf(1);
  auto create = [&](const char *target) {
    return EmulatedKernel::create(problem.parameters(), problem.body(), target).ok();
  };
  EXPECT_FALSE(create(kTarget));
  problem.layout = makeLayout(LayoutKind::Dense, ElementKind::I8, 128);
  problem.layout.perRow = true;
  EXPECT_FALSE(create("amdgpu-gfx942"));
  EXPECT_TRUE(create(kTarget));
}

TEST(BlockMatmul, TakesStaticNumbersOfTokensAndOddNumbersOfTiles) {
  for (int64_t tokens : {1, 3, 20, 65, 100})
    for (auto [rowTiles, target] :
         {std::pair(3, kTarget), std::pair(8, "amdgpu-gfx942"), std::pair(8, kTarget),
          std::pair(20, "amdgpu-gfx1100"), std::pair(20, kTarget)}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::Dense, ElementKind::I4, 32);
      problem.rows = 23 * 16 + 1;
      problem.columns = 64;
      problem.tokens = absl::StrCat(tokens);
      problem.bias = true;
      problem.config = configOf(rowTiles);
      auto kernel = compile(problem, target);
      ASSERT_NE(kernel, nullptr);
      EXPECT_TRUE(agrees(*kernel, problem, MatmulData(), tokens));
      EXPECT_GT(countProducts(*kernel), 0);
    }
}
