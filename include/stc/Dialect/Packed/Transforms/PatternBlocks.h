// Which blocks of the cache an attention pattern lets positions see, as code.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_PATTERNBLOCKS_H
#define STC_DIALECT_PACKED_TRANSFORMS_PATTERNBLOCKS_H

#include "stc/Compress/AttentionPattern.h"
#include "stc/Dialect/STC/IR/VerifyAttention.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Value.h"

namespace stc::packed {

/// Writes the questions that kernels ask about a pattern. Blocks have kKVBlock positions.
class PatternBlocks {
public:
  /// Of packed.attention or packed.attention_tile.
  template <typename Op>
  explicit PatternBlocks(Op op)
      : pattern(patternOf(op)), isCausal(!op.getEnd()),
        capacity(mlir::cast<KVCacheType>(op.getCache().getType()).getCapacity()) {}

  const AttentionPattern &get() const { return pattern; }
  bool any() const { return pattern.kind != AttentionPattern::Kind::None; }

  /// i1: whether one of the positions from `first` to `last` (index) sees a key of block `block`
  /// (index), which begins no later than `last` where attention is causal. Exact for one position,
  /// except that keys behind the text count; for several it may say yes for no. `table` is what
  /// `table` returned, null for patterns without one.
  mlir::Value sees(mlir::ImplicitLocOpBuilder &builder, mlir::Value first, mlir::Value last,
                   mlir::Value block, mlir::Value table) const;
  /// index: at least as many as the blocks below `count` that `position` sees, and just so many for
  /// a pattern without a table. No memory is read.
  mlir::Value countSeen(mlir::ImplicitLocOpBuilder &builder, mlir::Value position,
                        mlir::Value count) const;

  /// i1, or a vector of them: whether a position sees a key, lane by lane. Both have the same type:
  /// integers or index, or vectors of integers. Only of a pattern without a table; causality is not
  /// asked.
  mlir::Value seesKeys(mlir::ImplicitLocOpBuilder &builder, mlir::Value positions,
                       mlir::Value keys) const;
  /// i1, of two indices, for any pattern.
  mlir::Value seesKey(mlir::ImplicitLocOpBuilder &builder, mlir::Value position, mlir::Value key,
                      mlir::Value table) const;

  /// A pointer to the table of key blocks, a constant of the module `user` is in; null for a
  /// pattern without one.
  mlir::Value table(mlir::ImplicitLocOpBuilder &builder, mlir::Operation *user) const;
  /// i1: whether the table, or being global, lets query block `queryBlock` see `keyBlock` (index;
  /// blocks of the pattern's size).
  mlir::Value seesByTable(mlir::ImplicitLocOpBuilder &builder, mlir::Value queryBlock,
                          mlir::Value keyBlock, mlir::Value table) const;

private:
  /// Key blocks of a row of the table, which kernels compare so many at a time.
  static constexpr int64_t kRowUnit = 16;
  int64_t rowWidth() const;
  mlir::Value seesBlockByTable(mlir::ImplicitLocOpBuilder &builder, mlir::Value first,
                               mlir::Value last, mlir::Value block, mlir::Value table) const;
  /// i1: whether a multiple of `unit` is in [low, high].
  static mlir::Value hasMultiple(mlir::ImplicitLocOpBuilder &builder, mlir::Value low,
                                 mlir::Value high, int64_t unit);

  AttentionPattern pattern;
  bool isCausal;
  int64_t capacity;
};

} // namespace stc::packed

#endif // STC_DIALECT_PACKED_TRANSFORMS_PATTERNBLOCKS_H
