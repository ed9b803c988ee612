// Cuts parts out of layers: weights get new types, and everything that follows from them.
#include "CutStructure.h"

#include "InferTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace stc {

namespace {

/// The indices that `kept` blocks of `size` cover.
SmallVector<int64_t> expand(ArrayRef<int64_t> kept, int64_t size) {
  SmallVector<int64_t> indices;
  for (int64_t block : kept)
    llvm::append_range(indices, llvm::seq(block * size, (block + 1) * size));
  return indices;
}

/// Keeps some indices of dimension `dim` of the weight that `value` reads.
absl::Status cutWeight(Value value, unsigned dim, ArrayRef<int64_t> kept, WeightStore &store) {
  WeightOp weight = weightOf(value);
  MLIRContext *context = weight.getContext();
  RankedTensorType type = weight.getTensorType();
  if (weight.isOrdered()) // a slice is of what has no order yet
    return formatError({"", "@" + weight.getSymName().str(), {}},
                       "rows and columns in the order of the checkpoint", "some that were sorted");
  // Whether its values are not the checkpoint's.
  bool isStored = weight->hasAttr(kCalibratedAttr) || weight->hasAttr(kRotatedAttr);
  std::vector<float> values;
  if (isStored) {
    STC_ASSIGN_OR_RETURN(values, store.load(weight));
  }

  SliceAttr before = weight.getSliceAttr();
  DenseI64ArrayAttr ranges[2];
  int64_t rowStep = before && dim != 0 ? before.getRowStep() : 1;
  if (before) {
    ranges[0] = before.getRows();
    ranges[1] = before.getColumns();
  }
  SmallVector<int64_t> indices(kept);
  if (before) {
    SmallVector<int64_t> origin = before.getKept(dim);
    for (int64_t &index : indices)
      index = origin[size_t(index)];
  }
  ranges[dim] = SliceAttr::rangesOf(context, indices);
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = int64_t(kept.size());
  weight.setSliceAttr(
      SliceAttr::get(context, DenseI64ArrayAttr::get(context, weight.getOriginType().getShape()),
                     ranges[0], ranges[1], rowStep));
  weight.setTypeAttr(TypeAttr::get(type.clone(shape)));
  value.setType(type.clone(shape));
  if (!isStored)
    return absl::OkStatus();

  std::vector<float> left;
  int64_t width = type.getRank() == 2 ? type.getDimSize(1) : 1;
  if (dim == 0) {
    for (int64_t row : kept)
      left.insert(left.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
  } else {
    for (int64_t row = 0; row < type.getDimSize(0); ++row)
      for (int64_t column : kept)
        left.push_back(values[size_t(row * width + column)]);
  }
  return store.setSource(weight, left);
}

absl::Status cutRows(LinearOp linear, ArrayRef<int64_t> kept, WeightStore &store) {
  STC_RETURN_IF_ERROR(cutWeight(linear.getWeight(), 0, kept, store));
  return linear.getBias() ? cutWeight(linear.getBias(), 0, kept, store) : absl::OkStatus();
}

/// Removes an operation and those weights read in it that nothing else reads.
void eraseWithWeights(Operation *op) {
  SmallVector<WeightOp> weights;
  op->walk([&](GetWeightOp read) { weights.push_back(weightOf(read)); });
  auto module = op->getParentOfType<ModuleOp>();
  op->erase();
  for (WeightOp weight : weights)
    if (SymbolTable::symbolKnownUseEmpty(weight, module))
      weight.erase();
}

/// The router chooses among the experts that are left, which get consecutive indices.
absl::Status cutExperts(const Mixture &mixture, ArrayRef<int64_t> kept, WeightStore &store) {
  STC_RETURN_IF_ERROR(cutRows(mixture.router, kept, store));
  for (auto [index, expert] : llvm::enumerate(mixture.experts)) {
    ExpertOp op = expert;
    auto found = llvm::find(kept, int64_t(index));
    if (found == kept.end()) {
      op.getResult().replaceAllUsesWith(op.getAccumulator());
      eraseWithWeights(op);
      continue;
    }
    OpBuilder builder(op);
    op.getIndexMutable().assign(
        arith::ConstantIndexOp::create(builder, op.getLoc(), found - kept.begin()));
  }
  return absl::OkStatus();
}

absl::Status cutLayer(LayerStructure layer, const LayerCut &cut, WeightStore &store) {
  if (!cut.channels.empty()) {
    for (LinearOp linear : layer.feedForward->expanding)
      STC_RETURN_IF_ERROR(cutRows(linear, cut.channels, store));
    STC_RETURN_IF_ERROR(cutWeight(layer.feedForward->down.getWeight(), 1, cut.channels, store));
  }
  if (!cut.experts.empty())
    STC_RETURN_IF_ERROR(cutExperts(*layer.mixture, cut.experts, store));
  if (cut.heads.empty() && cut.groups.empty())
    return absl::OkStatus();
  SelfAttention &attention = *layer.attention;
  SmallVector<int64_t> queries = expand(cut.heads, attention.headDim);
  STC_RETURN_IF_ERROR(cutRows(attention.q, queries, store));
  STC_RETURN_IF_ERROR(cutWeight(attention.o.getWeight(), 1, queries, store));
  attention.attention.setHeads(uint64_t(cut.heads.size()));
  if (Value sinks = attention.attention.getSinkLogits())
    STC_RETURN_IF_ERROR(cutWeight(sinks, 0, cut.heads, store));
  if (auto slopes = attention.attention.getSlopes()) {
    SmallVector<double> left;
    for (int64_t head : cut.heads)
      left.push_back((*slopes)[size_t(head)]);
    attention.attention.setSlopes(ArrayRef<double>(left));
  }
  if (attention.qNorm)
    attention.qNorm.setGroups(uint64_t(cut.heads.size()));
  if (int64_t(cut.groups.size()) == attention.groups)
    return absl::OkStatus();
  SmallVector<int64_t> keys = expand(cut.groups, attention.headDim);
  if (attention.kNorm)
    attention.kNorm.setGroups(uint64_t(cut.groups.size()));
  STC_RETURN_IF_ERROR(cutRows(attention.k, keys, store));
  return cutRows(attention.v, keys, store);
}

/// The hidden state passes, and the layer's weights go unless something else reads them.
void removeLayer(LayerOp layer) {
  layer.getResult().replaceAllUsesWith(layer.getInput());
  eraseWithWeights(layer);
}

/// Gives the layers that are left consecutive indices, in the cache too.
void renumber(func::FuncOp forward) {
  Block &body = forward.getBody().front();
  OpBuilder builder = OpBuilder::atBlockBegin(&body);
  int64_t next = 0;
  for (auto layer : llvm::make_early_inc_range(body.getOps<LayerOp>())) {
    Value index;
    if (int64_t(layer.getIndex()) != next)
      layer.walk([&](Operation *op) {
        if (!isa<AttentionOp, CacheUpdateOp>(op))
          return;
        if (!index)
          index = arith::ConstantIndexOp::create(builder, layer.getLoc(), next);
        OpOperand &operand = isa<AttentionOp>(op) ? cast<AttentionOp>(op).getLayerMutable()
                                                  : cast<CacheUpdateOp>(op).getLayerMutable();
        Operation *old = operand.get().getDefiningOp();
        operand.set(index);
        if (old && isOpTriviallyDead(old))
          old->erase();
      });
    layer.setIndex(uint64_t(next++));
  }
}

} // namespace

absl::Status cutStructure(func::FuncOp forward, ArrayRef<LayerStructure> layers,
                          ArrayRef<LayerCut> cuts, WeightStore &store) {
  int64_t removed = 0, groups = 0;
  for (auto [layer, cut] : llvm::zip_equal(layers, cuts)) {
    if (cut.removed) {
      removeLayer(layer.layer);
      ++removed;
      continue;
    }
    STC_RETURN_IF_ERROR(cutLayer(layer, cut, store));
    if (!cut.groups.empty())
      groups = int64_t(cut.groups.size());
  }
  if (removed)
    renumber(forward);

  Block &body = forward.getBody().front();
  for (BlockArgument argument : body.getArguments())
    if (auto cache = dyn_cast<KVCacheType>(argument.getType()))
      argument.setType(KVCacheType::get(cache.getContext(), cache.getLayers() - removed,
                                        groups ? groups : cache.getKvHeads(), cache.getHeadDim(),
                                        cache.getCapacity(), cache.getElement()));
  if (failed(inferResultTypes(body)))
    return formatError({"", "@forward", {}}, "types that follow from the weights", "others");
  forward.setFunctionType(FunctionType::get(forward.getContext(), body.getArgumentTypes(),
                                            body.getTerminator()->getOperandTypes()));
  return absl::OkStatus();
}

} // namespace stc
