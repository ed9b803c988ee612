// The passes that lead from a packed module to the LLVM dialect of a GPU, phase by phase.
#include "stc/Target/GPU/Pipeline.h"

#include "SharedMemory.h"

#include "stc/Dialect/Packed/Transforms/TiledPhase.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"
#include "stc/Target/Kernels/BufferPhase.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace stc;

static void cleanUp(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

/// A target that does not exist is the passes' to complain about.
static int64_t privateBytes(const std::string &target) {
  auto description = stc::gpu::TargetDescription::parse(target);
  return description.ok() ? stc::gpu::mostPrivateBytes(*description) : 0;
}

/// Positions of one piece of a single token's attention: in long texts, pieces of a few key/value
/// heads for every multiprocessor.
constexpr int64_t kPieceKeys = 256;

void stc::gpu::addTiledPasses(OpPassManager &manager, const PipelineOptions &options) {
  NarrowActivationsPassOptions narrow;
  narrow.target = options.target;
  narrow.rounds = options.activations == ActivationChoice::Rounded;
  narrow.perToken = options.activations == ActivationChoice::PerToken;
  manager.addPass(createNarrowActivationsPass(narrow));
  addBufferPasses(manager, /*keepsNorms=*/true);
  SpecializeTokenCountsPassOptions specialize;
  specialize.target = options.target;
  specialize.maxTokens = options.maxTokens;
  manager.addPass(createSpecializeTokenCountsPass(specialize));
  SelectBlockConfigPassOptions select;
  select.target = options.target;
  select.maxTokens = options.maxTokens;
  manager.addPass(createSelectBlockConfigPass(select));
  auto shareLess = [](OpPassManager &loops) {
    loops.addPass(createFuseCacheUpdatesPass());
    loops.addPass(createReplicateSmallWorkPass());
  };
  LoopPassOptions loops;
  loops.maxTokens = options.maxTokens;
  loops.privateBytes = privateBytes(options.target);
  // A block reads a long row in less time than it waits for others.
  loops.splitColumns = std::numeric_limits<int64_t>::max();
  loops.pieceKeys = kPieceKeys;
  loops.beforeBarriers = shareLess;
  addLoopPasses(manager, loops);
}

void stc::gpu::addVectorPasses(OpPassManager &manager, const PipelineOptions &options) {
  DistributeBlocksPassOptions distribute;
  distribute.target = options.target;
  manager.addPass(createDistributeBlocksPass(distribute));
  LowerBlockTilesPassOptions tiles;
  tiles.target = options.target;
  manager.addPass(createLowerBlockTilesPass(tiles));
  manager.addPass(createApproximateGPUMathPass());
  auto description = TargetDescription::parse(options.target);
  if (description.ok() && description->isOpenCL())
    manager.addPass(createExpandNarrowFloatsPass());
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
