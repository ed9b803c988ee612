// stc-select-layouts: chooses a storage layout for each weight.
#include "LayoutChoice.h"

#include "stc/Conversion/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Dialect/STC/Utils/OrderedPipeline.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTLAYOUTSPASS
#include "stc/Conversion/Passes.h.inc"

namespace {

/// Zero codes that rounding alone makes are at most this frequent; sparser weights were pruned
/// before they were imported.
constexpr double kDensestDetected = 0.7;

absl::string_view view(StringRef text) { return {text.data(), text.size()}; }

/// Records what the operand is to the operation that reads it; false for an unknown reader.
bool recordUse(OpOperand &operand, WeightUses &uses) {
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
  return false;
}

/// The bytes of the codes in a layout with a table, or nothing where it does not exist.
std::optional<int64_t> tableBytes(LayoutKind kind, const QuantizedMatrix &matrix,
                                  const QuantizeSpec &spec) {
  Layout layout = spec.layout();
  layout.kind = kind;
  if (!verifyPackedShape(layout, matrix.rows, matrix.columns).ok())
    return std::nullopt;
  return packedTableBytes(layout, matrix);
}

class SelectLayouts final : public impl::SelectLayoutsPassBase<SelectLayouts> {
public:
  void runOnOperation() override {
    uses.clear();
    if (failed(collectUses()) || failed(choose()))
      signalPassFailure();
  }

private:
  LogicalResult collectUses() {
    WalkResult walked = getOperation().walk([&](GetWeightOp value) {
      for (OpOperand &operand : value->getUses()) {
        WeightUses &weightUses = uses[value.getWeightAttr().getAttr()];
        if (!recordUse(operand, weightUses)) {
          emitError(operand.getOwner()->getLoc(), "expected the weight ")
              << value.getWeightAttr()
              << " to be read by stc.embedding, stc.linear or stc.rms_norm, got "
              << operand.getOwner()->getName();
          return WalkResult::interrupt();
        }
      }
      return WalkResult::advance();
    });
    return failure(walked.wasInterrupted());
  }

  LogicalResult choose() {
    ModuleOp module = getOperation();
    SmallVector<WeightOp> weights;
    for (auto weight : module.getOps<WeightOp>())
      if (uses.contains(weight.getSymNameAttr()))
        weights.push_back(weight);
    absl::StatusOr<WeightStore *> store = WeightStore::get(module);
    if (!store.ok())
      return emitStatus(module, store.status());

    std::vector<WeightFacts> facts(weights.size());
    size_t finished = 0;
    auto cost = [&](size_t i) {
      // Codes as stored, as bytes, and as floats where zeros are looked at.
      WeightOp weight = weights[i];
      return weight.getQuantAttr() ? 6 * uint64_t(weight.getTensorType().getNumElements()) : 0;
    };
    absl::Status status = streamInOrder(
        &getContext(), weights.size(), cost,
        [&](size_t i) { return gatherFacts(**store, weights[i], facts[i]); },
        [&](size_t i) -> absl::Status {
          STC_RETURN_IF_ERROR(annotate(weights[i], facts[i]));
          ++finished;
          return absl::OkStatus();
        });
    if (!status.ok())
      return emitStatus(weights[finished], status);
    return success();
  }

  absl::Status gatherFacts(WeightStore &store, WeightOp weight, WeightFacts &facts) const {
    RankedTensorType type = weight.getTensorType();
    facts.uses = uses.lookup(weight.getSymNameAttr());
    facts.rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
    facts.columns = type.getShape().back();
    Type element = type.getElementType();
    // Rounded values of an f16 weight may lie just outside f16.
    bool half = element.isF16() && !weight.getQuantAttr();
    facts.element = element.isBF16() ? ElementKind::BF16
                    : half           ? ElementKind::F16
                                     : ElementKind::F32;
    if (PruneAttr prune = weight.getPruneAttr()) {
      STC_ASSIGN_OR_RETURN(PruneSpec spec, parsePruneSpec(view(prune.getSpec())));
      facts.pattern = spec.pattern;
    }
    if (QuantAttr quant = weight.getQuantAttr()) {
      STC_ASSIGN_OR_RETURN(facts.quantize, parseQuantizeSpec(view(quant.getSpec())));
    }
    bool sparseLayouts = facts.quantize.enabled && facts.uses.matrix && !facts.uses.table;
    return sparseLayouts ? inspectCodes(store, weight, facts) : absl::OkStatus();
  }

  static absl::Status inspectCodes(WeightStore &store, WeightOp weight, WeightFacts &facts) {
    STC_ASSIGN_OR_RETURN(QuantizedMatrix matrix, store.quantized(weight));
    facts.density = double(countNonZero(matrix)) / double(matrix.codes.size());
    if (facts.pattern.kind == PrunePattern::Kind::None && facts.density <= kDensestDetected) {
      std::vector<float> values = dequantize(matrix);
      facts.pattern = detectPattern(facts.rows, facts.columns, values);
    }
    if (facts.pattern.kind != PrunePattern::Kind::None)
      facts.bitmapBytes = tableBytes(LayoutKind::Bitmap, matrix, facts.quantize);
    if (facts.pattern.kind == PrunePattern::Kind::Block)
      facts.blockBytes = tableBytes(LayoutKind::Block, matrix, facts.quantize);
    return absl::OkStatus();
  }

  absl::Status annotate(WeightOp weight, const WeightFacts &facts) {
    STC_ASSIGN_OR_RETURN(LayoutChoice choice, chooseLayout(facts));
    Builder builder(&getContext());
    weight->setAttr(kLayoutAttribute, packed::LayoutAttr::get(&getContext(), choice.layout));
    weight->setAttr(kReasonAttribute, builder.getStringAttr(choice.reason));
    if (facts.pattern.kind != PrunePattern::Kind::None)
      weight->setAttr(kPatternAttribute, builder.getStringAttr(facts.pattern.str()));
    return absl::OkStatus();
  }

  llvm::DenseMap<StringAttr, WeightUses> uses;
};

} // namespace

} // namespace stc
