// The stablehlo and chlo dialects: graphs of other front ends.
#ifndef STC_DIALECT_STABLEHLO_IR_STABLEHLO_H
#define STC_DIALECT_STABLEHLO_IR_STABLEHLO_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "stc/Dialect/StableHLO/IR/StableHLODialect.h.inc"
#include "stc/Dialect/StableHLO/IR/StableHLOEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "stc/Dialect/StableHLO/IR/StableHLOAttrs.h.inc"

namespace stc::stablehlo {

/// Dimensions of a tensor of `rank` dimensions that are not in `named`, in order.
llvm::SmallVector<int64_t> otherDims(int64_t rank, llvm::ArrayRef<llvm::ArrayRef<int64_t>> named);

} // namespace stc::stablehlo

#define GET_OP_CLASSES
#include "stc/Dialect/StableHLO/IR/StableHLOOps.h.inc"

#include "stc/Dialect/StableHLO/IR/CHLODialect.h.inc"

#define GET_OP_CLASSES
#include "stc/Dialect/StableHLO/IR/CHLOOps.h.inc"

#endif // STC_DIALECT_STABLEHLO_IR_STABLEHLO_H
