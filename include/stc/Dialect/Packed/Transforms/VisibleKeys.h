// Which blocks of the cache an attention reads: the one place that counts them.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_VISIBLEKEYS_H
#define STC_DIALECT_PACKED_TRANSFORMS_VISIBLEKEYS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Value.h"

namespace stc::packed {

/// The blocks of kKVBlock positions that some of the positions from `first` to `last` sees,
/// numbered without those between sinks and window: at least one, even where nothing is seen.
struct VisibleBlocks {
  mlir::Value count;      // index: how many there are
  mlir::Value skip;       // index: blocks between sinks and window
  mlir::Value end;        // index: the position behind the last that is seen
  int64_t sinkBlocks = 0; // blocks with a sink
  /// The block with a number below `count`.
  mlir::Value block(mlir::ImplicitLocOpBuilder &builder, mlir::Value number) const;
};

/// `window`, `sinks` and `end` (null: causal) as packed.attention's.
VisibleBlocks visibleBlocks(mlir::ImplicitLocOpBuilder &builder, mlir::Value first,
                            mlir::Value last, int64_t window, int64_t sinks, mlir::Value end);

/// i1: whether all positions from `first` to `last` see all keys of the block that begins at
/// `start` (index). All but a few blocks are seen whole.
mlir::Value seesWholeBlock(mlir::ImplicitLocOpBuilder &builder, mlir::Value first, mlir::Value last,
                           mlir::Value start, int64_t window, int64_t sinks, mlir::Value end);

/// A row that sees nothing has a sum of probabilities (relative to the largest) below this; all
/// others have 1 or more. Sums no smaller than it make the result of such a row zero.
constexpr double kSmallestSum = 1e-30;

/// The most blocks one position sees; `bothSides`: of its window, too.
int64_t mostVisibleBlocks(int64_t capacity, int64_t window, int64_t sinks, bool bothSides);

} // namespace stc::packed

#endif // STC_DIALECT_PACKED_TRANSFORMS_VISIBLEKEYS_H
