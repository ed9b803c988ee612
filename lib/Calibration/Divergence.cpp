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

absl::StatusOr<TextReader> textReaderOf(ModuleOp module, const Tokenizer *tokenizer) {
  if (module.lookupSymbol("stem"))
    return formatError(
        {"", "calibrate", {}},
        "a model that reads text (one whose encoder reads sound is compressed without "
        "calibration: magnitude and rtn)",
        "one that reads sound");
  TextReader reader;
  reader.tokenizer = tokenizer;
  reader.vocabulary = vocabularyOf(module);
  reader.isEncoder = !module.lookupSymbol("head");
  if (!module.lookupSymbol("encode"))
    return reader;
  STC_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint, openCheckpoint(module));
  reader.decoderStart = checkpoint ? checkpoint->config().decoderStart.value_or(0) : 0;
  return reader;
}

absl::StatusOr<Sequences> readCalibrationText(ModuleOp module, const std::string &path,
                                              int64_t count, int64_t length) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, tokenizerOf(module));
  STC_ASSIGN_OR_RETURN(TextReader reader, textReaderOf(module, tokenizer.get()));
  STC_ASSIGN_OR_RETURN(Sequences text, readSequences(path, reader, count, length));
  if (text.count < std::min<int64_t>(count, 16))
    emitWarning(module.getLoc(), "calibrate: only ")
        << text.count << " sequences of " << text.length << " tokens in " << path
        << "; statistics of so few are unreliable";
  return text;
}

absl::StatusOr<Divergence> divergenceOf(ModuleOp module, ModuleOp reference) {
  if (module.lookupSymbol("head"))
    return Divergence(reference);
  STC_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint, openCheckpoint(module));
  return Divergence(reference, checkpoint ? checkpoint->config().pooling : Pooling::Mean);
}

absl::StatusOr<llvm::SmallVector<Operation *>> calibrationProgram(ModuleOp module) {
  llvm::SmallVector<Operation *> program;
  for (const char *name : {"encode", "forward"}) {
    auto function = module.lookupSymbol<func::FuncOp>(name);
    bool isNeeded = StringRef(name) == "forward";
    if (!function && !isNeeded)
      continue;
    if (!function || !function.getBody().hasOneBlock())
      return formatError({"", absl::StrCat("@", name), {}}, "a function of one block", "none");
    for (Operation &op : function.getBody().front().without_terminator())
      program.push_back(&op);
  }
  return program;
}

static absl::Status runTopLevel(BatchEvaluator &evaluator, Operation *op) {
  auto layer = dyn_cast<LayerOp>(op);
  return layer ? evaluator.evaluateLayer(layer) : evaluator.evaluate(op);
}

absl::StatusOr<ActivationsPtr> continueToOutputs(BatchEvaluator &evaluator, ModuleOp module,
                                                 ArrayRef<Operation *> program, size_t first) {
  for (Operation *op : program.drop_front(first))
    STC_RETURN_IF_ERROR(runTopLevel(evaluator, op));
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  Operation *end = forward.getBody().front().getTerminator();
  ActivationsPtr outputs = evaluator.get(end->getOperand(0));
  if (auto head = module.lookupSymbol<func::FuncOp>("head"); head && outputs) {
    if (!head.getBody().hasOneBlock())
      return formatError({"", "@head", {}}, "a function of one block", "another");
    Block &block = head.getBody().front();
    evaluator.bind(block.getArgument(0), end->getOperand(0));
    for (Operation &op : block.without_terminator())
      STC_RETURN_IF_ERROR(runTopLevel(evaluator, &op));
    outputs = evaluator.get(block.getTerminator()->getOperand(0));
  }
  if (!outputs)
    return formatError({"", "@head", {}}, "logits", "another result");
  return outputs;
}

absl::StatusOr<ActivationsPtr> evaluateOutputs(ModuleOp module, const Sequences &batch,
                                               BatchEvaluator::Loader loader) {
  STC_ASSIGN_OR_RETURN(auto program, calibrationProgram(module));
  BatchEvaluator evaluator(module, batch, std::move(loader));
  return continueToOutputs(evaluator, module, program, 0);
}

