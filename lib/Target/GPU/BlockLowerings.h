// One function per family of kernels: writes, before an operation, the code by which the threads of
// a block compute it together, by the convention of BlockBuilder. The caller erases the operation.
#ifndef STC_LIB_TARGET_GPU_BLOCKLOWERINGS_H
#define STC_LIB_TARGET_GPU_BLOCKLOWERINGS_H

#include "BlockBuilder.h"

namespace stc::gpu {

void emitAttentionCombine(packed::AttentionCombineOp op, const TargetDescription &target);
/// As the one above of every head, at the builder's place: for few pieces.
void emitAttentionCombineAll(BlockBuilder &builder, packed::AttentionCombineOp op);
void emitAttentionTile(packed::AttentionTileOp op, const TargetDescription &target);
void emitCacheUpdate(CacheUpdateOp op, const TargetDescription &target);
void emitGather(packed::GatherOp op, const TargetDescription &target);
void emitQuantizeActivations(packed::QuantizeActivationsOp op, const TargetDescription &target);
void emitSplitActivations(packed::SplitActivationsOp op, const TargetDescription &target);
void emitRotary(packed::RotaryOp op, const TargetDescription &target);

/// A piece of a matrix multiplication for any number of tokens: row tiles of 16 rows, each taken
/// from memory once per block of tokens. Fails, with a diagnostic, where the target has no code for
/// such inputs.
mlir::LogicalResult emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &target);

/// Row tiles (or pairs of them, with rotary embeddings) number first, first + step, ... below
/// `count` of a matrix times one token, streamed through the block: `tiles` holds the
/// multiplication, or that of a gate and the one that uses it. Written at the builder's place.
void emitMatvec(BlockBuilder &builder, llvm::ArrayRef<packed::MatmulTileOp> tiles, Value first,
                int64_t count, Value step);

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
