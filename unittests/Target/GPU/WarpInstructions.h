// What the instructions that the threads of a warp run together do, as PTX's manual describes them.
#ifndef STC_UNITTESTS_TARGET_GPU_WARPINSTRUCTIONS_H
#define STC_UNITTESTS_TARGET_GPU_WARPINSTRUCTIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <array>
#include <bitset>
#include <cstdint>

namespace stc {

constexpr int kWarpThreads = 32;

/// The operands of an instruction, one behind the other, each from a place of 8 bytes on, and the
/// result of one thread.
struct WarpCall {
  std::array<uint64_t, 96> operands = {};
  size_t operandCount = 0;
  std::array<uint32_t, 64> results = {};
};

/// Shared memory of a block as the emulator has it, of which addresses of 18 bits are known.
constexpr size_t kEmulatedSharedBytes = 256 << 10;
/// How names begin by which the emulator calls inline assembly with products of a warpgroup.
/// "sp." if they are sparse and wgmma's shape and types follow; in the next lines the number of
/// results, which are the last operands too, and the text.
constexpr llvm::StringLiteral kWarpgroupProducts = "stc.wgmma.";

/// Chunks of 16 bytes of shared memory that products of a warpgroup read.
using SharedReads = std::bitset<kEmulatedSharedBytes / 16>;

/// Whether an intrinsic's threads must meet.
bool meetsWarp(llvm::StringRef intrinsic);
/// Sets the results of all threads of a warp, number `warp` of its block; ends the program if it
/// does not know the instruction. `sharedMemory`: kEmulatedSharedBytes, where a multiple of 1024
/// begins.
void runWarp(llvm::StringRef intrinsic, size_t warp, llvm::MutableArrayRef<WarpCall *> calls,
             const uint8_t *sharedMemory, SharedReads &reads);
/// The same for inline assembly whose name begins with kWarpgroupProducts.
void runWarpgroupText(llvm::StringRef name, size_t warp, llvm::MutableArrayRef<WarpCall *> calls,
                      const uint8_t *sharedMemory, SharedReads &reads);
/// The same for one that a thread runs by itself.
void runThread(llvm::StringRef intrinsic, WarpCall &call);

// AMD's.

/// Whether all threads of a wave must meet, which are several warps where it has 64.
bool meetsWave(llvm::StringRef intrinsic);
/// Sets the results of all threads of a wave.
void runWave(llvm::StringRef intrinsic, llvm::MutableArrayRef<WarpCall *> calls);
/// Those of the threads of a warp, and of one thread; false if it is not AMD's.
bool runAmdWarp(llvm::StringRef intrinsic, llvm::MutableArrayRef<WarpCall *> calls);
bool runAmdThread(llvm::StringRef intrinsic, WarpCall &call);

} // namespace stc

#endif // STC_UNITTESTS_TARGET_GPU_WARPINSTRUCTIONS_H
