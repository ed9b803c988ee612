// packed.quantize_activations by the lanes of warps, for all kernels that have its inputs.
#ifndef STC_LIB_TARGET_GPU_QUANTIZETILE_H
#define STC_LIB_TARGET_GPU_QUANTIZETILE_H

#include "RowBuilder.h"

namespace stc::gpu {

/// The columns of a group that one lane holds: fours of them, `QuantizeTile::stride` apart.
struct LaneColumns {
  Value number;  // of the group in its row, index
  Values inputs; // f32, zeros behind the row's end
  bool isThere;  // it is known that the row has such a group
};

/// Quantizes exactly as Packing's quantizeActivations. Neighbouring lanes take a group together,
/// four neighbouring columns each at once.
class QuantizeTile {
public:
  QuantizeTile(RowBuilder &builder, packed::QuantizeActivationsOp op);

  int64_t groups() const { return numberOfGroups; } // of a row
  int64_t lanes() const { return lanesOfGroup; }
  /// Groups that a warp takes at once.
  int64_t groupsOfWarp() const { return builder.getTarget().warpThreads / lanesOfGroup; }
  /// Columns from one four of a lane to its next.
  int64_t stride() const { return lanesOfGroup * kFour; }
  /// Fours of a lane.
  int64_t fours() const { return group / stride(); }
  /// The first column (index) of a lane in group `number`.
  Value firstColumn(Value number);

  /// f32 numbers column, ..., column + 3 of a row, in the order of the operation if it has one;
  /// zeros behind the end. `isInside`: it is known that column < columns.
  Values load(Value token, Value column, bool isInside);

  /// Quantizes what lanes hold of the groups of a row and stores codes, scales and sums. All lanes
  /// of a warp must call it, and all exchanges between them are under way together.
  void store(Value token, llvm::ArrayRef<LaneColumns> columns);

private:
  packed::QuantizeActivationsOp op;
  RowBuilder &builder;
  int64_t group, numberOfGroups, lanesOfGroup;
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_QUANTIZETILE_H
