// The instruction each target exists for is in the code that is generated for it, and no other.
#include "KernelHarness.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include <regex>

using namespace stc;

namespace {

struct InstructionCase {
  const char *name, *target, *layout;
  int64_t group;
  const char *tokens;                // "1" decodes, "?" prefills
  const char *expected, *unexpected; // regular expressions; an empty one is not looked for
};

void PrintTo(const InstructionCase &test, std::ostream *out) { *out << test.name; }

/// The assembly of one multiplication of 32 x 256 weights.
absl::StatusOr<std::string> assemblyOf(const InstructionCase &test) {
  std::string weight = absl::StrCat("!packed.weight<32x256, #packed.layout<", test.layout, ">>");
  std::string t = absl::StrCat("memref<", test.tokens, "x"), rest;
  std::string inputs = "%x", types, parameters = absl::StrCat("%w: ", weight);
  if (test.group == 0) {
    types = absl::StrCat(t, "256xf32>");
    absl::StrAppend(&parameters, ", %x: ", types);
  } else {
    int64_t groups = 256 / test.group;
    std::string parts[] = {absl::StrCat(t, "256xi8>"), absl::StrCat(t, groups, "xf32>"),
                           absl::StrCat(t, groups, "xi32>")};
    inputs = "%x, %s, %t";
    types = absl::StrCat(parts[0], ", ", parts[1], ", ", parts[2]);
    absl::StrAppend(&parameters, ", %x: ", parts[0], ", %s: ", parts[1], ", %t: ", parts[2]);
  }
  absl::StrAppend(&parameters, ", %y: ", t, "32xf32>");
  return generateKernel(parameters,
                        absl::StrCat("packed.matmul ins(", inputs, " : ", types,
                                     ") weight(%w : ", weight, ") outs(%y : ", t, "32xf32>)"),
                        test.target,
                        absl::StrCat("packed-select-lowering-config{target=", test.target, "}"),
                        CodeKind::Assembly);
}

class Instructions : public testing::TestWithParam<InstructionCase> {};

TEST_P(Instructions, AreTheTargets) {
  const InstructionCase &test = GetParam();
  absl::StatusOr<std::string> assembly = assemblyOf(test);
  ASSERT_TRUE(assembly.ok()) << assembly.status();
  EXPECT_TRUE(std::regex_search(*assembly, std::regex(test.expected)))
      << test.expected << " is not in the code for " << test.target << ":\n"
      << *assembly;
  if (*test.unexpected)
    EXPECT_FALSE(std::regex_search(*assembly, std::regex(test.unexpected)))
        << test.unexpected << " is in the code for " << test.target;
}

constexpr char kInt8[] = "dense, i8, group = 32", kInt4[] = "dense, i4, group = 128",
               kBitmap[] = "bitmap, i4, group = 32",
               kPairs[] = "pairs, i4, group = 32, n = 4, m = 16",
               kTwoOfFour[] = "nm, i8, group = 32, n = 2, m = 4", kF16[] = "dense, f16";

const InstructionCase kCases[] = {
    {"Vnni512", "sapphirerapids", kInt8, 32, "1", R"(vpdpbusd\s.*%zmm)", "vpmaddubsw"},
    {"Vnni512Prefill", "znver4", kInt4, 128, "?", R"(vpdpbusd\s.*%zmm)", "vpmaddubsw"},
    {"Vbmi2", "icelake-server", kBitmap, 32, "1", R"(vpexpandb\s.*%zmm)", "vpshufb"},
    {"BitmapWithoutVbmi2", "x86-64-v4+avx512vnni", kBitmap, 32, "1", R"(vpshufb\s)", "vpexpandb"},
    {"TilesInt8", "sapphirerapids", kInt8, 32, "?", R"(tdpbsud\s+%tmm)", ""},
    {"TilesInt4", "sapphirerapids", kInt4, 128, "?", R"(tdpbsud\s+%tmm)", ""},
    {"TilesBitmap", "sapphirerapids", kBitmap, 32, "?", R"(tdpbsud\s+%tmm)", ""},
    {"NoTilesForOneToken", "sapphirerapids", kInt4, 128, "1", R"(vpdpbusd\s.*%zmm)", "%tmm"},
    {"Lookup512", "sapphirerapids", kPairs, 32, "1", R"(vpshufb\s.*%zmm)", ""},
    {"Lookup256", "x86-64-v3", kPairs, 32, "1", R"(vpshufb\s.*%ymm)", "zmm"},
    {"AvxVnni", "alderlake", kInt8, 32, "1", R"(\{vex\}\s+vpdpbusd\s.*%ymm)", "vpmaddubsw|zmm"},
    // Two products of 8 by 8 bits do not fit 16: vpmaddubsw is for fewer bits.
    {"Avx2Int8", "x86-64-v3", kInt8, 32, "1", R"(vpmaddwd\s.*%ymm)", "vpmaddubsw|zmm"},
    {"Avx2", "x86-64-v3", kInt4, 128, "1", R"(vpmaddubsw\s.*%ymm)", "vpdpbusd|zmm"},
    {"Avx2Half", "x86-64-v3", kF16, 0, "1", R"(vcvtph2ps\s)", "zmm"},
    {"Sse", "x86-64-v2", kInt4, 128, "1", R"(pmaddubsw\s.*%xmm)", "ymm"},
    {"SseLookup", "x86-64-v2", kTwoOfFour, 32, "1", R"(pshufb\s.*%xmm)", "ymm"},
    {"Smull", "aarch64", kInt8, 32, "1", R"(smull2?\s+v|smlal2?\s+v)", R"([su]+dot\s)"},
    {"Sdot", "aarch64+dotprod", kInt8, 32, "1", R"(sdot\s+v\d+\.4s)", R"(usdot\s)"},
    {"Usdot", "aarch64+i8mm", kInt8, 32, "1", R"(usdot\s+v\d+\.4s)", R"(smull\s)"},
    {"Matrices", "aarch64+i8mm", kInt8, 32, "?", R"(usmmla\s+v\d+\.4s)", ""},
    {"MatricesInt4", "neoverse-v2", kInt4, 128, "?", R"(usmmla\s+v\d+\.4s)", ""},
    {"MatricesBitmap", "aarch64+i8mm", kBitmap, 32, "?", R"(usmmla\s+v\d+\.4s)", ""},
    {"MatricesForTwoTokens", "aarch64+i8mm", kInt4, 128, "2", R"(usmmla\s+v\d+\.4s)", "dot\\s"},
    {"NoMatricesForOneToken", "aarch64+i8mm", kInt4, 128, "1", R"(usdot\s+v\d+\.4s)", "mmla"},
    {"NoMatricesWithoutI8mm", "aarch64+dotprod", kInt4, 128, "?", R"(sdot\s+v\d+\.4s)", "mmla"},
    {"UsdotSve2", "neoverse-v2", kInt8, 32, "?", R"(usdot\s+[vz]\d+\.)", R"(smull\s)"},
    {"Tbl", "aarch64+dotprod", kTwoOfFour, 32, "1", R"(tbl\s+v\d+\.16b)", ""},
    {"TblSve2", "neoverse-v2", kTwoOfFour, 32, "1", R"(tbl\s+[vz]\d+\.)", ""},
    {"SdotSve", "aarch64+sve2+sve256", kInt8, 32, "1", R"(sdot\s+z\d+\.s)", R"(dot\s+v)"},
    {"UsdotSve", "neoverse-v1", kInt4, 128, "1", R"(usdot\s+z\d+\.s)", R"(dot\s+v|mmla)"},
    {"MatricesSve", "aarch64+sve2+sve256+i8mm", kInt4, 128, "?", R"(usmmla\s+z\d+\.s)",
     R"(mmla\s+v|dot\s+v)"},
    {"BitmapSve", "aarch64+sve2+sve256+i8mm", kBitmap, 32, "1", R"(usdot\s+z\d+\.s)", R"(dot\s+v)"},
    {"TblSve", "aarch64+sve2+sve256", kPairs, 32, "1", R"(tbl\s+z\d+\.b)", R"(tbl\s+v)"},
    {"FloatsSve", "aarch64+sve2+sve256", kF16, 0, "1", R"(fmla\s+z\d+\.s)", R"(fmla\s+v)"},
    {"Sve512", "a64fx", kInt8, 32, "1", R"(sdot\s+z\d+\.s)", R"(dot\s+v)"},
    {"NeonOnSve2", "aarch64+sve2", kInt8, 32, "1", R"(sdot\s+v\d+\.4s)", R"(dot\s+z)"},
    {"Rvv", "riscv64+v+zvl256b", kInt8, 32, "1", R"(vwm(acc|ul)(su)?\.v)", ""},
    {"RvvGather", "riscv64+v+zvl256b", kTwoOfFour, 32, "1", R"(vrgather\.vv)", ""},
    {"Riscv", "riscv64", kInt8, 32, "1", R"(mulw?\s)", R"(vset)"},
};

INSTANTIATE_TEST_SUITE_P(All, Instructions, testing::ValuesIn(kCases),
                         [](const auto &info) { return info.param.name; });

} // namespace
