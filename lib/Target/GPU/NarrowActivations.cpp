// packed-narrow-activations: gives multiplications of many tokens activations for tensor cores.
#include "stc/Dialect/Packed/Transforms/InputHalves.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "StagedHalves.h"
#include "StagedMatmul.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_NARROWACTIVATIONSPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// The same activations with one scale for each token, in front of `op`.
packed::QuantizeActivationsOp scaleTokens(packed::QuantizeActivationsOp op) {
  ImplicitLocOpBuilder builder(op->getLoc(), op);
  auto codes = cast<RankedTensorType>(op.getCodes().getType());
  Value tokens = tensor::DimOp::create(builder, op.getCodes(), 0);
  auto empty = [&](Type element) -> Value {
    return tensor::EmptyOp::create(builder, {ShapedType::kDynamic, 1}, element, tokens);
  };
  Value scales = empty(builder.getF32Type()), sums = empty(builder.getI32Type());
  return packed::QuantizeActivationsOp::create(
      builder, TypeRange{codes, scales.getType(), sums.getType()}, op.getInput(), op.getCodes(),
      scales, sums, op.getOrder(), builder.getI64IntegerAttr(codes.getDimSize(1)),
      op.getSumFactorAttr(), op.getOffsetAttr());
}

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
    // Those whose users got others, and what these are if they have one scale for each token.
    llvm::MapVector<Operation *, packed::QuantizeActivationsOp> quantizations;
    getOperation().walk([&](packed::MatmulOp op) {
      auto type = dyn_cast<RankedTensorType>(op.getInputs()[0].getType());
      auto weight = cast<packed::WeightType>(op.getWeight().getType());
      if (!type || !type.isDynamicDim(0))
        return;
      auto quantization = op.getInputs()[0].getDefiningOp<packed::QuantizeActivationsOp>();
      if (rounds && quantization && !quantization.getOrder() && gpu::takesRoundedInputs(weight)) {
        op.getInputsMutable().assign(
            inputs.of(op, quantization.getInput(), Float16Type::get(&getContext()), 1));
        quantizations.insert({quantization, nullptr});
        return;
      }
      if (perToken && quantization && gpu::takesWholeRows(weight, *description)) {
        packed::QuantizeActivationsOp &whole = quantizations[quantization];
        if (!whole)
          whole = scaleTokens(quantization);
        op.getInputsMutable().assign(whole.getResults());
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
    narrowed += inputs.count();
    bool isUsed = false;
    for (auto [quantization, whole] : quantizations) {
      isUsed |= whole != nullptr;
      narrowed += whole ? 1 : 0;
      if (quantization->use_empty())
        quantization->erase();
    }
    if (perToken && !isUsed)
      getOperation().emitWarning("activations: per-token changes nothing here, as no weights that "
                                 "many tokens meet have scales of rows (as int8-row has)");
  }
};

} // namespace
} // namespace stc
