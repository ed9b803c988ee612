// The operation of the packed dialect that chooses experts by scores.
#ifndef STC_DIALECT_PACKED_IR_PACKEDROUTING_H
#define STC_DIALECT_PACKED_IR_PACKEDROUTING_H

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Dialect/STC/IR/STCRouting.h"

#define GET_OP_CLASSES
#include "stc/Dialect/Packed/IR/PackedRoutingOps.h.inc"

#endif // STC_DIALECT_PACKED_IR_PACKEDROUTING_H
