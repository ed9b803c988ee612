// Kernels that are still to be written.
#include "BlockLowerings.h"
#include "WeightReader.h"

using namespace stc;
using namespace stc::gpu;

void stc::gpu::emitAttentionCombine(packed::AttentionCombineOp op, const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
void stc::gpu::emitAttentionTile(packed::AttentionTileOp op, const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
void stc::gpu::emitCacheUpdate(CacheUpdateOp op, const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
void stc::gpu::emitGather(packed::GatherOp op, const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
void stc::gpu::emitQuantizeActivations(packed::QuantizeActivationsOp op,
                                       const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
void stc::gpu::emitRMSNorm(packed::RMSNormOp op, const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
void stc::gpu::emitRotary(packed::RotaryOp op, const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
std::unique_ptr<WeightReader> stc::gpu::createMaskReader(packed::WeightType) { return nullptr; }
std::unique_ptr<WeightReader> stc::gpu::createPairsReader(packed::WeightType) { return nullptr; }
std::unique_ptr<WeightReader> stc::gpu::createBlockReader(packed::WeightType) { return nullptr; }
