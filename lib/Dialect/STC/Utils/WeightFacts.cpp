// What the graph and the store say about weights, for the choice of layouts.
#include "stc/Dialect/STC/Utils/WeightFacts.h"

#include "stc/Dialect/STC/IR/STCRouting.h"
#include "stc/Dialect/STC/Utils/CompressLater.h"

using namespace mlir;

namespace stc {

/// Records what the operand is to the operation that reads it; false for an unknown reader.
static bool recordUse(OpOperand &operand, WeightUses &uses) {
  Operation *user = operand.getOwner();
  unsigned number = operand.getOperandNumber();
  if (auto embedding = dyn_cast<EmbeddingOp>(user)) {
    uses.table = true;
    return number == embedding.getTableMutable().getOperandNumber();
  }
  if (auto linear = dyn_cast<LinearOp>(user)) {
    bool weight = number == linear.getWeightMutable().getOperandNumber();
    (weight ? uses.matrix : uses.vector) = true;
    return weight || (linear.getBias() && number == 2);
  }
  if (auto norm = dyn_cast<RMSNormOp>(user)) {
    uses.vector = true;
    return number == norm.getWeightMutable().getOperandNumber();
  }
  if (auto permute = dyn_cast<PermuteFeaturesOp>(user)) {
    uses.vector = true;
    return number == permute.getOrderMutable().getOperandNumber();
  }
  if (auto gate = dyn_cast<GroupedGateOp>(user)) {
    uses.vector = true;
    return operand.get() == gate.getCorrection();
  }
  if (isa<LayerNormOp>(user)) {
    uses.vector = true;
    return number > 0;
  }
  if (auto attention = dyn_cast<AttentionOp>(user)) {
    uses.vector = true;
    Value value = operand.get();
    return value == attention.getBias() || value == attention.getSinkLogits();
  }
  return false;
}

FailureOr<WeightUsesMap> collectWeightUses(ModuleOp module) {
  WeightUsesMap uses;
  WalkResult walked = module.walk([&](GetWeightOp value) {
    for (OpOperand &operand : value->getUses()) {
      WeightUses &weightUses = uses[value.getWeightAttr().getAttr()];
      if (!recordUse(operand, weightUses)) {
        emitError(operand.getOwner()->getLoc(), "expected the weight ")
            << value.getWeightAttr()
            << " to be read by stc.embedding, stc.linear, stc.permute_features, stc.rms_norm, "
               "stc.layer_norm, stc.grouped_gate or stc.attention, got "
            << operand.getOwner()->getName();
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  return uses;
}

/// Above this share of codes or floats other than zero in some rows the whole is not taken for
/// sparse, and is not looked at: well above what counts as sparse, in LayoutChoice.
static constexpr double kSurelyDense = 0.8;

WeightFacts shapeFacts(WeightOp weight, WeightUses uses) {
  RankedTensorType type = weight.getTensorType();
  WeightFacts facts;
  facts.uses = uses;
  facts.rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  facts.columns = type.getShape().back();
  Type element = type.getElementType();
  // Rounded values of an f16 weight may lie just outside f16.
  bool half = element.isF16() && !weight.getQuantAttr();
  facts.element = element.isBF16() ? ElementKind::BF16 : half ? ElementKind::F16 : ElementKind::F32;
  return facts;
}

absl::StatusOr<WeightFacts> gatherFacts(WeightStore &store, WeightOp weight, WeightUses uses) {
  auto view = [](StringRef text) { return absl::string_view(text.data(), text.size()); };
  WeightFacts facts = shapeFacts(weight, uses);
  if (PruneAttr prune = weight.getPruneAttr()) {
    STC_ASSIGN_OR_RETURN(PruneSpec spec, parsePruneSpec(view(prune.getSpec())));
    facts.pattern = spec.pattern;
  }
  if (QuantAttr quant = weight.getQuantAttr()) {
    STC_ASSIGN_OR_RETURN(facts.quantize, parseWeightSpec(view(quant.getSpec())));
  }
  bool isMatrix = facts.uses.matrix && !facts.uses.table;
  bool isLate = weight->hasAttr(kCompressedLaterAttr);
  if (isMatrix && !facts.quantize.enabled) {
    if (!weight.getPruneAttr() && canCompressLater(store, weight)) {
      auto sampled = sampleDensity(*store.sourceTensor(weight));
      if (sampled.ok() && *sampled > kSurelyDense) {
        facts.density = *sampled;
        return facts;
      }
    }
    STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
    addFloatFacts(values, facts);
  }
  if (isMatrix && facts.quantize.enabled) {
    if (isLate && !dependsOnCodes(facts))
      return facts;
    if (isLate && facts.pattern.kind == PrunePattern::Kind::None) {
      // Reading the whole says what is wrong with it.
      auto sampled = sampleDensity(facts.quantize, *store.sourceTensor(weight));
      if (sampled.ok() && *sampled > kSurelyDense) {
        facts.density = *sampled;
        return facts;
      }
    }
    STC_ASSIGN_OR_RETURN(QuantizedMatrix matrix, store.quantized(weight));
    addCodeFacts(matrix, facts);
    // Writing and reading codes costs less than rounding again.
    if (isLate)
      STC_RETURN_IF_ERROR(store.setQuantized(weight, matrix));
  }
  return facts;
}

absl::StatusOr<int64_t> storedBytes(WeightStore &store, WeightOp weight, WeightUses uses) {
  STC_ASSIGN_OR_RETURN(WeightFacts facts, gatherFacts(store, weight, uses));
  STC_ASSIGN_OR_RETURN(LayoutChoice choice, chooseLayout(facts));
  return chosenBytes(facts, choice.layout);
}

} // namespace stc
