// Registers the stablehlo and chlo dialects, and reads and writes their operations.
#include "StableHLOAssembly.h"

using namespace mlir;
using namespace stc::stablehlo;

#include "stc/Dialect/StableHLO/IR/CHLODialect.cpp.inc"
#include "stc/Dialect/StableHLO/IR/StableHLODialect.cpp.inc"

#define GET_OP_CLASSES
#include "stc/Dialect/StableHLO/IR/StableHLOOps.cpp.inc"

#define GET_OP_CLASSES
#include "stc/Dialect/StableHLO/IR/CHLOOps.cpp.inc"

void StableHLODialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "stc/Dialect/StableHLO/IR/StableHLOOps.cpp.inc"
      >();
  registerAttributes();
}

void stc::chlo::CHLODialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "stc/Dialect/StableHLO/IR/CHLOOps.cpp.inc"
      >();
}
