// What the tilings of operations share: parallel loops over the tokens of buffers.
#include "TileBuilders.h"

#include "stc/Dialect/Packed/Transforms/ColumnLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace stc {

int64_t columnsOf(Value matrix) { return cast<MemRefType>(matrix.getType()).getDimSize(1); }

OpFoldResult tokensOf(ImplicitLocOpBuilder &builder, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(0))
    return builder.getIndexAttr(type.getDimSize(0));
  return memref::DimOp::create(builder, buffer, 0).getResult();
}

void parallel(ImplicitLocOpBuilder &builder, ArrayRef<OpFoldResult> bounds,
              function_ref<void(ValueRange)> body) {
  auto forall = scf::ForallOp::create(builder, bounds, ValueRange(), std::nullopt);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(forall.getBody());
  body(forall.getInductionVars());
}

void columnLoop(ImplicitLocOpBuilder &builder, Value begin, Value end, int64_t step,
                function_ref<void(Value)> body) {
  auto op = scf::ForOp::create(builder, begin, end,
                               arith::ConstantIndexOp::create(builder, step).getResult());
  op->setAttr(kColumnsAttr, builder.getUnitAttr());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

} // namespace stc
