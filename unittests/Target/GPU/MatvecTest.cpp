// Products of one token as the warps of a block stream row tiles for them.
#include "../CPU/MatmulCase.h"
#include "BlockEmulator.h"
#include "SparseFloatLayouts.h"

#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

using namespace stc;

namespace {

/// With much shared memory for each block, and with little.
constexpr const char *kTargets[] = {"nvptx-sm_90", "amdgpu-gfx942"};

class BlockMatvec : public testing::TestWithParam<std::tuple<Layout, const char *>> {
protected:
  std::unique_ptr<EmulatedKernel> compile(MatmulProblem &problem) const {
    problem.layout = std::get<0>(GetParam());
    problem.tokens = "1";
    problem.config = "<tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 1>";
    auto kernel = EmulatedKernel::create(problem.parameters(), problem.body(),
                                         std::get<1>(GetParam()), "", /*distributes=*/true);
    if (!kernel.ok()) {
      ADD_FAILURE() << kernel.status();
      return nullptr;
    }
    return *std::move(kernel);
  }

  static testing::AssertionResult agrees(const EmulatedKernel &kernel, const MatmulProblem &problem,
                                         MatmulData data) {
    // Buffers begin where pages do, as vectors are aligned on GPUs.
    data.guard = Guard::Before;
    MatmulRun run(problem, data, 1);
    return run.agrees([&](std::vector<Argument> arguments) { kernel.run(std::move(arguments)); });
  }
};

} // namespace

TEST_P(BlockMatvec, GivesExactResults) {
  // Not a whole tile, and more units than warps, the last of which is no whole one.
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>(90, 300), {17, 4480}}) {
    MatmulProblem problem;
    problem.rows = rows;
    problem.columns = columns;
    auto kernel = compile(problem);
    ASSERT_NE(kernel, nullptr);
    // What is stored of a unit differs where there is a table of tiles.
    for (double density : {0.5, 1.0, 0.1}) {
      if (density != 0.5 && !problem.layout.hasTable())
        continue;
      MatmulData data;
      data.density = density;
      EXPECT_TRUE(agrees(*kernel, problem, data));
    }
    // Hardly any weight is zero, so that values of full units begin anywhere in sixteen bytes.
    if (problem.layout.hasTable() && !problem.layout.isQuantized()) {
      MatmulData data;
      data.exact = false;
      data.density = 0.998;
      EXPECT_TRUE(agrees(*kernel, problem, data));
    }
  }
}

TEST_P(BlockMatvec, StaysInRangeAtExtremes) {
  MatmulProblem problem;
  problem.rows = 16;
  problem.columns = 256;
  auto kernel = compile(problem);
  ASSERT_NE(kernel, nullptr);
  for (WeightPattern weights : {WeightPattern::Lowest, WeightPattern::Highest})
    for (InputPattern inputs : {InputPattern::Lowest, InputPattern::Highest}) {
      MatmulData data;
      data.weights = weights;
      data.inputs = inputs;
      EXPECT_TRUE(agrees(*kernel, problem, data));
    }
}

