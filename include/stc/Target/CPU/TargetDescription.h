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
  std::vector<std::string> features; // enabled LLVM features, sorted, without '+'
  int64_t vectorBits = 128;

  bool has(absl::string_view feature) const;
  /// "+avx512f,+avx512vnni,..." for LLVM.
  std::string featureString() const;
  bool isX86() const;
  /// The instruction behind packed.dot4: none, pmaddwd (on 16-bit halves) of a width, vpdpbusd.
  enum class Dot4 { Generic, Madd128, Madd256, Madd512, AvxVnni256, Vnni512 };
  Dot4 dot4() const;
  /// vpexpandb exists (AVX512-VBMI2).
  bool hasByteExpand() const;
  /// pdep exists (BMI2).
  bool hasBitDeposit() const;
  /// Multiplication and addition with one rounding is one instruction.
  bool hasFma() const;
  /// f16 to f32 is an instruction and not a library call.
  bool convertsHalf() const;
  /// How many vectors of 16 f32 the vector registers hold together.
  int64_t vectorsInRegisters() const;

  /// Parses a name of the command line: native, x86-64-v2, x86-64-v3, x86-64-v4, an LLVM x86 CPU
  /// name (sapphirerapids, znver4, icelake-server, skylake-avx512, haswell ...), aarch64 or
  /// riscv64, each optionally with +feature suffixes. Errors name what is supported.
  static absl::StatusOr<TargetDescription> parse(absl::string_view name);
};

} // namespace stc::cpu

#endif // STC_TARGET_CPU_TARGETDESCRIPTION_H
