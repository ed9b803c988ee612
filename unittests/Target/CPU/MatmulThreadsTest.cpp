// Matrix multiplications divided among threads: every result is written once, and is the same
// whatever the number of threads.
#include "MatmulCase.h"

#include "absl/strings/str_cat.h"

using namespace stc;

namespace {

constexpr int64_t kRows = 16 * 13 + 5, kColumns = 132, kTiles = 14;

class MatmulThreads : public testing::TestWithParam<std::tuple<Layout, std::string, int64_t>> {
protected:
  void SetUp() override {
    std::string split;
    std::tie(problem.layout, split, rowTiles) = GetParam();
    problem.rows = kRows;
    problem.columns = kColumns;
    problem.config =
        absl::StrCat("<tokens = 2, accumulators = 2, prefetch = 512, row_tiles = ", rowTiles,
                     ", split = ", split, ">");
    byBytes = problem.layout.hasTable() && split == "bytes";
    data.exact = false;
    data.density = 0.5;
    // Tiles of very different sizes.
    data.weights = WeightPattern::EmptyRows;
    auto compiled = CompiledKernel::create(
        problem.parameters() + ", %thread: index, %threads: index", problem.body(), "native",
        "packed-tile-ops,packed-distribute-threads");
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    kernel = std::move(*compiled);
  }

  /// Bytes of a piece of work, or 1 where pieces count alike.
  int64_t sizeOf(int64_t piece, const std::vector<uint8_t> &weights) const {
    if (!byBytes)
      return 1;
    auto startOf = [&](int64_t tile) {
      uint32_t units = 0;
      std::memcpy(&units, weights.data() + 4 * std::min(tile, kTiles), 4);
      return int64_t(units);
    };
    return startOf((piece + 1) * rowTiles) - startOf(piece * rowTiles);
  }

  MatmulProblem problem;
  MatmulData data;
  int64_t rowTiles = 1;
  bool byBytes = false;
  std::unique_ptr<CompiledKernel> kernel;
};

TEST_P(MatmulThreads, WriteEveryResultOnceAndTheSame) {
  constexpr uint32_t poison = 0x7FC0DEAD; // a NaN no kernel makes
  constexpr int64_t tokens = 3;
  MatmulRun run(problem, data, tokens);
  int64_t pieces = (kTiles + rowTiles - 1) / rowTiles, total = 0, largest = 0;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    int64_t size = sizeOf(piece, run.packedWeights());
    total += size;
    largest = std::max(largest, size);
  }
  Buffer<float> &out = run.results();
  std::vector<uint32_t> first; // the results of one thread
  for (int64_t threads : {1, 2, 3, 5, 7, 20}) {
    std::vector<uint32_t> merged(out.size(), poison);
    int64_t before = 0; // bytes of the threads so far
    for (int64_t thread = 0; thread < threads; ++thread) {
      for (int64_t i = 0; i < out.size(); ++i)
        std::memcpy(&out[i], &poison, 4);
      std::vector<Argument> arguments = run.arguments();
      arguments.push_back(Argument::number(thread));
      arguments.push_back(Argument::number(threads));
      kernel->run(std::move(arguments));
      ASSERT_TRUE(out.isIntact());
      int64_t written = 0;
      for (int64_t i = 0; i < out.size(); ++i) {
        uint32_t bits = 0;
        std::memcpy(&bits, &out[i], 4);
        if (bits == poison)
          continue;
        ASSERT_EQ(merged[i], poison)
            << "result " << i << " is written again by thread " << thread << " of " << threads;
        merged[i] = bits;
        // The first result of a piece stands for it.
        if (i < kRows && i % (kTileRows * rowTiles) == 0)
          written += sizeOf(i / (kTileRows * rowTiles), run.packedWeights());
      }
      // Shares end at the first piece past the thread's part of all bytes.
      before += written;
      double part = double(total) * double(thread + 1) / double(threads);
      EXPECT_LE(std::abs(double(before) - part), double(largest))
          << "thread " << thread << " of " << threads;
    }
    EXPECT_EQ(before, total);
    if (first.empty()) {
      for (uint32_t bits : merged)
        ASSERT_NE(bits, poison);
      first = merged;
    }
    ASSERT_EQ(merged, first) << threads << " threads";
  }
}

/// One thread of one: what the others are compared with is right.
TEST_P(MatmulThreads, OneThreadAgreesWithPlainCode) {
  MatmulRun run(problem, data, 3);
  ASSERT_TRUE(run.agrees(*kernel, {Argument::number(0), Argument::number(1)}));
  EXPECT_GT(4 * run.countNonZero(), run.results().size());
}

INSTANTIATE_TEST_SUITE_P(
    All, MatmulThreads,
    testing::Combine(testing::Values(makeLayout(LayoutKind::Dense, ElementKind::BF16),
                                     makeLayout(LayoutKind::Dense, ElementKind::I4, 32),
                                     makeLayout(LayoutKind::Bitmap, ElementKind::BF16),
                                     makeLayout(LayoutKind::Bitmap, ElementKind::I8, 32),
                                     makeLayout(LayoutKind::Bitmap, ElementKind::I4, 64),
                                     makeLayout(LayoutKind::NM, ElementKind::I4, 32, 2, 4),
                                     makeLayout(LayoutKind::Pairs, ElementKind::I4, 128, 4, 16),
                                     makeLayout(LayoutKind::Block, ElementKind::I8, 128),
                                     makeLayout(LayoutKind::Block, ElementKind::I4, 32)),
                     testing::Values("tiles", "bytes"), testing::Values(1, 2, 3, 20)),
    [](const testing::TestParamInfo<std::tuple<Layout, std::string, int64_t>> &info) {
      return testName(absl::StrCat(std::get<0>(info.param).str(), "_", std::get<1>(info.param), "_",
                                   std::get<2>(info.param)));
    });

} // namespace
