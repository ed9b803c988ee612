// What is AMD's own in the lowering to the LLVM dialect.
#ifndef STC_LIB_TARGET_GPU_AMDCONVERSIONS_H
#define STC_LIB_TARGET_GPU_AMDCONVERSIONS_H

#include "stc/Target/GPU/TargetDescription.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Transforms/DialectConversion.h"

namespace stc::gpu {

/// Patterns for the operations of the gpu dialect that kernels use, without a device library: the
/// number of blocks comes from the packet of the launch.
void populateAmdConversions(const mlir::LLVMTypeConverter &converter,
                            mlir::RewritePatternSet &patterns, const TargetDescription &target);

/// Makes a function a kernel: calling convention, and the size of its blocks.
void markAmdKernel(mlir::LLVM::LLVMFuncOp function, const TargetDescription &target);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_AMDCONVERSIONS_H
