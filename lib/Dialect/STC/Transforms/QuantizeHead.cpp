// stc-quantize-head: rounds the weights of linear operations outside layers to few bits.
#include "CompressibleWeights.h"

#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_QUANTIZEHEADPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

class QuantizeHead final : public impl::QuantizeHeadPassBase<QuantizeHead> {
public:
  using QuantizeHeadPassBase::QuantizeHeadPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    absl::StatusOr<QuantizeSpec> parsed = parseQuantizeSpec(spec.getValue());
    if (!parsed.ok()) {
      (void)emitStatus(module, parsed.status());
      return signalPassFailure();
    }
    if (parsed->needsCalibration()) {
      module.emitError("quantize: the method ") << parsed->method << " needs --calibrate TEXT";
      return signalPassFailure();
    }
    if (!parsed->enabled)
      return markAllAnalysesPreserved();
    SmallVector<WeightOp> weights = separateHeads();
    QuantizeCounts counts;
    if (failed(quantizeWeights(module, weights, *parsed, quiet, verbose, counts)))
      signalPassFailure();
    tensors += counts.tensors;
  }

private:
  /// The weights of linear operations outside layers, in module order; what something else reads
  /// too stays as it is, and the linear operations get a copy.
  SmallVector<WeightOp> separateHeads();
};

} // namespace

SmallVector<WeightOp> QuantizeHead::separateHeads() {
  llvm::MapVector<StringAttr, SmallVector<LinearOp>> readers;
  llvm::DenseSet<StringAttr> shared;
  getOperation().walk([&](Operation *op) {
    if (auto repeat = dyn_cast<RepeatOp>(op))
      repeat.getWeightsAttr().walk([&](FlatSymbolRefAttr name) { shared.insert(name.getAttr()); });
    auto read = dyn_cast<GetWeightOp>(op);
    if (!read)
      return;
    StringAttr name = read.getWeightAttr().getAttr();
    for (OpOperand &use : read->getUses()) {
      auto linear = dyn_cast<LinearOp>(use.getOwner());
      bool head = linear && !linear->getParentOfType<LayerOp>() &&
                  use.getOperandNumber() == linear.getWeightMutable().getOperandNumber();
      if (head)
        readers[name].push_back(linear);
      else
        shared.insert(name);
    }
  });
  SmallVector<WeightOp> weights;
  for (auto weight : llvm::make_early_inc_range(getOperation().getOps<WeightOp>())) {
    auto found = readers.find(weight.getSymNameAttr());
    if (found == readers.end())
      continue;
    if (!shared.contains(weight.getSymNameAttr())) {
      weights.push_back(weight);
      continue;
    }
    weights.push_back(copyForHead(weight, found->second));
  }
  return weights;
}

} // namespace stc
