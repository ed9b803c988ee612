// Functions of kernels that run without a model: their caches, threads and buffers.
#ifndef STC_TARGET_AUTOTUNE_STANDALONEFUNCTIONS_H
#define STC_TARGET_AUTOTUNE_STANDALONEFUNCTIONS_H

#include "mlir/IR/BuiltinOps.h"

namespace stc {

/// Replaces what only a model has in the functions of a module, after their operations have become
/// kernels. Caches: the last two arguments, of type !llvm.ptr, are where all keys and all values
/// begin. The number of the thread and how many there are, where loops were distributed: the last
/// two arguments, of type index. Buffers of the arena: memory of the thread (or block of threads).
void makeStandalone(mlir::ModuleOp module);

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_STANDALONEFUNCTIONS_H
