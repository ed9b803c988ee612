// The first half of the tiled phases of all targets.
#include "stc/Target/Kernels/BufferPhase.h"

#include "stc/Conversion/Passes.h"
#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void stc::addBufferPasses(OpPassManager &manager, bool keepsNorms) {
  ConvertSTCToLinalgPassOptions convert;
  convert.keepNorms = keepsNorms;
  manager.addPass(createConvertSTCToLinalgPass(convert));
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
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}
