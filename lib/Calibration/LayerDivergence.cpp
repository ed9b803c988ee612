// What each part of a compressed model costs on its own.
#include "stc/Calibration/LayerDivergence.h"

#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "absl/strings/str_cat.h"

#include <cmath>
#include <optional>

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
  absl::Status runEmbedding();
  absl::Status runBetween();
  absl::Status runLayer(LayerOp layer);
  absl::Status measure(std::string name, bool removed, BatchEvaluator &evaluator, ModuleOp module,
                       ArrayRef<Operation *> program, size_t next);

  ModuleOp sourceModule, compressedModule;
  const Sequences &windows;
  absl::FunctionRef<void(const std::string &)> progress;
  BatchEvaluator source, student;        // both stand at the same place,
  SmallVector<Operation *> theirs, ours; // in these,
  size_t theirNext = 0, ourNext = 0;     // here
  ActivationsPtr outputs;                // of the source
  Value ourState;                        // the hidden state of `student`
  std::optional<Divergence> empty;       // of nothing yet
  std::vector<PartDivergence> parts;
};

/// The layer that stands at `next`, or null.
LayerOp layerAt(ArrayRef<Operation *> program, size_t next) {
  return next < program.size() ? dyn_cast<LayerOp>(program[next]) : LayerOp();
}

} // namespace

/// Runs what is left of `module` from `next` on and notes what became of the outputs.
absl::Status PartByPart::measure(std::string name, bool removed, BatchEvaluator &evaluator,
                                 ModuleOp module, ArrayRef<Operation *> program, size_t next) {
  STC_ASSIGN_OR_RETURN(ActivationsPtr own, continueToOutputs(evaluator, module, program, next));
  if (own->columns != outputs->columns)
    return formatError({"", "reference", {}}, absl::StrCat("logits of ", own->columns, " tokens"),
                       absl::StrCat(outputs->columns));
  PartDivergence &part = parts.emplace_back();
  part.name = std::move(name);
  part.removed = removed;
  part.divergence = *empty;
  part.divergence.add(windows, *outputs, *own);
  progress(part.name);
  return absl::OkStatus();
}

/// Up to the next layer, if there is one, in both graphs.
absl::Status PartByPart::runBetween() {
  auto run = [](BatchEvaluator &evaluator, ArrayRef<Operation *> program,
                size_t &next) -> absl::Status {
    // What is behind the last layer is the head's.
    if (!llvm::any_of(program.drop_front(next), llvm::IsaPred<LayerOp>))
      return absl::OkStatus();
    for (; !isa<LayerOp>(program[next]); ++next)
      STC_RETURN_IF_ERROR(evaluator.evaluate(program[next]));
    return absl::OkStatus();
  };
  STC_RETURN_IF_ERROR(run(source, theirs, theirNext));
  return run(student, ours, ourNext);
}

absl::Status PartByPart::runEmbedding() {
  STC_RETURN_IF_ERROR(runBetween());
  LayerOp layer = layerAt(theirs, theirNext), ourLayer = layerAt(ours, ourNext);
  if (!layer || !ourLayer)
    return formatError({"", "@forward", {}}, "layers", "none");
  ourState = ourLayer.getInput();
  ActivationsPtr state = source.get(layer.getInput()), own = student.get(ourState);
  if (!state || !own || state->values.size() != own->values.size())
    return formatError({"", "@forward", {}}, "hidden states of one size", "different ones");
  if (relativeDistance(*state, *own) > kOtherMeaning)
    return formatError({"", "@forward", {}}, "a hidden state as the source has it",
                       "another one, perhaps rotated");
  BatchEvaluator probe = source;
  probe.assign(layer.getInput(), own);
  return measure("embedding", false, probe, sourceModule, theirs, theirNext);
}

/// One layer of the source, and the compressed one that is next if it corresponds.
absl::Status PartByPart::runLayer(LayerOp layer) {
  std::string name = nameOf(layer);
  ActivationsPtr state = source.get(layer.getInput()), result = state;
  LayerOp ourLayer = layerAt(ours, ourNext);
  bool removed = !ourLayer || nameOf(ourLayer) != name;
  BatchEvaluator probe = source;
  if (!removed) {
    student.assign(ourLayer.getInput(), state);
    // Keys and values that other layers have left are the source's.
    student.takeCache(source);
    STC_RETURN_IF_ERROR(student.evaluateLayer(ourLayer));
    probe.takeCache(student);
    result = student.get(ourLayer.getResult());
    ourState = ourLayer.getResult();
    ++ourNext;
  }
  probe.assign(layer.getResult(), result);
  STC_RETURN_IF_ERROR(measure(name, removed, probe, sourceModule, theirs, theirNext + 1));
  STC_RETURN_IF_ERROR(source.evaluateLayer(layer));
  student.assign(ourState, source.get(layer.getResult()));
  ++theirNext;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PartDivergence>> PartByPart::run() {
  STC_ASSIGN_OR_RETURN(empty, divergenceOf(compressedModule));
  STC_ASSIGN_OR_RETURN(theirs, calibrationProgram(sourceModule));
  STC_ASSIGN_OR_RETURN(ours, calibrationProgram(compressedModule));
  {
    BatchEvaluator whole = source;
    STC_ASSIGN_OR_RETURN(outputs, continueToOutputs(whole, sourceModule, theirs, 0));
  }
  STC_RETURN_IF_ERROR(runEmbedding());
  while (LayerOp layer = layerAt(theirs, theirNext)) {
    STC_RETURN_IF_ERROR(runLayer(layer));
    if (!layerAt(theirs, theirNext))
      STC_RETURN_IF_ERROR(runBetween()); // from an encoder to its decoder
  }
  if (LayerOp layer = layerAt(ours, ourNext))
    return formatError({"", "@forward", {}}, "layers that the source has", nameOf(layer));
  student.takeCache(source);
  STC_RETURN_IF_ERROR(measure("head", false, student, compressedModule, ours, ourNext));
  return std::move(parts);
}

absl::StatusOr<std::vector<PartDivergence>>
measureLayerDivergences(ModuleOp reference, ModuleOp compressed, const Sequences &windows,
                        absl::FunctionRef<void(const std::string &)> progress) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(compressed));
  return PartByPart(reference, compressed, windows, *store, progress).run();
}

} // namespace stc
