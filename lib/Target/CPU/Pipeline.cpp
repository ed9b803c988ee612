// The passes that lead from a packed module to the LLVM dialect on CPUs, phase by phase.
#include "stc/Target/CPU/Pipeline.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Dialect/Packed/Transforms/TiledPhase.h"
#include "stc/Target/CPU/LoweringConfig.h"
#include "stc/Target/CPU/Passes.h"
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

/// On the stack of every thread.
constexpr int64_t kPrivateBytes = 128 << 10;

void cpu::addTiledPasses(OpPassManager &manager, const PipelineOptions &options) {
  SplitActivationsPassOptions split;
  split.target = options.target;
  manager.addPass(createSplitActivationsPass(split));
  addBufferPasses(manager, /*keepsNorms=*/false);
  SelectLoweringConfigPassOptions select;
  select.target = options.target;
  manager.addPass(createSelectLoweringConfigPass(select, options.chooser));
  LoopPassOptions loops;
  loops.maxTokens = options.maxTokens;
  loops.privateBytes = kPrivateBytes;
  addLoopPasses(manager, loops);
}

void cpu::addVectorPasses(OpPassManager &manager, const PipelineOptions &options) {
  manager.addPass(createDistributeThreadsPass());
  LowerTilesPassOptions tiles;
  tiles.target = options.target;
  manager.addPass(createLowerTilesPass(tiles));
  ApproximateMathPassOptions math;
  math.target = options.target;
  manager.addPass(createApproximateMathPass(math));
  cleanUp(manager);
  manager.addPass(createLoopInvariantCodeMotionPass());
}

void cpu::addLLVMPasses(OpPassManager &manager, const PipelineOptions &options) {
  LowerMicroOpsPassOptions microOps;
  microOps.target = options.target;
  manager.addPass(createLowerMicroOpsPass(microOps));
  EmitEntryPointsPassOptions entryPoints;
  entryPoints.variant = options.variant;
  manager.addPass(createEmitEntryPointsPass(entryPoints));
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  // What else there is to clean up, LLVM cleans up: its code is the same without canonicalization.
  manager.addPass(createCSEPass());
  manager.addPass(createLowerToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}
