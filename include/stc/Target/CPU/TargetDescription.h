// What code generation needs to know of a CPU: triple, features, and the instructions they imply.
#ifndef STC_TARGET_CPU_TARGETDESCRIPTION_H
#define STC_TARGET_CPU_TARGETDESCRIPTION_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc::cpu {

/// One CPU target. No instruction-set name appears outside lib/Target and its tests: passes ask
/// these questions instead.
struct TargetDescription {
  std::string name;   // as given: "native", "x86-64-v3", "sapphirerapids", "aarch64+dotprod"
  std::string triple; // "x86_64-unknown-linux-gnu"
  std::string cpu;    // LLVM's name: "znver4", "x86-64-v3", "generic"
  std::string tune;   // LLVM's name of the CPU to schedule instructions for; empty for `cpu`
  /// Enabled LLVM features, sorted, without '+', and with them "sve256" or "sve512" for SVE vectors
  /// of exactly so many bits.
  std::vector<std::string> features;
  int64_t vectorBits = 128; // of the widest registers that code is written for

  bool has(absl::string_view feature) const;
  /// "+avx512f,+avx512vnni,..." for LLVM, without what it does not know.
  std::string featureString() const;
  bool isX86() const;
  bool isArm() const;
  bool isRiscv() const;
  /// The instructions behind packed.dot4, worse ones first: 32-bit multiplications; signed bytes to
  /// 16 bits (smull); widening multiplications of vectors of any length; sdot; usdot; pmaddubsw and
  /// pmaddwd of a width; vpdpbusd of a width.
  enum class Dot4 {
    Generic,
    Smull,
    WideningScalable,
    Sdot,
    Usdot,
    Madd128,
    Madd256,
    AvxVnni256,
    Madd512,
    Vnni512
  };
  Dot4 dot4() const;
  /// The instruction that looks bytes up in tables of 16: none, pshufb of a width, tbl, vrgather.
  enum class Lookup { Generic, Gather, Tbl, Pshufb128, Pshufb256, Pshufb512 };
  Lookup byteLookup() const;
  /// vpexpandb exists (AVX512-VBMI2).
  bool hasByteExpand() const;
  /// One instruction looks bytes up in a table of 64 (vpermb, AVX512-VBMI).
  bool hasTable64() const;
  /// Byte operations work on SVE registers, whose length is known and more than NEON's 128 bits.
  bool hasLongVectors() const;
  /// One instruction multiplies two rows of eight bytes by two tokens (i8mm).
  bool hasDot8x2() const;
  /// Tile registers multiply 16 tokens by 16 rows of bytes at once (AMX-INT8).
  bool hasTileDot() const;
  /// The same of bf16 numbers (AMX-BF16).
  bool hasTileDotBF16() const;
  /// Dot products add up in 16 bits first, so that small factors make them cheap.
  bool addsIn16Bits() const;
  /// Multiplication and addition with one rounding is one instruction.
  bool hasFma() const;
  /// f16 to f32 is an instruction and not a library call.
  bool convertsHalf() const;
  /// How many vectors of 16 f32 the vector registers hold together.
  int64_t vectorsInRegisters() const;

  /// Whether code for this target is expected to be faster than code for `other` on a CPU that runs
  /// both: wider vectors, else better instructions, else more features.
  bool isBetterThan(const TargetDescription &other) const;

  /// Parses a name of the command line: native, x86-64-v2, x86-64-v3, x86-64-v4, an LLVM x86 CPU
  /// name (sapphirerapids, znver4, icelake-server, skylake-avx512, haswell ...), aarch64, an LLVM
  /// AArch64 CPU name (neoverse-v2, apple-m1 ...) or riscv64, each optionally with +feature
  /// suffixes. Errors name what is supported.
  static absl::StatusOr<TargetDescription> parse(absl::string_view name);

  /// The features that may be added to names of this target's architecture: code generation has a
  /// use for them, and LLVM's code generator takes them in any combination.
  std::vector<std::string> addableFeatures() const;

  /// Parses up to kMaxTargets names separated by commas, all of one architecture, and puts the
  /// better before the worse. Errors: an unknown name, two architectures, two equal targets.
  static absl::StatusOr<std::vector<TargetDescription>> parseList(absl::string_view names);
  static constexpr size_t kMaxTargets = 8;
};

} // namespace stc::cpu

#endif // STC_TARGET_CPU_TARGETDESCRIPTION_H
