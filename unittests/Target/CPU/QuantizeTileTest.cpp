// Generated quantization of activations against Packing's definition, bit for bit.
#include "KernelHarness.h"

#include "stc/Packing/Pack.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace stc;

namespace {

class Quantize : public testing::TestWithParam<std::tuple<int64_t, std::string>> {};

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
  auto check = [&, group = group, target = target](int64_t columns, const char *tokens,
                                                   bool isOrdered) {
    // Every second shape stores codes as unsigned bytes.
    int64_t offset = columns % 2 == 0 ? 0 : 128;
    int64_t groups = (columns + group - 1) / group, padded = groups * group;
    std::string types = absl::StrCat("memref<", tokens, "x", padded, "xi8>, memref<", tokens, "x",
                                     groups, "xf32>, memref<", tokens, "x", groups, "xi32>");
    // An order may leave columns of the input out.
    int64_t width = isOrdered ? columns + 5 : columns;
    std::string input = absl::StrCat("memref<", tokens, "x", width, "xf32>");
    std::string order = absl::StrCat("memref<", columns, "xf32>");
    auto kernel = CompiledKernel::create(
        absl::StrCat("%x: ", input, ", %c: memref<", tokens, "x", padded, "xi8>, %s: memref<",
                     tokens, "x", groups, "xf32>, %t: memref<", tokens, "x", groups,
                     "xi32>, %o: ", order),
        absl::StrCat("packed.quantize_activations ins(%x : ", input, ") ",
                     isOrdered ? absl::StrCat("order(%o : ", order, ") ") : "",
                     "outs(%c, %s, %t : ", types, ") group ", group, " sum_factor -8 offset ",
                     offset),
        target);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    int64_t count = *tokens == '1' ? 1 : 3;
    RandomNumbers random(columns);
    Buffer<float> x(count, width), scales(count, groups, -1), places(1, columns);
    Buffer<int8_t> codes(count, padded, 99);
    Buffer<int32_t> sums(count, groups, 12345);
    for (int64_t t = 0; t < count; ++t)
      for (int64_t c = 0; c < width; ++c)
        x(t, c) =
            (t + c / group) % 5 == 2 && c % group == 0 ? 127 : makeValue(random, t + c / group);
    for (int64_t c = 0; c < columns; ++c)
      places[c] = float(isOrdered ? random.integer(0, width - 1) : c);
    (*kernel)->run({Argument::matrix(x), Argument::matrix(codes), Argument::matrix(scales),
                    Argument::matrix(sums), Argument::vector(places)});
    for (int64_t t = 0; t < count; ++t)
      for (int64_t g = 0; g < groups; ++g) {
        std::vector<float> values(group, 0.0f);
        for (int64_t c = 0; c < group && g * group + c < columns; ++c)
          values[c] = x(t, int64_t(places[g * group + c]));
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
  };
  for (int64_t columns :
       {int64_t(1), group - 3, group, 2 * group + 17, 1024 + group, 8 * group + 8})
    for (const char *tokens : {"1", "?"})
      for (bool isOrdered : {false, true}) {
        check(columns, tokens, isOrdered);
        if (HasFatalFailure())
          return;
      }
}

/// What a group of activations is made of.
enum class Hostile {
  None,
  NaN,
  Infinity,
  NegativeInfinity,
  Denormal,
  AllDenormal,
  Zero,
  Huge,
  Count
};

float makeHostile(RandomNumbers &random, Hostile kind, bool isPlace) {
  constexpr float denormal = 1e-40f;
  switch (kind) {
  case Hostile::NaN:
    return isPlace ? random.oneOf({std::nanf(""), -std::nanf("")}) : random.real();
  case Hostile::Infinity:
    return isPlace ? HUGE_VALF : random.real();
  case Hostile::NegativeInfinity:
    return isPlace ? -HUGE_VALF : random.real();
  case Hostile::Denormal: // beside ordinary values
    return isPlace ? random.real() : random.real() * denormal;
  case Hostile::AllDenormal:
    return random.chance(0.2) ? 0 : random.real() * denormal;
  case Hostile::Zero:
    return random.oneOf({0.0f, -0.0f});
  case Hostile::Huge:
    return random.real() * std::numeric_limits<float>::max();
  default:
    return random.real();
  }
}

/// Whether Packing promises the group's codes.
bool isPromised(Hostile kind) {
  return kind != Hostile::NaN && kind != Hostile::Infinity && kind != Hostile::NegativeInfinity &&
         kind != Hostile::AllDenormal;
}

/// Groups without a promise have codes in range and the sum of these, and change nothing else:
/// neither other groups nor how arithmetic works afterwards.
TEST_P(Quantize, KeepsHostileValuesInTheirGroup) {
  auto [group, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  constexpr int64_t tokens = 5;
  RandomNumbers random(group);
  for (int64_t columns : {int64_t(1), group - 1, group + 1, 4 * group, 4 * group + 15}) {
    int64_t groups = (columns + group - 1) / group, padded = groups * group;
    std::string input = absl::StrCat("memref<?x", columns, "xf32>"),
                codesType = absl::StrCat("memref<?x", padded, "xi8>"),
                scalesType = absl::StrCat("memref<?x", groups, "xf32>"),
                sumsType = absl::StrCat("memref<?x", groups, "xi32>");
    auto kernel = CompiledKernel::create(
        absl::StrCat("%x: ", input, ", %c: ", codesType, ", %s: ", scalesType, ", %t: ", sumsType),
        absl::StrCat("packed.quantize_activations ins(%x : ", input,
                     ") outs(%c, %s, %t : ", codesType, ", ", scalesType, ", ", sumsType,
                     ") group ", group, " sum_factor -1"),
        target);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    // Every kind in every group number, alone in its row or beside others.
    int64_t step = isEmulated(target) ? 4 : 1; // emulators are slow to start
    for (int64_t round = 0; round < int64_t(Hostile::Count); round += step) {
      Guard guard = round % 2 == 0 ? Guard::Before : Guard::After;
      Buffer<float> x(tokens, columns, 0, guard), scales(tokens, groups, -1, guard);
      Buffer<int8_t> codes(tokens, padded, -128, guard);
      Buffer<int32_t> sums(tokens, groups, 12345, guard);
      std::vector<Hostile> kinds;
      for (int64_t i = 0; i < tokens * groups; ++i) {
        kinds.push_back(Hostile((round + i) % int64_t(Hostile::Count)));
        int64_t first = i % groups * group, last = std::min(columns, first + group);
        int64_t place = random.integer(first, last - 1);
        for (int64_t c = first; c < last; ++c)
          x(i / groups, c) = makeHostile(random, kinds.back(), c == place);
      }
      x.forbidWriting();
      uint32_t modes = floatModes();
      (*kernel)->run({Argument::matrix(x), Argument::matrix(codes), Argument::matrix(scales),
                      Argument::matrix(sums)});
      ASSERT_EQ(floatModes(), modes);
      ASSERT_TRUE(codes.isIntact() && scales.isIntact() && sums.isIntact());
      for (int64_t i = 0; i < tokens * groups; ++i) {
        int64_t t = i / groups, first = i % groups * group;
        SCOPED_TRACE(absl::StrCat(columns, " columns, token ", t, " group ", i % groups, " kind ",
                                  int(kinds[i])));
        std::vector<float> values(group, 0.0f);
        for (int64_t c = first; c < std::min(columns, first + group); ++c)
          values[c - first] = x(t, c);
        std::vector<int8_t> expected(group);
        float scale = quantizeActivations(values, absl::MakeSpan(expected));
        int32_t sum = 0;
        for (int64_t c = 0; c < group; ++c) {
          int8_t code = codes(t, first + c);
          ASSERT_GE(code, -127);
          // Of padding too.
          if (values[c] == 0)
            ASSERT_EQ(code, 0);
          if (isPromised(kinds[i]))
            ASSERT_EQ(code, expected[c]) << values[c];
          sum += code;
        }
        ASSERT_EQ(sums(t, i % groups), -sum);
        if (isPromised(kinds[i]))
          ASSERT_EQ(scales(t, i % groups), scale);
      }
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
                                          testing::ValuesIn(emulatedTargets())),
                         testName);

INSTANTIATE_TEST_SUITE_P(All, Quantize,
                         testing::Combine(testing::Values(32, 64, 128),
                                          testing::Values("native", "x86-64-v4", "x86-64-v3",
                                                          "x86-64-v2")),
                         testName);

} // namespace
