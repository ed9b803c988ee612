// packed-narrow-activations: gives multiplications of many tokens activations for tensor cores.
#include "stc/Dialect/Packed/Transforms/InputHalves.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "StagedHalves.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_NARROWACTIVATIONSPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

class NarrowActivations final : public impl::NarrowActivationsPassBase<NarrowActivations> {
public:
  using NarrowActivationsPassBase::NarrowActivationsPassBase;

  void runOnOperation() override {
    auto description = gpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    if (!description->hasMma)
      return;
    InputHalves inputs;
    SmallVector<packed::QuantizeActivationsOp> quantizations;
    getOperation().walk([&](packed::MatmulOp op) {
      auto type = dyn_cast<RankedTensorType>(op.getInputs()[0].getType());
      auto weight = cast<packed::WeightType>(op.getWeight().getType());
      if (!type || !type.isDynamicDim(0))
        return;
      auto quantization = op.getInputs()[0].getDefiningOp<packed::QuantizeActivationsOp>();
      if (rounds && quantization && !quantization.getOrder() && gpu::takesRoundedInputs(weight)) {
        op.getInputsMutable().assign(
            inputs.of(op, quantization.getInput(), Float16Type::get(&getContext()), 1));
        if (!llvm::is_contained(quantizations, quantization))
          quantizations.push_back(quantization);
        return;
      }
      bool isSparse = gpu::takesPrunedHalves(weight) || gpu::takesMaskedHalves(weight);
      if (op.getInputs().size() != 1 || (!isSparse && !gpu::takesHalves(weight)))
        return;
      Type element = weight.getLayout().getElement();
      // A dense f16 is no sum of two bf16 without a third product, which code for f32 has.
      if (rounds)
        inputs.append(op, element, 1);
      else if (isSparse || element.isBF16())
        inputs.append(op, BFloat16Type::get(&getContext()), 2);
    });
    for (packed::QuantizeActivationsOp quantization : quantizations)
      if (quantization.use_empty())
        quantization.erase();
    narrowed += inputs.count();
  }
};

} // namespace
} // namespace stc
