// Runs kernels of GPUs in this process: the threads of one block take turns, and the instructions
// that threads run together are functions.
#ifndef STC_UNITTESTS_TARGET_GPU_BLOCKEMULATOR_H
#define STC_UNITTESTS_TARGET_GPU_BLOCKEMULATOR_H

#include "stc/Target/Autotune/JitKernel.h"

#include "absl/status/statusor.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

/// A function @kernel of packed operations on memrefs, compiled for NVIDIA's or AMD's GPUs as
/// far as LLVM IR. One block runs it; its shared memory is filled with ones between runs, so that
/// nothing can rely on what is there. Threads of a warp that reach different instructions where all
/// must run the same one, and blocks whose threads do not all reach a barrier, end the program.
class EmulatedKernel {
public:
  /// `parameters`, `body` and `passes` as those of generateKernel. `distributes`: loops are divided
  /// among blocks, of which there is one, as in models.
  static absl::StatusOr<std::unique_ptr<EmulatedKernel>> create(const std::string &parameters,
                                                                const std::string &body,
                                                                const std::string &target,
                                                                const std::string &passes = "",
                                                                bool distributes = false);
  ~EmulatedKernel();
  void run(std::vector<Argument> arguments) const;
  /// How often an instruction whose intrinsic's name begins so is in the code.
  int64_t countIntrinsics(const std::string &prefix) const;

private:
  EmulatedKernel();
  struct State;
  std::unique_ptr<State> state;
};

} // namespace stc

#endif // STC_UNITTESTS_TARGET_GPU_BLOCKEMULATOR_H
