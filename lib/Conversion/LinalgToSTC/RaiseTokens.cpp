// What refers to the tokens and the cache of a function: attention, rotations, tables.
#include "RaiseTokens.h"

#include "Attention.h"
#include "Gathers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/MathExtras.h"

#include <vector>

using namespace mlir;

namespace stc {

namespace {

class TokenRaiser {
public:
  TokenRaiser(func::FuncOp function, int64_t capacity) : function(function), capacity(capacity) {
    for (BlockArgument argument : function.getArguments()) {
      auto tensor = dyn_cast<RankedTensorType>(argument.getType());
      if (tensor && tensor.getRank() == 1 && tensor.getElementType().isInteger(32) && !tokens)
        tokens = argument;
      if (argument.getType().isIndex() && !position)
        position = argument;
      if (isa<KVCacheType>(argument.getType()) && !cache)
        cache = argument;
    }
  }

  int64_t run();

private:
  /// Whether all attentions can read one cache, which the function has or gets.
  bool findCache(ArrayRef<AttentionPattern> attentions);
  /// The layer of the cache that the attention of this number reads.
  int64_t layerOf(const AttentionPattern &attention, int64_t number) const {
    auto layer = attention.result.getDefiningOp()->getParentOfType<LayerOp>();
    return layer ? int64_t(layer.getIndex()) : number;
  }
  Value createRows(OpBuilder &builder, Location loc, const RowsPattern &rows);
  Value createAttention(const AttentionPattern &attention, int64_t number);
  /// Where the tokens of the call begin: tokens count from 0 in a function without a cache.
  Value positionAt(OpBuilder &builder, Location loc) {
    return position ? position : arith::ConstantIndexOp::create(builder, loc, 0).getResult();
  }
  Value createLookup(OpBuilder &builder, Location loc, Type type, Value indices, Value table) {
    if (!indices)
      indices =
          PositionsOp::create(builder, loc, tokens.getType(), tokens, positionAt(builder, loc));
    return EmbeddingOp::create(builder, loc, type, indices, table);
  }
  /// Rows of a table by the places of the tokens, if that is what `rows` are; otherwise `rows`.
  Value tableOfPlaces(OpBuilder &builder, Location loc, Value rows) {
    Value table = tokens ? matchTableOfPlaces(rows, tokens) : Value();
    return table ? createLookup(builder, loc, rows.getType(), {}, table) : rows;
  }
  bool hasTokensFor(const RowsPattern &rows) const {
    return !rows.angles || rows.angles->cos || tokens;
  }
  /// Operations that were replaced, so that none of their parts is looked at again.
  void eraseUnused() {
    SmallVector<Operation *> operations;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) { operations.push_back(op); });
    for (Operation *op : llvm::reverse(operations))
      if (isOpTriviallyDead(op))
        op->erase();
  }
  template <typename Visit> void forEachMatrix(Visit visit) {
    function.walk([&](Operation *op) {
      if (isa<linalg::LinalgOp, tensor::CollapseShapeOp, tensor::ConcatOp, tensor::ExtractSliceOp,
              tensor::InsertSliceOp>(op) &&
          op->getNumResults() == 1 && !op->use_empty() && isActivations(op->getResult(0).getType()))
        visit(op);
    });
  }

  func::FuncOp function;
  int64_t capacity;
  Value tokens, position, cache;
};

} // namespace

bool TokenRaiser::findCache(ArrayRef<AttentionPattern> attentions) {
  const AttentionPattern &first = attentions.front();
  int64_t layers = 0;
  for (auto [number, attention] : llvm::enumerate(attentions)) {
    layers = std::max(layers, layerOf(attention, int64_t(number)) + 1);
    if (attention.kvHeads != first.kvHeads || attention.headDim != first.headDim) {
      attention.result.getDefiningOp()->emitRemark()
          << "not raised: expected attention with " << first.kvHeads << " heads of "
          << first.headDim << " columns for keys, as the first one has, got " << attention.kvHeads
          << " of " << attention.headDim;
      return false;
    }
  }
  Location loc = first.result.getLoc();
  if (cache) {
    auto type = cast<KVCacheType>(cache.getType());
    if (position && type.getLayers() >= layers && type.getKvHeads() == first.kvHeads &&
        type.getHeadDim() == first.headDim)
      return true;
    emitRemark(loc) << "not raised: expected an index and a cache of at least " << layers
                    << " layers with " << first.kvHeads << " heads of " << first.headDim
                    << " columns as arguments, got " << (position ? "" : "no index and ")
                    << cache.getType();
    return false;
  }
  if (!SymbolTable::symbolKnownUseEmpty(function, function->getParentOfType<ModuleOp>())) {
    emitRemark(loc) << "not raised: expected a function that can be given a cache as an argument, "
                       "got one that something calls";
    return false;
  }
  int64_t size = cast<RankedTensorType>(first.result.getType()).getDimSize(0);
  size = llvm::alignTo(ShapedType::isDynamic(size) ? capacity : size, 16);
  MLIRContext *context = function.getContext();
  auto type = KVCacheType::get(context, layers, first.kvHeads, first.headDim, size,
                               Float32Type::get(context));
  auto add = [&](Type type) {
    unsigned place = function.getNumArguments();
    (void)function.insertArgument(place, type, {}, function.getLoc());
    return function.getArgument(place);
  };
  if (!position)
    position = add(IndexType::get(context));
  cache = add(type);
  function.emitRemark() << "attention reads a cache: @" << function.getSymName()
                        << " takes the position of its first token and a " << type << " now";
  return true;
}

