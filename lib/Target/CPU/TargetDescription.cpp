// CPU names of the command line -> triple, features and vector width.
#include "stc/Target/CPU/TargetDescription.h"

#include "stc/Support/Error.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <algorithm>

using namespace stc;
using namespace stc::cpu;

/// The x86 features code generation is allowed to use. Everything else a CPU may have
/// (virtualization, cryptography, ...) is left out, so that a binary asks for no more than it
/// needs.
static constexpr absl::string_view kX86Features[] = {"sse",
                                                     "sse2",
                                                     "sse3",
                                                     "ssse3",
                                                     "sse4.1",
                                                     "sse4.2",
                                                     "popcnt",
                                                     "avx",
                                                     "avx2",
                                                     "fma",
                                                     "f16c",
                                                     "bmi",
                                                     "bmi2",
                                                     "lzcnt",
                                                     "avx512f",
                                                     "avx512bw",
                                                     "avx512cd",
                                                     "avx512dq",
                                                     "avx512vl",
                                                     "avx512vnni",
                                                     "avx512vbmi",
                                                     "avx512vbmi2",
                                                     "avx512vpopcntdq",
                                                     "avx512bitalg",
                                                     "avxvnni",
                                                     "avx512bf16",
                                                     "gfni"};
static constexpr absl::string_view kArmFeatures[] = {"bf16", "dotprod", "fullfp16", "i8mm",
                                                     "neon", "sve",     "sve2"};
static constexpr absl::string_view kRiscvFeatures[] = {"a", "c", "d", "f", "m", "v", "zfh"};

static constexpr absl::string_view kX86Triple = "x86_64-unknown-linux-gnu";

/// The features a name may add to a base name of `triple`.
static llvm::ArrayRef<absl::string_view> knownFeatures(absl::string_view triple) {
  if (triple == kX86Triple)
    return kX86Features;
  if (absl::StartsWith(triple, "aarch64"))
    return kArmFeatures;
  return kRiscvFeatures;
}

bool TargetDescription::has(absl::string_view feature) const {
  return std::binary_search(features.begin(), features.end(), feature);
}

std::string TargetDescription::featureString() const {
  std::string text = absl::StrJoin(features, ",", [](std::string *out, const std::string &feature) {
    absl::StrAppend(out, "+", feature);
  });
  if (!isX86())
    return text;
  // Vector features the description does not name must not come back through the CPU's name: a
  // virtual machine may hide some of its CPU's.
  llvm::SmallVector<llvm::StringRef> implied;
  llvm::X86::getFeaturesForCPU(cpu, implied);
  for (llvm::StringRef feature : implied) {
    bool optional =
        llvm::any_of(llvm::ArrayRef<llvm::StringRef>{"avx", "amx", "fma", "f16c", "bmi", "gfni",
                                                     "xop", "vaes", "vpclmul"},
                     [&](llvm::StringRef prefix) { return feature.starts_with(prefix); });
    if (optional && !has(feature.str()))
      absl::StrAppend(&text, text.empty() ? "-" : ",-", feature.str());
  }
  return text;
}

bool TargetDescription::isX86() const { return triple == kX86Triple; }

TargetDescription::Dot4 TargetDescription::dot4() const {
  if (!isX86())
    return Dot4::Generic;
  if (has("avx512bw"))
    return has("avx512vnni") ? Dot4::Vnni512 : Dot4::Madd512;
  if (has("avxvnni"))
    return Dot4::AvxVnni256;
  return has("avx2") ? Dot4::Madd256 : Dot4::Madd128;
}

bool TargetDescription::hasByteExpand() const { return has("avx512vbmi2"); }

bool TargetDescription::hasBitDeposit() const { return has("bmi2"); }

bool TargetDescription::hasFma() const { return !isX86() || has("fma") || has("avx512f"); }

bool TargetDescription::convertsHalf() const {
  if (isX86())
    return has("f16c") || has("avx512f");
  return has("neon") || has("zfh");
}

