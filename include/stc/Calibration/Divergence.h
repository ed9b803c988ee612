// How far a compressed model is from the one it was made from.
#ifndef STC_CALIBRATION_DIVERGENCE_H
#define STC_CALIBRATION_DIVERGENCE_H

#include "stc/Calibration/BatchEvaluator.h"
#include "stc/Support/Predictions.h"

#include <cmath>

namespace stc {

/// Sums over the predictions of texts, and what they say. Both models compute in f32.
class Divergence {
public:
  /// Compares `add`'s module with its own graph and the weights of its source; or, if `reference`
  /// is not null, with that graph and the weights of the checkpoint.
  explicit Divergence(mlir::ModuleOp reference = {}) : reference(reference) {}

  int64_t tokens() const { return losses.count(); }
  /// exp of the mean negative log likelihood, of the source and of the compressed weights.
  double sourcePerplexity() const { return std::exp(sourceLosses.mean()); }
  double perplexity() const { return std::exp(losses.mean()); }
  /// Their standard errors over tokens, to first order.
  double sourcePerplexityError() const { return sourcePerplexity() * sourceLosses.standardError(); }
  double perplexityError() const { return perplexity() * losses.standardError(); }
  /// KL(source || compressed), nats per token, and its standard error over tokens.
  double divergence() const { return divergences.mean(); }
  double divergenceError() const { return divergences.standardError(); }
  /// The share of tokens whose most likely successor is the same.
  double agreement() const { return agreements.mean(); }
  double agreementError() const { return agreements.standardError(); }

  /// Adds the predictions of a text: of its windows of `length` tokens (at least 2), the same that
  /// the command `eval` of a model takes (cutWindows), whether `path` holds a text or token ids.
  /// Runs @forward and @head of both models. Errors: as readTokens and cutWindows.
  absl::Status add(mlir::ModuleOp module, const std::string &path, const Tokenizer *tokenizer,
                   int64_t length);

  /// Adds the predictions of sequences.
  absl::Status add(mlir::ModuleOp module, const Sequences &text);
  /// Adds what two models predict, by their logits for `batch`.
  void add(const Sequences &batch, const Activations &source, const Activations &compressed);

private:
  absl::Status addBatch(mlir::ModuleOp module, const Sequences &batch);

  mlir::ModuleOp reference;
  SampleMean sourceLosses, losses, divergences, agreements; // of one number per scored token
};

/// The block of @forward. Errors: no such function of one block, or no @head.
absl::StatusOr<mlir::Block *> forwardBlock(mlir::ModuleOp module);
/// Runs what is left of @forward from `first` on, an operation of its block whose operands are
/// known, and @head: the logits of all tokens.
absl::StatusOr<ActivationsPtr> continueToLogits(BatchEvaluator &evaluator, mlir::ModuleOp module,
                                                mlir::Operation *first);
/// The logits of all tokens: @forward and @head of `module` on `sequences`.
absl::StatusOr<ActivationsPtr> evaluateLogits(mlir::ModuleOp module, const Sequences &sequences,
                                              BatchEvaluator::Loader loader);

/// The tokenizer of the checkpoint that `module` was imported from, or null where there is none.
absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizerOf(mlir::ModuleOp module);

/// The sequences that `module` is calibrated on: `readSequences` with its tokenizer and vocabulary.
/// A warning if they are few.
absl::StatusOr<Sequences> readCalibrationText(mlir::ModuleOp module, const std::string &path,
                                              int64_t count, int64_t length);

/// The rows of the table that @forward of `module` embeds tokens with, or 0.
int64_t vocabularyOf(mlir::ModuleOp module);

} // namespace stc

#endif // STC_CALIBRATION_DIVERGENCE_H
