// The packed dialect: weights as stored bytes, and the operations that read them.
#ifndef STC_DIALECT_PACKED_IR_PACKED_H
#define STC_DIALECT_PACKED_IR_PACKED_H

#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Packing/Layout.h"

#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

#include "stc/Dialect/Packed/IR/PackedDialect.h.inc"
#include "stc/Dialect/Packed/IR/PackedEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "stc/Dialect/Packed/IR/PackedAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "stc/Dialect/Packed/IR/PackedTypes.h.inc"

#define GET_OP_CLASSES
#include "stc/Dialect/Packed/IR/PackedOps.h.inc"

#endif // STC_DIALECT_PACKED_IR_PACKED_H
