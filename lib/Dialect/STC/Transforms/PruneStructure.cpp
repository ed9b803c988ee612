// stc-prune-structure: removes channels, heads, experts and layers, and repairs what follows them.
#include "RepairStructure.h"
#include "StructureScores.h"

#include "stc/Calibration/Divergence.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_PRUNESTRUCTUREPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

class PruneStructure final : public impl::PruneStructurePassBase<PruneStructure> {
public:
  using PruneStructurePassBase::PruneStructurePassBase;

  void runOnOperation() override {
    if (failed(checkOptions()))
      return signalPassFailure();
    if (channels == 0 && groups == 0 && heads == 0 && experts == 0 && layers == 0)
      return markAllAnalysesPreserved();
    ModuleOp module = getOperation();
    SmallVector<LayerStructure> found;
    SmallVector<FunctionLayers> functions;
    for (const char *name : {"encode", "forward"}) {
      auto function = module.lookupSymbol<func::FuncOp>(name);
      if (!function && StringRef(name) == "encode")
        continue;
      if (!function || !function.getBody().hasOneBlock()) {
        module.emitError("stc-prune-structure: expects a function @") << name << " of one block";
        return signalPassFailure();
      }
      auto own = findLayerStructures(function, exclude);
      if (failed(own))
        return signalPassFailure();
      functions.push_back({function, found.size(), own->size()});
      llvm::append_range(found, *own);
    }
    if (functions.size() > 1 && (groups != 0 || heads != 0 || layers != 0)) {
      module.emitError("stc-prune-structure: expects channels alone of an encoder-decoder, whose "
                       "stacks share a cache, got groups, heads or layers");
      return signalPassFailure();
    }
    if (absl::Status status = run(functions, found); !status.ok()) {
      (void)emitStatus(module, status);
      return signalPassFailure();
    }
  }

private:
  /// A function, and which of all layers are in it.
  struct FunctionLayers {
    func::FuncOp function;
    size_t first, count;
  };

  LogicalResult checkOptions() {
    auto isShare = [](double share) { return share >= 0 && share < 1; };
    if (!isShare(channels) || !isShare(groups) || !isShare(heads) || !isShare(experts) ||
        layers < 0 || multiple < 1 || length < 2 || sequences < 1 || !(repairDamping >= 0))
      return getOperation().emitError(
          "stc-prune-structure: expects channels, groups, heads and experts in [0, 1), layers of "
          "at least "
          "0, multiple and sequences of at least 1, length of at least 2 and repair-damping of at "
          "least 0");
    if (layers > 0 && calibrate.empty())
      return getOperation().emitError("stc-prune-structure: layers expects a text to calibrate on, "
                                      "got none");
    return success();
  }

  absl::Status run(ArrayRef<FunctionLayers> functions, ArrayRef<LayerStructure> found);
  absl::Status fit(ModuleOp whole, ArrayRef<LayerPair> pairs, const Sequences &text,
                   WeightStore &store, Progress &progress);
  void count(const LayerStructure &layer, const LayerCut &cut, double similarity);
};

/// The same operations in a clone.
LayerStructure inClone(LayerStructure layer, const IRMapping &mapping) {
  auto map = [&](auto &op) {
    if (op)
      op = cast<std::remove_reference_t<decltype(op)>>(mapping.lookup(op.getOperation()));
  };
  map(layer.layer);
  if (layer.feedForward) {
    for (LinearOp &linear : layer.feedForward->expanding)
      map(linear);
    map(layer.feedForward->down);
  }
  if (layer.attention) {
    for (LinearOp *linear :
         {&layer.attention->q, &layer.attention->k, &layer.attention->v, &layer.attention->o})
      map(*linear);
    map(layer.attention->update);
    map(layer.attention->attention);
    map(layer.attention->qNorm);
    map(layer.attention->kNorm);
  }
  if (layer.mixture) {
    map(layer.mixture->router);
    map(layer.mixture->gate);
    for (ExpertOp &expert : layer.mixture->experts)
      map(expert);
  }
  return layer;
}

/// The parts that are there after the cut.
LayerStructure whatStays(LayerStructure layer, const LayerCut &cut) {
  if (cut.removed)
    return {};
  if (!cut.experts.empty()) {
    SmallVector<ExpertOp> kept;
    for (int64_t expert : cut.experts)
      kept.push_back(layer.mixture->experts[size_t(expert)]);
    layer.mixture->experts = std::move(kept);
  }
  return layer;
}

} // namespace

