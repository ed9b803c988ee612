// Runs the operations of stc graphs in f32 for many sequences at once.
#ifndef STC_CALIBRATION_BATCHEVALUATOR_H
#define STC_CALIBRATION_BATCHEVALUATOR_H

#include "stc/Calibration/Sequences.h"
#include "stc/Dialect/STC/IR/STC.h"

#include "llvm/ADT/DenseMap.h"

#include <functional>
#include <memory>

namespace stc {

/// An activation of all sequences: [count * length][columns], where the length is that of what an
/// encoder's functions (@stem, @encode) or all others read; inside an expert only of the tokens
/// that chose it.
struct Activations {
  int64_t columns = 0;
  std::vector<float> values;
};
using ActivationsPtr = std::shared_ptr<const Activations>;

/// One run of a graph over sequences of equal length, all from position 0, operation by operation:
/// the caller decides when to go on, and may change weights before they are used. The products are
/// those of OpenBLAS in f32; the result does not depend on the number of threads.
class BatchEvaluator {
public:
  /// Loads the values of a weight.
  using Loader = std::function<absl::StatusOr<std::vector<float>>(WeightOp)>;
  BatchEvaluator(mlir::ModuleOp module, const Sequences &sequences, Loader loader);

  /// Runs one operation, which is no layer. Errors: an operation that is not known, or a result
  /// that is not finite.
  absl::Status evaluate(mlir::Operation *op);
  /// Runs a layer, and forgets what was computed inside. Calls `before` and `after` around each of
  /// its operations, those inside experts too; the operands of an operation are there until `after`
  /// returned.
  using Hook = llvm::function_ref<absl::Status(mlir::Operation *)>;
  absl::Status evaluateLayer(LayerOp layer, Hook before = nullptr, Hook after = nullptr);
  /// Runs an expert's operations in two steps, for those who run them one by one: gives its
  /// argument the rows of the tokens that chose it, perhaps none, and adds up what it yields.
  absl::Status enterExpert(ExpertOp expert);
  absl::Status leaveExpert(ExpertOp expert);
  /// Takes over the keys and values that are in the cache of another run of the same sequences.
  void takeCache(const BatchEvaluator &other) { cached = other.cached; }
  /// Gives `value` (a layer's argument or result) what `other` stands for.
  void bind(mlir::Value value, mlir::Value other) { values[value] = values.lookup(other); }
  /// Gives `value` what another run computed for the same sequences.
  void assign(mlir::Value value, ActivationsPtr activations) {
    values[value] = std::move(activations);
  }
  /// What a value stands for, or null.
  ActivationsPtr get(mlir::Value value) const { return values.lookup(value); }
  /// Divides channel j of an activation by divisors[j], as what comes before it now does.
  void divideChannels(mlir::Value value, absl::Span<const float> divisors);
  /// Forgets values that are used for the last time by `op`, which lies in the same block.
  void releaseOperands(mlir::Operation *op);
  /// Forgets everything that was computed inside a block.
  void release(mlir::Block &block);

private:
  void enter(mlir::Operation *op);
  absl::StatusOr<std::vector<float>> weight(mlir::Value value);
  absl::Status set(mlir::Operation *op, Activations result);
  absl::Status embed(EmbeddingOp op);
  absl::Status multiply(LinearOp op);
  absl::Status permuteColumns(PermuteFeaturesOp op);
  absl::Status normalize(RMSNormOp op);
  absl::Status normalizeLayer(LayerNormOp op);
  absl::Status map(mlir::Operation *op, llvm::function_ref<float(float)> function);
  absl::Status tabulate(RotaryTableOp op);
  absl::Status rotate(RotaryEmbeddingOp op);
  absl::Status gate(GatedActivationOp op);
  absl::Status attend(AttentionOp op);
  absl::Status chooseExperts(TopKGateOp op);
  absl::Status runBlock(mlir::Block &block, Hook before, Hook after);
  void forget(mlir::Block &block);

  mlir::SymbolTable symbols;
  const Sequences &sequences;
  Loader loader;
  bool readsSource = false;    // at work is what an encoder in front of a decoder does
  int64_t length, rows;        // of a sequence there, and of every activation
  bool isInExpert = false;     // where `rows` are those of
  std::vector<int64_t> chosen; // these tokens
  llvm::DenseMap<mlir::Value, ActivationsPtr> values;
  /// Keys and values in the cache, by layer: those of the layer at work, and what a decoder will
  /// read of its encoder.
  llvm::DenseMap<int64_t, std::pair<ActivationsPtr, ActivationsPtr>> cached;
};

} // namespace stc

#endif // STC_CALIBRATION_BATCHEVALUATOR_H
