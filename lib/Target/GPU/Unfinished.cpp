// Kernels that are still to be written.
#include "BlockLowerings.h"
#include "WeightReader.h"

using namespace stc;
using namespace stc::gpu;

void stc::gpu::emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &) {
  op.emitOpError("has no GPU kernel yet");
}
std::unique_ptr<WeightReader> stc::gpu::createMaskReader(packed::WeightType) { return nullptr; }
std::unique_ptr<WeightReader> stc::gpu::createPairsReader(packed::WeightType) { return nullptr; }
std::unique_ptr<WeightReader> stc::gpu::createBlockReader(packed::WeightType) { return nullptr; }
