// What makes two layers or experts equal, and what their shared function takes from outside.
#ifndef LIB_DIALECT_STC_TRANSFORMS_LAYERSIGNATURE_H
#define LIB_DIALECT_STC_TRANSFORMS_LAYERSIGNATURE_H

#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <vector>

namespace stc {

/// A layer or expert seen as a function of its hidden state, index, captures and weights.
struct LayerSignature {
  /// Layers compute the same function exactly if their keys are equal. Words are numbers of
  /// values and pointers of attributes and types, which a context holds once.
  std::vector<uintptr_t> key;
  /// Values from outside that are neither constants nor weights, in order of first use.
  llvm::SetVector<mlir::Value> captures;
  /// Weight symbols in order of first use, and the types of their values.
  llvm::MapVector<mlir::StringAttr, mlir::Type> weights;

  /// The weight symbols, as a row of a stc.repeat has them.
  mlir::ArrayAttr weightRow(mlir::MLIRContext *context) const;

  /// Adds a private function of the state, an index, the captures and the weights to the state,
  /// still without a body, behind `parent`, whose name with `suffix` it gets.
  mlir::func::FuncOp declareFunction(mlir::SymbolTable &symbols, mlir::func::FuncOp parent,
                                     llvm::StringRef suffix, mlir::Location loc,
                                     mlir::Type state) const;

  static LayerSignature of(LayerOp layer);
  /// The first captures are the input and the gates.
  static LayerSignature of(ExpertOp expert);
};

/// The symbol a `stc.get_weight` or `packed.get_weight` reads, or null for any other operation.
mlir::StringAttr weightSymbol(mlir::Operation *op);

/// Makes the operands of ops that were cloned into `function`, whose parameters are a hidden state,
/// an index, the captures and the weights, refer to these and to constants of its own. `layer` is
/// the number of the layer they were cloned from; -1: of none.
void useParameters(mlir::func::FuncOp function, int64_t layer, const LayerSignature &signature);

/// Where the operand is the constant number of a layer of the cache: that number minus `index`, the
/// number of the layer that the operation is in. A decoder's layers also read layers of the cache
/// that lie a fixed distance behind their own: what an encoder left. Nothing for other operands, for
/// layers before the own one, and outside layers (`index` -1).
std::optional<int64_t> cacheLayerOffset(mlir::OpOperand &operand, int64_t index);

/// True if the operand is the layer number of an operation on the cache, and constant `index`.
bool isLayerIndex(mlir::OpOperand &operand, int64_t index);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_LAYERSIGNATURE_H
