// The parts of transformer layers that can be removed as a whole.
#include "LayerStructure.h"

#include "CompressibleWeights.h"
#include "LayerSignature.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace stc {

WeightOp weightOf(Value value) {
  auto read = value ? value.getDefiningOp<GetWeightOp>() : GetWeightOp();
  return read ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(read, read.getWeightAttr())
              : WeightOp();
}

LinearOp Mixture::down(size_t expert) const {
  ExpertOp op = experts[expert];
  auto linear = op.getBody().front().getTerminator()->getOperand(0).getDefiningOp<LinearOp>();
  return linear && !linear.getBias() && linear->getParentOp() == op ? linear : LinearOp();
}

namespace {

/// Matches the layers of one module.
class Matcher {
public:
  Matcher(ModuleOp module, ArrayRef<WeightOp> compressible) {
    for (WeightOp weight : compressible)
      allowed.insert(weight);
    module.walk([&](GetWeightOp read) { ++reads[read.getWeightAttr().getAttr()]; });
  }

  LayerStructure match(LayerOp layer) const {
    LayerStructure found{layer, {}, {}, matchMixture(layer), isRemovable(layer)};
    for (Operation &op : layer.getBody().front())
      if (auto linear = dyn_cast<LinearOp>(op)) {
        if (!found.feedForward)
          found.feedForward = matchFeedForward(linear);
        if (!found.attention)
          found.attention = matchAttention(linear);
      }
    return found;
  }

private:
  bool readOnce(Value value) const {
    auto read = value.getDefiningOp<GetWeightOp>();
    return read && read->hasOneUse() && reads.lookup(read.getWeightAttr().getAttr()) == 1;
  }
  bool isOwn(LinearOp linear) const {
    WeightOp weight = linear ? weightOf(linear.getWeight()) : WeightOp();
    return weight && allowed.contains(weight) && readOnce(linear.getWeight());
  }
  /// Whether rows can be cut: the bias goes with them.
  bool hasOwnRows(LinearOp linear) const {
    return isOwn(linear) && linear.getResult().hasOneUse() &&
           (!linear.getBias() || readOnce(linear.getBias()));
  }

  std::optional<FeedForward> matchFeedForward(LinearOp down) const {
    Operation *activation = down.getInput().getDefiningOp();
    if (!activation || !isa<GatedActivationOp, ActivationOp>(activation) ||
        !activation->hasOneUse() || !isOwn(down))
      return std::nullopt;
    FeedForward result;
    result.down = down;
    result.channels = columnsOf(weightOf(down.getWeight()));
    for (Value operand : activation->getOperands()) {
      auto linear = operand.getDefiningOp<LinearOp>();
      if (!hasOwnRows(linear) || linear->getBlock() != down->getBlock())
        return std::nullopt;
      result.expanding.push_back(linear);
    }
    return result;
  }

  /// The projection that `count` heads come from, perhaps each normalized, perhaps rotated.
  LinearOp projectionOf(Value heads, int64_t count, Block *block, RMSNormOp *norm = nullptr) const {
    if (auto rotary = heads.getDefiningOp<RotaryEmbeddingOp>(); rotary && rotary->hasOneUse())
      heads = rotary.getInput();
    auto found = heads.getDefiningOp<RMSNormOp>();
    if (norm && found && found->hasOneUse() && int64_t(found.getGroups()) == count &&
        cast<RankedTensorType>(found.getWeight().getType()).getRank() == 1) {
      *norm = found;
      heads = found.getInput();
    }
    auto linear = heads.getDefiningOp<LinearOp>();
    return linear && hasOwnRows(linear) && linear->getBlock() == block ? linear : LinearOp();
  }

