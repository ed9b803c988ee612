// What the instructions that the threads of a warp run together do, as PTX's manual describes them.
#ifndef STC_UNITTESTS_TARGET_GPU_WARPINSTRUCTIONS_H
#define STC_UNITTESTS_TARGET_GPU_WARPINSTRUCTIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <array>
#include <cstdint>

namespace stc {

constexpr int kWarpThreads = 32;

/// The operands of an instruction, each at its own place, and the result of one thread.
struct WarpCall {
  std::array<uint64_t, 24> operands = {};
  std::array<uint32_t, 4> results = {};
};

/// Whether an intrinsic's threads must meet.
bool meetsWarp(llvm::StringRef intrinsic);
/// Sets the results of all threads of a warp; ends the program if it does not know the instruction.
void runWarp(llvm::StringRef intrinsic, llvm::MutableArrayRef<WarpCall *> calls);
/// The same for one that a thread runs by itself.
void runThread(llvm::StringRef intrinsic, WarpCall &call);

} // namespace stc

#endif // STC_UNITTESTS_TARGET_GPU_WARPINSTRUCTIONS_H