int64_t TargetDescription::vectorsInRegisters() const {
  bool few = isX86() && !has("avx512f");
  return (few ? 16 : 32) * vectorBits / 512;
}

static absl::Status unsupported(absl::string_view name) {
  return formatError({"", "--target", {}},
                     "native, x86-64-v2, x86-64-v3, x86-64-v4, an x86 CPU that LLVM knows "
                     "(sapphirerapids, znver4, haswell ...), aarch64 or riscv64, with +features",
                     printable(name));
}

static bool supports(const TargetDescription &target, absl::string_view feature) {
  return llvm::is_contained(knownFeatures(target.triple), feature);
}

/// Vector width and order of the features.
static TargetDescription finish(TargetDescription target) {
  llvm::sort(target.features);
  target.features.erase(std::unique(target.features.begin(), target.features.end()),
                        target.features.end());
  if (target.isX86())
    target.vectorBits = target.has("avx512f") ? 512 : target.has("avx2") ? 256 : 128;
  return target;
}

static void keepKnownX86(TargetDescription &target, llvm::function_ref<bool(llvm::StringRef)> has) {
  for (absl::string_view feature : kX86Features)
    if (has(llvm::StringRef(feature.data(), feature.size())))
      target.features.emplace_back(feature);
}

static absl::Status parseBase(absl::string_view base, TargetDescription &target) {
  llvm::StringRef cpu(base.data(), base.size());
  if (cpu == "aarch64" || cpu == "riscv64") {
    target.triple = absl::StrCat(base, "-unknown-linux-gnu");
    target.cpu = cpu == "aarch64" ? "generic" : "generic-rv64";
    // The 64-bit Linux ABIs assume these.
    target.features = cpu == "aarch64" ? std::vector<std::string>{"neon"}
                                       : std::vector<std::string>{"a", "c", "d", "f", "m"};
    return absl::OkStatus();
  }
  target.triple = std::string(kX86Triple);
  if (cpu == "native") {
#if defined(__x86_64__)
    target.cpu = llvm::sys::getHostCPUName().str();
    llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    keepKnownX86(target, [&](llvm::StringRef feature) { return host.lookup(feature); });
    return absl::OkStatus();
#elif defined(__aarch64__)
    return parseBase("aarch64", target);
#else
    return parseBase("riscv64", target);
#endif
  }
  llvm::SmallVector<llvm::StringRef> known;
  llvm::X86::fillValidCPUArchList(known, /*Only64Bit=*/true);
  if (!llvm::is_contained(known, cpu))
    return unsupported(base);
  target.cpu = cpu.str();
  llvm::SmallVector<llvm::StringRef> features;
  llvm::X86::getFeaturesForCPU(cpu, features);
  // The list leaves out what others of it imply.
  llvm::StringMap<bool> enabled;
  for (llvm::StringRef feature : features) {
    enabled[feature] = true;
    llvm::X86::updateImpliedFeatures(feature, /*Enabled=*/true, enabled);
  }
  keepKnownX86(target, [&](llvm::StringRef feature) { return enabled.lookup(feature); });
  return absl::OkStatus();
}

absl::StatusOr<TargetDescription> TargetDescription::parse(absl::string_view name) {
  std::vector<std::string> parts = absl::StrSplit(name, '+');
  TargetDescription target;
  target.name = std::string(name);
  STC_RETURN_IF_ERROR(parseBase(parts[0], target));
  llvm::StringMap<bool> enabled;
  for (size_t i = 1; i < parts.size(); ++i) {
    if (!supports(target, parts[i]))
      return unsupported(name);
    enabled[parts[i]] = true;
    // avx512vnni, say, implies all that comes before it.
    if (target.isX86())
      llvm::X86::updateImpliedFeatures(parts[i], /*Enabled=*/true, enabled);
  }
  for (const auto &[feature, on] : enabled)
    if (on && supports(target, {feature.data(), feature.size()}))
      target.features.push_back(feature.str());
  return finish(std::move(target));
}
