// What a rotation of the hidden state, and of the values in attention, means for each weight.
#ifndef LIB_DIALECT_STC_TRANSFORMS_ROTATIONROLES_H
#define LIB_DIALECT_STC_TRANSFORMS_ROTATIONROLES_H

#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace stc {

/// What becomes of a weight where an operation reads it, in this order.
struct RotationRole {
  WeightOp gains;           // of the norm it reads behind: they multiply the columns
  bool columns = false;     // it reads the hidden state, or is a table of it
  bool rows = false;        // it gives what is added to the hidden state; a bias does too
  bool isGain = false;      // the gains of a norm themselves: they become ones
  int64_t valueRows = 0;    // not 0: it gives values, in heads of so many rows
  int64_t valueColumns = 0; // not 0: it reads values, in heads of so many columns
  int64_t layer = 0;        // whose values these are

  bool operator==(const RotationRole &other) const {
    return gains == other.gains && columns == other.columns && rows == other.rows &&
           isGain == other.isGain && valueRows == other.valueRows &&
           valueColumns == other.valueColumns && layer == other.layer;
  }
};

/// The roles of weights by the operand that reads them.
struct RotationRoles {
  llvm::MapVector<mlir::OpOperand *, RotationRole> readers;
  int64_t hidden = 0;                       // channels of the hidden state; 0: nothing embeds
  int64_t valuesMoved = 0;                  // layers whose values turn
  llvm::SmallVector<LayerOp> valuesUnmoved; // layers whose values stay as they are
};

/// Follows the hidden state from the table through @encode, where there is one, @forward and @head,
/// and finds the values of
/// attention. Errors, reported at the operation: one that reads or writes the hidden state and does
/// not commute with a rotation; a weight that is not read by `stc.get_weight`.
mlir::FailureOr<RotationRoles> findRotationRoles(mlir::ModuleOp module);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_ROTATIONROLES_H
