// One function per family of kernels: writes, before an operation, the code by which the threads of
// a block compute it together, by the convention of BlockBuilder. The caller erases the operation.
#ifndef STC_LIB_TARGET_GPU_BLOCKLOWERINGS_H
#define STC_LIB_TARGET_GPU_BLOCKLOWERINGS_H

#include "BlockBuilder.h"

namespace stc::gpu {

void emitAttentionCombine(packed::AttentionCombineOp op, const TargetDescription &target);
/// As the one above of every head, at the builder's place: for few pieces.
void emitAttentionCombineAll(BlockBuilder &builder, packed::AttentionCombineOp op);
/// As the one above, and a quantization of what it gives, from registers; at the quantization's
/// place. `copies`, if there are any, is moved behind the first loads. `isStored`: somebody else
/// reads the result too.
bool canQuantizeCombined(packed::AttentionCombineOp op, packed::QuantizeActivationsOp quantization,
                         const TargetDescription &target);
void emitAttentionCombineQuantized(packed::AttentionCombineOp op,
                                   packed::QuantizeActivationsOp quantization,
                                   mlir::Operation *copies, bool isStored,
                                   const TargetDescription &target);
/// Stores what `updateOf` gives too, and erases it.
void emitAttentionTile(packed::AttentionTileOp op, const TargetDescription &target);
/// The update before a tile that the tile's kernel takes over, or null.
CacheUpdateOp updateOf(packed::AttentionTileOp op, const TargetDescription &target);
void emitCacheUpdate(CacheUpdateOp op, const TargetDescription &target);
void emitGather(packed::GatherOp op, const TargetDescription &target);
void emitQuantizeActivations(packed::QuantizeActivationsOp op, const TargetDescription &target);
void emitSplitActivations(packed::SplitActivationsOp op, const TargetDescription &target);
void emitRotary(packed::RotaryOp op, const TargetDescription &target);

/// A piece of a matrix multiplication for any number of tokens: row tiles of 16 rows, each taken
/// from memory once per block of tokens. Fails, with a diagnostic, where the target has no code for
/// such inputs.
mlir::LogicalResult emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &target);

/// A loop over the row tiles (or pairs of them, with rotary embeddings) of a matrix times one
/// token: `tiles` holds the multiplication, or that of a gate and the one that uses it; `count`
/// iterations.
struct MatvecLoop {
  llvm::SmallVector<packed::MatmulTileOp> tiles;
  int64_t count;
};

/// Whether such loops, between the same barriers, can be one sequence of tiles: then blocks wait
/// for memory at its begin alone, and finish all rows at its end.
bool canJoinMatvecs(BlockBuilder &builder, llvm::ArrayRef<MatvecLoop> loops);

/// How many iterations such a sequence has: those of a loop may be fewer where others have pairs.
int64_t iterationsOf(llvm::ArrayRef<MatvecLoop> loops);

/// Iterations number first, first + step, ... of those, streamed through the block. Written at the
/// builder's place. `isStarted`: their weights are on their way, by `startMatvec`.
void emitMatvec(BlockBuilder &builder, llvm::ArrayRef<MatvecLoop> loops, Value first, Value step,
                bool isStarted);

/// Asks for the first weights of what `emitMatvec` will multiply, where these come by way of shared
/// memory (else writes nothing, and returns false): before the activations are there. In between a
/// block may use so many bytes of scratch memory, and must copy nothing in the background.
bool startMatvec(BlockBuilder &builder, llvm::ArrayRef<MatvecLoop> loops, Value first, Value step);
constexpr int64_t kScratchBesideCopies = 16 << 10;

/// Moves what `startMatvec` wrote before `op` to the builder's place, if there is such: what `op`
/// itself waits for is to be asked for first.
void startCopiesHere(BlockBuilder &builder, mlir::Operation *op);

/// Inserts barriers in the body of a parallel loop, all of which the threads of a block run: before
/// a number is stored to memory that they have read since the last barrier. One of them could
/// otherwise read what another stored early. Kernels and loops over columns have their own
/// barriers.
void orderScalars(mlir::scf::ForallOp loop, const TargetDescription &target);

/// The reduction by which a loop over columns with a result is divided among the threads of a block
/// and its sums put together, with barriers; null if every thread runs all of the loop.
mlir::vector::ReductionOp dividedSum(mlir::scf::ForOp loop);

/// Calls `body` for each token of `tokens x columns` memref `matrix`: once with 0 if it is known to
/// hold one token. All threads of a block take the same tokens.
void forEachToken(BlockBuilder &builder, Value matrix, llvm::function_ref<void(Value)> body);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_BLOCKLOWERINGS_H
