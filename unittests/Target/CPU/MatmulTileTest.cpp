// Generated matrix multiplications of every layout against plain C++.
#include "KernelHarness.h"

#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

using namespace stc;

namespace {

/// One multiplication: random operands, what generated code makes of them, and what is right.
class MatmulCase {
public:
  MatmulCase(const Layout &layout, int64_t rows, int64_t columns, bool exact, uint32_t seed)
      : layout(layout), rows(rows), columns(columns), exact(exact), random(seed) {
    geometry = tileGeometry(layout, rows, columns);
    makeWeights();
  }

  std::string parameters(bool bias, bool residual, const std::string &tokens = "?") const;
  std::string body(bool bias, bool residual, const std::string &config,
                   const std::string &tokens = "?") const;
  void check(const CompiledKernel &kernel, int64_t tokens, bool bias, bool residual);

private:
  std::string weightType() const {
    return absl::StrCat("!packed.weight<", rows, "x", columns, ", ", layoutText(layout), ">");
  }
  std::string inputTypes(const std::string &tokens) const;
  void makeWeights();
  float scaleOrOne(float low, float high) { return exact ? 1 : random.real(low, high); }

  Layout layout;
  int64_t rows, columns;
  bool exact; // small integers only: every order of additions gives the same sums
  RandomNumbers random;
  TileGeometry geometry;
  std::vector<double> weights; // [rows][columns]
  std::vector<uint8_t> packed;
};

void MatmulCase::makeWeights() {
  weights.resize(rows * columns);
  if (!layout.isQuantized()) {
    std::vector<float> values(rows * columns);
    for (float &value : values) {
      value = exact ? float(random.integer(-4, 4)) : random.real();
      if (layout.element == ElementKind::BF16)
        value = bfloat16ToFloat(floatToBfloat16(value));
      else if (layout.element == ElementKind::F16)
        value = halfToFloat(floatToHalf(value));
    }
    weights.assign(values.begin(), values.end());
    packed = packFloats(layout, rows, columns, values).value();
    return;
  }
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.group = layout.group;
  int64_t zero = layout.zeroPoint();
  for (int64_t i = 0; i < rows * columns; ++i) {
    bool kept = true;
    if (layout.kind == LayoutKind::Bitmap)
      kept = random.chance(0.4);
    if (layout.kind == LayoutKind::NM || layout.kind == LayoutKind::Pairs)
      // Rotates with the row and the block of columns.
      kept = (i % columns + i / columns + i % columns / layout.m) % layout.m < layout.n;
    if (layout.kind == LayoutKind::Block)
      kept = (i / columns / 16 + i % columns / 4 * 7) % 5 < 2;
    matrix.codes.push_back(kept ? random.integer(-zero, zero - 1) : 0);
  }
  int64_t groups = (columns + layout.group - 1) / layout.group;
  for (int64_t i = 0; i < rows * groups; ++i)
    matrix.scales.push_back(floatToHalf(scaleOrOne(-0.1f, 0.1f)));
  if (layout.asymmetric)
    for (int64_t i = 0; i < rows * groups; ++i)
      matrix.zeros.push_back(random.integer(-zero, zero - 1));
  for (int64_t i = 0; i < rows * columns; ++i) {
    int64_t row = i / columns, group = i % columns / layout.group;
    weights[i] = double(matrix.codes[i] - matrix.zeroOf(row, group)) *
                 halfToFloat(matrix.scales[row * groups + group]);
  }
  packed = packQuantized(layout, matrix).value();
}

std::string MatmulCase::inputTypes(const std::string &t) const {
  if (!layout.isQuantized())
    return absl::StrCat("memref<", t, "x", columns, "xf32>");
  return absl::StrCat("memref<", t, "x", geometry.paddedColumns, "xi8>, memref<", t, "x",
                      geometry.groups, "xf32>, memref<", t, "x", geometry.groups, "xi32>");
}

std::string MatmulCase::parameters(bool bias, bool residual, const std::string &t) const {
  std::string text = absl::StrCat("%w: ", weightType());
  if (layout.isQuantized())
    absl::StrAppend(&text, ", %x: memref<", t, "x", geometry.paddedColumns, "xi8>, %s: memref<", t,
                    "x", geometry.groups, "xf32>, %t: memref<", t, "x", geometry.groups, "xi32>");
  else
    absl::StrAppend(&text, ", %x: ", inputTypes(t));
  absl::StrAppend(&text, ", %y: memref<", t, "x", rows, "xf32>");
  if (bias)
    absl::StrAppend(&text, ", %b: memref<", rows, "xf32>");
  if (residual)
    absl::StrAppend(&text, ", %r: memref<", t, "x", rows, "xf32>");
  return text;
}

std::string MatmulCase::body(bool bias, bool residual, const std::string &config,
                             const std::string &t) const {
  std::string text = absl::StrCat("packed.matmul ins(", layout.isQuantized() ? "%x, %s, %t" : "%x",
                                  " : ", inputTypes(t), ") weight(%w : ", weightType(), ")");
  if (bias)
    absl::StrAppend(&text, " bias(%b : memref<", rows, "xf32>)");
  if (residual)
    absl::StrAppend(&text, " residual(%r : memref<", t, "x", rows, "xf32>)");
  absl::StrAppend(&text, " outs(%y : memref<", t, "x", rows, "xf32>)");
  return config.empty() ? text : absl::StrCat(text, " config ", config);
}

void MatmulCase::check(const CompiledKernel &kernel, int64_t tokens, bool bias, bool residual) {
  Buffer<uint8_t> weightBytes(packed);
  Buffer<float> x(tokens, columns), out(tokens, rows, std::nanf("")), b(1, rows), r(tokens, rows);
  Buffer<int8_t> codes(tokens, geometry.paddedColumns);
  Buffer<float> scales(tokens, std::max<int64_t>(geometry.groups, 1));
  Buffer<int32_t> sums(tokens, std::max<int64_t>(geometry.groups, 1));
  for (int64_t i = 0; i < b.size(); ++i)
    b[i] = exact ? random.integer(-9, 9) : random.real();
  for (int64_t i = 0; i < r.size(); ++i)
    r[i] = exact ? random.integer(-9, 9) : random.real();
  std::vector<double> inputs(tokens * columns);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t g = 0; g < geometry.groups; ++g) {
      scales(t, g) = scaleOrOne(0.001f, 0.1f);
      sums(t, g) = 0;
    }
    for (int64_t c = 0; c < columns; ++c) {
      if (!layout.isQuantized()) {
        x(t, c) = exact ? random.integer(-9, 9) : random.real();
        inputs[t * columns + c] = x(t, c);
        continue;
      }
      codes(t, c) = random.integer(-127, 127);
      sums(t, c / layout.group) += layout.sumFactor() * codes(t, c);
      inputs[t * columns + c] = double(codes(t, c)) * scales(t, c / layout.group);
      codes(t, c) = int8_t(codes(t, c) + layout.activationOffset());
    }
  }
  std::vector<Argument> arguments = {Argument::address(weightBytes.data())};
  if (layout.isQuantized())
    arguments.insert(arguments.end(),
                     {Argument::matrix(codes), Argument::matrix(scales), Argument::matrix(sums)});
  else
    arguments.push_back(Argument::matrix(x));
  arguments.push_back(Argument::matrix(out));
  if (bias)
    arguments.push_back(Argument::vector(b));
  if (residual)
    arguments.push_back(Argument::matrix(r));
  kernel.run(std::move(arguments));
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t row = 0; row < rows; ++row) {
      double sum = 0, magnitude = 0;
      for (int64_t c = 0; c < columns; ++c) {
        double product = weights[row * columns + c] * inputs[t * columns + c];
        sum += product;
        magnitude += std::abs(product);
      }
      if (bias)
        sum += b[row];
      if (residual)
        sum += r(t, row);
      double tolerance = exact ? 0 : 1e-6 * (magnitude + 2);
      ASSERT_NEAR(out(t, row), sum, tolerance)
          << layout.str() << " " << rows << "x" << columns << " token " << t << " of " << tokens
          << " row " << row;
    }
}

