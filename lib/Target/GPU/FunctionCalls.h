// Calls of functions that another part of the program, or the driver, has.
#ifndef STC_LIB_TARGET_GPU_FUNCTIONCALLS_H
#define STC_LIB_TARGET_GPU_FUNCTIONCALLS_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace stc::gpu {

/// What may be assumed of a function that is called.
enum class Effects {
  Any,
  None,      // it reads nothing that changes while a kernel runs: calls may be merged and moved
  Convergent // all threads of a block call it together: calls stay where they are
};

/// Calls a function, which is declared at the first use. `result` may be null; then so is the value.
mlir::Value callFunction(mlir::ImplicitLocOpBuilder &builder, llvm::StringRef name,
                         mlir::Type result, mlir::ValueRange operands,
                         Effects effects = Effects::Any);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_FUNCTIONCALLS_H
