// Products of many tokens in 16 bits: floats, dense, 2:4 and with other masks, and codes that
// become floats.
#include "BlockMatmulCase.h"
#include "SparseFloatLayouts.h"
#include "WarpInstructions.h"

#include "absl/strings/match.h"

using namespace stc;

TEST(HalfMatmul, MultipliesActivationsOf16Bits) {
  struct {
    const char *target, *product;
  } cases[] = {{kTarget, "llvm.nvvm.mma.m16n8k16"},
               {"nvptx-sm_86", "llvm.nvvm.mma.m16n8k16"},
               {"nvptx-sm_90a", "stc.wgmma.m64n128k16.f32"}};
  for (auto [target, product] : cases)
    for (auto [element, isSplit] :
         {std::pair(ElementKind::BF16, true), std::pair(ElementKind::BF16, false),
          std::pair(ElementKind::F16, false)})
      for (int64_t rowTiles : {1, 2, 8}) {
        // With less shared memory, where few tiles have many warps.
        if (absl::EndsWith(target, "86") && rowTiles != 1)
          continue;
        MatmulProblem problem;
        problem.layout = makeLayout(LayoutKind::Dense, element);
        problem.rows = 120;
        problem.columns = 320;
        problem.split = isSplit;
        problem.rounded = !isSplit;
        problem.bias = problem.gate = problem.residual = rowTiles == 2;
        problem.rotaryPairs = rowTiles == 1 ? 0 : 16;
        problem.rows = rowTiles == 1 ? 120 : 128;
        problem.config = configOf(rowTiles);
        auto kernel = compile(problem, target);
        ASSERT_NE(kernel, nullptr);
        EXPECT_GT(kernel->countIntrinsics("llvm.nvvm.ldmatrix."), 0);
        EXPECT_GT(kernel->countIntrinsics(rowTiles < 4 ? "llvm.nvvm.mma.m16n8k16" : product), 0);
        for (int64_t tokens : {9, 130, 300}) {
          MatmulData data;
          data.exact = tokens != 130;
          data.seed = uint32_t(tokens);
          EXPECT_TRUE(agrees(*kernel, problem, data, tokens)) << target;
        }
      }
}

TEST(HalfMatmul, OverlapsProductsOfWarpgroups) {
  struct {
    int64_t rowTiles, pieceTokens;
    ElementKind element;
    bool isSplit, hasMore;
    int64_t rotaryPairs;
  } cases[] = {{8, 256, ElementKind::F16, false, true, 0},
               {8, 0, ElementKind::BF16, true, false, 0},
               {8, 128, ElementKind::F16, false, false, 32},
               {16, 128, ElementKind::F16, false, false, 0},
               {16, 128, ElementKind::BF16, true, true, 0}};
  for (auto [rowTiles, pieceTokens, element, isSplit, hasMore, rotaryPairs] : cases) {
    MatmulProblem problem;
    problem.layout = makeLayout(LayoutKind::Dense, element);
    problem.rows = 16 * rowTiles + 64; // the last piece has fewer
    problem.columns = 640;
    problem.rotaryPairs = rotaryPairs;
    problem.split = isSplit;
    problem.rounded = !isSplit;
    problem.bias = problem.gate = problem.residual = hasMore;
    problem.config = configOf(rowTiles, pieceTokens);
    auto kernel = compile(problem, "nvptx-sm_90a");
    ASSERT_NE(kernel, nullptr);
    EXPECT_GT(kernel->countIntrinsics("stc.wgmma.m64n128k16.f32"), 0);
    for (int64_t tokens : {128, 300}) {
      MatmulData data;
      data.seed = uint32_t(tokens);
      EXPECT_TRUE(agrees(*kernel, problem, data, tokens)) << rowTiles << " row tiles";
    }
  }
}

TEST(HalfMatmul, LeavesOutPrunedFloats) {
  struct {
    const char *target, *instruction;
  } cases[] = {{kTarget, "llvm.nvvm.mma.sp.m16n8k32"},
               {"nvptx-sm_86", "llvm.nvvm.mma.sp.m16n8k32"},
               {"nvptx-sm_90a", "llvm.nvvm.mma.sp.m16n8k32"},
               {"nvptx-sm_120", "llvm.nvvm.mma.sp.ordered.metadata.m16n8k32"}};
  for (auto [target, instruction] : cases)
    for (auto [element, isSplit] :
         {std::pair(ElementKind::BF16, true), std::pair(ElementKind::BF16, false),
          std::pair(ElementKind::F16, true), std::pair(ElementKind::F16, false)})
      for (int64_t rowTiles : {1, 2, 8}) {
        // Less shared memory, and other instructions, need not all of these.
        if (target != kTarget && rowTiles != 1)
          continue;
        MatmulProblem problem;
        problem.layout = makeLayout(LayoutKind::NM, element, 0, 2, 4);
        problem.columns = 320;
        problem.split = isSplit;
        problem.rounded = !isSplit;
        problem.bias = problem.gate = problem.residual = rowTiles == 2;
        problem.rotaryPairs = rowTiles == 1 ? 0 : 16;
        problem.rows = rowTiles == 1 ? 117 : 128; // neither whole tiles nor whole pieces
        problem.config = configOf(rowTiles);
        auto kernel = compile(problem, target);
        ASSERT_NE(kernel, nullptr);
        EXPECT_GT(kernel->countIntrinsics(instruction), 0);
        for (int64_t tokens : {1, 9, 130, 300}) {
          MatmulData data;
          data.exact = tokens != 130;
          data.density = tokens == 9 ? 0.5 : 1;
          data.seed = uint32_t(tokens);
          EXPECT_TRUE(agrees(*kernel, problem, data, tokens)) << target;
        }
      }
}

