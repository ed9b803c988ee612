// Generated matrix multiplications of every layout against plain C++, on chosen shapes.
#include "MatmulCase.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <functional>
#include <iterator>

using namespace stc;

namespace {

/// Of data that is neither dense nor empty where a layout may leave weights out.
MatmulData makeData(const Layout &layout, bool exact, uint32_t seed) {
  MatmulData data;
  data.exact = exact;
  data.isStrict = true;
  data.density = layout.hasTable() ? 0.4 : 1;
  data.seed = seed;
  return data;
}

class Matmul : public testing::TestWithParam<std::tuple<Layout, std::string>> {};

TEST_P(Matmul, AgreesWithPlainCode) {
  auto [layout, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  struct Shape {
    int64_t rows, columns;
    bool exact, bias, residual;
    const char *config;
  };
  const Shape shapes[] = {
      {1, 1, true, false, false, "<tokens = 1, accumulators = 1, prefetch = 0>"},
      {15, 31, true, true, false, "<tokens = 2, accumulators = 2, prefetch = 0>"},
      {16, 64, true, false, true, "<tokens = 4, accumulators = 4, prefetch = 4096>"},
      {33, 200, true, true, true, "<tokens = 8, accumulators = 4, prefetch = 8192>"},
      {17, 172, false, false, false, "<tokens = 8, accumulators = 2, prefetch = 0>"},
      {172, 260, false, true, true, "<tokens = 3, accumulators = 4, prefetch = 512>"},
  };
  // Every second one where this is not the target that this machine would compile for, and which ones
  // differs from layout to layout and from target to target: kernels take long to compile.
  size_t first = target == "native" ? 0 : std::hash<std::string>()(layout.str() + target) % 2;
  uint32_t seed = 1;
  for (size_t i = first; i < std::size(shapes); i += target == "native" ? 1 : 2) {
    const Shape &shape = shapes[i];
    MatmulProblem problem;
    problem.layout = layout;
    problem.rows = shape.rows;
    problem.columns = shape.columns;
    problem.bias = shape.bias;
    problem.residual = shape.residual;
    problem.config = shape.config;
    auto kernel = CompiledKernel::create(problem.parameters(), problem.body(), target);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    for (int64_t tokens : {0, 1, 2, 7, 8, 9, 17})
      ASSERT_TRUE(
          MatmulRun(problem, makeData(layout, shape.exact, seed++), tokens).agrees(**kernel));
  }
}

/// Kernels are written for tile registers, whatever computes their products.
constexpr char kTilePasses[] = "packed-tile-ops,packed-lower-tiles{target=sapphirerapids}";

class TileRegisters : public testing::TestWithParam<Layout> {};

// Kernels that are written for tile registers, whose products this machine computes without.
TEST_P(TileRegisters, AgreeWithPlainCode) {
  MatmulProblem problem;
  problem.layout = GetParam();
  problem.rows = 33;
  problem.columns = 300;
  problem.bias = problem.residual = true;
  problem.config = "<tokens = 16, accumulators = 1, prefetch = 512, row_tiles = 2>";
  auto kernel = CompiledKernel::create(problem.parameters(), problem.body(), "native", kTilePasses);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  uint32_t seed = 1;
  for (bool exact : {true, false})
    for (int64_t tokens : {1, 7, 8, 15, 16, 17, 41})
      ASSERT_TRUE(
          MatmulRun(problem, makeData(problem.layout, exact, seed++), tokens).agrees(**kernel));
}

// The same with activations as two bf16 numbers: columns that fill tiles and pieces of 256 or not,
// and all blocks of tokens there are.
TEST(SplitTileRegisters, AgreeWithPlainCode) {
  struct Shape {
    int64_t rows, columns;
    const char *tokens;
    int64_t block;
  };
  const Shape shapes[] = {{1, 1, "?", 32},    {16, 32, "?", 32},   {33, 300, "?", 32},
                          {17, 255, "?", 32}, {40, 257, "?", 16},  {16, 545, "?", 8},
                          {5, 33, "9", 9},    {20, 70, "17", 17},  {48, 512, "31", 31},
                          {31, 100, "8", 8},  {16, 768, "41", 32}, {15, 31, "?", 20}};
  uint32_t seed = 1;
  for (const Shape &shape : shapes) {
    MatmulProblem problem;
    problem.layout = makeLayout(LayoutKind::Dense, ElementKind::BF16);
    problem.rows = shape.rows;
    problem.columns = shape.columns;
    problem.tokens = shape.tokens;
    problem.split = true;
    problem.bias = seed % 2 == 0;
    problem.residual = seed % 3 == 0;
    problem.gate = seed % 5 == 0;
    problem.config = absl::StrCat("<tokens = ", shape.block,
                                  ", accumulators = 1, prefetch = 512, row_tiles = 2>");
    auto kernel =
        CompiledKernel::create(problem.parameters(), problem.body(), "native", kTilePasses);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    std::vector<int64_t> counts = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                   13, 14, 15, 16, 17, 23, 24, 31, 32, 33, 41, 63, 72};
    if (problem.tokens != "?")
      counts = {std::strtoll(shape.tokens, nullptr, 10)};
    for (int64_t tokens : counts)
      for (bool exact : {true, false})
        ASSERT_TRUE(
            MatmulRun(problem, makeData(problem.layout, exact, seed++), tokens).agrees(**kernel));
  }
}

// Work that is divided by tokens too: pieces that are whole, are not, and are not there.
TEST(PiecesOfTokens, AreComputedAlone) {
  for (const char *passes : {"packed-tile-ops,packed-lower-tiles", kTilePasses})
    for (const char *tokens : {"?", "41"}) {
      MatmulProblem problem;
      problem.layout = makeLayout(LayoutKind::Dense, ElementKind::I4, 32);
      problem.rows = 33;
      problem.columns = 64;
      problem.tokens = tokens;
      problem.bias = problem.residual = true;
      problem.config =
          "<tokens = 4, accumulators = 1, prefetch = 0, row_tiles = 2, piece_tokens = 10>";
      auto kernel = CompiledKernel::create(problem.parameters(), problem.body(), "native", passes);
      ASSERT_TRUE(kernel.ok()) << kernel.status();
      std::vector<int64_t> counts = {0, 1, 10, 20, 41};
      if (problem.tokens != "?")
        counts = {41};
      for (int64_t count : counts)
        ASSERT_TRUE(MatmulRun(problem, makeData(problem.layout, true, 1 + uint32_t(count)), count)
                        .agrees(**kernel));
    }
}

class TokenPairs : public TileRegisters {};

// Kernels that are written for products of two tokens, which this machine computes without: even
// and odd blocks of tokens, loops whose steps come one by one, and what is left over.
TEST_P(TokenPairs, AgreeWithPlainCode) {
  MatmulProblem problem;
  problem.layout = GetParam();
  problem.rows = 33;
  problem.columns = 300;
  problem.bias = true;
  uint32_t seed = 1;
  for (const char *config : {"<tokens = 4, accumulators = 2, prefetch = 0>",
                             "<tokens = 5, accumulators = 1, prefetch = 512, unroll = 1>",
                             "<tokens = 3, accumulators = 1, prefetch = 0, row_tiles = 4, "
                             "streams = 2>"}) {
    problem.config = config;
    auto kernel = CompiledKernel::create(problem.parameters(), problem.body(), "native",
                                         "packed-tile-ops,packed-lower-tiles{target=aarch64+i8mm}");
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    for (bool exact : {true, false})
      for (int64_t tokens : {1, 2, 3, 5, 8, 17})
        ASSERT_TRUE(
            MatmulRun(problem, makeData(problem.layout, exact, seed++), tokens).agrees(**kernel));
  }
}

/// A seed of its own for each layout and target, so that all of them together try many shapes.
uint32_t seedOf(const Layout &layout, absl::string_view target) {
  uint32_t seed = 7;
  for (char c : absl::StrCat(layout.str(), target))
    seed = seed * 31 + uint8_t(c);
  return seed;
}

class EmulatedMatmul : public Matmul {};

/// `unit` times a number up to `most`, or one more or less.
int64_t nearMultiple(RandomNumbers &random, int64_t unit, int64_t most) {
  return std::max<int64_t>(1, unit * random.integer(1, most) + random.integer(-1, 1));
}

// Emulators are slow to start: a few shapes of each layout and target, half of them exact, which
// differ from target to target.
TEST_P(EmulatedMatmul, AgreesWithPlainCode) {
  auto [layout, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "there is no emulator for " << target;
  RandomNumbers random(seedOf(layout, target));
  const std::vector<int64_t> counts[] = {{1, 3, 17}, {2, 8, random.integer(4, 25)}};
  for (const std::vector<int64_t> &tokens : counts) {
    if (!layout.isQuantized() && tokens[0] == 2)
      continue; // floats have no groups and pairs of tokens
    MatmulProblem problem;
    problem.layout = layout;
    problem.rows = nearMultiple(random, kTileRows, 3);
    problem.columns = nearMultiple(random, std::max<int64_t>(16, layout.group), 2);
    problem.bias = random.chance(0.5);
    problem.residual = random.chance(0.5);
    MatmulData data = makeData(layout, random.chance(0.5), uint32_t(random.integer(0, 1000)));
    auto kernel =
        CompiledKernel::create(problem.parameters(), problem.body(), target,
                               absl::StrCat("packed-select-lowering-config{target=", target, "}"));
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    for (int64_t count : tokens)
      ASSERT_TRUE(MatmulRun(problem, data, count).agrees(**kernel));
  }
}

TEST_P(Matmul, TakesTheChosenConfiguration) {
  auto [layout, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  for (const char *tokens : {"1", "3", "?"}) {
    MatmulProblem problem;
    problem.layout = layout;
    problem.rows = 24;
    problem.columns = 132;
    problem.tokens = tokens;
    auto kernel =
        CompiledKernel::create(problem.parameters(), problem.body(), target,
                               absl::StrCat("packed-select-lowering-config{target=", target, "}"));
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    int64_t count = *tokens == '?' ? 25 : *tokens - '0';
    ASSERT_TRUE(MatmulRun(problem, makeData(layout, true, 7), count).agrees(**kernel));
  }
}

std::string nameOf(const testing::TestParamInfo<std::tuple<Layout, std::string>> &info) {
  return testName(absl::StrCat(std::get<0>(info.param).str(), "_", std::get<1>(info.param)));
}

INSTANTIATE_TEST_SUITE_P(All, Matmul,
                         testing::Combine(testing::ValuesIn(allLayouts()),
                                          testing::Values("native", "x86-64-v3", "x86-64-v2")),
                         nameOf);

/// Every way of reading weights once.
std::vector<Layout> oneOfEachKind() {
  std::vector<Layout> layouts = {makeLayout(LayoutKind::Dense, ElementKind::BF16),
                                 makeLayout(LayoutKind::Dense, ElementKind::F16),
                                 makeLayout(LayoutKind::Bitmap, ElementKind::BF16),
                                 makeLayout(LayoutKind::Bitmap, ElementKind::F32),
                                 makeLayout(LayoutKind::NM, ElementKind::F16, 0, 2, 4),
                                 makeLayout(LayoutKind::NM, ElementKind::BF16, 0, 4, 8),
                                 makeLayout(LayoutKind::Dense, ElementKind::I8, 32),
                                 makeLayout(LayoutKind::Dense, ElementKind::I4, 128),
                                 makeLayout(LayoutKind::Dense, ElementKind::I4, 64),
                                 makeLayout(LayoutKind::Dense, ElementKind::I3, 32),
                                 makeLayout(LayoutKind::Dense, ElementKind::I2, 128),
                                 makeLayout(LayoutKind::Bitmap, ElementKind::I8, 32),
                                 makeLayout(LayoutKind::Bitmap, ElementKind::I4, 128),
                                 makeLayout(LayoutKind::NM, ElementKind::I8, 32, 2, 4),
                                 makeLayout(LayoutKind::NM, ElementKind::I4, 64, 6, 8),
                                 makeLayout(LayoutKind::Pairs, ElementKind::I4, 64, 4, 16),
                                 makeLayout(LayoutKind::Block, ElementKind::I8, 32),
                                 makeLayout(LayoutKind::Block, ElementKind::I4, 128),
                                 makeLayout(LayoutKind::Dense, ElementKind::I8, 16),
                                 makeLayout(LayoutKind::Dense, ElementKind::I2, 16),
                                 makeLayout(LayoutKind::Dense, ElementKind::I4, 32),
                                 makeLayout(LayoutKind::Dense, ElementKind::I4, 128)};
  layouts[8].asymmetric = true;
  for (size_t i = layouts.size() - 3; i + 1 < layouts.size(); ++i)
    layouts[i].minimums = true;
  layouts.back().asymmetric = layouts.back().perRow = true;
  return layouts;
}

INSTANTIATE_TEST_SUITE_P(All, EmulatedMatmul,
                         testing::Combine(testing::ValuesIn(oneOfEachKind()),
                                          testing::ValuesIn(emulatedTargets())),
                         nameOf);

// Vectors of 512 bits that are not x86's.
INSTANTIATE_TEST_SUITE_P(
    Sve512, EmulatedMatmul,
    testing::Combine(testing::Values(makeLayout(LayoutKind::Dense, ElementKind::I8, 32),
                                     makeLayout(LayoutKind::Bitmap, ElementKind::I4, 128),
                                     makeLayout(LayoutKind::Pairs, ElementKind::I4, 64, 4, 16),
                                     makeLayout(LayoutKind::Block, ElementKind::I4, 128)),
                     testing::Values("a64fx")),
    nameOf);

// Instruction sets that are chosen by feature, on two layouts that use them differently.
INSTANTIATE_TEST_SUITE_P(
    Instructions, Matmul,
    testing::Combine(testing::Values(makeLayout(LayoutKind::Dense, ElementKind::I8, 32),
                                     makeLayout(LayoutKind::Bitmap, ElementKind::I4, 32)),
                     testing::Values("x86-64-v4", "x86-64-v3+avxvnni", "x86-64")),
    nameOf);

std::string nameOfLayout(const testing::TestParamInfo<Layout> &info) {
  return testName(info.param.str());
}

INSTANTIATE_TEST_SUITE_P(All, TileRegisters, testing::ValuesIn(allLayouts()), nameOfLayout);

/// Floats with masks take no products of two tokens, and their lookups are the target's instructions.
std::vector<Layout> layoutsWithPairs() {
  std::vector<Layout> layouts = allLayouts();
  layouts.erase(std::remove_if(layouts.begin(), layouts.end(),
                               [](const Layout &layout) { return layout.isSparseFloat(); }),
                layouts.end());
  return layouts;
}

INSTANTIATE_TEST_SUITE_P(All, TokenPairs, testing::ValuesIn(layoutsWithPairs()), nameOfLayout);

} // namespace
