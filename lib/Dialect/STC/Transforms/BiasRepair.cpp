// Which biases repair may fit together with their matrices.
#include "BiasRepair.h"

#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "llvm/Support/GlobPattern.h"

using namespace mlir;

namespace stc {

static bool matches(StringRef pattern, StringRef name) {
  auto glob = llvm::GlobPattern::create(pattern, /*MaxSubPatterns=*/1024);
  if (glob)
    return glob->match(name);
  llvm::consumeError(glob.takeError());
  return false;
}

static bool mayChange(StringRef name, const Recipe &recipe, ArrayRef<std::string> exclude) {
  if (llvm::any_of(exclude, [&](const std::string &pattern) { return matches(pattern, name); }))
    return false;
  auto stage = llvm::find_if(recipe.stages,
                             [&](const RecipeStage &other) { return matches(other.match, name); });
  return stage == recipe.stages.end() || stage->prune != "none" || stage->quantize != "none";
}

StringAttr biasName(LinearOp linear) {
  Value bias = linear.getBias();
  auto read = bias ? bias.getDefiningOp<GetWeightOp>() : GetWeightOp();
  return read ? read.getWeightAttr().getAttr() : StringAttr();
}

FittableBiases::FittableBiases(ModuleOp module, const Recipe &recipe,
                               ArrayRef<std::string> exclude) {
  llvm::DenseMap<StringAttr, unsigned> uses;
  SmallVector<StringAttr> names;
  module.walk([&](Operation *op) {
    if (auto read = dyn_cast<GetWeightOp>(op))
      uses[read.getWeightAttr().getAttr()] += unsigned(llvm::range_size(read->getUses()));
    else if (auto linear = dyn_cast<LinearOp>(op))
      if (StringAttr name = biasName(linear))
        names.push_back(name);
  });
  for (StringAttr name : names) {
    auto weight = module.lookupSymbol<WeightOp>(name);
    if (weight && uses.lookup(name) == 1 && !weight->hasAttr(kCalibratedAttr) &&
        mayChange(name, recipe, exclude))
      biases[name] = weight;
  }
}

WeightOp FittableBiases::of(LinearOp linear) const {
  StringAttr name = biasName(linear);
  return name ? biases.lookup(name) : WeightOp();
}

} // namespace stc
