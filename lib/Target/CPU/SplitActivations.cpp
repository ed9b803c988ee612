// packed-split-activations: gives multiplications by bf16 weights activations for tile registers.
#include "stc/Packing/Pack.h"
#include "stc/Target/CPU/LoweringConfig.h"
#include "stc/Target/CPU/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace stc {

bool cpu::takesSplitActivations(const Layout &layout, int64_t tokens,
                                const TargetDescription &target) {
  return target.hasTileDotBF16() && layout.kind == LayoutKind::Dense &&
         layout.element == ElementKind::BF16 &&
         (ShapedType::isDynamic(tokens) || tokens >= kLeastTileTokens);
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
    // The split activations of a block, which operations further down in it can read.
    llvm::DenseMap<std::pair<Block *, Value>, Value> known;
    getOperation().walk([&](packed::MatmulOp op) {
      auto type = dyn_cast<RankedTensorType>(op.getInputs()[0].getType());
      auto weight = cast<packed::WeightType>(op.getWeight().getType());
      if (!type || op.getInputs().size() != 1 ||
          !cpu::takesSplitActivations(weight.getLayout().getLayout(), type.getDimSize(0),
                                      *description))
        return;
      Value input = op.getInputs()[0];
      Value &halves = known[{op->getBlock(), input}];
      if (!halves)
        halves = splitBefore(op, input);
      op.getInputsMutable().append(halves);
    });
  }

private:
  Value splitBefore(Operation *op, Value input) {
    ImplicitLocOpBuilder builder(op->getLoc(), op);
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<Value> sizes;
    if (type.isDynamicDim(0))
      sizes.push_back(tensor::DimOp::create(builder, input, 0));
    int64_t columns = 2 * splitHalfColumns(type.getDimSize(1));
    Value out = tensor::EmptyOp::create(builder, ArrayRef<int64_t>{type.getDimSize(0), columns},
                                        builder.getBF16Type(), sizes);
    ++split;
    return packed::SplitActivationsOp::create(builder, out.getType(), input, out).getResult();
  }
};

} // namespace
} // namespace stc