Layout makeLayout(LayoutKind kind, ElementKind element, int64_t group = 0, int64_t n = 0,
                  int64_t m = 0) {
  Layout layout;
  layout.kind = kind;
  layout.element = element;
  layout.group = group;
  layout.n = n;
  layout.m = m;
  return layout;
}

std::vector<Layout> allLayouts() {
  std::vector<Layout> layouts = {makeLayout(LayoutKind::Dense, ElementKind::F32),
                                 makeLayout(LayoutKind::Dense, ElementKind::BF16),
                                 makeLayout(LayoutKind::Dense, ElementKind::F16)};
  for (auto [n, group] : {std::pair<int64_t, int64_t>(1, 64), {2, 32}, {4, 32}, {4, 128}, {8, 64}})
    layouts.push_back(makeLayout(LayoutKind::Pairs, ElementKind::I4, group, n, 16));
  for (ElementKind element : {ElementKind::I3, ElementKind::I2})
    for (int64_t group : {32, 128})
      layouts.push_back(makeLayout(LayoutKind::Dense, element, group));
  for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2}) {
    layouts.push_back(makeLayout(LayoutKind::Dense, element, 64));
    layouts.back().asymmetric = true;
  }
  for (ElementKind element : {ElementKind::I8, ElementKind::I4}) {
    for (int64_t group : {32, 64, 128})
      layouts.push_back(makeLayout(LayoutKind::Dense, element, group));
    for (int64_t group : {32, 128})
      layouts.push_back(makeLayout(LayoutKind::Bitmap, element, group));
    for (int64_t group : {32, 128})
      layouts.push_back(makeLayout(LayoutKind::Block, element, group));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 32, 2, 4));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 64, 3, 8));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 128, 4, 16));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 32, 15, 16));
  }
  return layouts;
}

