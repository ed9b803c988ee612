// What makes two layers equal, and what a shared layer function takes from outside.
#ifndef LIB_DIALECT_STC_TRANSFORMS_LAYERSIGNATURE_H
#define LIB_DIALECT_STC_TRANSFORMS_LAYERSIGNATURE_H

#include "stc/Dialect/STC/IR/STC.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <vector>

namespace stc {

/// A layer seen as a function of its hidden state, index, captures and weights.
struct LayerSignature {
  /// Layers compute the same function exactly if their keys are equal. Words are numbers of
  /// values and pointers of attributes and types, which a context holds once.
  std::vector<uintptr_t> key;
  /// Values from outside that are neither constants nor weights, in order of first use.
  llvm::SetVector<mlir::Value> captures;
  /// Weight symbols in order of first use, and the types of their values.
  llvm::MapVector<mlir::StringAttr, mlir::Type> weights;

  static LayerSignature of(LayerOp layer);
};

/// The symbol a `stc.get_weight` or `packed.get_weight` reads, or null for any other operation.
mlir::StringAttr weightSymbol(mlir::Operation *op);

/// True if the operand is the layer number of an operation on the cache, and constant `index`.
bool isLayerIndex(mlir::OpOperand &operand, int64_t index);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_LAYERSIGNATURE_H
