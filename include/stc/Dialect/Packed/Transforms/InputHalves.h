// Activations of 16 bits beside those of f32, for multiplications that take both.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_INPUTHALVES_H
#define STC_DIALECT_PACKED_TRANSFORMS_INPUTHALVES_H

#include "stc/Dialect/Packed/IR/Packed.h"

#include "llvm/ADT/DenseMap.h"

namespace stc {

/// The `packed.split_activations` of inputs of multiplications on tensors, made once for all of a
/// block that read them in the same form. Called in the order of the operations.
class InputHalves {
public:
  /// `input` for `op`, with `parts` (1 or 2) numbers of `element` (bf16 or f16) for each
  /// activation.
  mlir::Value of(packed::MatmulOp op, mlir::Value input, mlir::Type element, int64_t parts);
  /// Gives `op` those of its first input as a second one.
  void append(packed::MatmulOp op, mlir::Type element, int64_t parts) {
    op.getInputsMutable().append(of(op, op.getInputs()[0], element, parts));
  }
  /// How many operations that took.
  int64_t count() const { return static_cast<int64_t>(known.size()); }

private:
  llvm::DenseMap<std::pair<mlir::Block *, std::pair<mlir::Value, mlir::Type>>, mlir::Value> known;
};

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_INPUTHALVES_H