absl::Status Divergence::addBatch(ModuleOp module, const Sequences &batch) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(module));
  STC_ASSIGN_OR_RETURN(ActivationsPtr source,
                       evaluateOutputs(reference ? reference : module, batch, [&](WeightOp weight) {
                         return reference ? store->loadOriginal(weight) : store->loadSource(weight);
                       }));
  STC_ASSIGN_OR_RETURN(
      ActivationsPtr compressed,
      evaluateOutputs(module, batch, [&](WeightOp weight) { return store->load(weight); }));
  if (source->columns != compressed->columns)
    return formatError({"", "reference", {}},
                       absl::StrCat("logits of ", compressed->columns, " tokens"),
                       absl::StrCat(source->columns));
  add(batch, *source, *compressed);
  return absl::OkStatus();
}

void Divergence::addVectors(const Sequences &batch, const Activations &source,
                            const Activations &compressed) {
  for (int64_t i = 0; i < batch.count; ++i) {
    auto vector = [&](const Activations &states) {
      size_t size = size_t(batch.length * states.columns);
      return pool(absl::MakeConstSpan(states.values).subspan(size_t(i) * size, size),
                  states.columns, *pooling);
    };
    divergences.add(cosineDistance(vector(source), vector(compressed)));
  }
}

void Divergence::add(const Sequences &batch, const Activations &source,
                     const Activations &compressed) {
  if (pooling)
    return addVectors(batch, source, compressed);
  // Every token but the last of a sequence predicts the next.
  size_t vocabulary = size_t(source.columns), length = size_t(batch.mainLength()),
         perSequence = length - 1;
  std::vector<PredictionComparison> comparisons(size_t(batch.count) * perSequence);
  auto logits = [&](const Activations &all, size_t i) {
    size_t row = i / perSequence * length + i % perSequence;
    return absl::MakeConstSpan(all.values).subspan(row * vocabulary, vocabulary);
  };
  parallelFor(int64_t(comparisons.size()), [&](int64_t i) {
    comparisons[size_t(i)] =
        comparePredictions(logits(source, size_t(i)), logits(compressed, size_t(i)));
  });
  for (size_t i = 0; i < comparisons.size(); ++i) {
    auto next = size_t(batch.mainToken(int64_t(i / perSequence), int64_t(i % perSequence) + 1));
    sourceLosses.add(comparisons[i].referenceLogSum - double(logits(source, i)[next]));
    losses.add(comparisons[i].modelLogSum - double(logits(compressed, i)[next]));
    divergences.add(comparisons[i].divergence);
    agreements.add(comparisons[i].agrees);
  }
}

absl::Status Divergence::add(ModuleOp module, const Sequences &text) {
  int64_t atOnce = std::max<int64_t>(1, kBatchTokens / text.length);
  for (int64_t first = 0; first < text.count; first += atOnce)
    STC_RETURN_IF_ERROR(addBatch(module, text.slice(first, std::min(atOnce, text.count - first))));
  return absl::OkStatus();
}

absl::Status Divergence::add(ModuleOp module, const std::string &path, const Tokenizer *tokenizer,
                             int64_t length) {
  STC_ASSIGN_OR_RETURN(TextReader reader, textReaderOf(module, tokenizer));
  EvalText text{path, {}};
  STC_ASSIGN_OR_RETURN(text.tokens, readTokens(path, tokenizer, reader.vocabulary));
  // As `eval` has it, which marks windows of ids too.
  WindowForm form = reader.windowForm(length, /*isOfIds=*/false);
  STC_ASSIGN_OR_RETURN(std::vector<EvalWindow> windows, cutWindows(text, form));
  Sequences all; // cutWindows gives windows of one length
  all.count = all.available = int64_t(windows.size());
  all.length = int64_t(windows.front().size());
  all.sourceLength = form.decoderStart < 0 ? 0 : all.length / 2;
  for (const EvalWindow &window : windows)
    all.tokens.insert(all.tokens.end(), window.begin(), window.end());
  return add(module, all);
}

} // namespace stc
