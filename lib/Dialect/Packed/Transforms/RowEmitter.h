// Computes one row, or a range of columns of it, of a linalg operation on memrefs.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_ROWEMITTER_H
#define STC_DIALECT_PACKED_TRANSFORMS_ROWEMITTER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace stc {

/// A range of columns [begin, end). `begin` is a multiple of kVectorColumns.
struct ColumnRange {
  mlir::Value begin, end;
};

/// Columns computed at once: a vector of 16 floats suits every target (LLVM splits it).
constexpr int64_t kVectorColumns = 16;

/// Writes the code of one operation for the row of a parallel loop around it. The operation's
/// first loop counts rows; its second, if any, counts columns.
class RowEmitter {
public:
  RowEmitter(mlir::OpBuilder &builder, mlir::linalg::LinalgOp op, mlir::Value row)
      : builder(builder), op(op), loc(op.getLoc()), row(row) {}

  /// True if the emitter can write code for `op`.
  static bool supports(mlir::linalg::LinalgOp op);

  /// Emits the columns in `range`, or all of them.
  void emit(std::optional<ColumnRange> range);

private:
  bool isVectorizable();
  void emitUniform();
  void emitColumns(ColumnRange range, int64_t columns);
  void emitReduction(int64_t columns);
  mlir::Value loadOperand(mlir::OpOperand &operand, mlir::Value column, int64_t width);
  llvm::SmallVector<mlir::Value> emitBody(mlir::Value column, int64_t width,
                                          mlir::ValueRange accumulators = {});
  mlir::Value broadcast(mlir::Value value, int64_t width);
  void storeResults(mlir::ValueRange results, mlir::Value column);
  mlir::Value constant(int64_t value);

  mlir::OpBuilder &builder;
  mlir::linalg::LinalgOp op;
  mlir::Location loc;
  mlir::Value row;
  /// Values of the body that are the same in all columns, computed once per row.
  mlir::IRMapping uniform;
};

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_ROWEMITTER_H
