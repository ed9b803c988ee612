// Which weights compression may change, and the loop over them that pruning and quantizing share.
#include "CompressibleWeights.h"

#include "BiasRepair.h"
#include "NamePatterns.h"

#include "stc/Dialect/STC/IR/STCRouting.h"
#include "stc/Dialect/STC/Utils/CompressLater.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Dialect/STC/Utils/OrderedPipeline.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;

namespace stc {

namespace {

/// True if every use of the value is as the weight of a linear operation inside a layer, and none
/// as that of a router: it is small beside its experts, and what it loses changes where tokens go.
bool onlyLayerLinears(GetWeightOp value) {
  return llvm::all_of(value->getUses(), [](OpOperand &use) {
    auto linear = dyn_cast<LinearOp>(use.getOwner());
    return linear && linear->getParentOfType<LayerOp>() && !isRouter(linear) &&
           use.getOperandNumber() == linear.getWeightMutable().getOperandNumber();
  });
}

} // namespace

bool isRouter(LinearOp linear) {
  return llvm::any_of(linear->getUsers(), [](Operation *user) {
    if (auto gate = dyn_cast<ActivationOp>(user))
      return llvm::any_of(gate->getUsers(), llvm::IsaPred<ExpertOp, GroupedGateOp>);
    return isa<TopKGateOp>(user);
  });
}

FailureOr<SmallVector<WeightOp>> findCompressibleWeights(ModuleOp module,
                                                         ArrayRef<std::string> exclude) {
  FailureOr<SmallVector<NamePattern>> patterns = parseNamePatterns(module, "exclude", exclude);
  if (failed(patterns))
    return failure();

  llvm::DenseSet<StringAttr> used, barred;
  module.walk([&](Operation *op) {
    if (auto value = dyn_cast<GetWeightOp>(op)) {
      if (value->use_empty())
        return;
      StringAttr name = value.getWeightAttr().getAttr();
      (onlyLayerLinears(value) ? used : barred).insert(name);
    } else if (auto repeat = dyn_cast<RepeatOp>(op)) {
      repeat.getWeightsAttr().walk([&](FlatSymbolRefAttr name) { barred.insert(name.getAttr()); });
    }
  });

  SmallVector<WeightOp> weights;
  SmallVector<StringRef> names; // of those that could be excluded
  for (auto weight : module.getOps<WeightOp>()) {
    bool excluded = false;
    for (NamePattern &pattern : *patterns)
      if (pattern.glob.match(weight.getSymName()))
        excluded = pattern.matched = true;
    StringAttr name = weight.getSymNameAttr();
    if (!used.contains(name) || barred.contains(name))
      continue;
    names.push_back(weight.getSymName());
    if (!excluded)
      weights.push_back(weight);
  }
  warnOfUnmatched(module, "exclude", "weight", *patterns, names);
  return weights;
}

FailureOr<SmallVector<const RecipeStage *>> assignStages(ModuleOp module, const Recipe &recipe,
                                                         ArrayRef<WeightOp> weights) {
  SmallVector<std::string> texts;
  SmallVector<StringRef> names;
  for (const RecipeStage &stage : recipe.stages)
    texts.push_back(stage.match);
  for (WeightOp weight : weights)
    names.push_back(weight.getSymName());
  FailureOr<SmallVector<NamePattern>> patterns = parseNamePatterns(module, "match", texts);
  if (failed(patterns))
    return failure();
  // A stage may say that a bias is not fitted.
  module.walk([&](LinearOp linear) {
    if (StringAttr name = biasName(linear))
      for (NamePattern &pattern : *patterns)
        pattern.matched |= pattern.glob.match(name);
  });
  SmallVector<const RecipeStage *> result;
  for (StringRef name : names) {
    const RecipeStage *decides = nullptr;
    for (auto [pattern, stage] : llvm::zip_equal(*patterns, recipe.stages)) {
      if (!pattern.glob.match(name))
        continue;
      pattern.matched = true;
      if (!decides)
        decides = &stage;
    }
    result.push_back(decides);
  }
  warnOfUnmatched(module, "match", "weight", *patterns, names);
  return result;
}

WeightOp copyForHead(WeightOp weight, ArrayRef<LinearOp> heads) {
  SymbolTable symbols(weight->getParentOfType<ModuleOp>());
  OpBuilder builder(weight);
  builder.setInsertionPointAfter(weight);
  auto copy = cast<WeightOp>(builder.clone(*weight));
  copy.setSymName((weight.getSymName() + ".head").str());
  symbols.insert(copy);
  for (LinearOp linear : heads) {
    builder.setInsertionPoint(linear);
    linear.getWeightMutable().assign(
        GetWeightOp::create(builder, linear.getLoc(), copy.getTensorType(),
                            FlatSymbolRefAttr::get(copy.getSymNameAttr())));
  }
  return copy;
}

SmallVector<WeightOp> separateHeads(ModuleOp module, llvm::function_ref<bool(WeightOp)> wanted) {
  llvm::MapVector<StringAttr, SmallVector<LinearOp>> readers;
  llvm::DenseSet<StringAttr> shared;
  module.walk([&](Operation *op) {
    if (auto repeat = dyn_cast<RepeatOp>(op))
      repeat.getWeightsAttr().walk([&](FlatSymbolRefAttr name) { shared.insert(name.getAttr()); });
    auto read = dyn_cast<GetWeightOp>(op);
    if (!read)
      return;
    StringAttr name = read.getWeightAttr().getAttr();
    for (OpOperand &use : read->getUses()) {
      auto linear = dyn_cast<LinearOp>(use.getOwner());
      bool head = linear && !linear->getParentOfType<LayerOp>() &&
                  use.getOperandNumber() == linear.getWeightMutable().getOperandNumber();
      if (head)
        readers[name].push_back(linear);
      else
        shared.insert(name);
    }
  });
  SmallVector<WeightOp> weights;
  for (auto weight : llvm::make_early_inc_range(module.getOps<WeightOp>())) {
    auto found = readers.find(weight.getSymNameAttr());
    if (found == readers.end() || !wanted(weight))
      continue;
    if (!shared.contains(weight.getSymNameAttr())) {
      weights.push_back(weight);
      continue;
    }
    weights.push_back(copyForHead(weight, found->second));
  }
  return weights;
}

LogicalResult compressWeights(ModuleOp module, ArrayRef<WeightOp> weights, const std::string &task,
                              bool quiet,
                              llvm::function_ref<absl::Status(WeightStore &, size_t)> compress,
                              llvm::function_ref<void(size_t)> annotate) {
  absl::StatusOr<WeightStore *> store = WeightStore::get(module);
  if (!store.ok())
    return emitStatus(module, store.status());

  uint64_t total = 0;
  for (WeightOp weight : weights)
    total += uint64_t(weight.getTensorType().getNumElements());
  Progress progress(task, total, quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);

  // The values as f32, plus a mask or codes and their packed form.
  auto cost = [&](size_t i) { return 7 * uint64_t(rowsOf(weights[i]) * columnsOf(weights[i])); };
  size_t finished = 0;
  absl::Status status = streamInOrder(
      module.getContext(), weights.size(), cost, [&](size_t i) { return compress(**store, i); },
      [&](size_t i) {
        annotate(i);
        WeightOp weight = weights[i];
        StringRef name = weight.getSymName();
        progress.advance(uint64_t(rowsOf(weights[i]) * columnsOf(weights[i])),
                         {name.data(), name.size()});
        ++finished;
        return absl::OkStatus();
      });
  if (!status.ok())
    return emitStatus(weights[finished], status);
  progress.finish();
  return success();
}

LogicalResult quantizeWeights(ModuleOp module, ArrayRef<WeightOp> candidates,
                              const QuantizeSpec &spec, bool quiet, bool verbose,
                              QuantizeCounts &counts) {
  std::string canonical = spec.str();
  Builder builder(module.getContext());
  auto note = [&](WeightOp weight, double error) {
    weight.setQuantAttr(
        QuantAttr::get(module.getContext(), canonical, builder.getF64FloatAttr(error)));
    ++counts.tensors;
    counts.weights += uint64_t(weight.getTensorType().getNumElements());
  };
  absl::StatusOr<WeightStore *> store = WeightStore::get(module);
  if (!store.ok())
    return emitStatus(module, store.status());
  bool later = module->hasAttr(kCompressesLaterAttr) && !spec.needsCalibration();
  SmallVector<WeightOp> weights;
  for (WeightOp weight : candidates) {
    if (later && canCompressLater(**store, weight)) {
      note(weight, 0);
      weight->setAttr(kCompressedLaterAttr, builder.getUnitAttr());
    } else if (!weight.getQuantAttr())
      weights.push_back(weight);
    else if (verbose)
      emitRemark(weight.getLoc()) << weight.getSymName() << ": already quantized as "
                                  << weight.getQuantAttr().getSpec();
  }
  if (weights.empty())
    return success();
  std::vector<double> errors(weights.size());
  auto compress = [&](WeightStore &store, size_t i) -> absl::Status {
    STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weights[i]));
    QuantizedMatrix matrix =
        quantizeRoundToNearest(spec, rowsOf(weights[i]), columnsOf(weights[i]), values);
    // A matrix of zeros has no relative error; it is stored exactly.
    double error = relativeError(matrix, values);
    errors[i] = std::isfinite(error) ? error : 0;
    return store.setQuantized(weights[i], matrix);
  };
  auto annotate = [&](size_t i) {
    WeightOp weight = weights[i];
    note(weight, errors[i]);
    if (verbose)
      emitRemark(weight.getLoc())
          << weight.getSymName() << ": "
          << llvm::formatv("quantized as {0}: relative error {1:F4}", canonical, errors[i]).str();
  };
  return compressWeights(module, weights, "quantize", quiet, compress, annotate);
}

} // namespace stc
