// packed-prepare-bufferization: gives every function result a place to be written to.
#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_PREPAREBUFFERIZATIONPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

/// Writes the tensor results of a public function to new memref arguments.
void addDestinations(func::FuncOp function, func::ReturnOp terminator) {
  OpBuilder builder(terminator);
  SmallVector<Value> kept;
  SmallVector<Type> inputs(function.getArgumentTypes()), keptTypes;
  for (Value result : terminator.getOperands()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type) {
      kept.push_back(result);
      keptTypes.push_back(result.getType());
      continue;
    }
    auto memref = MemRefType::get(type.getShape(), type.getElementType());
    inputs.push_back(memref);
    BlockArgument destination = function.getBody().addArgument(memref, terminator.getLoc());
    bufferization::MaterializeInDestinationOp::create(builder, terminator.getLoc(),
                                                      /*result=*/Type(), result, destination,
                                                      /*restrict=*/true, /*writable=*/true);
  }
  terminator.getOperandsMutable().assign(kept);
  function.setType(builder.getFunctionType(inputs, keptTypes));
  function.removeResAttrsAttr();
  // The caller's tensors are inputs only, whatever could be saved by writing to them.
  for (auto [index, type] : llvm::enumerate(inputs))
    if (isa<RankedTensorType>(type))
      function.setArgAttr(index, bufferization::BufferizationDialect::kWritableAttrName,
                          builder.getBoolAttr(false));
}

/// Writes the tensor results of a private function to arguments of the same types.
LogicalResult reuseArguments(func::FuncOp function, func::ReturnOp terminator) {
  OpBuilder builder(terminator);
  llvm::SmallDenseSet<unsigned> taken;
  for (OpOperand &operand : terminator->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    BlockArgument *argument = llvm::find_if(function.getArguments(), [&](BlockArgument candidate) {
      return candidate.getType() == operand.get().getType() &&
             !taken.contains(candidate.getArgNumber());
    });
    if (argument == function.getArguments().end())
      return function.emitOpError("expects an argument of each result's type, but got no other ")
             << operand.get().getType();
    taken.insert(argument->getArgNumber());
    if (operand.get() == *argument)
      continue;
    operand.set(bufferization::MaterializeInDestinationOp::create(
                    builder, terminator.getLoc(), operand.get().getType(), operand.get(), *argument,
                    /*restrict=*/false, /*writable=*/false)
                    .getResult());
  }
  return success();
}

/// Chooses where packed operations write.
void chooseDestinations(func::FuncOp function) {
  function.walk([](packed::MatmulOp op) {
    if (op.getResidual() && op.getOut().getDefiningOp<tensor::EmptyOp>())
      op.getOutMutable().assign(op.getResidual());
  });
  function.walk([](packed::RotaryOp op) {
    auto type = dyn_cast<RankedTensorType>(op.getOut().getType());
    if (!type || !type.hasStaticShape() || type.getDimSize(0) != 1)
      return;
    OpBuilder builder(op);
    op.getOutMutable().assign(tensor::EmptyOp::create(builder, op.getLoc(), type, ValueRange()));
  });
  // Results that share a buffer could not be computed at the same time.
  SmallVector<tensor::EmptyOp> empties;
  function.walk([&](tensor::EmptyOp op) { empties.push_back(op); });
  for (tensor::EmptyOp op : empties)
    for (OpOperand &use : llvm::make_early_inc_range(op->getUses()))
      if (!op->hasOneUse()) {
        OpBuilder builder(use.getOwner());
        use.set(builder.clone(*op)->getResult(0));
      }
}

class PrepareBufferization final : public impl::PrepareBufferizationPassBase<PrepareBufferization> {
public:
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      chooseDestinations(function);
      auto terminator = cast<func::ReturnOp>(function.front().getTerminator());
      if (function.isPublic())
        addDestinations(function, terminator);
      else if (failed(reuseArguments(function, terminator)))
        return signalPassFailure();
    }
  }
};

} // namespace
} // namespace stc
