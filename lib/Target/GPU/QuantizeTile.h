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

/// Columns of a thread that stay in registers between passes over a row.
constexpr int64_t kKeptColumns = 32;

/// Quantizes exactly as Packing's quantizeActivations. Neighbouring lanes take a group together,
/// four neighbouring columns each at once; where a group is the whole row, all threads of the block
/// do.
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

  /// The fours of a thread that all threads take of a row together; their number if it is known
  /// (else -1), and whether it is known that all of them are columns.
  struct Round {
    Value column;
    int64_t number;
    bool isInside;
  };
  /// Calls `body` with each.
  Values forEachRound(ValueRange initial,
                      llvm::function_ref<Values(Round round, ValueRange values)> body);
  /// Quantizes a whole row. `four`: a thread's columns of a round. `scratch`: shared memory of
  /// `scratchBytes()`. Threads wait for each other, and in front of a row for those that are still
  /// at the one before.
  void storeWhole(Value token, llvm::function_ref<Values(Round round)> four, Value scratch);
  int64_t scratchBytes() const {
    return 2 * int64_t(llvm::alignTo(4 * builder.getTarget().warps(), 16));
  }

private:
  void storeCodes(Value token, Value column, ValueRange codes);
  void storeFactors(Value place, Value scale, Value sum, Value token);

  packed::QuantizeActivationsOp op;
  RowBuilder &builder;
  int64_t group, numberOfGroups, lanesOfGroup;
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_QUANTIZETILE_H
