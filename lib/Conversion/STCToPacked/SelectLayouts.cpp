// stc-select-layouts: chooses a storage layout for each weight.
#include "LayoutAttributes.h"

#include "stc/Conversion/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Dialect/STC/Utils/OrderedPipeline.h"
#include "stc/Dialect/STC/Utils/WeightFacts.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTLAYOUTSPASS
#include "stc/Conversion/Passes.h.inc"

namespace {

class SelectLayouts final : public impl::SelectLayoutsPassBase<SelectLayouts> {
public:
  void runOnOperation() override {
    FailureOr<WeightUsesMap> collected = collectWeightUses(getOperation());
    if (failed(collected))
      return signalPassFailure();
    uses = std::move(*collected);
    if (failed(choose()))
      signalPassFailure();
  }

private:
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
      // Codes as stored, as bytes, and as floats where zeros are looked at; or floats and a mask.
      WeightUses used = uses.lookup(weights[i].getSymNameAttr());
      bool isRead = used.matrix && !used.table;
      return isRead ? 6 * uint64_t(weights[i].getTensorType().getNumElements()) : 0;
    };
    absl::Status status = streamInOrder(
        &getContext(), weights.size(), cost,
        [&](size_t i) -> absl::Status {
          STC_ASSIGN_OR_RETURN(
              facts[i], gatherFacts(**store, weights[i], uses.lookup(weights[i].getSymNameAttr())));
          return absl::OkStatus();
        },
        [&](size_t i) -> absl::Status {
          STC_RETURN_IF_ERROR(annotate(weights[i], facts[i]));
          ++finished;
          return absl::OkStatus();
        });
    if (!status.ok())
      return emitStatus(weights[finished], status);
    return success();
  }

  absl::Status annotate(WeightOp weight, const WeightFacts &facts) {
    STC_ASSIGN_OR_RETURN(LayoutChoice choice, chooseLayout(facts));
    Builder builder(&getContext());
    weight->setAttr(kLayoutAttribute, packed::LayoutAttr::get(&getContext(), choice.layout));
    if (weight.getColumnOrder())
      choice.reason += ", columns sorted by group";
    weight->setAttr(kReasonAttribute, builder.getStringAttr(choice.reason));
    if (facts.pattern.kind != PrunePattern::Kind::None)
      weight->setAttr(kPatternAttribute, builder.getStringAttr(facts.pattern.str()));
    return absl::OkStatus();
  }

  WeightUsesMap uses;
};

} // namespace

} // namespace stc
