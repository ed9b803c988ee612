// Processor features: by cpuid where the operating system saves the registers they need, or as it
// reports them.
#include "stc/Runtime/CpuFeatures.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include "stc/Support/VectorLength.h"

#include <sys/auxv.h>
#endif

namespace stc {

namespace {

#if defined(__x86_64__)

enum Register : uint8_t { EAX, EBX, ECX, EDX };

// Bits of XCR0: what the operating system saves at a context switch.
constexpr uint64_t noState = 0, avxState = 0x6, avx512State = 0xE6, tileState = 0x60006;

struct Feature {
  const char *name; // LLVM's
  uint32_t leaf, subleaf;
  Register reg;
  uint8_t bit;
  uint64_t state;
};

constexpr uint32_t extended = 0x80000001;

constexpr Feature features[] = {
    {"cx8", 1, 0, EDX, 8, noState},
    {"cmov", 1, 0, EDX, 15, noState},
    {"mmx", 1, 0, EDX, 23, noState},
    {"fxsr", 1, 0, EDX, 24, noState},
    {"sse", 1, 0, EDX, 25, noState},
    {"sse2", 1, 0, EDX, 26, noState},
    {"sse3", 1, 0, ECX, 0, noState},
    {"pclmul", 1, 0, ECX, 1, noState},
    {"ssse3", 1, 0, ECX, 9, noState},
    {"fma", 1, 0, ECX, 12, avxState},
    {"cx16", 1, 0, ECX, 13, noState},
    {"sse4.1", 1, 0, ECX, 19, noState},
    {"sse4.2", 1, 0, ECX, 20, noState},
    {"crc32", 1, 0, ECX, 20, noState},
    {"movbe", 1, 0, ECX, 22, noState},
    {"popcnt", 1, 0, ECX, 23, noState},
    {"aes", 1, 0, ECX, 25, noState},
    {"xsave", 1, 0, ECX, 27, noState},
    {"avx", 1, 0, ECX, 28, avxState},
    {"f16c", 1, 0, ECX, 29, avxState},
    {"rdrnd", 1, 0, ECX, 30, noState},
    {"fsgsbase", 7, 0, EBX, 0, noState},
    {"bmi", 7, 0, EBX, 3, noState},
    {"avx2", 7, 0, EBX, 5, avxState},
    {"bmi2", 7, 0, EBX, 8, noState},
    {"avx512f", 7, 0, EBX, 16, avx512State},
    {"avx512dq", 7, 0, EBX, 17, avx512State},
    {"rdseed", 7, 0, EBX, 18, noState},
    {"adx", 7, 0, EBX, 19, noState},
    {"avx512ifma", 7, 0, EBX, 21, avx512State},
    {"clflushopt", 7, 0, EBX, 23, noState},
    {"clwb", 7, 0, EBX, 24, noState},
    {"avx512cd", 7, 0, EBX, 28, avx512State},
    {"sha", 7, 0, EBX, 29, noState},
    {"avx512bw", 7, 0, EBX, 30, avx512State},
    {"avx512vl", 7, 0, EBX, 31, avx512State},
    {"avx512vbmi", 7, 0, ECX, 1, avx512State},
    {"avx512vbmi2", 7, 0, ECX, 6, avx512State},
    {"gfni", 7, 0, ECX, 8, noState},
    {"vaes", 7, 0, ECX, 9, avxState},
    {"vpclmulqdq", 7, 0, ECX, 10, avxState},
    {"avx512vnni", 7, 0, ECX, 11, avx512State},
    {"avx512bitalg", 7, 0, ECX, 12, avx512State},
    {"avx512vpopcntdq", 7, 0, ECX, 14, avx512State},
    {"rdpid", 7, 0, ECX, 22, noState},
    {"movdiri", 7, 0, ECX, 27, noState},
    {"movdir64b", 7, 0, ECX, 28, noState},
    {"avx512vp2intersect", 7, 0, EDX, 8, avx512State},
    {"amx-bf16", 7, 0, EDX, 22, tileState},
    {"avx512fp16", 7, 0, EDX, 23, avx512State},
    {"amx-tile", 7, 0, EDX, 24, tileState},
    {"amx-int8", 7, 0, EDX, 25, tileState},
    {"avxvnni", 7, 1, EAX, 4, avxState},
    {"avx512bf16", 7, 1, EAX, 5, avx512State},
    {"amx-fp16", 7, 1, EAX, 21, tileState},
    {"avxifma", 7, 1, EAX, 23, avxState},
    {"avxvnniint8", 7, 1, EDX, 4, avxState},
    {"avxneconvert", 7, 1, EDX, 5, avxState},
    {"avxvnniint16", 7, 1, EDX, 10, avxState},
    {"sahf", extended, 0, ECX, 0, noState},
    {"lzcnt", extended, 0, ECX, 5, noState},
    {"sse4a", extended, 0, ECX, 6, noState},
    {"prfchw", extended, 0, ECX, 8, noState},
    {"64bit", extended, 0, EDX, 29, noState},
};

uint64_t savedState() {
  uint32_t regs[4] = {};
  constexpr uint32_t osxsave = 1u << 27;
  if (!__get_cpuid(1, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]) || !(regs[ECX] & osxsave))
    return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Linux hands out the large tile registers on request only.
bool requestTiles() {
  constexpr long requestPermission = 0x1023, tileData = 18; // ARCH_REQ_XCOMP_PERM, XTILEDATA
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

bool isPresent(const Feature &feature) {
  uint32_t regs[4] = {};
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &regs[EAX], &regs[EBX], &regs[ECX],
                         &regs[EDX]) ||
      !(regs[feature.reg] >> feature.bit & 1))
    return false;
  // A processor without subleaf 1 of leaf 7 may answer with those of another.
  if (feature.leaf == 7 && feature.subleaf > 0) {
    uint32_t last[4] = {};
    __get_cpuid_count(7, 0, &last[EAX], &last[EBX], &last[ECX], &last[EDX]);
    if (last[EAX] < feature.subleaf)
      return false;
  }
  if ((savedState() & feature.state) != feature.state)
    return false;
  return feature.state != tileState || requestTiles();
}

#elif defined(__aarch64__)

// What Linux reports in AT_HWCAP and AT_HWCAP2, and the length of vectors.
struct Feature {
  const char *name; // LLVM's, or the compiler's own for a length
  unsigned long type;
  uint16_t bit; // or a length in bits
};

constexpr unsigned long vectorLength = 0;

constexpr Feature features[] = {
    {"neon", AT_HWCAP, 1},   {"fullfp16", AT_HWCAP, 10},    {"dotprod", AT_HWCAP, 20},
    {"sve", AT_HWCAP, 22},   {"sve2", AT_HWCAP2, 1},        {"i8mm", AT_HWCAP2, 13},
    {"bf16", AT_HWCAP2, 14}, {"sve256", vectorLength, 256}, {"sve512", vectorLength, 512}};

bool isPresent(const Feature &feature) {
  if (feature.type == vectorLength) // Code for one length is wrong with any other.
    return sveVectorBits() == feature.bit;
  return getauxval(feature.type) >> feature.bit & 1;
}

#elif defined(__riscv)

// AT_HWCAP has one bit per single-letter extension.
struct Feature {
  const char *name;
};

constexpr Feature features[] = {{"a"}, {"c"}, {"d"}, {"f"}, {"m"}, {"v"}};

bool isPresent(const Feature &feature) {
  return getauxval(AT_HWCAP) >> (feature.name[0] - 'a') & 1;
}

#else

// Models for other architectures are built for a baseline and list no features.
struct Feature {
  const char *name;
};

constexpr Feature features[] = {{""}};

bool isPresent(const Feature &) { return false; }

#endif

const Feature *findFeature(absl::string_view name) {
  for (const Feature &feature : features)
    if (name == feature.name)
      return &feature;
  return nullptr;
}

} // namespace

bool hasCpuFeature(absl::string_view name) {
  const Feature *feature = findFeature(name);
  return feature && isPresent(*feature);
}

std::vector<std::string> missingCpuFeatures(absl::string_view required) {
  std::vector<std::string> missing;
  for (absl::string_view name : absl::StrSplit(required, ',', absl::SkipWhitespace())) {
    if (!findFeature(name))
      missing.push_back(absl::StrCat(name, " (unknown)"));
    else if (!hasCpuFeature(name))
      missing.emplace_back(name);
  }
  return missing;
}

} // namespace stc
