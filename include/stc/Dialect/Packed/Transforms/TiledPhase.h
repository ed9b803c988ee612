// What the tiled phases of all targets have in common.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_TILEDPHASE_H
#define STC_DIALECT_PACKED_TRANSFORMS_TILEDPHASE_H

#include "mlir/Pass/PassManager.h"

namespace stc {

/// On packed.attention: how many rows of a tile suit the target, in the place of
/// packed-tile-ops' own number.
constexpr llvm::StringLiteral kRowsPerTileAttr = "packed.rows_per_tile";

/// What differs between targets.
struct LoopPassOptions {
  int64_t maxTokens = 64;      // most tokens of one call
  int64_t privateBytes = 0;    // most bytes of buffers that every thread (or block) has for itself
  int64_t splitColumns = 8192; // from which the row of a single token is divided among threads
  int64_t pieceKeys = 512;     // positions of one piece of a single token's attention
  /// Adds a target's own passes over the loops before their order is fixed. May be null.
  llvm::function_ref<void(mlir::OpPassManager &)> beforeBarriers = nullptr;
};

/// Operations on buffers, each with its configuration -> parallel loops on buffers at fixed places
/// of the arena.
void addLoopPasses(mlir::OpPassManager &manager, const LoopPassOptions &options);

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_TILEDPHASE_H
