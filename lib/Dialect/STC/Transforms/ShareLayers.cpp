// stc-share-layers: turns layers of equal signature into one function.
#include "LayerSignature.h"

#include "stc/Dialect/STC/Transforms/Passes.h"

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
    const LayerSignature &signature = layer.signature;
    OpBuilder builder(&getContext());
    SmallVector<Type> inputs{op.getInput().getType(), builder.getIndexType()};
    for (Value capture : signature.captures)
      inputs.push_back(capture.getType());
    for (auto &[symbol, type] : signature.weights)
      inputs.push_back(type);
    auto function = func::FuncOp::create(op.getLoc(), (parent.getSymName() + "_layer").str(),
                                         builder.getFunctionType(inputs, op.getResult().getType()));
    function.setPrivate();
    symbols->insert(function, std::next(Block::iterator(parent)));

    IRMapping mapping;
    op.getBody().cloneInto(&function.getBody(), mapping);
    Block &body = function.getBody().front();
    for (Type type : ArrayRef(inputs).drop_front())
      body.addArgument(type, op.getLoc());
    SmallVector<BlockArgument> parameters(body.getArguments());
    rewireOperands(function, int64_t(op.getIndex()), signature, parameters);

    auto yield = cast<YieldOp>(body.getTerminator());
    builder.setInsertionPoint(yield);
    func::ReturnOp::create(builder, yield.getLoc(), yield.getValue());
    yield.erase();
    ++layerFunctions;
    return function;
  }

  /// Makes the operands of a cloned body refer to parameters and to constants of its own.
  void rewireOperands(func::FuncOp function, int64_t index, const LayerSignature &signature,
                      ArrayRef<BlockArgument> parameters) {
    llvm::DenseMap<Value, Value> replacements;
    for (auto [capture, parameter] : llvm::zip(signature.captures, parameters.drop_front(2)))
      replacements[capture] = parameter;
    ArrayRef<BlockArgument> weights = parameters.drop_front(2 + signature.captures.size());

    OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
    SmallVector<Operation *> named;
    function.getBody().walk([&](Operation *op) {
      if (weightSymbol(op) || op->hasTrait<OpTrait::ConstantLike>())
        named.push_back(op);
      for (OpOperand &operand : op->getOpOperands()) {
        Operation *source = operand.get().getDefiningOp();
        if (isLayerIndex(operand, index)) {
          operand.set(parameters[1]);
        } else if (Value replacement = replacements.lookup(operand.get())) {
          operand.set(replacement);
        } else if (StringAttr symbol = source ? weightSymbol(source) : StringAttr()) {
          operand.set(weights[signature.weights.find(symbol) - signature.weights.begin()]);
        } else if (source && source->hasTrait<OpTrait::ConstantLike>() &&
                   !function->isAncestor(source)) {
          Value copy = builder.clone(*source)->getResult(0);
          replacements[operand.get()] = copy;
          operand.set(copy);
        }
      }
    });
    for (Operation *op : named)
      if (op->use_empty())
        op->erase();
  }

  void replaceRun(ArrayRef<SignedLayer> run, func::FuncOp function) {
    LayerOp first = run.front().op;
    OpBuilder builder(first);
    SmallVector<Attribute> rows;
    SmallVector<Location> locations;
    for (const SignedLayer &layer : run) {
      SmallVector<Attribute> row;
      for (auto &[symbol, type] : layer.signature.weights)
        row.push_back(FlatSymbolRefAttr::get(symbol));
      rows.push_back(builder.getArrayAttr(row));
      locations.push_back(LayerOp(layer.op).getLoc());
    }
    auto repeat = RepeatOp::create(builder, builder.getFusedLoc(locations),
                                   first.getResult().getType(), FlatSymbolRefAttr::get(function),
                                   first.getInput(), run.front().signature.captures.getArrayRef(),
                                   first.getIndexAttr(), builder.getArrayAttr(rows));
    LayerOp(run.back().op).getResult().replaceAllUsesWith(repeat.getResult());
    for (const SignedLayer &layer : llvm::reverse(run))
      LayerOp(layer.op).erase();
    layers += run.size();
  }

  SymbolTable *symbols = nullptr;
  std::map<std::vector<uintptr_t>, func::FuncOp> functions;
};

} // namespace

} // namespace stc
