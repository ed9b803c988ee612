// packed-split-activations: gives multiplications by bf16 weights activations for tile registers.
#include "stc/Dialect/Packed/Transforms/InputHalves.h"
#include "stc/Packing/Pack.h"
#include "stc/Target/CPU/LoweringConfig.h"
#include "stc/Target/CPU/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace stc {

bool cpu::takesSplitActivations(const Layout &layout, int64_t tokens,
                                const TargetDescription &target) {
  return target.hasTileDotBF16() && layout.kind == LayoutKind::Dense &&
         layout.element == ElementKind::BF16 &&
         (ShapedType::isDynamic(tokens) || tokens >= kLeastTileTokens);
}

bool cpu::hasSplitActivations(ValueRange inputs) {
  if (inputs.size() != 2)
    return false;
  auto type = cast<ShapedType>(inputs[0].getType()), halves = cast<ShapedType>(inputs[1].getType());
  return halves.getDimSize(1) == 2 * splitHalfColumns(type.getDimSize(1));
}

#define GEN_PASS_DEF_SPLITACTIVATIONSPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

class SplitActivations final : public impl::SplitActivationsPassBase<SplitActivations> {
public:
  using SplitActivationsPassBase::SplitActivationsPassBase;

  void runOnOperation() override {
    auto description = cpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    InputHalves inputs;
    getOperation().walk([&](packed::MatmulOp op) {
      auto type = dyn_cast<RankedTensorType>(op.getInputs()[0].getType());
      auto weight = cast<packed::WeightType>(op.getWeight().getType());
      if (type && op.getInputs().size() == 1 &&
          cpu::takesSplitActivations(weight.getLayout().getLayout(), type.getDimSize(0),
                                     *description))
        inputs.append(op, FloatType(BFloat16Type::get(&getContext())), /*parts=*/2);
    });
    split += inputs.count();
  }
};

} // namespace
} // namespace stc