absl::Status PruneStructure::run(ArrayRef<FunctionLayers> functions,
                                 ArrayRef<LayerStructure> found) {
  ModuleOp module = getOperation();
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(module));
  bool isCalibrated = !calibrate.empty();
  Sequences text;
  if (isCalibrated) {
    STC_ASSIGN_OR_RETURN(text, readCalibrationText(module, calibrate, sequences, length));
  }
  Progress progress("structure", uint64_t(found.size()) * (repair && isCalibrated ? 2 : 1),
                    quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  STC_ASSIGN_OR_RETURN(std::vector<LayerScores> scores,
                       isCalibrated ? scoreActivations(module, found, text, *store)
                                    : scoreWeights(found, *store));
  progress.advance(found.size(), "scores");
  StructureAmounts amounts{channels, groups, heads, experts, layers, multiple, uniform};
  STC_ASSIGN_OR_RETURN(std::vector<LayerCut> cuts, chooseCuts(found, scores, amounts));
  for (auto [layer, cut, score] : llvm::zip_equal(found, cuts, scores))
    count(layer, cut, score.similarity);

  // What is cut away is still needed, to say what the rest should make up for.
  IRMapping mapping;
  OwningOpRef<ModuleOp> whole(cast<ModuleOp>(module->clone(mapping)));
  std::vector<LayerPair> pairs;
  for (auto [layer, cut] : llvm::zip_equal(found, cuts))
    pairs.push_back({inClone(layer, mapping), whatStays(layer, cut)});
  for (const FunctionLayers &each : functions)
    STC_RETURN_IF_ERROR(cutStructure(each.function, found.slice(each.first, each.count),
                                     ArrayRef(cuts).slice(each.first, each.count), *store));
  if (repair && isCalibrated)
    STC_RETURN_IF_ERROR(fit(*whole, pairs, text, *store, progress));
  progress.finish();
  return absl::OkStatus();
}

absl::Status PruneStructure::fit(ModuleOp whole, ArrayRef<LayerPair> pairs, const Sequences &text,
                                 WeightStore &store, Progress &progress) {
  RefitOptions options;
  options.damping = repairDamping;
  STC_ASSIGN_OR_RETURN(
      std::vector<RepairReport> reports,
      repairStructure(whole, getOperation(), pairs, text, options, store, progress));
  for (RepairReport &report : reports)
    if (verbose)
      emitRemark(report.weight.getLoc())
          << report.weight.getSymName() << ": "
          << llvm::formatv("fitted to the uncompressed model, relative output error {0:F4}, was "
                           "{1:F4}",
                           report.after, report.before)
                 .str();
  return absl::OkStatus();
}

/// Statistics, and a remark on what goes and why.
void PruneStructure::count(const LayerStructure &layer, const LayerCut &cut, double similarity) {
  std::string kept;
  auto add = [&](size_t left, int64_t all, const char *what) {
    if (left)
      kept += llvm::formatv("{0}{1} of {2} {3}", kept.empty() ? "" : ", ", left, all, what);
  };
  if (cut.removed) {
    ++layersRemoved;
    kept = "removed: the hidden state leaves most like it came";
  }
  if (!cut.channels.empty()) {
    channelsRemoved += uint64_t(layer.feedForward->channels) - cut.channels.size();
    add(cut.channels.size(), layer.feedForward->channels, "channels");
  }
  if (!cut.experts.empty()) {
    expertsRemoved += layer.mixture->experts.size() - cut.experts.size();
    add(cut.experts.size(), int64_t(layer.mixture->experts.size()), "experts");
  }
  if (!cut.heads.empty()) {
    headsRemoved += uint64_t(layer.attention->heads) - cut.heads.size();
    add(cut.heads.size(), layer.attention->heads, "heads");
    add(cut.groups.size(), layer.attention->groups, "groups");
  }
  if (!verbose)
    return;
  std::string similar =
      calibrate.empty() ? "" : llvm::formatv(" (cosine {0:F4})", similarity).str();
  LayerOp op = layer.layer;
  emitRemark(op.getLoc()) << "layer " << op.getIndex() << similar << ": "
                          << (kept.empty() ? "stays whole" : kept);
}

} // namespace stc
