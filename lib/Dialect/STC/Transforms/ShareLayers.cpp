// stc-share-layers: turns layers of equal signature into one function.
#include "LayerSignature.h"

#include "stc/Dialect/STC/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <map>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SHARELAYERSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

struct SignedLayer {
  LayerOp op;
  LayerSignature signature;
};

/// True if `next` can be the call after `previous` of one stc.repeat.
bool follows(const SignedLayer &previous, const SignedLayer &next) {
  LayerOp first = previous.op, second = next.op;
  if (previous.signature.key != next.signature.key ||
      !llvm::equal(previous.signature.captures, next.signature.captures) ||
      second.getInput() != first.getResult() || !first.getResult().hasOneUse() ||
      second.getIndex() != first.getIndex() + 1)
    return false;
  // The repeat takes the place of its first layer; effects in between must not change order.
  for (Operation *op = first->getNextNode(); op != second; op = op->getNextNode())
    if (!isMemoryEffectFree(op))
      return false;
  return true;
}

class ShareLayers final : public impl::ShareLayersPassBase<ShareLayers> {
public:
  void runOnOperation() override {
    SymbolTable table(getOperation());
    symbols = &table;
    functions.clear();
    repeats.clear();
    conflicts.clear();
    // Functions made on the way are looked at too: a layer may hold layers.
    SmallVector<func::FuncOp> work(getOperation().getOps<func::FuncOp>());
    for (size_t i = 0; i < work.size(); ++i) {
      SmallVector<Block *> blocks;
      work[i].walk<WalkOrder::PreOrder>([&](Block *block) {
        if (!block->getOps<LayerOp>().empty())
          blocks.push_back(block);
        return block->getParentOp() && isa<LayerOp>(block->getParentOp()) ? WalkResult::skip()
                                                                          : WalkResult::advance();
      });
      for (Block *block : blocks)
        shareBlock(*block, work[i], work);
    }
    for (auto &[function, layers] : repeats)
      if (failed(joinTables(function, layers)))
        return signalPassFailure();
  }

private:
  void shareBlock(Block &block, func::FuncOp parent, SmallVectorImpl<func::FuncOp> &work) {
    std::vector<SignedLayer> chain;
    for (auto layer : block.getOps<LayerOp>())
      chain.push_back({layer, LayerSignature::of(layer)});
    for (size_t first = 0, last; first < chain.size(); first = last) {
      for (last = first + 1; last < chain.size() && follows(chain[last - 1], chain[last]);)
        ++last;
      func::FuncOp &function = functions[chain[first].signature.key];
      if (!function) {
        function = outline(chain[first], parent);
        work.push_back(function);
      }
      replaceRun(llvm::ArrayRef(chain).slice(first, last - first), function);
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (op.use_empty() && (weightSymbol(&op) || op.hasTrait<OpTrait::ConstantLike>()))
        op.erase();
  }

  /// The body of a layer as a function of hidden state, index, captures and weights.
  func::FuncOp outline(const SignedLayer &layer, func::FuncOp parent) {
    LayerOp op = layer.op;
    func::FuncOp function = layer.signature.declareFunction(*symbols, parent, "_layer",
                                                            op.getLoc(), op.getResult().getType());
    IRMapping mapping;
    op.getBody().cloneInto(&function.getBody(), mapping);
    Block &body = function.getBody().front();
    for (Type type : function.getArgumentTypes().drop_front())
      body.addArgument(type, op.getLoc());
    useParameters(function, int64_t(op.getIndex()), layer.signature);

    auto yield = cast<YieldOp>(body.getTerminator());
    OpBuilder builder(yield);
    func::ReturnOp::create(builder, yield.getLoc(), yield.getValue());
    yield.erase();
    ++layerFunctions;
    return function;
  }

  void replaceRun(ArrayRef<SignedLayer> run, func::FuncOp function) {
    LayerOp first = run.front().op;
    OpBuilder builder(first);
    SmallVector<Attribute> rows;
    SmallVector<Location> locations;
    for (const SignedLayer &layer : run) {
      rows.push_back(layer.signature.weightRow(&getContext()));
      locations.push_back(LayerOp(layer.op).getLoc());
      noteRepeats(function, layer.op);
    }
    auto repeat = RepeatOp::create(builder, builder.getFusedLoc(locations),
                                   first.getResult().getType(), FlatSymbolRefAttr::get(function),
                                   first.getInput(), run.front().signature.captures.getArrayRef(),
                                   /*row=*/Value(), first.getIndexAttr(), /*count=*/IntegerAttr(),
                                   builder.getArrayAttr(rows));
    LayerOp(run.back().op).getResult().replaceAllUsesWith(repeat.getResult());
    for (const SignedLayer &layer : llvm::reverse(run))
      LayerOp(layer.op).erase();
    layers += run.size();
  }

  /// The weights of the repeats inside a layer, in order, by the layer's index.
  using RepeatTables = std::map<int64_t, SmallVector<ArrayAttr>>;

  void noteRepeats(func::FuncOp function, LayerOp layer) {
    SmallVector<ArrayAttr> tables;
    layer.walk([&](RepeatOp op) { tables.push_back(op.getWeights()); });
    if (tables.empty())
      return;
    auto [known, isNew] = repeats[function].insert({int64_t(layer.getIndex()), tables});
    if (!isNew && known->second != tables)
      conflicts.push_back(layer.getLoc());
  }

  /// Lets every repeat in the function of several layers choose the rows of the layer it is in.
  LogicalResult joinTables(func::FuncOp function, const RepeatTables &layers) {
    if (!conflicts.empty())
      return emitError(conflicts.front(), "expects the same experts wherever a layer has this index");
    int64_t first = layers.begin()->first, last = layers.rbegin()->first;
    SmallVector<RepeatOp> own;
    function.walk([&](RepeatOp op) { own.push_back(op); });
    for (auto [number, op] : llvm::enumerate(own)) {
      if (layers.size() == 1 || op.getRow())
        continue;
      SmallVector<Attribute> rows;
      for (int64_t layer = first; layer <= last; ++layer) {
        auto found = layers.find(layer);
        // No layer between these two calls the function with such an index.
        const auto &tables = found == layers.end() ? layers.begin()->second : found->second;
        llvm::append_range(rows, tables[number]);
      }
      OpBuilder builder(op);
      Location loc = op.getLoc();
      int64_t calls = op.getCalls();
      Value layer = function.getArgument(1);
      if (first != 0)
        layer = arith::SubIOp::create(builder, loc, layer,
                                      arith::ConstantIndexOp::create(builder, loc, first));
      op.getRowMutable().assign(arith::MulIOp::create(
          builder, loc, layer, arith::ConstantIndexOp::create(builder, loc, calls)));
      op.setCountAttr(builder.getI64IntegerAttr(calls));
      op.setWeightsAttr(builder.getArrayAttr(rows));
    }
    return success();
  }

  SymbolTable *symbols = nullptr;
  std::map<std::vector<uintptr_t>, func::FuncOp> functions;
  llvm::MapVector<func::FuncOp, RepeatTables> repeats;
  SmallVector<Location> conflicts;
};

} // namespace

} // namespace stc
