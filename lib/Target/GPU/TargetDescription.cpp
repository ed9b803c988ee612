// The table of GPU chips.
#include "stc/Target/GPU/TargetDescription.h"

#include "stc/Support/Error.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

using namespace stc;
using namespace stc::gpu;

namespace {

/// A row of the table. PTX versions are the oldest that know the chip and what is used of it, so
/// that older drivers take the code too.
struct Chip {
  const char *name, *ptx;
  int64_t multiprocessors, sharedKilobytes;
  bool sparseMma, warpgroupMma;
};

/// The oldest first. Shared memory and instructions: CUDA C++ Programming Guide, "Compute
/// Capabilities".
constexpr Chip kNvidiaChips[] = {
    {"sm_80", "+ptx80", 108, 163, true, false},   {"sm_86", "+ptx80", 84, 99, true, false},
    {"sm_89", "+ptx80", 128, 99, true, false},    {"sm_90", "+ptx80", 132, 227, true, false},
    {"sm_90a", "+ptx84", 132, 227, true, true},   {"sm_100", "+ptx86", 148, 227, true, false},
    {"sm_100a", "+ptx86", 148, 227, true, false}, {"sm_120", "+ptx87", 170, 99, true, false},
    {"sm_120a", "+ptx87", 170, 99, true, false}};

/// A row of the table of AMD's chips.
struct AmdChip {
  const char *name;
  int64_t multiprocessors, waveThreads;
  bool mixedDot4;
};

/// The oldest first. Work-groups have 64 KiB of LDS on all of them. A compute unit of CDNA is a
/// multiprocessor, and of RDNA a work-group processor, two of its compute units. Sources: "AMD
/// Instinct MI200", "CDNA3" and "RDNA3 Instruction Set Architecture"; MI210/MI250X (per die),
/// MI300X and Radeon RX 7900 XTX data sheets.
constexpr AmdChip kAmdChips[] = {
    {"gfx90a", 104, 64, false}, {"gfx942", 304, 64, false}, {"gfx1100", 48, 32, true}};

constexpr absl::string_view kNvidia = "nvptx-", kAmd = "amdgpu-", kSpirv = "spirv64";
constexpr absl::string_view kSimulated = "simt", kSimulatedMma = "simt-mma";

} // namespace

bool TargetDescription::isGpu(absl::string_view name) {
  return absl::StartsWith(name, kNvidia) || absl::StartsWith(name, kAmd) ||
         absl::StartsWith(name, kSpirv) || isSimulated(name);
}

bool TargetDescription::isSimulated(absl::string_view name) {
  return name == kSimulated || name == kSimulatedMma;
}

std::vector<std::string> TargetDescription::names() {
  std::vector<std::string> names;
  for (const Chip &chip : kNvidiaChips)
    names.push_back(absl::StrCat(kNvidia, chip.name));
  for (const AmdChip &chip : kAmdChips)
    names.push_back(absl::StrCat(kAmd, chip.name));
  names.emplace_back(kSpirv);
  names.emplace_back(kSimulated);
  names.emplace_back(kSimulatedMma);
  return names;
}

/// A GPU whose multiprocessors are threads of the pool.
static TargetDescription simulated(absl::string_view name) {
  TargetDescription target;
  target.name = std::string(name);
  target.vendor = Vendor::Host;
  target.multiprocessors = 2;
  target.sharedBytes = 227 << 10;
  target.hasMma = target.hasSparseMma = name == kSimulatedMma;
  return target;
}

/// A device of OpenCL 2.0 with what all of them have. Threads exchange values through shared memory
/// between barriers of the block, as subgroups are optional there and of any size. That a warp of
/// 32 may wait for its own threads alone, a block is one warp.
static TargetDescription spirv() {
  TargetDescription target;
  target.name = std::string(kSpirv);
  target.vendor = Vendor::OpenCL;
  target.triple = "spirv64v1.2-unknown-unknown";
  target.blockThreads = target.warpThreads;
  target.multiprocessors = 32;
  target.sharedBytes = 64 << 10;
  return target;
}

absl::StatusOr<TargetDescription> TargetDescription::parse(absl::string_view name) {
  if (isSimulated(name))
    return simulated(name);
  if (name == kSpirv)
    return spirv();
  for (const Chip &chip : kNvidiaChips) {
    if (name != absl::StrCat(kNvidia, chip.name))
      continue;
    TargetDescription target;
    target.name = std::string(name);
    target.triple = "nvptx64-nvidia-cuda";
    target.chip = chip.name;
    target.rank = &chip - kNvidiaChips;
    target.features = chip.ptx;
    target.multiprocessors = chip.multiprocessors;
    target.sharedBytes = chip.sharedKilobytes << 10;
    target.hasDot4 = target.hasMma = true;
    target.hasSparseMma = chip.sparseMma;
    target.ordersSparseMma = absl::string_view(chip.ptx) >= "+ptx85";
    target.hasWarpgroupMma = chip.warpgroupMma;
    target.hasBulkPrefetch = !absl::StartsWith(chip.name, "sm_8"); // since sm_90
    return target;
  }
  for (const AmdChip &chip : kAmdChips) {
    if (name != absl::StrCat(kAmd, chip.name))
      continue;
    TargetDescription target;
    target.name = std::string(name);
    target.vendor = Vendor::Amd;
    target.triple = "amdgcn-amd-amdhsa";
    target.chip = chip.name;
    target.rank = &chip - kAmdChips;
    target.multiprocessors = chip.multiprocessors;
    target.waveThreads = chip.waveThreads;
    target.sharedBytes = 64 << 10;
    target.hasDot4 = true;
    target.hasMixedDot4 = chip.mixedDot4;
    return target;
  }
  return formatError({"", "--target", {}}, absl::StrJoin(names(), ", "), printable(name));
}
