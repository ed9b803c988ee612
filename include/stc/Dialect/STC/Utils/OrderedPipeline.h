// Work on many tensors in several threads, with bounded memory and results in order.
#ifndef STC_DIALECT_STC_UTILS_ORDEREDPIPELINE_H
#define STC_DIALECT_STC_UTILS_ORDEREDPIPELINE_H

#include "stc/Support/Error.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>

namespace stc {

/// Memory that tensors in flight may take together; one tensor alone may take more.
constexpr uint64_t kStreamBudget = 768ull << 20;

/// Calls produce(i) for each i < count on worker threads, and consume(i) on the calling thread in
/// the order of i, so that what consume does is deterministic. cost(i) is the memory, in bytes,
/// that item i holds between the start of produce and the end of consume; items wait until all in
/// flight fit the budget. The error returned is the one of the lowest i, whatever the timing.
/// `threads` 0 means as many as the context has, at most 8; 1 runs everything on the caller.
absl::Status streamInOrder(mlir::MLIRContext *context, size_t count,
                           llvm::function_ref<uint64_t(size_t)> cost,
                           llvm::function_ref<absl::Status(size_t)> produce,
                           llvm::function_ref<absl::Status(size_t)> consume,
                           uint64_t budget = kStreamBudget, unsigned threads = 0);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_ORDEREDPIPELINE_H
