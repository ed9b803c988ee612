// Multiplications of many tokens as tests compile and run them.
#ifndef STC_UNITTESTS_TARGET_GPU_BLOCKMATMULCASE_H
#define STC_UNITTESTS_TARGET_GPU_BLOCKMATMULCASE_H

#include "../CPU/MatmulCase.h"
#include "BlockEmulator.h"

#include "absl/strings/str_cat.h"

namespace stc {

constexpr char kTarget[] = "nvptx-sm_90";

/// How a block divides its work: row tiles and tokens of a piece.
inline std::string configOf(int64_t rowTiles, int64_t pieceTokens = 0) {
  return absl::StrCat("<tokens = 32, accumulators = 1, prefetch = 0, row_tiles = ", rowTiles,
                      ", piece_tokens = ", pieceTokens, ">");
}

/// Whether the kernel multiplies such data as the reference does.
inline testing::AssertionResult agrees(const EmulatedKernel &kernel, const MatmulProblem &problem,
                                       MatmulData data, int64_t tokens) {
  // Buffers begin where pages do, as vectors of floats are aligned on GPUs.
  data.guard = Guard::Before;
  data.splitsInputs = problem.layout.floatBytes() == 2 && !problem.rounded;
  MatmulRun run(problem, data, tokens);
  return run.agrees([&](std::vector<Argument> arguments) { kernel.run(std::move(arguments)); });
}

/// The kernel of a problem; null after a failure, which is reported.
inline std::unique_ptr<EmulatedKernel> compile(const MatmulProblem &problem,
                                               const std::string &target = kTarget) {
  auto kernel = EmulatedKernel::create(problem.parameters(), problem.body(), target);
  if (!kernel.ok()) {
    ADD_FAILURE() << kernel.status();
    return nullptr;
  }
  return *std::move(kernel);
}

/// How often a kernel has an instruction that multiplies matrices.
inline int64_t countProducts(const EmulatedKernel &kernel) {
  int64_t count = 0;
  for (const char *prefix :
       {"llvm.nvvm.mma.", "llvm.amdgcn.mfma.", "llvm.amdgcn.smfmac.", "llvm.amdgcn.wmma."})
    count += kernel.countIntrinsics(prefix);
  return count;
}

} // namespace stc

#endif // STC_UNITTESTS_TARGET_GPU_BLOCKMATMULCASE_H