  std::optional<SelfAttention> matchAttention(LinearOp o) const {
    SelfAttention result;
    Block *block = o->getBlock();
    result.o = o;
    result.attention = o.getInput().getDefiningOp<AttentionOp>();
    if (!result.attention || !result.attention->hasOneUse() || !isOwn(o))
      return std::nullopt;
    // What heads have of their own goes with them; a bias table is for all layers.
    Value sinks = result.attention.getSinkLogits();
    if (result.attention.getBias() || (sinks && !readOnce(sinks)))
      return std::nullopt;
    for (auto update : block->getOps<CacheUpdateOp>()) {
      if (result.update)
        return std::nullopt;
      result.update = update;
    }
    // Attention to what an encoder left reads another layer of the cache.
    if (!result.update || result.update.getCache() != result.attention.getCache() ||
        !isEqualConstantIntOrValue(result.update.getLayer(), result.attention.getLayer()))
      return std::nullopt;
    auto cache = cast<KVCacheType>(result.attention.getCache().getType());
    result.heads = result.attention.getHeads();
    result.groups = cache.getKvHeads();
    result.headDim = cache.getHeadDim();
    result.q = projectionOf(result.attention.getQueries(), result.heads, block, &result.qNorm);
    result.k = projectionOf(result.update.getKeys(), result.groups, block, &result.kNorm);
    result.v = projectionOf(result.update.getValues(), result.groups, block);
    if (!result.q || !result.k || !result.v)
      return std::nullopt;
    return result;
  }

  /// All experts that one gate leads to, if the layer ends with them.
  std::optional<Mixture> matchMixture(LayerOp layer) const {
    Mixture result;
    Block &body = layer.getBody().front();
    Value sum = body.getTerminator()->getOperand(0);
    while (auto expert = sum.getDefiningOp<ExpertOp>()) {
      auto gate = expert.getGates().getDefiningOp<TopKGateOp>();
      if (!gate || (result.gate && gate != result.gate) || !expert->hasOneUse())
        break;
      result.gate = gate;
      result.experts.push_back(expert);
      sum = expert.getAccumulator();
    }
    std::reverse(result.experts.begin(), result.experts.end());
    if (!result.gate || result.experts.size() != llvm::range_size(result.gate->getUses()))
      return std::nullopt;
    result.router = result.gate.getLogits().getDefiningOp<LinearOp>();
    if (!result.router || !result.router->hasOneUse() || !readOnce(result.router.getWeight()) ||
        (result.router.getBias() && !readOnce(result.router.getBias())) ||
        rowsOf(weightOf(result.router.getWeight())) != int64_t(result.experts.size()))
      return std::nullopt;
    bool areOwn = true;
    for (auto [index, expert] : llvm::enumerate(result.experts)) {
      areOwn &= isConstantIntValue(expert.getIndex(), int64_t(index));
      expert.walk([&](LinearOp linear) { areOwn &= isOwn(linear); });
    }
    return areOwn ? std::optional<Mixture>(result) : std::nullopt;
  }

  /// A layer whose weights may all change and that uses its own layer of the cache alone.
  bool isRemovable(LayerOp layer) const {
    bool ok = true;
    layer.walk([&](Operation *op) {
      if (auto linear = dyn_cast<LinearOp>(op))
        ok &= isOwn(linear) || (isRouter(linear) && readOnce(linear.getWeight()));
      for (OpOperand &operand : op->getOpOperands())
        if (isa<AttentionOp, CacheUpdateOp>(op) && isa<KVCacheType>(operand.get().getType()))
          ok &= llvm::any_of(op->getOpOperands(), [&](OpOperand &other) {
            return isLayerIndex(other, int64_t(layer.getIndex()));
          });
    });
    return ok;
  }

  llvm::DenseSet<WeightOp> allowed;
  llvm::DenseMap<StringAttr, int64_t> reads;
};

} // namespace

FailureOr<SmallVector<LayerStructure>> findLayerStructures(func::FuncOp forward,
                                                           ArrayRef<std::string> exclude) {
  auto module = forward->getParentOfType<ModuleOp>();
  auto compressible = findCompressibleWeights(module, exclude);
  if (failed(compressible))
    return failure();
  for (WeightOp weight : *compressible)
    if (weight.getPruneAttr() || weight.getQuantAttr())
      return emitError(weight.getLoc(), "expected weights that are neither pruned nor quantized "
                                        "before structure is, got @")
             << weight.getSymName();
  Matcher matcher(module, *compressible);
  SmallVector<LayerStructure> layers;
  for (auto layer : forward.getBody().front().getOps<LayerOp>())
    layers.push_back(matcher.match(layer));
  return layers;
}

} // namespace stc
