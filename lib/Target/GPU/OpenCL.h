// Targets of OpenCL: its functions in the place of what GPUs have instructions for, and pointers of
// its address spaces.
#ifndef STC_LIB_TARGET_GPU_OPENCL_H
#define STC_LIB_TARGET_GPU_OPENCL_H

#include "BlockBuilder.h"

#include "mlir/IR/BuiltinOps.h"

namespace stc::gpu {

/// Replaces operations of the gpu dialect and nvvm.bar.warp.sync by calls of OpenCL's functions. A
/// block must be one warp. Fails on those that OpenCL has nothing for.
mlir::LogicalResult callOpenCL(mlir::ModuleOp module, const TargetDescription &target);

/// Turns a module of the LLVM dialect, where pointers without an address space may point anywhere,
/// into one of SPIR-V's address spaces, and its functions into those of OpenCL: kernels have a
/// pointer to the frame in global memory as their one parameter.
void finishOpenCL(mlir::ModuleOp module, const TargetDescription &target);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_OPENCL_H
