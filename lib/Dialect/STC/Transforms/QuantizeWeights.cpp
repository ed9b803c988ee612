// stc-quantize: rounds weights of the layers' linear operations to few bits.
#include "CompressibleWeights.h"

#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

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
    auto found = findCompressibleWeights(module, exclude);
    if (failed(found))
      return signalPassFailure();
    if (!parsed->enabled)
      return markAllAnalysesPreserved();

    SmallVector<WeightOp> weights;
    for (WeightOp weight : *found) {
      if (!weight.getQuantAttr())
        weights.push_back(weight);
      else if (verbose)
        emitRemark(weight.getLoc())
            << weight.getSymName() << ": already quantized as " << weight.getQuantAttr().getSpec();
    }
    std::vector<double> errors(weights.size());
    auto compress = [&](WeightStore &store, size_t i) -> absl::Status {
      STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weights[i]));
      QuantizedMatrix matrix =
          quantizeRoundToNearest(*parsed, rowsOf(weights[i]), columnsOf(weights[i]), values);
      // A matrix of zeros has no relative error; it is stored exactly.
      double error = relativeError(matrix, values);
      errors[i] = std::isfinite(error) ? error : 0;
      return store.setQuantized(weights[i], matrix);
    };
    std::string canonical = parsed->str();
    auto annotate = [&](size_t i) {
      WeightOp weight = weights[i];
      weight.setQuantAttr(QuantAttr::get(&getContext(), canonical,
                                         Builder(&getContext()).getF64FloatAttr(errors[i])));
      ++tensors;
      quantized += uint64_t(weight.getTensorType().getNumElements());
      if (verbose)
        emitRemark(weight.getLoc())
            << weight.getSymName() << ": "
            << llvm::formatv("quantized as {0}: relative error {1:F4}", canonical, errors[i]).str();
    };
    if (failed(compressWeights(module, weights, "quantize", quiet, compress, annotate)))
      signalPassFailure();
  }
};

} // namespace

} // namespace stc
