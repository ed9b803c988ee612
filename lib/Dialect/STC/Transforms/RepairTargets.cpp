// What a linear operation should give, so that it makes up for what compression lost before it.
#include "RepairTargets.h"

#include "stc/Compress/Bias.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace stc {

Value residualOf(LinearOp linear) {
  if (!linear.getResult().hasOneUse())
    return {};
  auto add = dyn_cast<arith::AddFOp>(*linear.getResult().user_begin());
  if (!add || add->getBlock() != linear->getBlock())
    return {};
  Value residual = add.getLhs() == linear.getResult() ? add.getRhs() : add.getLhs();
  return residual == linear.getResult() ? Value() : residual;
}

absl::StatusOr<CrossMoments> repairTargets(LinearOp linear, Activations wanted,
                                           const Activations *residual, const Activations &inputs,
                                           WeightStore &store, std::vector<double> *means) {
  if (residual)
    for (size_t i = 0; i < wanted.values.size(); ++i)
      wanted.values[i] -= residual->values[i];
  if (means) {
    *means = removeMeans(wanted.columns, absl::MakeSpan(wanted.values));
  } else if (linear.getBias()) {
    auto read = linear.getBias().getDefiningOp<GetWeightOp>();
    auto bias = read ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(linear, read.getWeightAttr())
                     : WeightOp();
    if (!bias)
      return formatError({"", "stc.linear", {}}, "a bias that stc.get_weight reads", "another");
    STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(bias));
    for (size_t i = 0; i < wanted.values.size(); ++i)
      wanted.values[i] -= values[i % values.size()];
  }
  CrossMoments cross(wanted.columns, inputs.columns);
  STC_RETURN_IF_ERROR(cross.add(wanted.values, inputs.values));
  return cross;
}

absl::StatusOr<RepairReport> refitWeight(WeightOp weight, InputStatistics &statistics,
                                         const CrossMoments &targets, RefitOptions options,
                                         WeightStore &store) {
  const SecondMoments &moments = statistics.moments();
  options.damping *= statistics.scarcity();
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
  std::vector<uint8_t> mask(values.size(), 1);
  STC_ASSIGN_OR_RETURN(std::vector<float> fitted,
                       refitWeights(options, weight.getTensorType().getDimSize(0), values, mask,
                                    moments, targets.matrix()));
  STC_RETURN_IF_ERROR(store.setSource(weight, fitted));
  weight->setAttr(kCalibratedAttr, UnitAttr::get(weight.getContext()));
  return RepairReport{weight, targetError(moments, targets, values),
                      targetError(moments, targets, fitted)};
}

} // namespace stc
