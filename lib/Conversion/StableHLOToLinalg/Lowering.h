// One function of stablehlo on its way to linalg, operation by operation.
#ifndef STC_LIB_CONVERSION_STABLEHLOTOLINALG_LOWERING_H
#define STC_LIB_CONVERSION_STABLEHLOTOLINALG_LOWERING_H

#include "stc/Dialect/StableHLO/IR/StableHLO.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace stc::stablehlo {

/// The type of an element in linalg: f16 and bf16 are computed in f32.
mlir::Type loweredElement(mlir::Type element);
/// The type of a tensor in linalg: without its dimensions of size 1.
mlir::RankedTensorType loweredType(mlir::Type type);
/// Its dimensions that stay.
llvm::SmallVector<int64_t> keptDims(mlir::Type type);
/// Those of `dims` that stay in a tensor of `type`, as dimensions of the lowered tensor.
llvm::SmallVector<int64_t> loweredDims(mlir::Type type, llvm::ArrayRef<int64_t> dims);
/// The value that all elements of a constant have, or null.
mlir::TypedAttr splatOf(mlir::Value value);

/// What has been lowered so far, and a builder in front of the operation that is lowered now.
class Lowering {
public:
  explicit Lowering(mlir::OpBuilder builder) : builder(builder) {}

  mlir::Value get(mlir::Value value) const { return values.lookup(value); }
  /// Says what `value` became; `dependsOn` are the values it was computed from.
  void set(mlir::Value value, mlir::Value lowered, mlir::ValueRange dependsOn);
  /// A value that depends on the function's arguments.
  void setArgument(mlir::Value value, mlir::Value lowered) {
    values.map(value, lowered);
    variable.insert(value);
  }
  /// Whether a value depends on what the function is given, and is no weight.
  bool isVariable(mlir::Value value) const { return variable.contains(value); }
  void at(mlir::Operation *op) {
    builder.setInsertionPoint(op);
    loc = op->getLoc();
  }

  mlir::Value empty(mlir::RankedTensorType type);
  mlir::Value filled(mlir::RankedTensorType type, mlir::Value element);
  /// A tensor whose elements are all `element`.
  mlir::Value splat(mlir::RankedTensorType type, mlir::TypedAttr element);
  /// The single element of a tensor of rank 0.
  mlir::Value element(mlir::Value tensor);
  mlir::Value reshape(mlir::Value value, mlir::RankedTensorType type);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation);
  /// f32 for f16 and bf16.
  mlir::Value widen(mlir::Value value);

  using Body = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;
  /// linalg.generic on `out`, whose maps are those of the inputs and of `out`.
  mlir::Value generic(mlir::ValueRange inputs, mlir::Value out,
                      llvm::ArrayRef<mlir::AffineMap> maps,
                      llvm::ArrayRef<mlir::utils::IteratorType> iterators, Body body);

  mlir::OpBuilder builder;
  mlir::Location loc{mlir::UnknownLoc::get(builder.getContext())};

private:
  mlir::IRMapping values;
  llvm::DenseSet<mlir::Value> variable;
};

/// Whether an operation works on elements, each by itself.
bool isElementwise(mlir::Operation *op);
/// The result of such an operation on scalars, where `types` are the element types of its operands
/// and `result` that of its result, as they were; null, with an error, if there is none.
mlir::Value createScalar(mlir::OpBuilder &builder, mlir::Location loc, mlir::Operation *op,
                         mlir::ValueRange operands, llvm::ArrayRef<mlir::Type> types,
                         mlir::Type result);

// How each kind of operation is lowered; failure comes with an error.
mlir::LogicalResult lowerElementwise(Lowering &lowering, mlir::Operation *op);
mlir::LogicalResult lowerShape(Lowering &lowering, mlir::Operation *op);
mlir::LogicalResult lowerSlice(Lowering &lowering, mlir::Operation *op);
mlir::LogicalResult lower(Lowering &lowering, DotGeneralOp op);
mlir::LogicalResult lower(Lowering &lowering, ReduceOp op);
mlir::LogicalResult lower(Lowering &lowering, GatherOp op);

} // namespace stc::stablehlo

#endif // STC_LIB_CONVERSION_STABLEHLOTOLINALG_LOWERING_H
