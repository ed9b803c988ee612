// Attention of many rows by tensor cores.
#ifndef STC_LIB_TARGET_GPU_ATTENTIONMATRIX_H
#define STC_LIB_TARGET_GPU_ATTENTIONMATRIX_H

#include "AttentionEmitter.h"

#include <optional>

namespace stc::gpu {

/// How a block's warps share the rows, columns and keys of a tile.
struct MatrixAttentionPlan {
  int64_t rowTiles;    // of 16 rows
  int64_t columnParts; // of the values' columns: a warp has the results of one part in registers
  int64_t columns;     // of a part
  int64_t keyParts;    // of a block of keys, which warps with the same rows share
  int64_t buffers;     // for keys and values: with two, a block is copied while another is in work
  int64_t sharedBytes; // of the kernel
};

/// Writes packed.attention_tile with mma.sync: products of halves, sums of floats, and softmax
/// online in floats (Milakov and Gimelshein 2018; Dao et al. 2022).
///
/// Keys and values come to shared memory block by block, as halves whatever the cache has: f16 by
/// asynchronous copies, bytes through registers. Warps load them from there with ldmatrix. A warp
/// has 16 rows, and of each block its part of the keys; what warps with the same rows have is put
/// together at the end.
///
/// Halves alone would lose more than the cache has lost: queries and weights are sums of two of
/// them, each of which is multiplied. The queries of an int8 cache are rounded to codes as
/// elsewhere, which are halves.
class MatrixAttention : public AttentionEmitter {
public:
  /// How to compute the tile; nothing where it has too few rows, or its numbers do not fit.
  static std::optional<MatrixAttentionPlan> plan(packed::AttentionTileOp op,
                                                 const TargetDescription &target);
  /// The most rows of a tile that suit the target, for `shared` query heads of each key/value head;
  /// 0 if there are no tensor cores for it.
  static int64_t chooseRows(const KVCacheLayout &layout, int64_t shared,
                            const TargetDescription &target);

  MatrixAttention(packed::AttentionTileOp op, const TargetDescription &target,
                  const MatrixAttentionPlan &plan);
  void emit();

private:
  /// Keys whose scores a warp has in registers.
  static constexpr int64_t kKeysAtOnce = 32;

  /// Keys or values in shared memory, as halves: rows of units of 16 bytes. Units are exchanged by
  /// the lowest bits of the row, so that eight rows' units with one number are in different banks.
  struct Staged {
    int64_t offset;     // in a buffer
    int64_t units;      // of a row
    bool areRowsSummed; // rows are what products sum over, else the columns of the product
    int64_t rowBytes() const { return units * 16; }
    /// Units that change places among each other: a power of two.
    int64_t period() const { return std::min<int64_t>(8, units & -units); }
  };
  /// A lane's row of the four matrices that ldmatrix loads, where they are the first ones.
  struct LanePlace {
    Staged staged;
    Value place; // i32, in a buffer
  };
  /// The block that is in shared memory.
  struct Block {
    Value number; // index
    Value buffer; // its address
  };
  /// Of the lane's rows, `group` and `group + 8` of the tile.
  struct Rows {
    Values maxima; // f32, times log2(e)
    Values sums;   // f32, of the lane's own weights
    Values outs;   // f32, [eight columns][row][column]
    Values all() const;
  };
  /// Two halves of each of two numbers, as words; low ones are null where they would be zero.
  struct Split {
    Value high, low;
  };

  static std::optional<MatrixAttentionPlan> planRows(const KVCacheLayout &layout, int64_t rows,
                                                     int64_t buffers,
                                                     const TargetDescription &target);
  int64_t keySteps() const { return layout.paddedDim() / 16; }
  int64_t querySplits() const { return isInt8() ? 1 : 2; }
  int64_t fragments() const { return plannedTile.columns / 8; }

  // AttentionMatrix.cpp
  void placeMemory();
  void findWarp();
  Rows attend();
  Rows rowsBefore();
  Rows splitRows(ValueRange values) const;
  /// As AttentionEmitter's, of one block's keys from `first` on, of the warp's part.
  Rows addKeys(const Rows &before, const Block &block, int64_t first);
  /// Products -> scores, kLowest where they are not seen.
  Values scoresOf(ValueRange products, const Block &block, int64_t first);
  void merge(Rows &rows);
  void writeResults(const Rows &rows);

  // AttentionFragments.cpp
  void prepareQueries();
  Split split(Value a, Value b);
  LanePlace findLane(const Staged &staged, Value rowsBefore, Value unitsBefore);
  /// Four words of 16 numbers that are summed over from `k` on, and 16 columns from `n` on.
  Values loadMatrices(const LanePlace &place, Value buffer, int64_t k, int64_t n);
  /// sums += a b, of 16 rows, 8 columns.
  void multiply(ValueRange a, ValueRange b, llvm::MutableArrayRef<Value> sums);
  Values keyProducts(const Block &block, int64_t first);
  void addValues(const Block &block, int64_t first, ValueRange weights, Values &outs);

  // AttentionStaging.cpp
  void placeStaged();
  void clearPadding();
  /// Starts to bring a block's keys and values to shared memory, unless `exists` is false, and
  /// returns what the thread has in registers for it.
  Values beginCopy(const Block &block, Value exists);
  /// Makes that which was begun arrive; others may read it behind a barrier.
  void finishCopy(const Block &block, Value exists, ValueRange loaded);
  void copyHalves(const Block &block);
  Values loadBytes(const Block &block);
  void storeFloat8(const Block &block, ValueRange loaded);
  void storeCodes(const Block &block, ValueRange loaded);
  Value swizzled(const Staged &staged, Value row, Value unit);
  /// i1: whether a row of the tile sees the key at a place (i32) of a block.
  Value isSeen(const Block &block, Value place);
  Values halvesOfFloat8(Value word);
  Values floatsOfCodes(Value word);

  MatrixAttentionPlan plannedTile;
  Staged stagedKeys, stagedValues;
  LanePlace keyPlace, valuePlace;
  Value fragmentQueries, staging;
  int64_t bufferBytes;
  // Of the lane: numbers (i32) in its warp, and its warp's.
  Value group, quad, part, columnPart, rowTile;
  Value ownQueries;
  llvm::SmallVector<RowPlace> places;
  Values rowScales; // of queries' codes
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_ATTENTIONMATRIX_H