TEST(HalfMatmul, LeavesOutPrunedFloatsByWarpgroups) {
  struct {
    int64_t rowTiles, pieceTokens;
    ElementKind element;
    bool isSplit, hasMore;
    int64_t rotaryPairs;
    int64_t columns = 640;
  } cases[] = {{4, 0, ElementKind::F16, false, false, 16},
               {4, 64, ElementKind::BF16, true, true, 0},
               {8, 256, ElementKind::F16, false, true, 0},
               {8, 0, ElementKind::BF16, true, false, 0},
               {8, 128, ElementKind::BF16, false, false, 32},
               {8, 128, ElementKind::F16, true, true, 0},
               {16, 128, ElementKind::F16, false, false, 0},
               {16, 128, ElementKind::F16, true, false, 0},
               {16, 128, ElementKind::BF16, true, true, 0},
               {16, 128, ElementKind::F16, false, true, 0, 64}};
  for (auto [rowTiles, pieceTokens, element, isSplit, hasMore, rotaryPairs, columns] : cases) {
    MatmulProblem problem;
    problem.layout = makeLayout(LayoutKind::NM, element, 0, 2, 4);
    problem.rows = 16 * rowTiles + (hasMore ? 70 : 64); // the last piece has fewer
    problem.columns = columns;
    problem.rotaryPairs = rotaryPairs;
    problem.split = isSplit;
    problem.rounded = !isSplit;
    problem.bias = problem.gate = problem.residual = hasMore;
    problem.config = configOf(rowTiles, pieceTokens);
    auto kernel = compile(problem, "nvptx-sm_90a");
    ASSERT_NE(kernel, nullptr);
    EXPECT_GT(kernel->countIntrinsics("stc.wgmma.sp.m64n"), 0);
    EXPECT_EQ(kernel->countIntrinsics("stc.wgmma.m64n"), 0);
    for (int64_t tokens : {1, 90, 128, 300}) {
      MatmulData data;
      data.exact = tokens != 90;
      data.density = tokens == 128 ? 0.5 : 1;
      data.seed = uint32_t(tokens);
      EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
          << problem.layout.str() << ", " << rowTiles << " row tiles, " << tokens;
    }
  }
}

TEST(HalfMatmul, PutsInZerosOfMaskedFloats) {
  struct {
    LayoutKind kind;
    int64_t n, m, rowTiles, pieceTokens;
    ElementKind element;
    bool isSplit;
    const char *target;
  } cases[] = {{LayoutKind::Bitmap, 0, 0, 8, 0, ElementKind::BF16, true, kTarget},
               {LayoutKind::Bitmap, 0, 0, 1, 0, ElementKind::F16, false, "nvptx-sm_80"},
               {LayoutKind::Bitmap, 0, 0, 2, 0, ElementKind::BF16, false, "nvptx-sm_86"},
               {LayoutKind::Bitmap, 0, 0, 4, 0, ElementKind::F16, false, "nvptx-sm_90a"},
               {LayoutKind::Bitmap, 0, 0, 8, 256, ElementKind::BF16, false, "nvptx-sm_90a"},
               {LayoutKind::Bitmap, 0, 0, 16, 128, ElementKind::F16, false, "nvptx-sm_90a"},
               {LayoutKind::Bitmap, 0, 0, 16, 128, ElementKind::BF16, true, "nvptx-sm_90a"},
               {LayoutKind::Bitmap, 0, 0, 16, 128, ElementKind::F16, true, "nvptx-sm_90a"},
               {LayoutKind::Bitmap, 0, 0, 2, 0, ElementKind::F16, true, "nvptx-sm_80"},
               {LayoutKind::NM, 4, 16, 8, 256, ElementKind::F16, true, "nvptx-sm_90a"},
               {LayoutKind::NM, 1, 4, 2, 0, ElementKind::F16, false, kTarget},
               {LayoutKind::NM, 1, 4, 16, 128, ElementKind::BF16, true, "nvptx-sm_90a"},
               {LayoutKind::NM, 3, 4, 8, 256, ElementKind::BF16, false, "nvptx-sm_90a"},
               {LayoutKind::NM, 4, 8, 8, 128, ElementKind::F16, false, "nvptx-sm_90a"},
               {LayoutKind::NM, 3, 8, 8, 0, ElementKind::BF16, true, "nvptx-sm_120"},
               {LayoutKind::NM, 8, 16, 16, 128, ElementKind::BF16, false, "nvptx-sm_90a"},
               {LayoutKind::NM, 15, 16, 4, 0, ElementKind::F16, false, "nvptx-sm_100"}};
  for (auto [kind, n, m, rowTiles, pieceTokens, element, isSplit, target] : cases) {
    MatmulProblem problem;
    problem.layout = makeLayout(kind, element, 0, n, m);
    problem.rotaryPairs = rowTiles == 2 ? 16 : 0;
    problem.rows = rowTiles == 2 ? 128 : 16 * rowTiles + (isSplit ? 21 : 32);
    problem.columns = 320;
    problem.split = isSplit;
    problem.rounded = !isSplit;
    problem.bias = problem.gate = problem.residual = rowTiles == 8;
    problem.config = configOf(rowTiles, pieceTokens);
    auto kernel = compile(problem, target);
    ASSERT_NE(kernel, nullptr);
    bool isTogether = rowTiles >= 4 && absl::EndsWith(target, "90a");
    EXPECT_GT(kernel->countIntrinsics(isTogether ? "stc.wgmma.m64n" : "llvm.nvvm.mma.m16n8k16"), 0);
    for (int64_t tokens : {1, 90, 128, 300}) {
      MatmulData data;
      data.exact = tokens != 90;
      data.density = tokens == 128 ? 0.5 : tokens == 300 ? 0.05 : 1;
      data.seed = uint32_t(tokens);
      EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
          << problem.layout.str() << ", " << rowTiles << " row tiles, " << tokens << ", " << target;
    }
  }
}

