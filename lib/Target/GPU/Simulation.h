// The target `simt`: kernels of GPUs as code of this machine's processor, whose threads the runtime
// simulates (stc/Runtime/Simt.h).
#ifndef STC_LIB_TARGET_GPU_SIMULATION_H
#define STC_LIB_TARGET_GPU_SIMULATION_H

#include "BlockBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace stc::gpu {

/// In the middle of the grid's barrier, for one thread of a block: waits for the other blocks.
/// `sync` is that of the frame.
void emitBlocksBarrier(mlir::ImplicitLocOpBuilder &builder, Value sync);

/// Makes the function `name` (an StcFunction), which runs one block of `kernel`. `sharedBytes` is
/// what the block needs of shared memory.
void emitSimulatedEntryPoint(mlir::func::FuncOp kernel, llvm::StringRef name,
                             const TargetDescription &target, int64_t sharedBytes);

/// Replaces operations of the gpu dialect and nvvm.bar.warp.sync by calls of the runtime, in which
/// barriers and shuffles are numbered. Fails on those that the runtime has nothing for.
mlir::LogicalResult callRuntime(mlir::ModuleOp module, const TargetDescription &target);

/// Turns all pointers of a module of the LLVM dialect into those of one address space, and shared
/// memory into what the runtime gives.
void mergeAddressSpaces(mlir::ModuleOp module);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_SIMULATION_H
