// stc-adopt-codes: keeps the codes that a checkpoint stores its matrices with.
#include "CompressibleWeights.h"

#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <map>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_ADOPTCODESPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

using Change = WeightStore::Change;

/// What became of the codes of a matrix.
struct Outcome {
  AdoptedCodes stored;
  double squares = 0; // of its values, where they were rounded: the weight of the error
  double error = 0;   // relative, of the matrix that is kept or rounded
};

class AdoptCodes final : public impl::AdoptCodesPassBase<AdoptCodes> {
public:
  using AdoptCodesPassBase::AdoptCodesPassBase;

  void runOnOperation() override {
    absl::StatusOr<WeightStore *> found = WeightStore::get(getOperation());
    if (!found.ok()) {
      (void)emitStatus(getOperation(), found.status());
      return signalPassFailure();
    }
    store = *found;
    if (failed(adopt()))
      signalPassFailure();
  }

private:
  LogicalResult adopt();
  FailureOr<SmallVector<WeightOp>> matrices();
  bool isUnchanged(WeightOp weight, absl::Status &status);
  absl::Status round(WeightOp weight, Outcome &outcome);
  void report(ArrayRef<WeightOp> weights, ArrayRef<Outcome> outcomes);

  WeightStore *store = nullptr;
};

/// Whether the values are still those of the checkpoint, but for a mask.
bool AdoptCodes::isUnchanged(WeightOp weight, absl::Status &status) {
  if (weight.getQuantAttr())
    return false;
  absl::StatusOr<Change> change = store->changeOf(weight);
  status.Update(change.status());
  return change.ok() && (*change == Change::None || *change == Change::Masked);
}

/// The weights that linear operations alone multiply with; none of them decides about experts.
FailureOr<SmallVector<WeightOp>> AdoptCodes::matrices() {
  ModuleOp module = getOperation();
  separateHeads(module, [&](WeightOp weight) {
    return !weight.getQuantAttr() && store->hasStoredCodes(weight);
  });
  llvm::DenseSet<StringAttr> used, barred;
  module.walk([&](Operation *op) {
    if (auto repeat = dyn_cast<RepeatOp>(op))
      repeat.getWeightsAttr().walk([&](FlatSymbolRefAttr name) { barred.insert(name.getAttr()); });
    auto read = dyn_cast<GetWeightOp>(op);
    if (!read)
      return;
    for (OpOperand &use : read->getUses()) {
      auto linear = dyn_cast<LinearOp>(use.getOwner());
      bool isMatrix = linear && !isRouter(linear) &&
                      use.getOperandNumber() == linear.getWeightMutable().getOperandNumber();
      (isMatrix ? used : barred).insert(read.getWeightAttr().getAttr());
    }
  });
  SmallVector<WeightOp> weights;
  absl::Status status;
  for (auto weight : module.getOps<WeightOp>()) {
    StringAttr name = weight.getSymNameAttr();
    if (!used.contains(name) || barred.contains(name))
      continue;
    if (isUnchanged(weight, status))
      weights.push_back(weight);
    if (!status.ok())
      return emitStatus(weight, status);
  }
  return weights;
}

/// What rounds codes that no layout holds: eight bits lose least, and every layout knows the group.
QuantizeSpec roundedSpec() {
  QuantizeSpec spec;
  spec.enabled = true;
  spec.element = ElementKind::I8;
  spec.group = 32;
  return spec;
}

absl::Status AdoptCodes::round(WeightOp weight, Outcome &outcome) {
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store->load(weight));
  QuantizedMatrix matrix =
      quantizeRoundToNearest(roundedSpec(), rowsOf(weight), columnsOf(weight), values);
  outcome.error = relativeError(matrix, values);
  for (float value : values)
    outcome.squares += double(value) * value;
  return store->setQuantized(weight, matrix);
}

