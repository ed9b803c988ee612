// What the ways of multiplying by tensor cores share.
#ifndef STC_LIB_TARGET_GPU_TENSORMATMUL_H
#define STC_LIB_TARGET_GPU_TENSORMATMUL_H

#include "MatmulEmitter.h"

namespace stc::gpu {

/// Columns of an instruction's second matrix: tokens.
constexpr int64_t kFragmentTokens = 8;
/// Values of an instruction's result that a thread has: two rows times two tokens, row by row.
constexpr int64_t kFragmentValues = 4;
/// Bytes of the sums of a token in a row tile.
constexpr int64_t kTokenBytes = kTileRows * sizeof(float);

/// 1.5 * 2^23: an integer below 2^22 that is added to these bits is one that is added to this
/// number, so that integers become floats by a subtraction. The sum of a group's products is below
/// that: 128 columns times 255 times 127.
constexpr int64_t kFloatBits = 0x4B400000;
static_assert(kRowScaleGroup * 255 * 127 < 1 << 22);

/// Whether instructions that leave out what a 2:4 matrix does not store can multiply a layout: they
/// take two spans of a group.
inline bool isForSparseProducts(const Layout &layout) {
  return layout.kind == LayoutKind::NM && layout.n == 2 && layout.m == 4 &&
         layout.group % (2 * kSpanColumns) == 0;
}

/// The places of the weights of eight chunks of four columns of a 2:4 matrix, two bits for each,
/// from their masks, a nibble of each chunk (i32).
Value placesOfMasks(BlockBuilder &builder, Value masks);

/// Of shared memory, in percent: the rest remains a cache, which streams of weights go through when
/// a single token is computed.
constexpr int64_t kShare = 72;
/// Where warpgroups multiply while more is copied: what four portions of 256 rows and 128 tokens
/// take, or of bytes as many tokens and rows.
constexpr int64_t kShareTogether = 86;

/// What is left of a block's shared memory, in bytes, for the products of a matmul of its module:
/// `percent` of all, without what grid barriers, private buffers and `gap` bytes take.
int64_t freeSharedBytes(packed::MatmulTileOp op, const TargetDescription &target, int64_t percent,
                        int64_t gap);

/// Every warp takes one slot and a slice of its columns; the sums of all slices meet in shared
/// memory, from where each thread finishes some results.
///
/// Thread 4 p + t of a warp has rows 2 p and 2 p + 1 of a tile and tokens 2 t and 2 t + 1 of every
/// eight: rows p and p + 8 of the instruction are neighbours in memory.
class TensorMatmul : public MatmulEmitter {
protected:
  using MatmulEmitter::MatmulEmitter;
  /// A warp's share: a tile, and of its `count` columns or groups those of one slice.
  struct Share {
    Value tile;    // where it begins
    Value slice;   // i32, below slices()
    Value number;  // i32: of the thread among those of the slice
    Value staging; // stagingBytes() of shared memory, the slice's own
    Value lane, rowPair, part;
  };

  /// What a thread copies of each portion of the columns to a buffer in shared memory.
  struct PortionCopy {
    Value from;          // in the first portion, in global memory
    int64_t fromMore;    // bytes behind that
    Value to;            // i32, in a buffer
    int64_t toMore;      // bytes behind that
    int64_t bytes, step; // step: from one portion to the next
    Value exists;        // null: this thread has it
  };

  /// What is copied of a portion of each slot's tile: `bytes` from `offset` of the tile on. In a
  /// buffer those of the first slot begin at `place`, and `tileBytes` further those of the next.
  struct Section {
    Value firstSlot; // index
    int64_t slots, offset, bytes, place, tileBytes;
  };

  llvm::SmallVector<int64_t> blockSizes() const override { return {64, 32, 8}; }
  void emitBlock(const TokenBlock &block) override;

