// The shared memory of a block, as one symbol of the module.
#ifndef STC_LIB_TARGET_GPU_SHAREDMEMORY_H
#define STC_LIB_TARGET_GPU_SHAREDMEMORY_H

#include "BlockBuilder.h"

#include "mlir/IR/BuiltinOps.h"

namespace stc::gpu {

/// Declares `stc_shared` if it is not there yet. How large it is, the launch says.
void declareSharedMemory(mlir::ModuleOp module, const TargetDescription &target);

/// Most bytes of shared memory for buffers that a block has for itself, beside what kernels need
/// there.
int64_t mostPrivateBytes(const TargetDescription &target);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_SHAREDMEMORY_H
