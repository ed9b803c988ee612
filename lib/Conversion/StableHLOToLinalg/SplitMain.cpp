// stc-split-main: the entry points of a model from one function of tokens.
#include "stc/Conversion/Passes.h"
#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SPLITMAINPASS
#include "stc/Conversion/Passes.h.inc"

namespace {

class SplitMain final : public impl::SplitMainPassBase<SplitMain> {
public:
  using SplitMainPassBase::SplitMainPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal() || module.lookupSymbol("forward") || module.lookupSymbol("head"))
      return;
    if (!main.getBody().hasOneBlock() || failed(checkRaised()) || failed(checkArguments()) ||
        failed(adoptConstants()) || failed(freeTokens()) || failed(split()))
      return signalPassFailure();
  }

private:
  LogicalResult checkRaised();
  LogicalResult checkArguments();
  LogicalResult adoptConstants();
  LogicalResult freeTokens();
  LogicalResult split();

  func::FuncOp main;
};

bool isOfGraph(Operation *op) {
  return isa<STCDialect, arith::ArithDialect>(op->getDialect()) || isa<func::ReturnOp>(op) ||
         isa<tensor::DimOp>(op);
}

} // namespace

LogicalResult SplitMain::checkRaised() {
  for (Type type : main.getArgumentTypes())
    if (isa<FloatType>(getElementTypeOrSelf(type)))
      return main.emitError(
                 "expected a function of tokens, whose weights are constants or tensors of "
                 "the module's stc.checkpoint, got an argument of type ")
             << type;
  for (Operation &op : main.front())
    if (!isOfGraph(&op))
      return op.emitError() << "expected a part of a transformer that stc-raise-linalg knows "
                               "(--verbose says what each operation would have had to be), got "
                            << op.getName();
  return success();
}

LogicalResult SplitMain::checkArguments() {
  ArrayRef<Type> types = main.getArgumentTypes();
  auto tokens = types.empty() ? RankedTensorType() : dyn_cast<RankedTensorType>(types[0]);
  bool fits = types.size() == 3 && tokens && tokens.getRank() == 1 &&
              tokens.getElementType().isInteger(32) && types[1].isIndex() &&
              isa<KVCacheType>(types[2]);
  if (!fits)
    return main.emitError("expected a function of tokens with attention, got ")
           << main.getFunctionType();
  if (main.getNumResults() != 1)
    return main.emitError("expected one result, the logits of all tokens, got ")
           << main.getNumResults();
  return success();
}

/// Constants that operations of the graph read are weights.
LogicalResult SplitMain::adoptConstants() {
  SymbolTable symbols(getOperation());
  llvm::SetVector<Operation *> constants;
  main.walk([&](Operation *op) {
    if (isa<LinearOp, EmbeddingOp, RMSNormOp, LayerNormOp>(op))
      for (Value operand : op->getOperands())
        if (Operation *constant = operand.getDefiningOp();
            constant && matchPattern(constant, m_Constant()))
          constants.insert(constant);
  });
  for (Operation *constant : constants) {
    auto value = constant->getAttrOfType<DenseElementsAttr>("value");
    auto type = cast<RankedTensorType>(constant->getResult(0).getType());
    if (!value || !isa<FloatType>(type.getElementType()))
      continue;
    OpBuilder builder(main);
    std::string name = "params.constant";
    if (auto named = dyn_cast<NameLoc>(constant->getLoc()))
      name = ("params." + named.getName().getValue()).str();
    auto weight =
        WeightOp::create(builder, constant->getLoc(), builder.getStringAttr(name),
                         TypeAttr::get(type), {}, value, {}, UnitAttr(), {}, {}, {}, {}, {});
    symbols.insert(weight);
    builder.setInsertionPoint(constant);
    Value read = GetWeightOp::create(builder, constant->getLoc(), type,
                                     FlatSymbolRefAttr::get(weight.getSymNameAttr()));
    constant->getResult(0).replaceAllUsesWith(read);
    constant->erase();
  }
  return success();
}

