// Kernels -> the LLVM dialect: what CPU and GPU targets have in common.
#ifndef STC_TARGET_KERNELS_CONVERTTOLLVM_H
#define STC_TARGET_KERNELS_CONVERTTOLLVM_H

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/IR/PatternMatch.h"

namespace stc {

/// Adds the conversions of weights and caches (pointers), of packed.pointer and packed.buffer, and
/// of upstream's dialects that kernels are written with.
void populateKernelConversions(mlir::LLVMTypeConverter &converter,
                               mlir::RewritePatternSet &patterns);

} // namespace stc

#endif // STC_TARGET_KERNELS_CONVERTTOLLVM_H
