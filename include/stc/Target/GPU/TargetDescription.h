// What code generation needs to know of a GPU: triple, chip, and the instructions it has.
#ifndef STC_TARGET_GPU_TARGETDESCRIPTION_H
#define STC_TARGET_GPU_TARGETDESCRIPTION_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc::gpu {

/// Host: this machine's processor, which simulates the threads of blocks.
enum class Vendor { Nvidia, Amd, OpenCL, Host };

/// One GPU target: a row of the table of chips. Passes ask these questions; no chip's name appears
/// outside the table, its tests and the documentation.
struct TargetDescription {
  std::string name; // as given: "nvptx-sm_90"
  Vendor vendor = Vendor::Nvidia;
  std::string triple;   // "nvptx64-nvidia-cuda"
  std::string chip;     // LLVM's name: "sm_90"
  std::string features; // for LLVM: "+ptx80"

  /// Threads that exchange registers in the code of kernels; 1 where they cannot.
  int64_t warpThreads = 32;
  /// Threads that run in lockstep: a warp, or several.
  int64_t waveThreads = 32;
  /// Threads of a block. One block runs per multiprocessor.
  int64_t blockThreads = 512;
  /// Multiprocessors of the chip's usual parts: what work is divided for, not a promise.
  int64_t multiprocessors = 132;
  /// Most shared memory of a block, in bytes.
  int64_t sharedBytes = 0;

  bool hasDot4 = false;      // four products of bytes added to a 32-bit sum (dp4a)
  bool hasMixedDot4 = false; // the same of signed and unsigned bytes (AMD's; NVIDIA always has it)
  bool hasMma = false;       // mma.sync of int8, f16 and bf16, ldmatrix, cp.async
  bool hasSparseMma = false; // mma.sp: 2:4
  bool ordersSparseMma = false; // its faster form, whose places must ascend
  bool hasWarpgroupMma = false; // wgmma
  bool hasBulkPrefetch = false; // one instruction brings many lines into the second cache

  bool isNvidia() const { return vendor == Vendor::Nvidia; }
  bool isAmd() const { return vendor == Vendor::Amd; }
  /// Whether its code is SPIR-V for OpenCL, whose devices have neither warps nor shuffles.
  bool isOpenCL() const { return vendor == Vendor::OpenCL; }
  bool isSimulated() const { return vendor == Vendor::Host; }
  int64_t warps() const { return blockThreads / warpThreads; }

  /// Whether code for this target is to be taken where code for `other` runs as well: that for
  /// newer chips, and for exactly one.
  bool isBetterThan(const TargetDescription &other) const { return rank > other.rank; }
  int64_t rank = 0; // the row of the table

  /// Whether `name` is meant for a GPU, known or not: "nvptx-...", "amdgpu-...",
  /// "spirv64..." or "simt...".
  static bool isGpu(absl::string_view name);
  /// Whether `name` is one of the targets that run a GPU's code on this machine's processor: "simt"
  /// with what all GPUs have, "simt-mma" with tensor cores too.
  static bool isSimulated(absl::string_view name);
  /// Parses a name of the command line. Errors name what is supported.
  static absl::StatusOr<TargetDescription> parse(absl::string_view name);
  /// All names `parse` takes.
  static std::vector<std::string> names();
};

} // namespace stc::gpu

#endif // STC_TARGET_GPU_TARGETDESCRIPTION_H