/// Weights of a matrix are asked for while the one before is multiplied, with a barrier between
/// them or none, where they come by way of shared memory; and before the first of all.
TEST(StartedMatvec, StartsMatricesWhileOthersAreMultiplied) {
  for (Layout layout : {makeLayout(LayoutKind::Dense, ElementKind::I4, 128),
                        makeLayout(LayoutKind::Dense, ElementKind::I8, 32)}) {
    MatmulProblem problem;
    problem.layout = layout;
    problem.tokens = "1";
    problem.rows = 90;
    problem.columns = 2200;
    std::string operands = problem.text().operands();
    std::string loop =
        absl::StrCat("scf.forall (%i) in (6) {\n  packed.matmul_tile %i ", operands,
                     " config <tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 1>\n}\n");
    auto into = [&](absl::string_view out) {
      return absl::StrReplaceAll(loop, {{"outs(%y ", absl::StrCat("outs(", out, " ")}});
    };
    std::string body =
        absl::StrCat(into("%first"), "packed.barrier\n", into("%second"), into("%y"));
    auto kernel = EmulatedKernel::create(
        absl::StrCat(problem.parameters(), ", %first: memref<1x90xf32>, %second: memref<1x90xf32>"),
        body, kTargets[0], "", /*distributes=*/true);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    EXPECT_GT((*kernel)->countIntrinsics("llvm.nvvm.cp.async.cg.shared.global.16"), 0);
    MatmulData data;
    data.guard = Guard::Before;
    MatmulRun run(problem, data, 1);
    Buffer<float> first(1, problem.rows, 0, Guard::Before),
        second(1, problem.rows, 0, Guard::Before);
    EXPECT_TRUE(run.agrees([&](std::vector<Argument> arguments) {
      arguments.push_back(Argument::matrix(first));
      arguments.push_back(Argument::matrix(second));
      (*kernel)->run(std::move(arguments));
    }));
    for (int64_t row = 0; row < problem.rows; ++row) {
      EXPECT_EQ(first[row], run.results()[row]);
      EXPECT_EQ(second[row], run.results()[row]);
    }
  }
}

/// Values of a unit that is full begin at the fifteenth of sixteen bytes, behind one that is not.
TEST(BitmapMatvec, ReadsFullUnitsOfBitmapsFromAnyByte) {
  MatmulProblem problem;
  problem.layout = makeLayout(LayoutKind::Bitmap, ElementKind::I4, 128);
  problem.rows = 16;
  problem.columns = 512;
  problem.tokens = "1";
  problem.config = "<tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 1>";
  QuantizedMatrix matrix;
  matrix.rows = problem.rows;
  matrix.columns = problem.columns;
  matrix.group = 128;
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t column = 0; column < matrix.columns; ++column)
      matrix.codes.push_back(int8_t((row + column) % 7 + 1));
  matrix.codes[0] = matrix.codes[kDotColumns] = 0; // of both steps that share bytes
  matrix.scales.assign(size_t(matrix.rows * matrix.groups()), floatToHalf(1));
  Buffer<uint8_t> weights(packQuantized(problem.layout, matrix).value(), Guard::Before);
  Buffer<int8_t> codes(1, matrix.columns, 0, Guard::Before);
  Buffer<float> scales(1, matrix.groups(), 1, Guard::Before), out(1, matrix.rows, 0, Guard::Before);
  Buffer<int32_t> sums(1, matrix.groups(), 0, Guard::Before);
  for (int64_t column = 0; column < matrix.columns; ++column) {
    codes[column] = int8_t(column % 11 - 5);
    sums[column / matrix.group] += int32_t(problem.layout.sumFactor()) * codes[column];
  }
  auto kernel = EmulatedKernel::create(problem.parameters(), problem.body(), kTargets[0], "", true);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  (*kernel)->run({Argument::address(weights.data()), Argument::matrix(codes),
                  Argument::matrix(scales), Argument::matrix(sums), Argument::matrix(out)});
  for (int64_t row = 0; row < matrix.rows; ++row) {
    int64_t expected = 0;
    for (int64_t column = 0; column < matrix.columns; ++column)
      expected += matrix.codes[size_t(row * matrix.columns + column)] * codes[column];
    EXPECT_EQ(out[row], float(expected)) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, BlockMatvec,
    testing::Combine(testing::ValuesIn(allLayouts()), testing::ValuesIn(kTargets)), [](auto info) {
      return testName(absl::StrCat(std::get<0>(info.param).str(), "_", std::get<1>(info.param)));
    });

INSTANTIATE_TEST_SUITE_P(SparseFloats, BlockMatvec,
                         testing::Combine(testing::ValuesIn(sparseFloatLayouts()),
                                          testing::ValuesIn(kTargets)),
                         [](auto info) {
                           return testName(absl::StrCat(std::get<0>(info.param).str(), "_",
                                                        std::get<1>(info.param)));
                         });
