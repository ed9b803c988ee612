// The passes that lead from a packed module to the LLVM dialect on CPUs, phase by phase.
#include "stc/Target/CPU/Pipeline.h"

#include "stc/Conversion/Passes.h"
#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Target/CPU/LoweringConfig.h"
#include "stc/Target/CPU/Passes.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace stc;

static void cleanUp(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

void cpu::addTiledPasses(OpPassManager &manager, const PipelineOptions &options) {
  SplitActivationsPassOptions split;
  split.target = options.target;
  manager.addPass(createSplitActivationsPass(split));
  manager.addPass(createConvertSTCToLinalgPass());
  manager.addPass(createConvertElementwiseToLinalgPass());
  manager.addPass(createLinalgElementwiseOpFusionPass());
  manager.addPass(createLowerExpertsPass());
  manager.addPass(createLowerRepeatPass());
  // Not CSE: buffers that equal operations fill would be shared, and copied where they are changed.
  manager.addPass(createCanonicalizerPass());

  manager.addPass(createPrepareBufferizationPass());
  manager.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  bufferize.unknownTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  manager.addPass(bufferization::createOneShotBufferizePass(bufferize));
  manager.addPass(bufferization::createDropEquivalentBufferResultsPass());
  cleanUp(manager);

  SelectLoweringConfigPassOptions select;
  select.target = options.target;
  manager.addPass(createSelectLoweringConfigPass(select, options.chooser));
  manager.addPass(createTileOpsPass());
  manager.addPass(createFuseGatesPass());
  manager.addPass(createParallelizeRowsPass());
  manager.addPass(createFuseRowsPass());
  manager.addPass(createPrivatizeBuffersPass());
  manager.addPass(createPlaceBarriersPass());
  PlanArenaPassOptions arena;
  arena.maxTokens = options.maxTokens;
  manager.addPass(createPlanArenaPass(arena));
  // No canonicalization here: it would dissolve parallel loops of one iteration, and with them the
  // knowledge that only one thread may run their bodies.
  manager.addPass(createCSEPass());
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
  cleanUp(manager);
  manager.addPass(createLowerToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
  cleanUp(manager);
}
