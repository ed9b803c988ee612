// Which blocks of the cache an attention reads: the one place that counts them.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_VISIBLEKEYS_H
#define STC_DIALECT_PACKED_TRANSFORMS_VISIBLEKEYS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Value.h"

namespace stc::packed {

/// The blocks of kKVBlock positions that some of the positions from `first` to `last` sees,
/// numbered without those between sinks and window.
struct VisibleBlocks {
  mlir::Value count;      // index: how many there are
  mlir::Value skip;       // index: blocks between sinks and window
  int64_t sinkBlocks = 0; // blocks with a sink
  /// The block with a number below `count`.
  mlir::Value block(mlir::ImplicitLocOpBuilder &builder, mlir::Value number) const;
};

/// `window` and `sinks` as packed.attention's.
VisibleBlocks visibleBlocks(mlir::ImplicitLocOpBuilder &builder, mlir::Value first,
                            mlir::Value last, int64_t window, int64_t sinks);

/// The most blocks one position sees.
int64_t mostVisibleBlocks(int64_t capacity, int64_t window, int64_t sinks);

} // namespace stc::packed

#endif // STC_DIALECT_PACKED_TRANSFORMS_VISIBLEKEYS_H