TEST(HalfMatmul, LeavesOutPrunedFloatsOnAmd) {
  for (ElementKind element : {ElementKind::BF16, ElementKind::F16})
    for (int64_t rowTiles : {1, 4}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::NM, element, 0, 2, 4);
      problem.rows = 90;
      problem.columns = 96; // no multiple of 64
      problem.config = configOf(rowTiles);
      auto kernel = compile(problem, "amdgpu-gfx942");
      ASSERT_NE(kernel, nullptr);
      EXPECT_GT(kernel->countIntrinsics("llvm.amdgcn.smfmac.f32.16x16x32.bf16"), 0);
      for (int64_t tokens : {1, 17, 70}) {
        MatmulData data;
        data.exact = tokens != 70;
        data.density = tokens == 17 ? 0.5 : 1;
        data.seed = uint32_t(tokens);
        EXPECT_TRUE(agrees(*kernel, problem, data, tokens));
      }
    }
}

TEST(HalfMatmul, WidensCodes) {
  for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
    for (auto [group, isAsymmetric, rowTiles] :
         {std::tuple(32, false, 1), {64, true, 2}, {128, false, 8}, {128, true, 4}}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::Dense, element, group);
      problem.layout.asymmetric = isAsymmetric;
      problem.rows = rowTiles == 2 ? 128 : 120;
      problem.columns = 320; // no whole groups of 128
      problem.rounded = true;
      problem.bias = rowTiles == 4;
      problem.rotaryPairs = rowTiles == 2 ? 16 : 0;
      problem.config = configOf(rowTiles);
      auto kernel = compile(problem);
      ASSERT_NE(kernel, nullptr);
      EXPECT_GT(kernel->countIntrinsics("llvm.nvvm.mma.m16n8k16.row.col.f32.f32"), 0);
      for (int64_t tokens : {9, 130, 256}) {
        MatmulData data;
        data.exact = tokens != 130;
        data.seed = uint32_t(tokens);
        EXPECT_TRUE(agrees(*kernel, problem, data, tokens));
      }
    }
}

TEST(HalfMatmul, WidensCodesForWarpgroups) {
  for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
    for (auto [group, isAsymmetric, rowTiles] :
         {std::tuple(32, true, 4), {64, false, 8}, {128, false, 4}, {128, true, 8}}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::Dense, element, group);
      problem.layout.asymmetric = isAsymmetric;
      problem.rows = rowTiles == 8 ? 128 : 120;
      problem.columns = 320; // no whole groups of 128
      problem.rounded = true;
      problem.bias = rowTiles == 4;
      problem.rotaryPairs = group == 64 ? 16 : 0;
      problem.config = configOf(rowTiles);
      auto kernel = compile(problem, "nvptx-sm_90a");
      ASSERT_NE(kernel, nullptr);
      EXPECT_GT(kernel->countIntrinsics("stc.wgmma.m64n128k16.f32.f16.f16"), 0);
      for (int64_t tokens : {101, 130, 256}) {
        MatmulData data;
        data.exact = tokens != 130;
        data.seed = uint32_t(tokens);
        EXPECT_TRUE(agrees(*kernel, problem, data, tokens))
            << problem.layout.str() << ", " << rowTiles << " row tiles, " << tokens;
      }
    }
}
