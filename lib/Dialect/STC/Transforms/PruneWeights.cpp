// stc-prune: removes weights of the layers' linear operations.
#include "CompressibleWeights.h"

#include "stc/Compress/Prune.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/CompressLater.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_PRUNEWEIGHTSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

class PruneWeights final : public impl::PruneWeightsPassBase<PruneWeights> {
public:
  using PruneWeightsPassBase::PruneWeightsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    absl::StatusOr<PruneSpec> parsed = parsePruneSpec(spec.getValue());
    if (!parsed.ok()) {
      (void)emitStatus(module, parsed.status());
      return signalPassFailure();
    }
    if (parsed->needsCalibration()) {
      module.emitError("prune: the method ") << parsed->method << " needs --calibrate TEXT";
      return signalPassFailure();
    }
    auto found = findCompressibleWeights(module, exclude);
    if (failed(found))
      return signalPassFailure();
    if (parsed->pattern.kind == PrunePattern::Kind::None)
      return markAllAnalysesPreserved();

    absl::StatusOr<WeightStore *> store = WeightStore::get(module);
    if (!store.ok()) {
      (void)emitStatus(module, store.status());
      return signalPassFailure();
    }
    std::string canonical = parsed->method + ":" + parsed->pattern.str();
    auto note = [&](WeightOp weight, double density) {
      weight.setPruneAttr(PruneAttr::get(&getContext(), canonical,
                                         Builder(&getContext()).getF64FloatAttr(density)));
      ++tensors;
    };
    bool later = module->hasAttr(kCompressesLaterAttr);
    SmallVector<WeightOp> weights;
    for (WeightOp weight : *found) {
      if (later && !weight.getPruneAttr() && canCompressLater(**store, weight)) {
        note(weight, parsed->pattern.density());
        weight->setAttr(kCompressedLaterAttr, UnitAttr::get(&getContext()));
      } else if (!weight.getPruneAttr())
        weights.push_back(weight);
      else if (verbose)
        emitRemark(weight.getLoc())
            << weight.getSymName() << ": already pruned as " << weight.getPruneAttr().getSpec();
    }
    if (weights.empty())
      return;
    std::vector<int64_t> keptPerWeight(weights.size());
    auto compress = [&](WeightStore &store, size_t i) -> absl::Status {
      STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weights[i]));
      std::vector<uint8_t> keep =
          magnitudeMask(parsed->pattern, rowsOf(weights[i]), columnsOf(weights[i]), values);
      for (uint8_t bit : keep)
        keptPerWeight[i] += bit;
      return store.setMask(weights[i], keep);
    };
    auto annotate = [&](size_t i) {
      WeightOp weight = weights[i];
      int64_t count = weight.getTensorType().getNumElements(), stay = keptPerWeight[i];
      note(weight, double(stay) / double(count));
      kept += uint64_t(stay);
      pruned += uint64_t(count - stay);
      if (verbose)
        emitRemark(weight.getLoc())
            << weight.getSymName() << ": "
            << llvm::formatv("pruned as {0}: {1} of {2} weights stay", canonical, stay, count)
                   .str();
    };
    if (failed(compressWeights(module, weights, "prune", quiet, compress, annotate)))
      signalPassFailure();
  }
};

} // namespace

} // namespace stc
