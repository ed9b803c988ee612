// What each part of a compressed model costs on its own.
#include "stc/Calibration/LayerDivergence.h"

#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace stc {

namespace {

/// What the names of a layer's weights have in common: the first one's without its last component.
std::string nameOf(LayerOp layer) {
  std::string name;
  layer.walk([&](GetWeightOp read) {
    name = read.getWeight().rsplit('.').first.str();
    return WalkResult::interrupt();
  });
  return name.empty() ? absl::StrCat("layers.", layer.getIndex()) : name;
}

/// More than rounding an embedding to a few bits makes, less than what a rotation does.
constexpr double kOtherMeaning = 0.5;

double relativeDistance(const Activations &a, const Activations &b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    double d = double(a.values[i]) - double(b.values[i]);
    difference += d * d;
    size += double(a.values[i]) * double(a.values[i]);
  }
  return size > 0 ? std::sqrt(difference / size) : 0;
}

/// Walks both graphs layer after layer; the compressed one starts each from the source's state.
class PartByPart {
public:
  PartByPart(ModuleOp reference, ModuleOp compressed, const Sequences &windows, WeightStore &store,
             absl::FunctionRef<void(const std::string &)> progress)
      : sourceModule(reference ? reference : compressed), compressedModule(compressed),
        windows(windows), progress(progress),
        source(sourceModule, windows,
               [&store, original = bool(reference)](WeightOp weight) {
                 return original ? store.loadOriginal(weight) : store.loadSource(weight);
               }),
        student(compressed, windows, [&store](WeightOp weight) { return store.load(weight); }) {}

  absl::StatusOr<std::vector<PartDivergence>> run();

private:
  absl::Status runEmbedding(Operation *&op, Operation *&ours);
  absl::Status runLayer(LayerOp layer, Operation *&ours);
  absl::Status measure(std::string name, bool removed, BatchEvaluator &evaluator, ModuleOp module,
                       Operation *next);

  ModuleOp sourceModule, compressedModule;
  const Sequences &windows;
  absl::FunctionRef<void(const std::string &)> progress;
  BatchEvaluator source, student; // both stand at the same place
  ActivationsPtr logits;          // of the source
  Value ourState;                 // the hidden state of `student`
  std::vector<PartDivergence> parts;
};

} // namespace

/// Runs what is left of `module` from `next` on and notes what became of the predictions.
absl::Status PartByPart::measure(std::string name, bool removed, BatchEvaluator &evaluator,
                                 ModuleOp module, Operation *next) {
  STC_ASSIGN_OR_RETURN(ActivationsPtr own, continueToLogits(evaluator, module, next));
  if (own->columns != logits->columns)
    return formatError({"", "reference", {}}, absl::StrCat("logits of ", own->columns, " tokens"),
                       absl::StrCat(logits->columns));
  PartDivergence &part = parts.emplace_back();
  part.name = std::move(name);
  part.removed = removed;
  part.divergence.add(windows, *logits, *own);
  progress(part.name);
  return absl::OkStatus();
}

/// Everything before the first layer, in both graphs.
absl::Status PartByPart::runEmbedding(Operation *&op, Operation *&ours) {
  for (; !isa<LayerOp>(op) && !op->hasTrait<OpTrait::IsTerminator>(); op = op->getNextNode())
    STC_RETURN_IF_ERROR(source.evaluate(op));
  for (; !isa<LayerOp>(ours) && !ours->hasTrait<OpTrait::IsTerminator>();
       ours = ours->getNextNode())
    STC_RETURN_IF_ERROR(student.evaluate(ours));
  auto layer = dyn_cast<LayerOp>(op), ourLayer = dyn_cast<LayerOp>(ours);
  if (!layer || !ourLayer)
    return formatError({"", "@forward", {}}, "layers", "none");
  ourState = ourLayer.getInput();
  ActivationsPtr theirs = source.get(layer.getInput()), own = student.get(ourState);
  if (!theirs || !own || theirs->values.size() != own->values.size())
    return formatError({"", "@forward", {}}, "hidden states of one size", "different ones");
  if (relativeDistance(*theirs, *own) > kOtherMeaning)
    return formatError({"", "@forward", {}}, "a hidden state as the source has it",
                       "another one, perhaps rotated");
  BatchEvaluator probe = source;
  probe.assign(layer.getInput(), own);
  return measure("embedding", false, probe, sourceModule, op);
}

/// One layer of the source, and the compressed one that `ours` stands at if it corresponds.
absl::Status PartByPart::runLayer(LayerOp layer, Operation *&ours) {
  std::string name = nameOf(layer);
  ActivationsPtr state = source.get(layer.getInput()), result = state;
  auto ourLayer = dyn_cast<LayerOp>(ours);
  bool removed = !ourLayer || nameOf(ourLayer) != name;
  if (!removed) {
    student.assign(ourLayer.getInput(), state);
    STC_RETURN_IF_ERROR(student.evaluateLayer(ourLayer));
    result = student.get(ourLayer.getResult());
    ourState = ourLayer.getResult();
    ours = ours->getNextNode();
  }
  BatchEvaluator probe = source;
  probe.assign(layer.getResult(), result);
  STC_RETURN_IF_ERROR(measure(name, removed, probe, sourceModule, layer->getNextNode()));
  STC_RETURN_IF_ERROR(source.evaluateLayer(layer));
  student.assign(ourState, source.get(layer.getResult()));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PartDivergence>> PartByPart::run() {
  STC_ASSIGN_OR_RETURN(Block * theirs, forwardBlock(sourceModule));
  STC_ASSIGN_OR_RETURN(Block * own, forwardBlock(compressedModule));
  {
    BatchEvaluator whole = source;
    STC_ASSIGN_OR_RETURN(logits, continueToLogits(whole, sourceModule, &theirs->front()));
  }
  Operation *op = &theirs->front(), *ours = &own->front();
  STC_RETURN_IF_ERROR(runEmbedding(op, ours));
  for (; isa<LayerOp>(op); op = op->getNextNode())
    STC_RETURN_IF_ERROR(runLayer(cast<LayerOp>(op), ours));
  auto isLayer = llvm::IsaPred<LayerOp>;
  if (isLayer(*ours))
    return formatError({"", "@forward", {}}, "layers that the source has",
                       nameOf(cast<LayerOp>(ours)));
  if (std::any_of(op->getIterator(), theirs->end(), isLayer))
    return formatError({"", "@forward", {}}, "layers one behind the other",
                       op->getName().getStringRef().str() + " between them");
  STC_RETURN_IF_ERROR(measure("head", false, student, compressedModule, ours));
  return std::move(parts);
}

absl::StatusOr<std::vector<PartDivergence>>
measureLayerDivergences(ModuleOp reference, ModuleOp compressed, const Sequences &windows,
                        absl::FunctionRef<void(const std::string &)> progress) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(compressed));
  return PartByPart(reference, compressed, windows, *store, progress).run();
}

} // namespace stc
