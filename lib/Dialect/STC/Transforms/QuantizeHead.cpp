// stc-quantize-head: rounds the weights of linear operations outside layers to few bits.
#include "CompressibleWeights.h"

#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

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
    SmallVector<WeightOp> weights = separateHeads(module, [](WeightOp) { return true; });
    QuantizeCounts counts;
    if (failed(quantizeWeights(module, weights, *parsed, quiet, verbose, counts)))
      signalPassFailure();
    tensors += counts.tensors;
  }
};

} // namespace

} // namespace stc
