// stc-sort-columns: puts the columns of a group of stored codes beside each other.
#include "CompressibleWeights.h"

#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SORTCOLUMNSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

using Change = WeightStore::Change;

class SortColumns final : public impl::SortColumnsPassBase<SortColumns> {
public:
  void runOnOperation() override {
    absl::StatusOr<WeightStore *> found = WeightStore::get(getOperation());
    if (!found.ok()) {
      (void)emitStatus(getOperation(), found.status());
      return signalPassFailure();
    }
    store = *found;
    symbols.emplace(getOperation());
    collect();
    for (WeightOp weight : llvm::to_vector(getOperation().getOps<WeightOp>())) {
      absl::Status status = sort(weight);
      if (!status.ok()) {
        (void)emitStatus(weight, status);
        return signalPassFailure();
      }
    }
    symbols.reset();
  }

private:
  void collect();
  absl::Status sort(WeightOp weight);
  /// The linear operations that alone multiply with the weight; none if something else reads it.
  SmallVector<LinearOp> multipliers(WeightOp weight) const;
  absl::StatusOr<bool> isUnchanged(WeightOp weight);

  /// Gives the rows of what computes the input of `linear` its order, if that is all there is to
  /// do.
  absl::StatusOr<bool> moveIntoRows(LinearOp linear, ArrayRef<int32_t> order);
  absl::StatusOr<bool> setRowOrder(ArrayRef<LinearOp> producers, ArrayRef<int32_t> order);
  /// The linear operation whose result the cache keeps as the values of `attention`, or null.
  LinearOp valuesOf(AttentionOp attention) const;
  /// The weight that holds an order, for a layer.
  WeightOp orderWeight(WeightOp weight, LinearOp linear, DenseElementsAttr order);
  Value permuted(WeightOp weight, LinearOp linear, DenseElementsAttr order);

  WeightStore *store = nullptr;
  std::optional<SymbolTable> symbols;
  llvm::DenseMap<StringAttr, SmallVector<GetWeightOp>> reads;
  llvm::DenseSet<StringAttr> shared; // weights that are passed to functions
  SmallVector<AttentionOp> attentions;
  SmallVector<CacheUpdateOp> updates;
  /// By what they belong to: a layer and its order, or a block, an input and an order.
  llvm::DenseMap<std::pair<Operation *, Attribute>, WeightOp> orders;
  llvm::DenseMap<std::pair<std::pair<Block *, Value>, Attribute>, Value> permutations;
};

void SortColumns::collect() {
  reads.clear();
  shared.clear();
  attentions.clear();
  updates.clear();
  orders.clear();
  permutations.clear();
  getOperation().walk([&](Operation *op) {
    if (auto read = dyn_cast<GetWeightOp>(op))
      reads[read.getWeightAttr().getAttr()].push_back(read);
    else if (auto repeat = dyn_cast<RepeatOp>(op))
      repeat.getWeightsAttr().walk([&](FlatSymbolRefAttr name) { shared.insert(name.getAttr()); });
    else if (auto attention = dyn_cast<AttentionOp>(op))
      attentions.push_back(attention);
    else if (auto update = dyn_cast<CacheUpdateOp>(op))
      updates.push_back(update);
  });
}

SmallVector<LinearOp> SortColumns::multipliers(WeightOp weight) const {
  SmallVector<LinearOp> found;
  StringAttr name = weight.getSymNameAttr();
  if (shared.contains(name))
    return {};
  for (GetWeightOp read : reads.lookup(name))
    for (OpOperand &use : read->getUses()) {
      auto linear = dyn_cast<LinearOp>(use.getOwner());
      if (!linear || isRouter(linear) ||
          use.getOperandNumber() != linear.getWeightMutable().getOperandNumber())
        return {};
      found.push_back(linear);
    }
  return found;
}

absl::StatusOr<bool> SortColumns::isUnchanged(WeightOp weight) {
  if (weight.getQuantAttr() || weight.getPruneAttr())
    return false;
  STC_ASSIGN_OR_RETURN(Change change, store->changeOf(weight));
  return change == Change::None;
}

/// The linear operations whose rows are the columns of `value`, that nothing else reads. False
/// where something mixes columns.
bool findProducers(Value value, SmallVectorImpl<LinearOp> &producers) {
  Operation *op = value.getDefiningOp();
  if (!op || !value.hasOneUse())
    return false;
  if (auto linear = dyn_cast<LinearOp>(op)) {
    producers.push_back(linear);
    return true;
  }
  return isa<ActivationOp, GatedActivationOp, ScaleOp, SoftCapOp, arith::AddFOp, arith::MulFOp,
             arith::SubFOp>(op) &&
         llvm::all_of(op->getOperands(),
                      [&](Value operand) { return findProducers(operand, producers); });
}

LinearOp SortColumns::valuesOf(AttentionOp attention) const {
  auto sameLayer = [&](auto op) {
    auto layer = getConstantIntValue(op.getLayer());
    return !layer || layer == getConstantIntValue(attention.getLayer());
  };
  // Whoever else reads or writes the layer would see another order.
  CacheUpdateOp update;
  for (CacheUpdateOp other : updates)
    if (sameLayer(other)) {
      if (update || other.getCache() != attention.getCache())
        return {};
      update = other;
    }
  if (!update || llvm::count_if(attentions, sameLayer) != 1 || !update.getValues().hasOneUse())
    return {};
  return update.getValues().getDefiningOp<LinearOp>();
}

