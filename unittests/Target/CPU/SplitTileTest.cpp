// Generated splitting of activations into bf16 halves against Packing's definition, bit for bit.
#include "MatmulCase.h"

#include "stc/Packing/Pack.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace stc;

namespace {

/// Every exponent, values next to halves, and what is not a number of the usual kind.
float makeValue(RandomNumbers &random) {
  constexpr float greatest = std::numeric_limits<float>::max();
  switch (random.integer(0, 7)) {
  case 0: // any bits but those of a number that is none
    return std::ldexp(random.real(), int(random.integer(-149, 127)));
  case 1: // halfway between two bf16 numbers, or next to it
    return std::nextafter(1 + float(2 * random.integer(0, 63) + 1) / 256,
                          random.oneOf({0.0f, 4.0f, 1.5f}));
  case 2:
    return random.oneOf({0.0f, -0.0f, 1e-45f, -1e-40f, 1e-38f});
  case 3: // beside the greatest bf16 number, and beyond where it would round to infinity
    return random.oneOf({greatest, -greatest, 3.3895e38f, 3.3961e38f, -3.3962e38f});
  case 4:
    return random.oneOf({HUGE_VALF, -HUGE_VALF, std::nanf(""), -std::nanf("")});
  default:
    return random.real(-8, 8);
  }
}

class SplitTile : public testing::TestWithParam<const char *> {};

TEST_P(SplitTile, EqualsPacking) {
  if (!canRun(GetParam()))
    GTEST_SKIP() << "this machine does not run " << GetParam();
  for (int64_t columns : {1, 15, 16, 17, 32, 33, 100, 256})
    for (const char *tokens : {"8", "?"}) {
      int64_t padded = 2 * splitHalfColumns(columns);
      std::string input = absl::StrCat("memref<", tokens, "x", columns, "xf32>"),
                  output = absl::StrCat("memref<", tokens, "x", padded, "xbf16>");
      auto kernel = CompiledKernel::create(
          absl::StrCat("%x: ", input, ", %h: ", output),
          absl::StrCat("packed.split_activations ins(%x : ", input, ") outs(%h : ", output, ")"),
          GetParam());
      ASSERT_TRUE(kernel.ok()) << kernel.status();
      RandomNumbers random{uint32_t(columns)};
      int64_t count = *tokens == '?' ? 11 : 8;
      Buffer<float> x(count, columns);
      Buffer<uint16_t> halves(count, padded, 0xFFFF);
      for (int64_t i = 0; i < x.size(); ++i)
        x[i] = makeValue(random);
      x.forbidWriting();
      uint32_t modes = floatModes();
      (*kernel)->run({Argument::matrix(x), Argument::matrix(halves)});
      EXPECT_EQ(floatModes(), modes);
      EXPECT_TRUE(halves.isIntact());
      std::vector<uint16_t> expected(padded);
      for (int64_t t = 0; t < count; ++t) {
        splitActivations(absl::MakeConstSpan(&x(t, 0), size_t(columns)), absl::MakeSpan(expected));
        for (int64_t c = 0; c < padded; ++c)
          ASSERT_EQ(halves(t, c), expected[c]) << columns << " columns, token " << t << " column "
                                               << c << " of " << x(t, c % (padded / 2) % columns);
      }
    }
}

TEST_P(SplitTile, RoundsOnce) {
  if (!canRun(GetParam()))
    GTEST_SKIP() << "this machine does not run " << GetParam();
  for (auto [element, name] : {std::pair(ElementKind::BF16, "bf16"), {ElementKind::F16, "f16"}}) {
    // Without instructions for it, f16 is the library's, which kernels alone are not linked with.
    if (element == ElementKind::F16 && absl::StartsWith(GetParam(), "riscv64"))
      continue;
    int64_t columns = 40, padded = splitHalfColumns(columns), count = 20;
    std::string output = absl::StrCat("memref<?x", padded, "x", name, ">");
    auto kernel = CompiledKernel::create(
        absl::StrCat("%x: memref<?x40xf32>, %h: ", output),
        absl::StrCat("packed.split_activations ins(%x : memref<?x40xf32>) outs(%h : ", output, ")"),
        GetParam());
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    RandomNumbers random{7};
    Buffer<float> x(count, columns);
    Buffer<uint16_t> rounded(count, padded, 0xFFFF);
    for (int64_t i = 0; i < x.size(); ++i) {
      x[i] = random.chance(0.2) ? random.oneOf({65519.0f, 65520.0f, -1e30f, HUGE_VALF, 1e-7f})
                                : makeValue(random);
      if (std::isnan(x[i]))
        x[i] = 0; // whose bits may differ
    }
    (*kernel)->run({Argument::matrix(x), Argument::matrix(rounded)});
    EXPECT_TRUE(rounded.isIntact());
    std::vector<uint16_t> expected(padded);
    for (int64_t t = 0; t < count; ++t) {
      roundActivations(element, absl::MakeConstSpan(&x(t, 0), size_t(columns)),
                       absl::MakeSpan(expected));
      for (int64_t c = 0; c < padded; ++c)
        ASSERT_EQ(rounded(t, c), expected[c]) << name << ", token " << t << " column " << c;
    }
  }
}

std::string nameOf(const testing::TestParamInfo<const char *> &info) {
  return testName(info.param);
}

INSTANTIATE_TEST_SUITE_P(All, SplitTile,
                         testing::Values("native", "x86-64-v4", "x86-64-v3", "x86-64-v2"), nameOf);
INSTANTIATE_TEST_SUITE_P(Emulated, SplitTile, testing::Values("aarch64", "riscv64+v+zvl256b"),
                         nameOf);

} // namespace
