// The instruction each target exists for is in the code that is generated for it, and no other.
#include "MatmulCase.h"

#include "stc/Support/Error.h"
#include "stc/Target/CPU/LoweringConfig.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include <regex>

using namespace stc;

namespace {

struct InstructionCase {
  const char *name, *target;
  Layout layout;
  const char *tokens;                // "1" decodes, "?" prefills
  const char *expected, *unexpected; // regular expressions; an empty one is not looked for
};

void PrintTo(const InstructionCase &test, std::ostream *out) { *out << test.name; }

/// The assembly of one multiplication of 32 x 256 weights, with what the target takes.
absl::StatusOr<std::string> assemblyOf(const InstructionCase &test) {
  STC_ASSIGN_OR_RETURN(auto target, cpu::TargetDescription::parse(test.target));
  MatmulText text{test.layout, 32, 256, test.tokens};
  text.split = cpu::takesSplitActivations(
      test.layout, *test.tokens == '?' ? mlir::ShapedType::kDynamic : 1, target);
  return generateKernel(text.parameters(), "packed.matmul " + text.operands(), test.target,
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

const Layout kInt8 = makeLayout(LayoutKind::Dense, ElementKind::I8, 32),
             kInt4 = makeLayout(LayoutKind::Dense, ElementKind::I4, 128),
             kBitmap = makeLayout(LayoutKind::Bitmap, ElementKind::I4, 32),
             kPairs = makeLayout(LayoutKind::Pairs, ElementKind::I4, 32, 4, 16),
             kTwoOfFour = makeLayout(LayoutKind::NM, ElementKind::I8, 32, 2, 4),
             kF16 = makeLayout(LayoutKind::Dense, ElementKind::F16),
             kBF16 = makeLayout(LayoutKind::Dense, ElementKind::BF16),
             kBitmapBF16 = makeLayout(LayoutKind::Bitmap, ElementKind::BF16),
             kTwoOfFourF32 = makeLayout(LayoutKind::NM, ElementKind::F32, 0, 2, 4),
             kTwoOfFourBF16 = makeLayout(LayoutKind::NM, ElementKind::BF16, 0, 2, 4);

const InstructionCase kCases[] = {
    {"Vnni512", "sapphirerapids", kInt8, "1", R"(vpdpbusd\s.*%zmm)", "vpmaddubsw"},
    {"Vnni512Prefill", "znver4", kInt4, "?", R"(vpdpbusd\s.*%zmm)", "vpmaddubsw"},
    {"Vbmi2", "icelake-server", kBitmap, "1", R"(vpexpandb\s.*%zmm)", "vpshufb"},
    {"BitmapWithoutVbmi2", "x86-64-v4+avx512vnni", kBitmap, "1", R"(vpshufb\s)", "vpexpandb"},
    {"TilesInt8", "sapphirerapids", kInt8, "?", R"(tdpbsud\s+%tmm)", ""},
    {"TilesInt4", "sapphirerapids", kInt4, "?", R"(tdpbsud\s+%tmm)", ""},
    {"TilesBitmap", "sapphirerapids", kBitmap, "?", R"(tdpbsud\s+%tmm)", ""},
    {"NoTilesForOneToken", "sapphirerapids", kInt4, "1", R"(vpdpbusd\s.*%zmm)", "%tmm"},
    {"TilesBF16", "sapphirerapids", kBF16, "?", R"(tdpbf16ps\s+%tmm)", "tdpbsud"},
    {"TilesBF16Alone", "x86-64-v4+amx-bf16", kBF16, "?", R"(tdpbf16ps\s+%tmm)", ""},
    {"TilesBF16WithoutAvx", "x86-64+amx-bf16", kBF16, "?", R"(tdpbf16ps\s+%tmm)", "ymm"},
    {"NoTilesBF16ForOneToken", "sapphirerapids", kBF16, "1", R"(vfmadd\d+ps\s.*%zmm)", "%tmm"},
    {"NoTilesBF16WithInt8Only", "x86-64-v4+amx-int8", kBF16, "?", R"(vfmadd\d+ps\s.*%zmm)", "%tmm"},
    {"NoTilesForF16", "sapphirerapids", kF16, "?", R"(vfmadd\d+ps\s.*%zmm)", "%tmm"},
    {"NoTilesInt8WithBF16Only", "x86-64-v4+amx-bf16", kInt8, "?", R"(vpmaddwd\s.*%zmm)", "%tmm"},
    {"Lookup512", "sapphirerapids", kPairs, "1", R"(vpshufb\s.*%zmm)", ""},
    {"Lookup256", "x86-64-v3", kPairs, "1", R"(vpshufb\s.*%ymm)", "zmm"},
    {"AvxVnni", "alderlake", kInt8, "1", R"(\{vex\}\s+vpdpbusd\s.*%ymm)", "vpmaddubsw|zmm"},
    // Two products of 8 by 8 bits do not fit 16: vpmaddubsw is for fewer bits.
    {"Avx2Int8", "x86-64-v3", kInt8, "1", R"(vpmaddwd\s.*%ymm)", "vpmaddubsw|zmm"},
    {"Avx2", "x86-64-v3", kInt4, "1", R"(vpmaddubsw\s.*%ymm)", "vpdpbusd|zmm"},
    {"Avx2Half", "x86-64-v3", kF16, "1", R"(vcvtph2ps\s)", "zmm"},
    {"Sse", "x86-64-v2", kInt4, "1", R"(pmaddubsw\s.*%xmm)", "ymm"},
    {"SseLookup", "x86-64-v2", kTwoOfFour, "1", R"(pshufb\s.*%xmm)", "ymm"},
    {"SparseFloats512", "x86-64-v4", kBitmapBF16, "1", R"(vp?expand(d|ps)\s.*%zmm)", "vpshufb"},
    {"SparseFloats512Prefill", "znver4", kTwoOfFourF32, "?", R"(vp?expand(d|ps)\s.*%zmm)", "%tmm"},
    {"SparseBF16WithoutTiles", "sapphirerapids", kBitmapBF16, "?", R"(vfmadd\d+ps\s.*%zmm)",
     "%tmm"},
    {"SparseFloats256", "x86-64-v3", kBitmapBF16, "1", R"(popcnt[\s\S]*vpshufb\s.*%ymm)", "zmm"},
    {"SparseFloatsOfRows256", "x86-64-v3", kTwoOfFourBF16, "1", R"(vpshufb\s.*%ymm)", "popcnt|zmm"},
    {"SparseFloats128", "x86-64-v2", kTwoOfFourF32, "1", R"(pshufb\s.*%xmm)", "ymm"},
    {"SparseFloatsTbl", "aarch64", kBitmapBF16, "1", R"(tbl\s+v\d+\.16b)", ""},
    {"SparseFloatsGather", "riscv64+v+zvl256b", kTwoOfFourBF16, "1", R"(vrgather)", ""},
    {"SparseFloatsAlone", "riscv64", kTwoOfFourBF16, "1", R"(fmadd\.s)", R"(vset)"},
    {"Smull", "aarch64", kInt8, "1", R"(smull2?\s+v|smlal2?\s+v)", R"([su]+dot\s)"},
    {"Sdot", "aarch64+dotprod", kInt8, "1", R"(sdot\s+v\d+\.4s)", R"(usdot\s)"},
    {"Usdot", "aarch64+i8mm", kInt8, "1", R"(usdot\s+v\d+\.4s)", R"(smull\s)"},
    {"Matrices", "aarch64+i8mm", kInt8, "?", R"(usmmla\s+v\d+\.4s)", ""},
    {"MatricesInt4", "neoverse-v2", kInt4, "?", R"(usmmla\s+v\d+\.4s)", ""},
    {"MatricesBitmap", "aarch64+i8mm", kBitmap, "?", R"(usmmla\s+v\d+\.4s)", ""},
    {"MatricesForTwoTokens", "aarch64+i8mm", kInt4, "2", R"(usmmla\s+v\d+\.4s)", "dot\\s"},
    {"NoMatricesForOneToken", "aarch64+i8mm", kInt4, "1", R"(usdot\s+v\d+\.4s)", "mmla"},
    {"NoMatricesWithoutI8mm", "aarch64+dotprod", kInt4, "?", R"(sdot\s+v\d+\.4s)", "mmla"},
    {"UsdotSve2", "neoverse-v2", kInt8, "?", R"(usdot\s+[vz]\d+\.)", R"(smull\s)"},
    {"Tbl", "aarch64+dotprod", kTwoOfFour, "1", R"(tbl\s+v\d+\.16b)", ""},
    {"TblSve2", "neoverse-v2", kTwoOfFour, "1", R"(tbl\s+[vz]\d+\.)", ""},
    {"SdotSve", "aarch64+sve2+sve256", kInt8, "1", R"(sdot\s+z\d+\.s)", R"(dot\s+v)"},
    {"UsdotSve", "neoverse-v1", kInt4, "1", R"(usdot\s+z\d+\.s)", R"(dot\s+v|mmla)"},
    {"MatricesSve", "aarch64+sve2+sve256+i8mm", kInt4, "?", R"(usmmla\s+z\d+\.s)",
     R"(mmla\s+v|dot\s+v)"},
    {"BitmapSve", "aarch64+sve2+sve256+i8mm", kBitmap, "1", R"(usdot\s+z\d+\.s)", R"(dot\s+v)"},
    {"TblSve", "aarch64+sve2+sve256", kPairs, "1", R"(tbl\s+z\d+\.b)", R"(tbl\s+v)"},
    {"FloatsSve", "aarch64+sve2+sve256", kF16, "1", R"(fmla\s+z\d+\.s)", R"(fmla\s+v)"},
    {"Sve512", "a64fx", kInt8, "1", R"(sdot\s+z\d+\.s)", R"(dot\s+v)"},
    {"NeonOnSve2", "aarch64+sve2", kInt8, "1", R"(sdot\s+v\d+\.4s)", R"(dot\s+z)"},
    {"Rvv", "riscv64+v+zvl256b", kInt8, "1", R"(vwm(acc|ul)(su)?\.v)", ""},
    {"RvvGather", "riscv64+v+zvl256b", kTwoOfFour, "1", R"(vrgather\.vv)", ""},
    {"Riscv", "riscv64", kInt8, "1", R"(mulw?\s)", R"(vset)"},
};

INSTANTIATE_TEST_SUITE_P(All, Instructions, testing::ValuesIn(kCases),
                         [](const auto &info) { return info.param.name; });

} // namespace