class Matmul : public testing::TestWithParam<std::tuple<Layout, const char *>> {};

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
  uint32_t seed = 1;
  for (const Shape &shape : shapes) {
    MatmulCase test(layout, shape.rows, shape.columns, shape.exact, seed++);
    auto kernel =
        CompiledKernel::create(test.parameters(shape.bias, shape.residual),
                               test.body(shape.bias, shape.residual, shape.config), target);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    for (int64_t tokens : {0, 1, 2, 7, 8, 9, 17}) {
      test.check(**kernel, tokens, shape.bias, shape.residual);
      if (HasFatalFailure())
        return;
    }
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

// Emulators are slow to start: one shape of each layout and target, half of them exact.
TEST_P(EmulatedMatmul, AgreesWithPlainCode) {
  auto [layout, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "there is no emulator for " << target;
  RandomNumbers random(seedOf(layout, target));
  MatmulCase test(layout, random.integer(1, 50), random.integer(1, 300), random.chance(0.5),
                  uint32_t(random.integer(0, 1000)));
  bool bias = random.chance(0.5), residual = random.chance(0.5);
  auto kernel =
      CompiledKernel::create(test.parameters(bias, residual), test.body(bias, residual, ""), target,
                             absl::StrCat("packed-select-lowering-config{target=", target, "}"));
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  for (int64_t tokens : {int64_t(1), random.integer(2, 19)}) {
    test.check(**kernel, tokens, bias, residual);
    if (HasFatalFailure())
      return;
  }
}

TEST_P(Matmul, TakesTheChosenConfiguration) {
  auto [layout, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  for (const char *tokens : {"1", "3", "?"}) {
    MatmulCase test(layout, 24, 132, true, 7);
    auto kernel = CompiledKernel::create(
        test.parameters(false, false, tokens), test.body(false, false, "", tokens), target,
        absl::StrCat("packed-select-lowering-config{target=", target, "}"));
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    test.check(**kernel, *tokens == '?' ? 25 : *tokens - '0', false, false);
    if (HasFatalFailure())
      return;
  }
}

std::string testName(const testing::TestParamInfo<std::tuple<Layout, const char *>> &info) {
  std::string name = absl::StrCat(std::get<0>(info.param).str(), "_", std::get<1>(info.param));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Matmul,
                         testing::Combine(testing::ValuesIn(allLayouts()),
                                          testing::Values("native", "x86-64-v3", "x86-64-v2")),
                         testName);

/// Every way of reading weights once.
std::vector<Layout> oneOfEachKind() {
  std::vector<Layout> layouts = {makeLayout(LayoutKind::Dense, ElementKind::BF16),
                                 makeLayout(LayoutKind::Dense, ElementKind::F16),
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
                                 makeLayout(LayoutKind::Block, ElementKind::I4, 128)};
  layouts[4].asymmetric = true;
  return layouts;
}

INSTANTIATE_TEST_SUITE_P(All, EmulatedMatmul,
                         testing::Combine(testing::ValuesIn(oneOfEachKind()),
                                          testing::ValuesIn(kEmulatedTargets)),
                         testName);

// Instruction sets that are chosen by feature, on two layouts that use them differently.
INSTANTIATE_TEST_SUITE_P(
    Instructions, Matmul,
    testing::Combine(testing::Values(makeLayout(LayoutKind::Dense, ElementKind::I8, 32),
                                     makeLayout(LayoutKind::Bitmap, ElementKind::I4, 32)),
                     testing::Values("x86-64-v4", "x86-64-v3+avxvnni", "x86-64")),
    testName);

} // namespace
