// How far a compressed model is from the one it was made from.
#include "stc/Calibration/Divergence.h"

#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Support/EvalWindows.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <algorithm>

using namespace mlir;

namespace stc {

/// Tokens that are in memory at once.
static constexpr int64_t kBatchTokens = 8192;

int64_t vocabularyOf(ModuleOp module) {
  int64_t vocabulary = 0;
  module.walk([&](EmbeddingOp op) {
    // Not positions or types of tokens, which are computed.
    if (isa<BlockArgument>(op.getTokens()))
      vocabulary = cast<RankedTensorType>(op.getTable().getType()).getDimSize(0);
  });
  return vocabulary;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizerOf(ModuleOp module) {
  STC_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint, openCheckpoint(module));
  return checkpoint ? checkpoint->loadTokenizer() : std::unique_ptr<Tokenizer>();
}

absl::StatusOr<Sequences> readCalibrationText(ModuleOp module, const std::string &path,
                                              int64_t count, int64_t length) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, tokenizerOf(module));
  STC_ASSIGN_OR_RETURN(Sequences text,
                       readSequences(path, tokenizer.get(), count, length, vocabularyOf(module)));
  if (text.count < std::min<int64_t>(count, 16))
    emitWarning(module.getLoc(), "calibrate: only ")
        << text.count << " sequences of " << text.length << " tokens in " << path
        << "; statistics of so few are unreliable";
  return text;
}

absl::StatusOr<Block *> forwardBlock(ModuleOp module) {
  for (const char *name : {"forward", "head"}) {
    auto function = module.lookupSymbol<func::FuncOp>(name);
    if (!function || !function.getBody().hasOneBlock())
      return formatError({"", "module", {}}, "functions @forward and @head of one block", "none");
  }
  return &module.lookupSymbol<func::FuncOp>("forward").getBody().front();
}

absl::StatusOr<ActivationsPtr> continueToLogits(BatchEvaluator &evaluator, ModuleOp module,
                                                Operation *first) {
  auto runFrom = [&](Operation *op) -> absl::Status {
    for (; !op->hasTrait<OpTrait::IsTerminator>(); op = op->getNextNode()) {
      auto layer = dyn_cast<LayerOp>(op);
      STC_RETURN_IF_ERROR(layer ? evaluator.evaluateLayer(layer) : evaluator.evaluate(op));
    }
    return absl::OkStatus();
  };
  STC_ASSIGN_OR_RETURN(Block * block, forwardBlock(module));
  Block &last = module.lookupSymbol<func::FuncOp>("head").getBody().front();
  STC_RETURN_IF_ERROR(runFrom(first));
  evaluator.bind(last.getArgument(0), block->getTerminator()->getOperand(0));
  STC_RETURN_IF_ERROR(runFrom(&last.front()));
  ActivationsPtr logits = evaluator.get(last.getTerminator()->getOperand(0));
  if (!logits)
    return formatError({"", "@head", {}}, "logits", "another result");
  return logits;
}

absl::StatusOr<ActivationsPtr> evaluateLogits(ModuleOp module, const Sequences &batch,
                                              BatchEvaluator::Loader loader) {
  STC_ASSIGN_OR_RETURN(Block * block, forwardBlock(module));
  BatchEvaluator evaluator(module, batch, std::move(loader));
  return continueToLogits(evaluator, module, &block->front());
}

absl::Status Divergence::addBatch(ModuleOp module, const Sequences &batch) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(module));
  STC_ASSIGN_OR_RETURN(ActivationsPtr source,
                       evaluateLogits(reference ? reference : module, batch, [&](WeightOp weight) {
                         return reference ? store->loadOriginal(weight) : store->loadSource(weight);
                       }));
  STC_ASSIGN_OR_RETURN(
      ActivationsPtr compressed,
      evaluateLogits(module, batch, [&](WeightOp weight) { return store->load(weight); }));
  if (source->columns != compressed->columns)
    return formatError({"", "reference", {}},
                       absl::StrCat("logits of ", compressed->columns, " tokens"),
                       absl::StrCat(source->columns));
  add(batch, *source, *compressed);
  return absl::OkStatus();
}

void Divergence::add(const Sequences &batch, const Activations &source,
                     const Activations &compressed) {
  size_t vocabulary = size_t(source.columns), perSequence = size_t(batch.length - 1);
  std::vector<PredictionComparison> comparisons(size_t(batch.count) * perSequence);
  auto rowOf = [&](size_t i) { return i / perSequence * (perSequence + 1) + i % perSequence; };
  auto logits = [&](const Activations &all, size_t i) {
    return absl::MakeConstSpan(all.values).subspan(rowOf(i) * vocabulary, vocabulary);
  };
  parallelFor(int64_t(comparisons.size()), [&](int64_t i) {
    comparisons[size_t(i)] =
        comparePredictions(logits(source, size_t(i)), logits(compressed, size_t(i)));
  });
  for (size_t i = 0; i < comparisons.size(); ++i) {
    size_t next = size_t(batch.tokens[rowOf(i) + 1]);
    sourceLosses.add(comparisons[i].referenceLogSum - double(logits(source, i)[next]));
    losses.add(comparisons[i].modelLogSum - double(logits(compressed, i)[next]));
    divergences.add(comparisons[i].divergence);
    agreements.add(comparisons[i].agrees);
  }
}

absl::Status Divergence::add(ModuleOp module, const Sequences &text) {
  int64_t atOnce = std::max<int64_t>(1, kBatchTokens / text.length);
  for (int64_t first = 0; first < text.count; first += atOnce) {
    Sequences batch;
    batch.length = text.length;
    batch.count = std::min(atOnce, text.count - first);
    batch.tokens.assign(text.tokens.begin() + first * text.length,
                        text.tokens.begin() + (first + batch.count) * text.length);
    STC_RETURN_IF_ERROR(addBatch(module, batch));
  }
  return absl::OkStatus();
}

absl::Status Divergence::add(ModuleOp module, const std::string &path, const Tokenizer *tokenizer,
                             int64_t length) {
  EvalText text{path, {}};
  STC_ASSIGN_OR_RETURN(text.tokens, readTokens(path, tokenizer, vocabularyOf(module)));
  int64_t bos = tokenizer && tokenizer->spec().addBos ? tokenizer->spec().bos : -1;
  STC_ASSIGN_OR_RETURN(std::vector<EvalWindow> windows, cutWindows(text, length, bos));
  Sequences all; // cutWindows gives windows of one length
  all.count = all.available = int64_t(windows.size());
  all.length = int64_t(windows.front().size());
  for (const EvalWindow &window : windows)
    all.tokens.insert(all.tokens.end(), window.begin(), window.end());
  return add(module, all);
}

} // namespace stc
