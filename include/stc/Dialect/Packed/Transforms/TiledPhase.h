// What the tiled phases of all targets have in common.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_TILEDPHASE_H
#define STC_DIALECT_PACKED_TRANSFORMS_TILEDPHASE_H

#include "mlir/Pass/PassManager.h"

namespace stc {

/// On operations: long rows of a single token are not divided, as every thread computes them for
/// itself.
constexpr llvm::StringLiteral kWholeRowsAttr = "packed.whole_rows";

/// Operations on buffers, each with its configuration -> parallel loops on buffers at fixed places
/// of the arena. `maxTokens`: most tokens of one call; `privateBytes`: most bytes of buffers that
/// every thread (or block of threads) has for itself.
void addLoopPasses(mlir::OpPassManager &manager, int64_t maxTokens, int64_t privateBytes);

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_TILEDPHASE_H