Value TokenRaiser::createRows(OpBuilder &builder, Location loc, const RowsPattern &rows) {
  if (!rows.angles)
    return rows.rows;
  Value cos = rows.angles->cos, sin = rows.angles->sin;
  if (!cos) {
    auto type = RankedTensorType::get(
        {cast<RankedTensorType>(tokens.getType()).getDimSize(0), rows.headDim / 2},
        builder.getF32Type());
    auto table = RotaryTableOp::create(
        builder, loc, TypeRange{type, type}, tokens, positionAt(builder, loc),
        builder.getDenseF64ArrayAttr(rows.angles->frequencies), builder.getF64FloatAttr(1));
    cos = table.getCos();
    sin = table.getSin();
  } else {
    cos = tableOfPlaces(builder, loc, cos);
    sin = tableOfPlaces(builder, loc, sin);
  }
  return RotaryEmbeddingOp::create(builder, loc, rows.rows.getType(), rows.rows, cos, sin,
                                   /*interleaved=*/false, /*head_dim=*/0);
}

Value TokenRaiser::createAttention(const AttentionPattern &attention, int64_t number) {
  OpBuilder builder(attention.result.getDefiningOp());
  Location loc = attention.result.getLoc();
  Value layer = arith::ConstantIndexOp::create(builder, loc, layerOf(attention, number));
  Value queries = createRows(builder, loc, attention.queries);
  Value keys = createRows(builder, loc, attention.keys);
  CacheUpdateOp::create(builder, loc, keys, attention.values, cache, layer, position);
  auto op = AttentionOp::create(builder, loc, queries, cache, layer, position, attention.heads,
                                attention.scale);
  if (!attention.causal) {
    Value count = tensor::DimOp::create(builder, loc, keys, 0);
    op.getEndMutable().assign(arith::AddIOp::create(builder, loc, position, count).getResult());
    op->moveAfter(op.getEnd().getDefiningOp());
  }
  return op.getResult();
}

int64_t TokenRaiser::run() {
  int64_t raised = 0;
  std::vector<AttentionPattern> attentions;
  forEachMatrix([&](Operation *op) {
    auto found = matchAttention(op->getResult(0));
    if (found && hasTokensFor(found->queries) && hasTokensFor(found->keys))
      attentions.push_back(*found);
  });
  if (!attentions.empty() && findCache(attentions))
    for (auto [number, attention] : llvm::enumerate(attentions)) {
      attention.result.replaceAllUsesWith(createAttention(attention, int64_t(number)));
      ++raised;
    }
  eraseUnused();

  // From the last to the first: what is done to a gather's result may belong to it.
  SmallVector<Operation *> matrices;
  forEachMatrix([&](Operation *op) { matrices.push_back(op); });
  for (Operation *op : llvm::reverse(matrices)) {
    if (op->use_empty())
      continue;
    Value result = op->getResult(0), made;
    OpBuilder builder(op);
    if (auto gather = matchGather(result); gather && (gather->indices || tokens)) {
      made = createLookup(builder, op->getLoc(), result.getType(), gather->indices, gather->table);
    } else if (Value table = tokens ? matchPlaces(op, tokens) : Value()) {
      made = createLookup(builder, op->getLoc(), result.getType(), {}, table);
    } else if (auto rotary = matchRotary(result); rotary && hasTokensFor(*rotary)) {
      made = createRows(builder, op->getLoc(), *rotary);
    }
    if (!made)
      continue;
    result.replaceAllUsesWith(made);
    ++raised;
  }
  return raised;
}

int64_t raiseTokens(func::FuncOp function, int64_t capacity) {
  return function.isExternal() ? 0 : TokenRaiser(function, capacity).run();
}

} // namespace stc
