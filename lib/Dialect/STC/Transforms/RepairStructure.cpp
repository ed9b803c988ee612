// Fits what follows removed parts of layers to the model before they were removed.
#include "RepairStructure.h"

#include "CompressibleWeights.h"
#include "RepairExperts.h"

#include "absl/strings/str_cat.h"

using namespace mlir;

namespace stc {

namespace {

class Run {
public:
  Run(ModuleOp whole, ModuleOp cut, const Sequences &text, const RefitOptions &options,
      WeightStore &store)
      : teacher(whole, text, [&store](WeightOp weight) { return store.load(weight); }),
        student(cut, text, [&store](WeightOp weight) { return store.load(weight); }),
        options(options), store(store) {}

  absl::Status runTeacher(const LayerPair &pair);
  absl::Status runStudent(const LayerPair &pair);

  BatchEvaluator teacher, student;
  std::vector<RepairReport> reports;
  /// What the hidden state should be when it leaves the layer that the student runs next.
  ActivationsPtr leaving;
  /// Whether something was cut before, or in the layer at hand.
  bool changed = false;

private:
  /// The teacher's outputs of a projection, and the hidden state after they are added.
  struct Wanted {
    Activations sum;
    bool isHidden = false, isLast = false; // the layer yields it
  };
  void observe(LinearOp projection, Wanted &wanted);
  absl::Status repair(LinearOp projection, Wanted wanted);

  RefitOptions options;
  WeightStore &store;
  Wanted attention, feedForward; // of the layer at hand
};

} // namespace

void Run::observe(LinearOp projection, Wanted &wanted) {
  wanted = {*teacher.get(projection.getResult()), false, false};
  Value residual = residualOf(projection);
  ActivationsPtr hidden = residual ? teacher.get(residual) : nullptr;
  if (!hidden)
    return;
  for (size_t i = 0; i < wanted.sum.values.size(); ++i)
    wanted.sum.values[i] += hidden->values[i];
  wanted.isHidden = true;
  Operation *sum = *projection.getResult().user_begin();
  wanted.isLast = sum->hasOneUse() && isa<YieldOp>(*sum->user_begin());
}

absl::Status Run::runTeacher(const LayerPair &pair) {
  LayerStructure layer = pair.whole;
  auto observeAll = [&](Operation *op) {
    if (isProjection(op, layer.attention, &SelfAttention::o))
      observe(layer.attention->o, attention);
    else if (isProjection(op, layer.feedForward, &FeedForward::down))
      observe(layer.feedForward->down, feedForward);
    return absl::OkStatus();
  };
  // A removed layer only says where the hidden state should be.
  STC_RETURN_IF_ERROR(teacher.evaluateLayer(
      layer.layer, nullptr, pair.cut.layer ? BatchEvaluator::Hook(observeAll) : nullptr));
  leaving = teacher.get(layer.layer.getResult());
  return absl::OkStatus();
}

absl::Status Run::repair(LinearOp projection, Wanted wanted) {
  WeightOp weight = weightOf(projection.getWeight());
  ActivationsPtr inputs = student.get(projection.getInput());
  ActivationsPtr residual = wanted.isHidden ? student.get(residualOf(projection)) : nullptr;
  if (!inputs || (wanted.isHidden && !residual))
    return formatError({"", "stc.linear", {}}, "an input computed before", "none");
  if (wanted.isLast)
    wanted.sum = *leaving;
  InputStatistics statistics(inputs->columns);
  STC_RETURN_IF_ERROR(statistics.moments().add(inputs->values));
  STC_ASSIGN_OR_RETURN(CrossMoments targets, repairTargets(projection, std::move(wanted.sum),
                                                           residual.get(), *inputs, store));
  STC_ASSIGN_OR_RETURN(RepairReport report,
                       refitWeight(weight, statistics, targets, options, store));
  reports.push_back(report);
  return absl::OkStatus();
}

absl::Status Run::runStudent(const LayerPair &pair) {
  LayerStructure layer = pair.cut;
  std::optional<ExpertRepair> experts;
  if (layer.mixture)
    experts.emplace(*layer.mixture, leaving, student, options, store);
  auto repairAll = [&](Operation *op) -> absl::Status {
    if (layer.mixture && op == layer.mixture->experts.front().getOperation())
      changed |= pair.whole.mixture->experts.size() != layer.mixture->experts.size();
    if (experts && changed)
      STC_RETURN_IF_ERROR(experts->before(op, reports));
    if (isProjection(op, layer.attention, &SelfAttention::o)) {
      changed |= pair.whole.attention->heads != int64_t(layer.attention->attention.getHeads());
      return changed ? repair(layer.attention->o, std::move(attention)) : absl::OkStatus();
    }
    if (isProjection(op, layer.feedForward, &FeedForward::down)) {
      changed |= pair.whole.feedForward->channels !=
                 columnsOf(weightOf(layer.feedForward->down.getWeight()));
      return changed ? repair(layer.feedForward->down, std::move(feedForward)) : absl::OkStatus();
    }
    return absl::OkStatus();
  };
  return student.evaluateLayer(layer.layer, repairAll);
}

absl::StatusOr<std::vector<RepairReport>>
repairStructure(ModuleOp whole, ModuleOp cut, ArrayRef<LayerPair> layers, const Sequences &text,
                const RefitOptions &options, WeightStore &store, Progress &progress) {
  Run run(whole, cut, text, options, store);
  // Both run up to their next layer, the teacher through all that the student does not have.
  STC_ASSIGN_OR_RETURN(auto teacherProgram, calibrationProgram(whole));
  STC_ASSIGN_OR_RETURN(auto studentProgram, calibrationProgram(cut));
  Operation *const *teacherOp = teacherProgram.begin(), *const *studentOp = studentProgram.begin();
  auto runToLayer = [&](BatchEvaluator &evaluator, Operation *const *&op) -> absl::Status {
    const auto *end = &evaluator == &run.teacher ? teacherProgram.end() : studentProgram.end();
    for (; op != end && !isa<LayerOp>(*op); ++op)
      STC_RETURN_IF_ERROR(evaluator.evaluate(*op));
    return absl::OkStatus();
  };
  STC_RETURN_IF_ERROR(runToLayer(run.teacher, teacherOp));
  STC_RETURN_IF_ERROR(runToLayer(run.student, studentOp));
  for (size_t i = 0; i < layers.size();) {
    size_t kept = i;
    do {
      STC_RETURN_IF_ERROR(run.runTeacher(layers[i]));
      ++teacherOp;
      STC_RETURN_IF_ERROR(runToLayer(run.teacher, teacherOp));
      progress.advance(1, "repair");
    } while (++i < layers.size() && !layers[i].cut.layer);
    run.changed |= i != kept + 1 || !layers[kept].cut.layer;
    if (!layers[kept].cut.layer)
      continue; // removed layers at the very start
    STC_RETURN_IF_ERROR(run.runStudent(layers[kept]));
    ++studentOp;
    STC_RETURN_IF_ERROR(runToLayer(run.student, studentOp));
  }
  return std::move(run.reports);
}

} // namespace stc
