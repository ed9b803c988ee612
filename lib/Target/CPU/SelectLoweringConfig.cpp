// packed-select-lowering-config: chooses how every packed.matmul is tiled.
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/CPU/TargetDescription.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTLOWERINGCONFIGPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

class SelectLoweringConfig final : public impl::SelectLoweringConfigPassBase<SelectLoweringConfig> {
public:
  using SelectLoweringConfigPassBase::SelectLoweringConfigPassBase;

  void runOnOperation() override {
    auto description = cpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    getOperation().walk([&](packed::MatmulOp op) {
      if (!op.getConfigAttr())
        op.setConfigAttr(select(op, *description));
    });
  }

private:
  static packed::LoweringConfigAttr select(packed::MatmulOp op,
                                           const cpu::TargetDescription &target) {
    Layout layout = cast<packed::WeightType>(op.getWeight().getType()).getLayout().getLayout();
    int64_t tokens = cast<ShapedType>(op.getOut().getType()).getDimSize(0);
    int64_t accumulators = layout.isQuantized() && layout.group == 32 ? 2 : 4;
    // One token is bound by the bytes of the weights.
    if (tokens == 1)
      return packed::LoweringConfigAttr::get(op.getContext(), 1, accumulators, kPrefetchDistance);
    // Quantized tokens need an integer and a float sum each; weights and activations need a fourth
    // of the registers. More than eight tokens gained nothing where it was measured, and numbers
    // of tokens are often powers of two.
    int64_t vectors = target.vectorsInRegisters() * 3 / 4;
    int64_t atOnce = std::clamp<int64_t>(layout.isQuantized() ? vectors / 2 : vectors, 1, 8);
    if (!ShapedType::isDynamic(tokens))
      atOnce = std::min(atOnce, tokens);
    return packed::LoweringConfigAttr::get(op.getContext(), atOnce, accumulators,
                                           kPrefetchDistance);
  }

  /// Bytes between reading and prefetching: what hides the latency of memory.
  static constexpr int64_t kPrefetchDistance = 8192;
};

} // namespace
} // namespace stc
