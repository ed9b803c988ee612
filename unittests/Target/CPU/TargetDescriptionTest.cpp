// Names of targets: what they turn on, and which are refused.
#include "stc/Target/CPU/TargetDescription.h"

#include "gmock/gmock.h"

using namespace stc::cpu;
using testing::HasSubstr;
using testing::Not;

namespace {

TargetDescription parse(const char *name) {
  auto target = TargetDescription::parse(name);
  EXPECT_TRUE(target.ok()) << target.status();
  return target.ok() ? *target : TargetDescription();
}

TEST(TargetDescription, KnowsTheLevelsOfX86) {
  TargetDescription v2 = parse("x86-64-v2"), v3 = parse("x86-64-v3"), v4 = parse("x86-64-v4");
  EXPECT_EQ(v2.vectorBits, 128);
  EXPECT_EQ(v3.vectorBits, 256);
  EXPECT_EQ(v4.vectorBits, 512);
  EXPECT_EQ(v2.dot4(), TargetDescription::Dot4::Madd128);
  EXPECT_EQ(v3.dot4(), TargetDescription::Dot4::Madd256);
  EXPECT_EQ(v4.dot4(), TargetDescription::Dot4::Madd512);
  EXPECT_FALSE(v2.hasFma());
  EXPECT_FALSE(v2.convertsHalf());
  EXPECT_TRUE(v3.hasFma() && v3.convertsHalf());
  EXPECT_FALSE(v4.hasByteExpand());
  EXPECT_EQ(v3.vectorsInRegisters(), 8);
  EXPECT_EQ(v4.vectorsInRegisters(), 32);
}

TEST(TargetDescription, KnowsCPUsAndTheirInstructions) {
  for (const char *name : {"sapphirerapids", "znver4", "icelake-server"}) {
    TargetDescription target = parse(name);
    EXPECT_EQ(target.dot4(), TargetDescription::Dot4::Vnni512) << name;
    EXPECT_TRUE(target.hasByteExpand()) << name;
    EXPECT_EQ(target.cpu, name);
    EXPECT_EQ(target.triple, "x86_64-unknown-linux-gnu");
  }
  EXPECT_EQ(parse("alderlake").dot4(), TargetDescription::Dot4::AvxVnni256);
  EXPECT_EQ(parse("haswell").dot4(), TargetDescription::Dot4::Madd256);
}

TEST(TargetDescription, AddsWhatFeaturesImply) {
  TargetDescription target = parse("x86-64-v3+avx512vnni+avx512vbmi2");
  EXPECT_TRUE(target.has("avx512f"));
  EXPECT_TRUE(target.has("avx512bw"));
  EXPECT_EQ(target.dot4(), TargetDescription::Dot4::Vnni512);
  EXPECT_EQ(target.vectorBits, 512);
  EXPECT_EQ(parse("x86-64-v3+avxvnni").dot4(), TargetDescription::Dot4::AvxVnni256);
}

TEST(TargetDescription, HidesWhatTheCpuNameWouldBring) {
  // Arithmetic of f16 is not used, so binaries must not need it.
  std::string features = parse("sapphirerapids").featureString();
  EXPECT_THAT(features, HasSubstr("+amx-bf16"));
  EXPECT_THAT(features, HasSubstr("+amx-int8"));
  EXPECT_THAT(features, HasSubstr("-avx512fp16"));
  EXPECT_THAT(features, HasSubstr("+avx512vnni"));
  EXPECT_THAT(features, Not(HasSubstr("-64bit")));
}

TEST(TargetDescription, KnowsOtherArchitectures) {
  TargetDescription arm = parse("aarch64+dotprod");
  EXPECT_EQ(arm.triple, "aarch64-unknown-linux-gnu");
  EXPECT_TRUE(arm.has("dotprod") && arm.has("neon") && arm.hasFma() && arm.convertsHalf());
  EXPECT_EQ(arm.dot4(), TargetDescription::Dot4::Sdot);
  TargetDescription riscv = parse("riscv64+v");
  EXPECT_EQ(riscv.triple, "riscv64-unknown-linux-gnu");
  EXPECT_TRUE(riscv.has("v") && riscv.has("d"));
}

TEST(TargetDescription, KnowsLengthsOfVectors) {
  for (const char *name : {"neoverse-v1", "aarch64+sve256", "aarch64+sve2+sve256", "a64fx+sve256",
                           "aarch64+sve512+sve256"}) {
    TargetDescription target = parse(name);
    EXPECT_EQ(target.vectorBits, 256) << name;
    EXPECT_TRUE(target.hasLongVectors() && target.has("sve") && target.has("sve256")) << name;
    EXPECT_FALSE(target.has("sve512")) << name;
    // LLVM would warn of a name that it does not know.
    EXPECT_THAT(target.featureString(), Not(HasSubstr("sve256")));
    EXPECT_EQ(target.vectorsInRegisters(), 16) << name;
  }
  EXPECT_EQ(parse("a64fx").vectorBits, 512);
  EXPECT_EQ(parse("a64fx").dot4(), TargetDescription::Dot4::Sdot);
  // Vectors of 128 bits: NEON's forms do the same.
  for (const char *name : {"neoverse-v2", "neoverse-n2", "aarch64+sve2"}) {
    EXPECT_EQ(parse(name).vectorBits, 128) << name;
    EXPECT_FALSE(parse(name).hasLongVectors()) << name;
  }
  auto targets = TargetDescription::parseList("aarch64,neoverse-v2,neoverse-v1");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_EQ(targets->front().name, "neoverse-v1");
  EXPECT_EQ(targets->back().name, "aarch64");
}

TEST(TargetDescription, DescribesThisMachine) {
  TargetDescription native = parse("native");
  EXPECT_FALSE(native.cpu.empty());
  EXPECT_FALSE(native.features.empty());
}

TEST(TargetDescription, RefusesOtherNames) {
  for (const char *name : {"", "pentium5", "x86-64-v3+nothing", "aarch64+v", "riscv64+dotprod",
                           "native+", "+avx2", "x86_64"}) {
    auto target = TargetDescription::parse(name);
    ASSERT_FALSE(target.ok()) << name;
    EXPECT_THAT(std::string(target.status().message()), HasSubstr("--target: expected native"));
  }
}

} // namespace
