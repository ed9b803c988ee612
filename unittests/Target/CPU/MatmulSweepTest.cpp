// Generated matrix multiplications against plain C++ on thousands of random shapes, configurations
// and data. STC_TEST_CASES=N runs N times as many; STC_TEST_CASE=I runs kernel I alone.
#include "MatmulCase.h"

#include "stc/Packing/Layout.h"

#include "absl/strings/str_cat.h"
#include "llvm/Support/PrettyStackTrace.h"

#include <cstdlib>

using namespace stc;

namespace {

/// Kernels of one test, each of which runs on this many operands.
constexpr int64_t kLeastKernels = 9, kMostKernels = 16, kRuns = 4;

/// All layouts of a kind and an element that exist, with nothing (0), zeros (1) or minimums (2)
/// beside scales.
std::vector<Layout> layoutsOf(LayoutKind kind, ElementKind element, int own) {
  std::vector<Layout> layouts;
  for (int64_t group : {0, 16, 32, 64, 128})
    for (int64_t m : {0, 4, 8, 16})
      for (int64_t n = 0; n <= m; ++n) {
        Layout layout = makeLayout(kind, element, group, n, m);
        layout.asymmetric = own == 1;
        layout.minimums = own == 2;
        for (bool perRow : {false, true}) {
          layout.perRow = perRow;
          if (verifyLayout(layout).ok())
            layouts.push_back(layout);
        }
      }
  return layouts;
}

/// The layouts of one test: those whose kernels read weights in the same way.
struct Family {
  LayoutKind kind;
  ElementKind element;
  int own;
  std::vector<Layout> layouts;
};

/// Every layout that kernels multiply with is in one of them.
std::vector<Family> allFamilies() {
  std::vector<Family> families;
  for (LayoutKind kind : {LayoutKind::Dense, LayoutKind::Bitmap, LayoutKind::NM, LayoutKind::Pairs,
                          LayoutKind::Block})
    for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16,
                                ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
      for (int own : {0, 1, 2}) {
        std::vector<Layout> layouts = layoutsOf(kind, element, own);
        if (!layouts.empty())
          families.push_back({kind, element, own, std::move(layouts)});
      }
  return families;
}

std::string nameOf(const Family &family) {
  const char *kinds[] = {"rows", "dense", "bitmap", "nm", "pairs", "block"};
  const char *elements[] = {"f32", "bf16", "int8", "int4", "f16", "int3", "int2"};
  const char *owns[] = {"", "_asym", "_min"};
  return absl::StrCat(kinds[int(family.kind)], "_", elements[int(family.element)],
                      owns[family.own]);
}

void PrintTo(const Family &family, std::ostream *out) { *out << nameOf(family); }

/// A number next to a multiple of `unit`.
int64_t nearMultiple(RandomNumbers &random, int64_t unit, int64_t most) {
  return std::max<int64_t>(1, unit * random.integer(1, most / unit) + random.integer(-1, 1));
}

/// A whole number of the environment, or `otherwise`.
int64_t readEnvironment(const char *name, int64_t otherwise) {
  const char *text = std::getenv(name);
  if (!text)
    return otherwise;
  char *end = nullptr;
  int64_t value = std::strtoll(text, &end, 10);
  if (end == text || *end != 0 || value < 0) {
    ADD_FAILURE() << "expects a whole number in " << name << ", but got " << text;
    return otherwise;
  }
  return value;
}

class MatmulSweep : public testing::TestWithParam<std::tuple<Family, std::string>> {
protected:
  void SetUp() override {
    std::tie(family, target) = GetParam();
    if (!canRun(target))
      GTEST_SKIP() << "this machine does not run " << target;
  }
  /// Kernel number `number` on its operands.
  void checkKernel(int64_t number);

  Family family;
  std::string target;
  int64_t results = 0, nonZero = 0; // where most should be

private:
  MatmulProblem makeProblem(const Layout &layout, RandomNumbers &random);
  std::string makeConfig(RandomNumbers &random);
  MatmulData makeData(RandomNumbers &random);