  /// Sets the thread's places in its warp; gives the warp's number (i32). What is computed from
  /// these is not moved out of the code of a block of tokens: of several blocks that the code is
  /// there for, it would be more than registers can hold.
  Value setPlaces(Share &share);
  /// The sums (f32) of a warp's share: kFragmentValues for every kFragmentTokens tokens.
  virtual Values multiply(const Share &share, const TokenBlock &block) = 0;
  /// Shared memory that `multiply` of a slice needs.
  virtual int64_t stagingBytes(const TokenBlock &block) const { return 0; }

  int64_t slotsAtOnce() const;
  /// Whether the tiles of a block's slots lie one behind the other.
  bool tilesFollow() const {
    return parts() == 1 && !layout.hasTable() && geometry.rowTiles % slots() == 0;
  }
  int64_t slices() const { return builder.warps() / slotsAtOnce(); }
  /// Threads of the warps that have the same slice.
  int64_t sliceThreads() const { return slotsAtOnce() * builder.getTarget().warpThreads; }
  /// Waits for the threads of the slice.
  void sliceBarrier(const Share &share);
  /// Adds those copies of a section that are thread `thread`'s (i32) of `threads`, 16 bytes each.
  /// `placeOf`: where in a tile's bytes those at an offset (i32) are kept.
  void findSectionCopies(llvm::SmallVectorImpl<PortionCopy> &copies, const Section &section,
                         Value thread, int64_t threads, llvm::function_ref<Value(Value)> placeOf);
  /// Starts the copies of portion `number` (index) to the buffer at `start`, as one group, which is
  /// empty where `number` is not below `end`.
  void copyPortion(llvm::ArrayRef<PortionCopy> copies, Value number, Value end, Value start);
  /// The same without making a group of them. `end` may be null: portion `number` exists.
  void startCopies(llvm::ArrayRef<PortionCopy> copies, Value number, Value end, Value start);
  /// [begin, end) (index) of the share of `count` pieces that a slice has.
  std::pair<Value, Value> sliceOf(Value slice, int64_t count);
  /// Where input `number` of each fragment's token of this thread begins, plus `offset` (i32)
  /// bytes.
  Values fragmentRows(unsigned number, const TokenBlock &block, const Share &share, Value offset);

  /// `sums` (i32) of kFragmentTokens tokens plus the products of 32 columns: bytes of weights,
  /// signed or not, and of signed activations.
  void addProducts(ValueRange weights, bool isSigned, ValueRange inputs,
                   llvm::MutableArrayRef<Value> sums);
  /// The same of 64 columns of a 2:4 matrix. `weights`: four words of signed bytes; `places`: of
  /// each in its four columns, as the instruction wants them from this thread; `inputs`: four words
  /// of eight tokens.
  void addSparseProducts(ValueRange weights, Value places, ValueRange inputs,
                         llvm::MutableArrayRef<Value> sums);
  /// result + sum * scale, of a sum (i32) of a group that was started from kFloatBits.
  Value addScaledSum(Value sum, Value scale, Value result);
  /// The same of a sum that was started from zero.
  Value addPlainSum(Value sum, Value scale, Value result);
  /// result + (sum * weightScale + minimum * inputSum) * inputScale, of such a sum. `inputSum`
  /// (i32) is the group's sum of activations times the layout's factor, -1.
  Value addShiftedSum(Value sum, Value weightScale, Value minimum, Value inputSum, Value inputScale,
                      Value result);

  /// Where the values of a group (index) begin, as the masks before it say: each lane (i32) of a
  /// warp counts some.
  Value firstPosition(CodeReader &reader, Value lane, Value group);

  /// Writes a warp's sums of a row tile to `place`: for each token those of 16 rows (f32).
  void storeSums(const Share &share, Value place, ValueRange sums);
  /// Adds up what `sliceCount` slices have of the `atOnce` slots from `first` (index) on, always in
  /// the same order, and finishes them. `sums`: of each slice, slot by slot, what `storeSums` wrote
  /// of all tokens.
  void finishSlots(Value first, int64_t atOnce, int64_t sliceCount, const TokenBlock &block,
                   Value sums);
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_TENSORMATMUL_H