LogicalResult AdoptCodes::adopt() {
  FailureOr<SmallVector<WeightOp>> found = matrices();
  if (failed(found))
    return failure();
  SmallVector<WeightOp> weights = llvm::filter_to_vector(
      *found, [&](WeightOp weight) { return store->hasStoredCodes(weight); });
  std::vector<Outcome> outcomes(weights.size());
  auto keep = [&](WeightStore &, size_t i) -> absl::Status {
    AdoptedCodes &stored = outcomes[i].stored;
    STC_ASSIGN_OR_RETURN(stored, store->storedCodes(weights[i]));
    STC_ASSIGN_OR_RETURN(Change change, store->changeOf(weights[i]));
    if (stored.spec.minimums && change == Change::Masked) {
      stored.matrix.reset();
      stored.why = "minimums of groups beside pruned weights";
    }
    if (!stored.matrix)
      return round(weights[i], outcomes[i]);
    outcomes[i].error = stored.error;
    STC_RETURN_IF_ERROR(store->setQuantized(weights[i], *stored.matrix));
    *stored.matrix = QuantizedMatrix(); // it is in the store
    return absl::OkStatus();
  };
  auto annotate = [&](size_t i) {
    bool isKept = bool(outcomes[i].stored.matrix);
    double error = outcomes[i].error;
    std::string spec = (isKept ? outcomes[i].stored.spec : roundedSpec()).str();
    ++(isKept ? tensors : rounded);
    WeightOp weight = weights[i];
    weight.setQuantAttr(
        QuantAttr::get(&getContext(), spec, Builder(&getContext()).getF64FloatAttr(error)));
    if (verbose)
      emitRemark(weight.getLoc()) << weight.getSymName() << ": codes of the checkpoint "
                                  << (isKept ? "kept as " : "rounded to ") << spec
                                  << llvm::formatv(", relative error {0:E2}", error).str();
  };
  if (!weights.empty() &&
      failed(compressWeights(getOperation(), weights, "keep codes", quiet, keep, annotate)))
    return failure();
  report(weights, outcomes);
  // What is stored in few bits of another kind.
  std::map<std::string, int64_t> widened;
  for (WeightOp weight : *found) {
    const TensorView *tensor = store->sourceTensor(weight);
    if (!tensor || store->hasStoredCodes(weight))
      continue;
    bool isScaled = tensor->encoding && tensor->encoding->scales;
    if (isScaled || dtypeBlockElements(tensor->dtype) > 1)
      ++widened[isScaled ? tensor->encoding->name() : dtypeName(tensor->dtype).data()];
  }
  for (const auto &[type, count] : widened)
    getOperation().emitWarning(llvm::formatv(
        "{0} matrices are stored as {1}, which no layout holds: they become floats of the same "
        "values (--quantize int8 rounds them)",
        count, type));
  return success();
}

/// One line for each kind of codes, and one for each reason not to keep some.
void AdoptCodes::report(ArrayRef<WeightOp> weights, ArrayRef<Outcome> outcomes) {
  struct Kind {
    int64_t count = 0, rounded = 0;
    double error = 0, squares = 0, lost = 0;
  };
  llvm::MapVector<StringRef, Kind> kept, lost;
  std::vector<std::string> names(outcomes.size());
  for (auto [i, outcome] : llvm::enumerate(outcomes)) {
    const AdoptedCodes &stored = outcome.stored;
    names[i] = stored.matrix ? stored.spec.layout().str() : stored.why;
    if (WeightOp(weights[i]).getColumnOrder())
      names[i] += stored.matrix ? ", columns sorted by group" : "";
    Kind &kind = (stored.matrix ? kept : lost)[names[i]];
    ++kind.count;
    kind.rounded += outcome.error > 0;
    kind.error = std::max(kind.error, outcome.error);
    kind.squares += outcome.squares;
    kind.lost += outcome.error * outcome.error * outcome.squares;
  }
  DiagnosticEngine &engine = getContext().getDiagEngine();
  for (const auto &[name, kind] : kept) {
    std::string text =
        llvm::formatv("the checkpoint's codes of {0} matrices are kept: {1}", kind.count, name);
    if (kind.rounded)
      text += llvm::formatv("; scales of {0} are rounded to f16, relative error up to {1:E2}",
                            kind.rounded, kind.error)
                  .str();
    engine.emit(getOperation().getLoc(), DiagnosticSeverity::Note) << text;
  }
  for (const auto &[why, kind] : lost) {
    double error = kind.squares > 0 ? std::sqrt(kind.lost / kind.squares) : 0;
    getOperation().emitWarning(
        llvm::formatv("{0} matrices are stored with {1}, which no layout holds: they are rounded "
                      "to {2}, relative error {3:E2}, of one matrix up to {4:E2} (--quantize none "
                      "makes them floats of the same values)",
                      kind.count, why, roundedSpec().layout().str(), error, kind.error));
  }
}

} // namespace

} // namespace stc
