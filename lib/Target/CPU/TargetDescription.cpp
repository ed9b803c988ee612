// CPU names of the command line -> triple, features and vector width.
#include "stc/Target/CPU/TargetDescription.h"

#include "stc/Support/Error.h"
#include "stc/Support/VectorLength.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <algorithm>
#include <tuple>

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
                                                     "amx-tile",
                                                     "amx-int8",
                                                     "amx-bf16",
                                                     "gfni"};
static constexpr absl::string_view kArmFeatures[] = {"bf16", "dotprod", "fullfp16", "i8mm",  "neon",
                                                     "sve",  "sve2",    "sve256",   "sve512"};
/// Features of ours, not of LLVM: SVE's vectors have exactly so many bits. Code for one length is
/// wrong on processors with another.
struct VectorLength {
  absl::string_view feature;
  int64_t bits;
};
static constexpr VectorLength kArmVectorLengths[] = {{"sve256", 256}, {"sve512", 512}};
/// The CPUs whose SVE vectors are longer than NEON's. (Those with SVE of 128 bits run NEON's
/// forms.)
struct CpuVectorLength {
  absl::string_view cpu;
  int64_t bits;
};
static constexpr CpuVectorLength kArmCpuVectorLengths[] = {
    {"a64fx", 512}, {"fujitsu-monaka", 256}, {"neoverse-v1", 256}};
static constexpr absl::string_view kRiscvFeatures[] = {
    "a",   "c",   "d",      "f",    "m",       "v",       "zba",    "zbb",
    "zbs", "zfh", "zfhmin", "zvfh", "zvfhmin", "zvl256b", "zvl512b"};

static constexpr absl::string_view kX86Triple = "x86_64-unknown-linux-gnu";
static constexpr absl::string_view kArmTriple = "aarch64-unknown-linux-gnu";
static constexpr absl::string_view kRiscvTriple = "riscv64-unknown-linux-gnu";

bool TargetDescription::isX86() const { return triple == kX86Triple; }
bool TargetDescription::isArm() const { return triple == kArmTriple; }
bool TargetDescription::isRiscv() const { return triple == kRiscvTriple; }

/// The features a name may add to a base name of the target's architecture.
static llvm::ArrayRef<absl::string_view> knownFeatures(const TargetDescription &target) {
  if (target.isX86())
    return kX86Features;
  return target.isArm() ? llvm::ArrayRef(kArmFeatures) : llvm::ArrayRef(kRiscvFeatures);
}

std::vector<std::string> TargetDescription::addableFeatures() const {
  llvm::ArrayRef<absl::string_view> known = knownFeatures(*this);
  return {known.begin(), known.end()};
}

bool TargetDescription::has(absl::string_view feature) const {
  return std::binary_search(features.begin(), features.end(), feature);
}

