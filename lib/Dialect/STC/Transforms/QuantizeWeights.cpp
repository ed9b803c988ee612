// stc-quantize: rounds weights of the layers' linear operations to few bits.
#include "CompressibleWeights.h"

#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_QUANTIZEWEIGHTSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

class QuantizeWeights final : public impl::QuantizeWeightsPassBase<QuantizeWeights> {
public:
  using QuantizeWeightsPassBase::QuantizeWeightsPassBase;

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
    auto found = findCompressibleWeights(module, exclude);
    if (failed(found))
      return signalPassFailure();
    if (!parsed->enabled)
      return markAllAnalysesPreserved();

    QuantizeCounts counts;
    if (failed(quantizeWeights(module, *found, *parsed, quiet, verbose, counts)))
      signalPassFailure();
    tensors += counts.tensors;
    quantized += counts.weights;
  }
};

} // namespace

} // namespace stc
