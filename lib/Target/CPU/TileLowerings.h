// One function per family of kernels: writes the loops of an operation before it. The caller
// erases the operation.
#ifndef STC_LIB_TARGET_CPU_TILELOWERINGS_H
#define STC_LIB_TARGET_CPU_TILELOWERINGS_H

#include "KernelBuilder.h"

namespace stc::cpu {

void emitAttentionCombine(packed::AttentionCombineOp op, const TargetDescription &target);
void emitAttentionTile(packed::AttentionTileOp op, const TargetDescription &target);
void emitCacheUpdate(CacheUpdateOp op, const TargetDescription &target);
void emitGather(packed::GatherOp op, const TargetDescription &target);
void emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &target);
void emitQuantizeActivations(packed::QuantizeActivationsOp op, const TargetDescription &target);
void emitRMSNorm(packed::RMSNormOp op, const TargetDescription &target);
void emitRotary(packed::RotaryOp op, const TargetDescription &target);
void emitSplitActivations(packed::SplitActivationsOp op, const TargetDescription &target);

/// Codes (i32 vectors) and scale of the floats in `inputs`, as Packing's quantizeActivations.
struct QuantizedVectors {
  Values codes;
  Value scale;
};
QuantizedVectors quantizeVectors(KernelBuilder &builder, ValueRange inputs);

/// (a cos - b sin, a sin + b cos), rounded after each operation as the reference does.
std::pair<Value, Value> rotatePairs(KernelBuilder &builder, Value a, Value b, Value cos, Value sin);

/// A row tile of dense bf16 weights, and a block of tokens of split activations, `stride` bytes
/// apart.
struct BF16Tile {
  Value start;
  int64_t columns;
};
struct SplitTokens {
  Value start;
  int64_t stride, count;
};
/// The sums of each token. `prefetch` is called before weights are read, with where they begin and
/// their bytes.
Values emitSplitProducts(KernelBuilder &builder, BF16Tile weights, SplitTokens tokens,
                         llvm::function_ref<void(Value, int64_t)> prefetch);

/// Calls `body` for each token of `tokens x columns` memref `matrix`: once with 0 if it is known to
/// hold one token.
void forEachToken(KernelBuilder &builder, Value matrix, llvm::function_ref<void(Value)> body);

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_TILELOWERINGS_H