std::string TargetDescription::featureString() const {
  std::string text;
  for (const std::string &feature : features) {
    bool isOurs = llvm::any_of(
        kArmVectorLengths, [&](const VectorLength &length) { return length.feature == feature; });
    if (!isOurs)
      absl::StrAppend(&text, text.empty() ? "+" : ",+", feature);
  }
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

TargetDescription::Dot4 TargetDescription::dot4() const {
  if (isArm()) {
    if (has("i8mm"))
      return Dot4::Usdot;
    // SVE has it on its own.
    return has("dotprod") || hasLongVectors() ? Dot4::Sdot : Dot4::Smull;
  }
  if (isRiscv())
    return has("v") ? Dot4::WideningScalable : Dot4::Generic;
  if (has("avx512bw"))
    return has("avx512vnni") ? Dot4::Vnni512 : Dot4::Madd512;
  if (has("avxvnni"))
    return Dot4::AvxVnni256;
  return has("avx2") ? Dot4::Madd256 : Dot4::Madd128;
}

TargetDescription::Lookup TargetDescription::byteLookup() const {
  if (isArm())
    return Lookup::Tbl;
  if (isRiscv())
    return has("v") ? Lookup::Gather : Lookup::Generic;
  if (has("avx512bw"))
    return Lookup::Pshufb512;
  if (has("avx2"))
    return Lookup::Pshufb256;
  return has("ssse3") ? Lookup::Pshufb128 : Lookup::Generic;
}

bool TargetDescription::hasByteExpand() const { return has("avx512vbmi2"); }

bool TargetDescription::hasTable64() const { return has("avx512vbmi"); }

bool TargetDescription::hasLongVectors() const { return isArm() && vectorBits > 128; }

bool TargetDescription::hasDot8x2() const { return isArm() && has("i8mm"); }

bool TargetDescription::hasTileDot() const { return has("amx-int8"); }

bool TargetDescription::hasTileDotBF16() const { return has("amx-bf16"); }

bool TargetDescription::addsIn16Bits() const {
  switch (dot4()) {
  case Dot4::Smull:
  case Dot4::WideningScalable:
  case Dot4::Madd128:
  case Dot4::Madd256:
  case Dot4::Madd512:
    return true;
  default:
    return false;
  }
}

bool TargetDescription::hasFma() const { return !isX86() || has("fma") || has("avx512f"); }

bool TargetDescription::convertsHalf() const {
  if (isX86())
    return has("f16c") || has("avx512f");
  if (isRiscv())
    return has(has("v") ? "zvfhmin" : "zfhmin");
  return true;
}

int64_t TargetDescription::vectorsInRegisters() const {
  bool few = isX86() && !has("avx512f");
  return (few ? 16 : 32) * vectorBits / 512;
}

bool TargetDescription::isBetterThan(const TargetDescription &other) const {
  auto rank = [](const TargetDescription &target) {
    return std::make_tuple(target.vectorBits, target.dot4(), target.hasByteExpand(),
                           target.features.size());
  };
  return rank(*this) > rank(other);
}

static absl::Status unsupported(absl::string_view name) {
  return formatError({"", "--target", {}},
                     "native, x86-64-v2, x86-64-v3, x86-64-v4, an x86 or AArch64 CPU that LLVM "
                     "knows (sapphirerapids, znver4, haswell, neoverse-v2 ...), aarch64 or "
                     "riscv64, with +features",
                     printable(name));
}

/// Adds the features that `has` confirms, of those code generation may use.
static void keepKnown(TargetDescription &target, llvm::function_ref<bool(llvm::StringRef)> has) {
  for (absl::string_view feature : knownFeatures(target))
    if (has(llvm::StringRef(feature.data(), feature.size())))
      target.features.emplace_back(feature);
}

//===----------------------------------------------------------------------===//
// x86
//===----------------------------------------------------------------------===//

static void parseX86(absl::string_view base, llvm::ArrayRef<std::string> added,
                     TargetDescription &target) {
  llvm::StringMap<bool> enabled;
  // Neither LLVM's lists nor a user's name what other features imply.
  auto enable = [&](llvm::StringRef feature) {
    enabled[feature] = true;
    llvm::X86::updateImpliedFeatures(feature, /*Enabled=*/true, enabled);
  };
  if (base == "native") {
    target.cpu = llvm::sys::getHostCPUName().str();
    enabled = llvm::sys::getHostCPUFeatures();
  } else {
    target.cpu = std::string(base);
    llvm::SmallVector<llvm::StringRef> features;
    llvm::X86::getFeaturesForCPU(target.cpu, features);
    llvm::for_each(features, enable);
  }
  llvm::for_each(added, enable);
  keepKnown(target, [&](llvm::StringRef feature) { return enabled.lookup(feature); });
  target.vectorBits = enabled.lookup("avx512f") ? 512 : enabled.lookup("avx2") ? 256 : 128;
}

//===----------------------------------------------------------------------===//
// AArch64 and RISC-V
//===----------------------------------------------------------------------===//

static void addHostFeatures(TargetDescription &target) {
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  keepKnown(target, [&](llvm::StringRef feature) { return host.lookup(feature); });
}

/// The feature of a CPU's SVE vectors where they are longer than 128 bits, of this machine's for
/// "native"; else empty.
static absl::string_view vectorLengthOf(absl::string_view cpu) {
  int64_t bits = 0;
  for (const CpuVectorLength &known : kArmCpuVectorLengths)
    if (known.cpu == cpu)
      bits = known.bits;
  if (cpu == "native")
    bits = sveVectorBits();
  for (const VectorLength &length : kArmVectorLengths)
    if (length.bits == bits)
      return length.feature;
  return "";
}

static void parseArm(absl::string_view base, llvm::ArrayRef<std::string> added,
                     TargetDescription &target) {
  using namespace llvm::AArch64;
  target.cpu = "generic";
  target.features = {"neon"}; // the 64-bit Linux ABI assumes it
  ExtensionSet extensions;
  if (base == "native") {
    addHostFeatures(target);
  } else if (std::optional<CpuInfo> cpu = parseCpu(llvm::StringRef(base.data(), base.size()))) {
    // What LLVM knows of the CPU beyond its features here must not be needed to run the code.
    target.tune = std::string(base);
    extensions.addCPUDefaults(*cpu);
  }
  absl::string_view length = vectorLengthOf(base);
  for (const std::string &feature : added) {
    bool isLength = llvm::any_of(
        kArmVectorLengths, [&](const VectorLength &known) { return known.feature == feature; });
    if (isLength)
      length = feature; // instead of the CPU's, or one before it
    else
      extensions.parseModifier(feature == "neon"       ? "simd"
                               : feature == "fullfp16" ? "fp16"
                                                       : feature);
  }
  if (!length.empty())
    extensions.parseModifier("sve");
  std::vector<std::string> enabled;
  extensions.toLLVMFeatureList(enabled);
  keepKnown(target,
            [&](llvm::StringRef f) { return llvm::is_contained(enabled, ("+" + f).str()); });
  for (const VectorLength &known : kArmVectorLengths)
    if (known.feature == length) {
      target.features.emplace_back(length);
      target.vectorBits = known.bits;
    }
  // Every CPU with SVE2 has it, by the architecture's rules.
  if (llvm::is_contained(target.features, "sve2"))
    target.features.push_back("dotprod");
}

static void parseRiscv(absl::string_view base, llvm::ArrayRef<std::string> added,
                       TargetDescription &target) {
  target.cpu = "generic-rv64";
  target.features = {"a", "c", "d", "f", "m"}; // the 64-bit Linux ABI assumes them
  if (base == "native")
    addHostFeatures(target);
  for (const std::string &feature : added) {
    target.features.push_back(feature);
    if (absl::StartsWith(feature, "zv"))
      target.features.push_back("v");
    if (feature == "zvfh")
      target.features.insert(target.features.end(), {"zfhmin", "zvfhmin"});
    if (feature == "zfh")
      target.features.push_back("zfhmin");
    if (feature == "zvl512b")
      target.features.push_back("zvl256b");
  }
  auto contains = [&](absl::string_view f) { return llvm::is_contained(target.features, f); };
  target.vectorBits = contains("zvl512b") ? 512 : contains("zvl256b") ? 256 : 128;
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// The triple of an architecture by the first part of a name; empty for unknown names.
static absl::string_view tripleOf(absl::string_view base) {
  if (base == "native") {
#if defined(__x86_64__)
    return kX86Triple;
#elif defined(__aarch64__)
    return kArmTriple;
#else
    return kRiscvTriple;
#endif
  }
  llvm::StringRef name(base.data(), base.size());
  llvm::SmallVector<llvm::StringRef> x86;
  llvm::X86::fillValidCPUArchList(x86, /*Only64Bit=*/true);
  if (llvm::is_contained(x86, name))
    return kX86Triple;
  if (name == "aarch64" || (name != "generic" && llvm::AArch64::parseCpu(name)))
    return kArmTriple;
  return name == "riscv64" ? kRiscvTriple : "";
}

absl::StatusOr<TargetDescription> TargetDescription::parse(absl::string_view name) {
  std::vector<std::string> added = absl::StrSplit(name, '+');
  std::string base = added[0];
  added.erase(added.begin());
  TargetDescription target;
  target.name = std::string(name);
  target.triple = std::string(tripleOf(base));
  if (target.triple.empty())
    return unsupported(name);
  for (const std::string &feature : added)
    if (!llvm::is_contained(knownFeatures(target), feature))
      return unsupported(name);
  if (target.isX86())
    parseX86(base, added, target);
  else if (target.isArm())
    parseArm(base, added, target);
  else
    parseRiscv(base, added, target);
  llvm::sort(target.features);
  target.features.erase(std::unique(target.features.begin(), target.features.end()),
                        target.features.end());
  return target;
}

absl::StatusOr<std::vector<TargetDescription>>
TargetDescription::parseList(absl::string_view names) {
  std::vector<TargetDescription> targets;
  for (absl::string_view name : absl::StrSplit(names, ',')) {
    STC_ASSIGN_OR_RETURN(TargetDescription target, parse(name));
    for (const TargetDescription &other : targets) {
      if (other.triple != target.triple)
        return formatError({"", "--target", {}}, "targets of one architecture",
                           absl::StrCat(other.name, " and ", target.name));
      if (other.features == target.features && other.cpu == target.cpu)
        return formatError({"", "--target", {}}, "targets that differ",
                           absl::StrCat(other.name, " and ", target.name));
    }
    auto place = llvm::find_if(
        targets, [&](const TargetDescription &other) { return target.isBetterThan(other); });
    targets.insert(place, std::move(target));
  }
  if (targets.size() > kMaxTargets)
    return formatError({"", "--target", {}}, absl::StrCat("at most ", kMaxTargets, " targets"),
                       absl::StrCat(targets.size()));
  return targets;
}
