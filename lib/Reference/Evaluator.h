// The interpreter's inside: values of SSA names, and one function per dialect that runs an op.
#ifndef STC_LIB_REFERENCE_EVALUATOR_H
#define STC_LIB_REFERENCE_EVALUATOR_H

#include "Math.h"

#include "stc/Dialect/STC/IR/VerifyAttention.h"

#include "absl/strings/str_cat.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseMap.h"

namespace stc {

using TensorPtr = std::shared_ptr<const ReferenceTensor>;

/// A packed weight, decoded from its bytes.
struct PackedWeight {
  ReferenceTensor values;    // float layouts
  QuantizedMatrix quantized; // quantized layouts
};
using PackedWeightPtr = std::shared_ptr<const PackedWeight>;

/// What an SSA value stands for: tensors and vectors, integers, floats, the cache, packed weights.
using Slot =
    std::variant<TensorPtr, int64_t, double, std::shared_ptr<ReferenceCache>, PackedWeightPtr>;

/// The values of one function call. Verified IR defines every value before its use, so looking one
/// up cannot fail.
class Frame {
public:
  const Slot &operator[](mlir::Value value) const { return slots.find(value)->second; }
  void set(mlir::Value value, Slot slot) { slots[value] = std::move(slot); }
  void set(mlir::Value value, ReferenceTensor tensor) {
    slots[value] = std::make_shared<const ReferenceTensor>(std::move(tensor));
  }

  const ReferenceTensor &tensor(mlir::Value value) const {
    return *std::get<TensorPtr>((*this)[value]);
  }
  /// The tensor of an optional operand, or null.
  const ReferenceTensor *optionalTensor(mlir::Value value) const {
    return value ? &tensor(value) : nullptr;
  }
  int64_t integer(mlir::Value value) const { return std::get<int64_t>((*this)[value]); }
  double scalar(mlir::Value value) const { return std::get<double>((*this)[value]); }
  const PackedWeight &weight(mlir::Value value) const {
    return *std::get<PackedWeightPtr>((*this)[value]);
  }
  CachePlace place(mlir::Value cache, mlir::Value layer, mlir::Value position) const {
    return {std::get<std::shared_ptr<ReferenceCache>>((*this)[cache]).get(),
            mlir::cast<KVCacheType>(cache.getType()), integer(layer), integer(position)};
  }

private:
  llvm::DenseMap<mlir::Value, Slot> slots;
};

/// Runs functions of a module.
class Evaluator {
public:
  Evaluator(mlir::ModuleOp module, absl::Span<const uint8_t> section);

  mlir::func::FuncOp findFunction(llvm::StringRef name) {
    return symbols.lookup<mlir::func::FuncOp>(name);
  }
  absl::StatusOr<std::vector<Slot>> call(llvm::StringRef function, std::vector<Slot> arguments);
  /// Runs a block whose arguments are set, and returns its terminator's operands.
  absl::StatusOr<std::vector<Slot>> runBlock(mlir::Block &block, Frame &frame);
  /// The value of a `stc.weight` or `packed.weight`.
  absl::StatusOr<Slot> weight(llvm::StringRef symbol);

private:
  absl::StatusOr<Slot> loadWeight(WeightOp weight);
  absl::StatusOr<Slot> loadWeight(packed::WeightOp weight);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  absl::Span<const uint8_t> section;
  llvm::StringMap<Slot> weights; // loaded before
  int64_t loadedElements = 0;
  int depth = 0;
};

/// Each runs `op` if it belongs to the function's dialect and returns whether it did.
absl::StatusOr<bool> evaluateSTC(Evaluator &evaluator, Frame &frame, mlir::Operation *op);
absl::StatusOr<bool> evaluatePacked(Evaluator &evaluator, Frame &frame, mlir::Operation *op);
absl::StatusOr<bool> evaluateRouting(Evaluator &evaluator, Frame &frame, mlir::Operation *op);
absl::StatusOr<bool> evaluateUpstream(Evaluator &evaluator, Frame &frame, mlir::Operation *op);
absl::StatusOr<bool> evaluateLinalg(Evaluator &evaluator, Frame &frame, mlir::Operation *op);

/// An error about `op`, in the shape of all errors.
absl::Status opError(mlir::Operation *op, absl::string_view expected, absl::string_view got);
/// Errors unless all tensors have equally many rows (types may leave the tokens open).
absl::Status checkRows(mlir::Operation *op, std::initializer_list<const ReferenceTensor *> tensors);
/// Errors unless the tensor has so many columns (types may leave them open too).
absl::Status checkColumns(mlir::Operation *op, const ReferenceTensor &tensor, int64_t columns);
/// The columns of `input` that `order` names, in its order; zeros where it says -1. Errors unless
/// these are whole numbers below the number of columns.
absl::StatusOr<ReferenceTensor> permuteColumns(mlir::Operation *op, const ReferenceTensor &input,
                                               const ReferenceTensor &order);
/// Errors unless the tables have the input's rows, its columns are a number of whole heads of
/// `headDim`, and a head has all the pairs.
absl::Status checkRotary(mlir::Operation *op, const ReferenceTensor &input,
                         const ReferenceTensor &cosines, const ReferenceTensor &sines,
                         int64_t headDim);
/// Errors unless the positions that an attention reads to are in the cache, and there are some.
template <typename Op> absl::Status checkEnd(const Frame &frame, Op op) {
  int64_t capacity = mlir::cast<KVCacheType>(op.getCache().getType()).getCapacity();
  if (op.getEnd() && (frame.integer(op.getEnd()) < 1 || frame.integer(op.getEnd()) > capacity))
    return opError(op, absl::StrCat("an end from 1 to ", capacity),
                   absl::StrCat(frame.integer(op.getEnd())));
  return absl::OkStatus();
}
/// Those of stc.attention or packed.attention.
template <typename Op> AttentionSettings attentionSettings(const Frame &frame, Op op) {
  AttentionSettings settings;
  settings.heads = op.getHeads();
  settings.scale = op.getScale().convertToDouble();
  settings.softCap = op.getSoftCap().convertToDouble();
  settings.window = op.getWindow();
  settings.sinks = op.getSinks();
  if (op.getEnd())
    settings.end = frame.integer(op.getEnd());
  settings.bias = frame.optionalTensor(op.getBias());
  settings.biasDistance = op.getBiasDistance();
  settings.sinkLogits = frame.optionalTensor(op.getSinkLogits());
  if (op.getSlopes())
    settings.slopes = *op.getSlopes();
  settings.pattern = patternOf(op);
  return settings;
}
/// Constants and dynamic operands of a mixed list, as numbers.
llvm::SmallVector<int64_t> resolve(const Frame &frame, llvm::ArrayRef<mlir::OpFoldResult> mixed);
/// "2x3".
std::string shapeText(llvm::ArrayRef<int64_t> shape);

} // namespace stc

#endif // STC_LIB_REFERENCE_EVALUATOR_H