  int64_t tokensAtOnce = 1; // of the configuration
};

/// Every field over its range. Large kernels, which take long to compile, are rare.
std::string MatmulSweep::makeConfig(RandomNumbers &random) {
  bool isLarge = random.chance(target == "native" ? 0.1 : 0.02);
  tokensAtOnce = random.oneOf({1, 1, 2, 3, 4, 5, 7, 8});
  int64_t unroll = random.oneOf({1, 2, 3, 4, 8, 16, 32, 64});
  int64_t rowTiles = random.chance(0.05) ? 64 : random.integer(1, 8), streams = 1;
  if (random.chance(0.3)) {
    streams = random.integer(2, isLarge ? 6 : 3);
    rowTiles = streams * random.integer(1, 2);
    tokensAtOnce = random.oneOf({1, 1, 1, 2});
  }
  if (isLarge) {
    tokensAtOnce = random.oneOf({12, 16, 31, 32});
    unroll = random.oneOf({128, 200, 512, 1024});
  }
  return absl::StrCat("<tokens = ", tokensAtOnce, ", accumulators = ", random.oneOf({1, 2, 4}),
                      ", prefetch = ", random.oneOf({0, 1, 64, 1000, 8192, 65536}),
                      ", level = ", random.integer(1, 3), ", row_tiles = ", rowTiles,
                      ", streams = ", streams, ", unroll = ", unroll,
                      ", split = ", random.chance(0.5) ? "tiles" : "bytes", ">");
}

MatmulProblem MatmulSweep::makeProblem(const Layout &layout, RandomNumbers &random) {
  MatmulProblem problem;
  problem.layout = layout;
  switch (random.integer(0, 3)) {
  case 0:
    problem.rows = random.integer(1, 40);
    break;
  case 1:
    problem.rows = nearMultiple(random, 16, 160);
    break;
  default:
    problem.rows = nearMultiple(random, 16, 64);
  }
  switch (random.integer(0, 4)) {
  case 0:
    problem.columns = random.integer(1, 9);
    break;
  case 1:
    problem.columns = nearMultiple(random, 4, 300);
    break;
  case 2:
    problem.columns = random.integer(1, 300);
    break;
  default:
    problem.columns = nearMultiple(random, std::max<int64_t>(8, layout.group), 390);
  }
  problem.bias = random.chance(0.4);
  problem.residual = random.chance(0.4);
  problem.gate = random.chance(0.25);
  if (random.chance(0.2)) {
    problem.rotaryPairs = random.oneOf({16, 32, 48});
    problem.rows = 2 * problem.rotaryPairs * random.integer(1, 3);
  }
  bool maySplit = layout.kind == LayoutKind::Dense && layout.element == ElementKind::BF16;
  problem.split = maySplit && random.chance(0.5);
  switch (random.integer(0, 3)) {
  case 0:
    problem.tokens = "1";
    break;
  case 1:
    problem.tokens = absl::StrCat(random.integer(2, 16));
    break;
  default:
    problem.tokens = "?";
  }
  if (random.chance(0.1))
    tokensAtOnce = 8; // about what is chosen
  else
    problem.config = makeConfig(random);
  return problem;
}

MatmulData MatmulSweep::makeData(RandomNumbers &random) {
  MatmulData data;
  data.exact = random.chance(0.75);
  data.weights =
      random.oneOf({WeightPattern::Random, WeightPattern::Random, WeightPattern::Random,
                    WeightPattern::Random, WeightPattern::EmptyRows, WeightPattern::OneRow,
                    WeightPattern::Lowest, WeightPattern::Highest});
  data.density = random.oneOf({1.0, 1.0, 0.9, 0.5, 0.3, 0.1, 0.01, 0.0});
  data.inputs = random.oneOf({InputPattern::Random, InputPattern::Random, InputPattern::Random,
                              InputPattern::Random, InputPattern::Sparse, InputPattern::Lowest,
                              InputPattern::Highest});
  data.guard = random.chance(0.5) ? Guard::Before : Guard::After;
  data.seed = random.integer(0, UINT32_MAX);
  return data;
}

void MatmulSweep::checkKernel(int64_t number) {
  // The same layouts in every run, and all of them in long ones; the first kernels are spread.
  size_t stride = family.layouts.size() % 7 == 0 ? 11 : 7;
  const Layout &layout = family.layouts[number * stride % family.layouts.size()];
  std::string name = absl::StrCat(nameOf(family), target, number);
  std::seed_seq text(name.begin(), name.end());
  uint32_t seed = 0;
  text.generate(&seed, &seed + 1);
  RandomNumbers random(seed);

  MatmulProblem problem = makeProblem(layout, random);
  std::string trace = absl::StrCat("kernel ", number, " (STC_TEST_CASE=", number,
                                   " runs it alone): ", problem.str());
  SCOPED_TRACE(trace);
  llvm::PrettyStackTraceString crashTrace(trace.c_str());
  auto kernel = CompiledKernel::create(
      problem.parameters(), problem.body(), target,
      problem.config.empty() ? absl::StrCat("packed-select-lowering-config{target=", target, "}")
                             : "");
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  int64_t atOnce = tokensAtOnce, first = random.integer(0, 5);
  const int64_t counts[] = {
      2 * atOnce + 3, 1, atOnce, 0, atOnce + 1, std::max<int64_t>(0, atOnce - 1)};
  for (int64_t run = 0; run < kRuns; ++run) {
    int64_t tokens = 0;
    if (problem.tokens == "?")
      tokens = counts[(first + run) % 6];
    else
      tokens = std::strtoll(problem.tokens.c_str(), nullptr, 10);
    MatmulData data = makeData(random);
    MatmulRun operands(problem, data, tokens);
    ASSERT_TRUE(operands.agrees(**kernel));
    if (data.isMostlyZero() || problem.gate || problem.rotaryPairs > 0)
      continue;
    results += operands.results().size();
    nonZero += operands.countNonZero();
  }
}

TEST_P(MatmulSweep, AgreesWithPlainCode) {
  int64_t kernels = std::clamp<int64_t>(family.layouts.size(), kLeastKernels, kMostKernels);
  kernels *= readEnvironment("STC_TEST_CASES", 1);
  int64_t only = readEnvironment("STC_TEST_CASE", -1);
  int64_t begin = only < 0 ? 0 : only, end = only < 0 ? kernels : only + 1;
  for (int64_t number = begin; number < end; ++number) {
    checkKernel(number);
    if (HasFatalFailure())
      return;
  }
  if (only < 0)
    EXPECT_GT(2 * nonZero, results) << "most results are zero, which anything would give";
}

INSTANTIATE_TEST_SUITE_P(
    All, MatmulSweep,
    testing::Combine(testing::ValuesIn(allFamilies()),
                     testing::Values("native", "x86-64-v4", "x86-64-v3", "x86-64-v2")),
    [](const testing::TestParamInfo<std::tuple<Family, std::string>> &info) {
      return testName(absl::StrCat(nameOf(std::get<0>(info.param)), "_", std::get<1>(info.param)));
    });

} // namespace
