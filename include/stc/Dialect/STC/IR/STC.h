// The stc dialect: the transformer graph.
#ifndef STC_DIALECT_STC_IR_STC_H
#define STC_DIALECT_STC_IR_STC_H

#include "stc/Packing/KVCache.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "stc/Dialect/STC/IR/STCDialect.h.inc"
#include "stc/Dialect/STC/IR/STCEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "stc/Dialect/STC/IR/STCAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "stc/Dialect/STC/IR/STCTypes.h.inc"

namespace stc {

/// [1.0, 0.01]: upstream prints an array of doubles with six digits, which would change the model
/// when it is written out and read back.
void printDoubles(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                  mlir::DenseF64ArrayAttr numbers);
mlir::ParseResult parseDoubles(mlir::OpAsmParser &parser, mlir::DenseF64ArrayAttr &numbers);

} // namespace stc

#define GET_OP_CLASSES
#include "stc/Dialect/STC/IR/STCOps.h.inc"

#endif // STC_DIALECT_STC_IR_STC_H
