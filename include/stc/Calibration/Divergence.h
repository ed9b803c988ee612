// How far a compressed model is from the one it was made from.
#ifndef STC_CALIBRATION_DIVERGENCE_H
#define STC_CALIBRATION_DIVERGENCE_H

#include "stc/Calibration/BatchEvaluator.h"
#include "stc/Support/Pooling.h"
#include "stc/Support/Predictions.h"

#include <cmath>
#include <optional>

namespace stc {

/// Sums over the predictions of texts, and what they say. Both models compute in f32. Of an
/// encoder, which predicts nothing, over the vectors of texts: each sequence is one, and what
/// stands for KL is 1 - the cosine of both models' vectors; perplexities and agreement are none.
class Divergence {
public:
  /// Compares `add`'s module with its own graph and the weights of its source; or, if `reference`
  /// is not null, with that graph and the weights of the checkpoint. With `pooling` it is an
  /// encoder whose vectors are made so.
  explicit Divergence(mlir::ModuleOp reference = {}, std::optional<Pooling> pooling = std::nullopt)
      : reference(reference), pooling(pooling) {}

  bool isOfVectors() const { return pooling.has_value(); }
  /// Scored tokens, or texts of an encoder.
  int64_t tokens() const { return divergences.count(); }
  /// exp of the mean negative log likelihood, of the source and of the compressed weights.
  double sourcePerplexity() const { return std::exp(sourceLosses.mean()); }
  double perplexity() const { return std::exp(losses.mean()); }
  /// Their standard errors over tokens, to first order.
  double sourcePerplexityError() const { return sourcePerplexity() * sourceLosses.standardError(); }
  double perplexityError() const { return perplexity() * losses.standardError(); }
  /// KL(source || compressed), nats per token, and its standard error over tokens; of an encoder
  /// the mean distance of vectors.
  double divergence() const { return divergences.mean(); }
  double divergenceError() const { return divergences.standardError(); }
  /// The share of tokens whose most likely successor is the same.
  double agreement() const { return agreements.mean(); }
  double agreementError() const { return agreements.standardError(); }

  /// Adds the predictions of a text: of its windows of `length` tokens (at least 2), the same that
  /// the command `eval` of a model takes (cutWindows), whether `path` holds a text or token ids.
  /// Runs @forward and @head of both models. Errors: as textReaderOf, readTokens and
  /// cutWindows.
  absl::Status add(mlir::ModuleOp module, const std::string &path, const Tokenizer *tokenizer,
                   int64_t length);

  /// Adds the predictions of sequences.
  absl::Status add(mlir::ModuleOp module, const Sequences &text);
  /// Adds what two models predict, by their logits (or last hidden states) for `batch`.
  void add(const Sequences &batch, const Activations &source, const Activations &compressed);

private:
  absl::Status addBatch(mlir::ModuleOp module, const Sequences &batch);
  void addVectors(const Sequences &batch, const Activations &source, const Activations &compressed);

  mlir::ModuleOp reference;
  std::optional<Pooling> pooling;
  SampleMean sourceLosses, losses, divergences, agreements; // of one number per scored token
};

/// What measures how far `module` is from its source, or from `reference`: predictions where it has
/// a @head, else vectors, pooled as its checkpoint says.
absl::StatusOr<Divergence> divergenceOf(mlir::ModuleOp module, mlir::ModuleOp reference = {});

/// The operations that calibration runs one after the other: those of @encode, where there is one,
/// and of @forward, but for terminators. Errors: no such function @forward of one block.
absl::StatusOr<llvm::SmallVector<mlir::Operation *>> calibrationProgram(mlir::ModuleOp module);
/// Runs the operations of `program` from number `first` on, whose operands are known, and @head:
/// the logits of all tokens, or their last hidden states where there is no @head.
absl::StatusOr<ActivationsPtr> continueToOutputs(BatchEvaluator &evaluator, mlir::ModuleOp module,
                                                 llvm::ArrayRef<mlir::Operation *> program,
                                                 size_t first);
/// The same of the whole program of `module` on `sequences`.
absl::StatusOr<ActivationsPtr> evaluateOutputs(mlir::ModuleOp module, const Sequences &sequences,
                                               BatchEvaluator::Loader loader);

/// The tokenizer of the checkpoint that `module` was imported from, or null where there is none.
absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizerOf(mlir::ModuleOp module);

/// How `module` reads texts, with the tokenizer of its checkpoint. Error: its encoder reads sound.
absl::StatusOr<TextReader> textReaderOf(mlir::ModuleOp module, const Tokenizer *tokenizer);

/// The sequences that `module` is calibrated on. A warning
/// if they are few. Errors: as textReaderOf and readSequences.
absl::StatusOr<Sequences> readCalibrationText(mlir::ModuleOp module, const std::string &path,
                                              int64_t count, int64_t length);

/// The rows of the table that @forward of `module` embeds tokens with, or 0.
int64_t vocabularyOf(mlir::ModuleOp module);

} // namespace stc

#endif // STC_CALIBRATION_DIVERGENCE_H
