// Every feature of every architecture, alone on its baseline, compiles: LLVM's code generator ends
// the process where it cannot select an instruction, so what it cannot take must be refused before.
#include "MatmulCase.h"

#include "stc/Support/Error.h"
#include "stc/Target/CPU/LoweringConfig.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

using namespace stc;
using testing::HasSubstr;

namespace {

/// Kernels that use every micro-operation and conversion: expansion and dot products of int4,
/// lookups in tables of 16, f16 and bf16 to f32.
const std::pair<const char *, int64_t> kLayouts[] = {{"bitmap, i4, group = 32", 32},
                                                     {"nm, i8, group = 32, n = 2, m = 4", 32},
                                                     {"dense, f16", 0},
                                                     {"dense, bf16", 0}};

absl::Status compileAll(const std::string &target) {
  std::string parameters, body;
  for (auto [index, entry] : llvm::enumerate(kLayouts)) {
    auto [layout, group] = entry;
    std::string weight = absl::StrCat("!packed.weight<16x64, #packed.layout<", layout, ">>");
    std::string types =
        group ? "memref<3x64xi8>, memref<3x2xf32>, memref<3x2xi32>" : "memref<3x64xf32>";
    std::string inputs = absl::StrCat("%x", index), separator = index ? ", " : "";
    absl::StrAppend(&parameters, separator, "%w", index, ": ", weight, ", %x", index, ": ",
                    group ? "memref<3x64xi8>" : types, ", %y", index, ": memref<3x16xf32>");
    if (group) {
      absl::StrAppend(&parameters, ", %s", index, ": memref<3x2xf32>, %t", index,
                      ": memref<3x2xi32>");
      absl::StrAppend(&inputs, ", %s", index, ", %t", index);
    }
    absl::StrAppend(&body, "packed.matmul ins(", inputs, " : ", types, ") weight(%w", index, " : ",
                    weight, ") outs(%y", index, " : memref<3x16xf32>)\n");
  }
  std::string passes = absl::StrCat("packed-select-lowering-config{target=", target, "}");
  STC_RETURN_IF_ERROR(generateKernel(parameters, body, target, passes, CodeKind::Object).status());
  // Prompts: with what the target takes for blocks of many tokens.
  STC_ASSIGN_OR_RETURN(auto description, cpu::TargetDescription::parse(target));
  for (Layout layout : {makeLayout(LayoutKind::Dense, ElementKind::BF16),
                        makeLayout(LayoutKind::Dense, ElementKind::I4, 64)}) {
    MatmulText text{layout, 16, 64};
    text.split = cpu::takesSplitActivations(layout, mlir::ShapedType::kDynamic, description);
    STC_RETURN_IF_ERROR(generateKernel(text.parameters(), "packed.matmul " + text.operands(),
                                       target, passes, CodeKind::Object)
                            .status());
  }
  return absl::OkStatus();
}

class Features : public testing::TestWithParam<const char *> {};

TEST_P(Features, CompileAloneOnTheBaseline) {
  auto baseline = cpu::TargetDescription::parse(GetParam());
  ASSERT_TRUE(baseline.ok());
  ASSERT_FALSE(baseline->addableFeatures().empty());
  for (const std::string &feature : baseline->addableFeatures()) {
    std::string target = absl::StrCat(GetParam(), "+", feature);
    SCOPED_TRACE(target);
    absl::Status status = compileAll(target);
    EXPECT_TRUE(status.ok()) << status;
  }
}

// The pieces of AVX-512 come in many combinations; a few that no processor has.
TEST(FeatureNames, OddCombinationsCompile) {
  for (const char *target :
       {"x86-64-v2+avx512f", "x86-64+avx512vnni+avxvnni", "x86-64-v3+avx512bw",
        "x86-64-v3+avx512vl+avxvnni", "haswell+avx512vbmi2", "skylake-avx512+avx512vbmi2",
        "aarch64+sve", "aarch64+sve2+i8mm", "neoverse-n1+i8mm", "a64fx", "fujitsu-monaka",
        "neoverse-v1+sve512", "aarch64+sve512+i8mm", "riscv64+zvl512b", "riscv64+zvfh+zba+zbb"}) {
    absl::Status status = compileAll(target);
    EXPECT_TRUE(status.ok()) << target << ": " << status;
  }
}

// What LLVM knows but ends the process on, or nothing here uses, is one line.
TEST(FeatureNames, OthersAreRefused) {
  for (const char *target :
       {"x86-64+avxvnniint8", "x86-64-v4+amx-fp8", "x86-64-v3+avx10.2", "x86-64-v3+x87",
        "x86-64-v3+prefer-256-bit", "aarch64+sme", "aarch64+sve2p1", "riscv64+zvl4096b",
        "riscv64+e", "riscv64+zve32x", "x86-64-v3+-avx2", "i386", "pentium4", "x86-64-v3+AVX2"}) {
    auto parsed = cpu::TargetDescription::parse(target);
    ASSERT_FALSE(parsed.ok()) << target;
    std::string message(parsed.status().message());
    EXPECT_THAT(message, HasSubstr("--target: expected"));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

std::string testName(const testing::TestParamInfo<const char *> &info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Features,
                         testing::Values("x86-64", "x86-64-v3", "aarch64", "riscv64"), testName);

} // namespace
