// The passes that lead from a packed module to the LLVM dialect of a GPU, phase by phase.
#include "stc/Target/GPU/Pipeline.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Dialect/Packed/Transforms/TiledPhase.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/Kernels/BufferPhase.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace stc;

static void cleanUp(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

/// Private buffers are in shared memory, beside what kernels need there.
constexpr int64_t kPrivateBytes = 96 << 10;

void stc::gpu::addTiledPasses(OpPassManager &manager, const PipelineOptions &options) {
  addBufferPasses(manager, /*keepsNorms=*/true);
  SelectBlockConfigPassOptions select;
  select.target = options.target;
  manager.addPass(createSelectBlockConfigPass(select));
  // Before buffers and barriers get their places; what is tiled then stays as it is.
  manager.addPass(createTileOpsPass());
  manager.addPass(createFuseCacheUpdatesPass());
  addLoopPasses(manager, options.maxTokens, kPrivateBytes);
}

void stc::gpu::addVectorPasses(OpPassManager &manager, const PipelineOptions &options) {
  DistributeBlocksPassOptions distribute;
  distribute.target = options.target;
  manager.addPass(createDistributeBlocksPass(distribute));
  LowerBlockTilesPassOptions tiles;
  tiles.target = options.target;
  manager.addPass(createLowerBlockTilesPass(tiles));
  manager.addPass(createApproximateGPUMathPass());
  cleanUp(manager);
  manager.addPass(createLoopInvariantCodeMotionPass());
}

void stc::gpu::addLLVMPasses(OpPassManager &manager, const PipelineOptions &options) {
  PlaceSharedMemoryPassOptions place;
  place.target = options.target;
  manager.addPass(createPlaceSharedMemoryPass(place));
  EmitKernelsPassOptions kernels;
  kernels.target = options.target;
  kernels.variant = options.variant;
  manager.addPass(createEmitKernelsPass(kernels));
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  cleanUp(manager);
  LowerToGPUPassOptions lower;
  lower.target = options.target;
  manager.addPass(createLowerToGPUPass(lower));
  manager.addPass(createReconcileUnrealizedCastsPass());
  cleanUp(manager);
}
