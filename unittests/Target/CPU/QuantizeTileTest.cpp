// Generated quantization of activations against Packing's definition, bit for bit.
#include "KernelHarness.h"

#include "stc/Packing/Pack.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

using namespace stc;

namespace {

class Quantize : public testing::TestWithParam<std::tuple<int64_t, const char *>> {};

/// Values of a group: ordinary, zero, halves that round to even, large, small.
float makeValue(RandomNumbers &random, int64_t group) {
  switch (group % 5) {
  case 0:
    return random.real();
  case 1:
    return 0;
  case 2: // The largest is 127, so these are codes and halves between them.
    return float(random.integer(-254, 254)) / 2;
  case 3:
    return random.real() * 1e30f;
  default:
    return random.real() * 1e-25f;
  }
}

TEST_P(Quantize, EqualsPacking) {
  auto [group, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  // One column, a partial group, whole groups, groups that are divided among threads, all of it.
  for (int64_t columns :
       {int64_t(1), group - 3, group, 2 * group + 17, 1024 + group, 8 * group + 8})
    for (const char *tokens : {"1", "?"}) {
      // Every second shape stores codes as unsigned bytes.
      int64_t offset = columns % 2 == 0 ? 0 : 128;
      int64_t groups = (columns + group - 1) / group, padded = groups * group;
      std::string types = absl::StrCat("memref<", tokens, "x", padded, "xi8>, memref<", tokens, "x",
                                       groups, "xf32>, memref<", tokens, "x", groups, "xi32>");
      std::string input = absl::StrCat("memref<", tokens, "x", columns, "xf32>");
      auto kernel = CompiledKernel::create(
          absl::StrCat("%x: ", input, ", %c: memref<", tokens, "x", padded, "xi8>, %s: memref<",
                       tokens, "x", groups, "xf32>, %t: memref<", tokens, "x", groups, "xi32>"),
          absl::StrCat("packed.quantize_activations ins(%x : ", input,
                       ") outs(%c, %s, %t : ", types, ") group ", group, " sum_factor -8 offset ", offset),
          target);
      ASSERT_TRUE(kernel.ok()) << kernel.status();
      int64_t count = *tokens == '1' ? 1 : 3;
      RandomNumbers random(columns);
      Buffer<float> x(count, columns), scales(count, groups, -1);
      Buffer<int8_t> codes(count, padded, 99);
      Buffer<int32_t> sums(count, groups, 12345);
      for (int64_t t = 0; t < count; ++t)
        for (int64_t c = 0; c < columns; ++c)
          x(t, c) =
              (t + c / group) % 5 == 2 && c % group == 0 ? 127 : makeValue(random, t + c / group);
      (*kernel)->run({Argument::matrix(x), Argument::matrix(codes), Argument::matrix(scales),
                      Argument::matrix(sums)});
      for (int64_t t = 0; t < count; ++t)
        for (int64_t g = 0; g < groups; ++g) {
          std::vector<float> values(group, 0.0f);
          for (int64_t c = 0; c < group && g * group + c < columns; ++c)
            values[c] = x(t, g * group + c);
          std::vector<int8_t> expected(group);
          float scale = quantizeActivations(values, absl::MakeSpan(expected));
          int32_t sum = 0;
          ASSERT_EQ(scales(t, g), scale);
          for (int64_t c = 0; c < group; ++c) {
            ASSERT_EQ(codes(t, g * group + c), int8_t(expected[c] + offset))
                << columns << " columns, token " << t << " group " << g << " column " << c;
            sum += expected[c];
          }
          ASSERT_EQ(sums(t, g), -8 * sum);
        }
    }
}

std::string testName(const testing::TestParamInfo<Quantize::ParamType> &info) {
  std::string name = absl::StrCat("group", std::get<0>(info.param), "_", std::get<1>(info.param));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Emulated, Quantize,
                         testing::Combine(testing::Values(32, 64),
                                          testing::ValuesIn(kEmulatedTargets)),
                         testName);

INSTANTIATE_TEST_SUITE_P(All, Quantize,
                         testing::Combine(testing::Values(32, 64, 128),
                                          testing::Values("native", "x86-64-v3", "x86-64-v2")),
                         testName);

} // namespace
