// What the tilings of operations share: parallel loops over the tokens of buffers.
#ifndef LIB_DIALECT_PACKED_TRANSFORMS_TILEBUILDERS_H
#define LIB_DIALECT_PACKED_TRANSFORMS_TILEBUILDERS_H

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace stc {

namespace packed {
class GroupedGateOp;
} // namespace packed

/// The columns of a matrix in memory.
int64_t columnsOf(mlir::Value matrix);
/// The first dimension of a buffer, as a loop bound.
mlir::OpFoldResult tokensOf(mlir::ImplicitLocOpBuilder &builder, mlir::Value buffer);
/// A scf.forall from 0 to `bounds`, whose body gets the indices.
void parallel(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<mlir::OpFoldResult> bounds,
              llvm::function_ref<void(mlir::ValueRange)> body);

/// A loop over columns whose iterations may run at once, `step` columns each.
void columnLoop(mlir::ImplicitLocOpBuilder &builder, mlir::Value begin, mlir::Value end,
                int64_t step, llvm::function_ref<void(mlir::Value)> body);

/// The operations of a mixture of experts as loops over tokens.
void tileTopKGate(mlir::ImplicitLocOpBuilder &builder, packed::TopKGateOp op);
void tileGroupedGate(mlir::ImplicitLocOpBuilder &builder, packed::GroupedGateOp op);
void tileSelectTokens(mlir::ImplicitLocOpBuilder &builder, packed::SelectTokensOp op);
void tileGatherTokens(mlir::ImplicitLocOpBuilder &builder, packed::GatherTokensOp op);
void tileScatterAdd(mlir::ImplicitLocOpBuilder &builder, packed::ScatterAddOp op);

} // namespace stc

#endif // LIB_DIALECT_PACKED_TRANSFORMS_TILEBUILDERS_H