/// The order within value heads that `order` of the columns of an attention is: every query head
/// keeps its columns, in one order for those that share a value head. Empty if it is none.
SmallVector<int32_t> orderOfValues(AttentionOp attention, ArrayRef<int32_t> order) {
  auto cache = cast<KVCacheType>(attention.getCache().getType());
  int64_t size = cache.getHeadDim(), heads = attention.getHeads();
  int64_t sharing = heads / cache.getKvHeads();
  SmallVector<int32_t> values(size_t(cache.getKvHeads() * size));
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t i = 0; i < size; ++i) {
      int64_t within = order[head * size + i] - head * size;
      int32_t &own = values[head / sharing * size + i];
      if (head % sharing == 0)
        own = int32_t(head / sharing * size + within);
      if (within < 0 || within >= size || own != head / sharing * size + within)
        return {};
    }
  return values;
}

absl::StatusOr<bool> SortColumns::setRowOrder(ArrayRef<LinearOp> producers,
                                              ArrayRef<int32_t> order) {
  SmallVector<WeightOp> weights;
  for (LinearOp producer : producers)
    for (Value operand : producer->getOperands().drop_front()) {
      auto read = operand.getDefiningOp<GetWeightOp>();
      StringAttr name = read ? read.getWeightAttr().getAttr() : StringAttr();
      if (!name || !read->hasOneUse() || reads.lookup(name).size() != 1 || shared.contains(name) ||
          isRouter(producer))
        return false;
      auto weight = symbols->lookup<WeightOp>(name);
      STC_ASSIGN_OR_RETURN(bool unchanged, isUnchanged(weight));
      if (!unchanged || weight.getRowOrder())
        return false;
      weights.push_back(weight);
    }
  auto type = RankedTensorType::get({int64_t(order.size())}, IntegerType::get(&getContext(), 32));
  for (WeightOp weight : weights)
    weight.setRowOrderAttr(DenseIntElementsAttr::get(type, order));
  return true;
}

absl::StatusOr<bool> SortColumns::moveIntoRows(LinearOp linear, ArrayRef<int32_t> order) {
  Value input = linear.getInput();
  SmallVector<LinearOp> producers;
  if (findProducers(input, producers))
    return setRowOrder(producers, order);
  auto attention = input.getDefiningOp<AttentionOp>();
  LinearOp values = attention && input.hasOneUse() ? valuesOf(attention) : LinearOp();
  SmallVector<int32_t> rows = values ? orderOfValues(attention, order) : SmallVector<int32_t>();
  return rows.empty() ? false : setRowOrder(values, rows);
}

WeightOp SortColumns::orderWeight(WeightOp weight, LinearOp linear, DenseElementsAttr order) {
  WeightOp &known = orders[{linear->getParentOfType<LayerOp>(), order}];
  if (known)
    return known;
  std::vector<float> numbers;
  for (int32_t column : order.getValues<int32_t>())
    numbers.push_back(float(column));
  auto type = RankedTensorType::get({order.getNumElements()}, Float32Type::get(&getContext()));
  OpBuilder builder(&getContext());
  builder.setInsertionPointAfter(weight);
  known = WeightOp::create(
      builder, weight.getLoc(), builder.getStringAttr(weight.getSymName() + "_order"),
      TypeAttr::get(type), StringAttr(), DenseElementsAttr::get(type, ArrayRef(numbers)),
      SliceAttr(), UnitAttr(), FloatAttr(), /*row_order=*/nullptr, /*column_order=*/nullptr,
      PruneAttr(), QuantAttr());
  symbols->insert(known);
  return known;
}

Value SortColumns::permuted(WeightOp weight, LinearOp linear, DenseElementsAttr order) {
  Value &known = permutations[{{linear->getBlock(), linear.getInput()}, order}];
  if (known)
    return known;
  OpBuilder builder(linear);
  WeightOp numbers = orderWeight(weight, linear, order);
  Value read = GetWeightOp::create(builder, linear.getLoc(), numbers.getType(),
                                   FlatSymbolRefAttr::get(numbers));
  ++gathers;
  return known = PermuteFeaturesOp::create(builder, linear.getLoc(), linear.getInput(), read);
}

absl::Status SortColumns::sort(WeightOp weight) {
  std::optional<CodedMatrix> groups = store->storedGroups(weight);
  if (!groups || weight.getColumnOrder())
    return absl::OkStatus();
  std::vector<int32_t> order = sortingOrder(*groups);
  SmallVector<LinearOp> uses = order.empty() ? SmallVector<LinearOp>() : multipliers(weight);
  if (uses.empty())
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(bool unchanged, isUnchanged(weight));
  if (!unchanged)
    return absl::OkStatus();
  bool isMoved = false;
  if (uses.size() == 1) {
    STC_ASSIGN_OR_RETURN(isMoved, moveIntoRows(uses.front(), order));
  }
  auto type = RankedTensorType::get({int64_t(order.size())}, IntegerType::get(&getContext(), 32));
  auto attribute = DenseIntElementsAttr::get(type, ArrayRef(order));
  for (LinearOp linear : uses)
    if (!isMoved)
      linear.getInputMutable().assign(permuted(weight, linear, attribute));
  weight.setColumnOrderAttr(attribute);
  ++sorted;
  moved += isMoved;
  return absl::OkStatus();
}

} // namespace

} // namespace stc