/// The number of tokens that the graph was written for is any, and the cache has room for them.
LogicalResult SplitMain::freeTokens() {
  Block &body = main.front();
  auto cache = cast<KVCacheType>(body.getArgument(2).getType());
  int64_t room = std::max<int64_t>(capacity, cache.getCapacity());
  // Places are rows of tables.
  for (auto embedding : body.getOps<EmbeddingOp>())
    if (embedding->getOperand(0).getDefiningOp<PositionsOp>())
      room =
          std::min(room, cast<RankedTensorType>(embedding->getOperand(1).getType()).getDimSize(0));
  room = room / 16 * 16;
  if (room == 0)
    return main.emitError("expected tables of at least 16 places, got fewer");
  auto tokens = cast<RankedTensorType>(body.getArgument(0).getType());
  int64_t count = tokens.getDimSize(0);
  auto freed = [&](Type type) -> Type {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || tensor.getRank() == 0 || tensor.getDimSize(0) != count)
      return type;
    SmallVector<int64_t> shape(tensor.getShape());
    shape[0] = ShapedType::kDynamic;
    return tensor.clone(shape);
  };
  body.getArgument(0).setType(cast<RankedTensorType>(freed(tokens)));
  body.getArgument(2).setType(KVCacheType::get(&getContext(), cache.getLayers(), cache.getKvHeads(),
                                               cache.getHeadDim(), room, cache.getElement()));
  for (Operation &op : body) {
    if (isa<GetWeightOp>(op) || op.hasTrait<OpTrait::ConstantLike>())
      continue;
    for (OpResult result : op.getResults())
      result.setType(freed(result.getType()));
  }
  main.setFunctionType(FunctionType::get(&getContext(), body.getArgumentTypes(),
                                         body.getTerminator()->getOperandTypes()));
  return success();
}

/// @forward gives what the last linear layer reads; that layer and what follows it are @head.
LogicalResult SplitMain::split() {
  Block &body = main.front();
  auto result = cast<func::ReturnOp>(body.getTerminator());
  LinearOp last;
  llvm::SetVector<Operation *> tail;
  SmallVector<Value> open{result.getOperand(0)};
  while (!open.empty() && !last) {
    Operation *op = open.pop_back_val().getDefiningOp();
    last = dyn_cast_or_null<LinearOp>(op);
    if (!op || isa<AttentionOp, RMSNormOp, LayerNormOp, EmbeddingOp>(op))
      break;
    tail.insert(op);
    llvm::append_range(open, op->getOperands());
  }
  bool all = true, any = false;
  main.walk([&](AttentionOp op) {
    any = true;
    all &= bool(op.getEnd());
  });
  if (any && all && !last) {
    main.setSymName("forward");
    return success();
  }
  if (!last)
    return main.emitError(
        "expected logits of all tokens as the result, which a linear layer gives, "
        "got another result");
  OpBuilder builder(main);
  builder.setInsertionPointAfter(main);
  Value hidden = last.getInput();
  auto head = func::FuncOp::create(
      builder, last.getLoc(), "head",
      FunctionType::get(&getContext(), {hidden.getType()}, main.getResultTypes()));
  Block *block = head.addEntryBlock();
  builder.setInsertionPointToStart(block);
  IRMapping mapping;
  mapping.map(hidden, block->getArgument(0));
  // In the order of the function, with the weights and constants that are read.
  llvm::SetVector<Operation *> needed(tail.begin(), tail.end());
  for (Operation *op : tail)
    for (Value operand : op->getOperands())
      if (operand != hidden)
        if (Operation *from = operand.getDefiningOp())
          needed.insert(from);
  for (Operation &op : body)
    if (needed.contains(&op))
      builder.clone(op, mapping);
  func::ReturnOp::create(builder, result.getLoc(), mapping.lookup(result.getOperand(0)));
  result->setOperand(0, hidden);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
  main.setFunctionType(FunctionType::get(&getContext(), body.getArgumentTypes(), hidden.getType()));
  main.setSymName("forward");
  for (StringRef name : {"arg_attrs", "res_attrs"})
    main->removeAttr(name);
  return success();
}

} // namespace stc
