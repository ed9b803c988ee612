// What all operations in destination style share.
#ifndef STC_LIB_DIALECT_PACKED_IR_DESTINATION_H
#define STC_LIB_DIALECT_PACKED_IR_DESTINATION_H

#include "stc/Dialect/Packed/IR/Packed.h"

namespace stc::packed {

/// Destination-style results: one per init when the inits are tensors, none for memrefs, and of
/// the inits' types.
mlir::LogicalResult verifyDestination(mlir::DestinationStyleOpInterface op);

/// Memref operands are read, memref inits written; tensors have no effects.
void destinationEffects(
    mlir::DestinationStyleOpInterface op,
    llvm::SmallVectorImpl<mlir::SideEffects::EffectInstance<mlir::MemoryEffects::Effect>> &effects);

} // namespace stc::packed

#endif // STC_LIB_DIALECT_PACKED_IR_DESTINATION_H
