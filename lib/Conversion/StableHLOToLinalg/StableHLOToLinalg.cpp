// stablehlo-to-linalg: functions of stablehlo as linalg on tensors.
#include "Lowering.h"

#include "stc/Conversion/Passes.h"
#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_STABLEHLOTOLINALGPASS
#include "stc/Conversion/Passes.h.inc"

using namespace stablehlo;

namespace {

/// Operations of a module once all calls are written out: small calls of large functions of small
/// calls ... could be any number.
constexpr int64_t kMostOperations = 1'000'000;

bool isStableHLO(Operation *op) {
  return isa_and_nonnull<StableHLODialect, chlo::CHLODialect>(op->getDialect());
}

/// Replaces calls and composites by what they call.
class Inliner {
public:
  explicit Inliner(ModuleOp module) : module(module) {}

  LogicalResult run(func::FuncOp function) {
    if (done.contains(function))
      return success();
    if (!open.insert(function).second)
      return function.emitError(
          "expected functions that do not call themselves, got one that does");
    SmallVector<Operation *> calls;
    function.walk([&](Operation *op) {
      if (isa<func::CallOp, CompositeOp>(op))
        calls.push_back(op);
    });
    for (Operation *call : calls)
      if (failed(inlineCall(call)))
        return failure();
    open.erase(function);
    done.insert(function);
    return success();
  }

private:
  LogicalResult inlineCall(Operation *call) {
    StringRef name = isa<CompositeOp>(call) ? cast<CompositeOp>(call).getDecomposition()
                                            : cast<func::CallOp>(call).getCallee();
    auto callee = module.lookupSymbol<func::FuncOp>(name);
    if (!callee || callee.isExternal() || !callee.getBody().hasOneBlock())
      return call->emitError() << "expected a call of a function of one block, got @" << name;
    if (failed(run(callee)))
      return failure();
    Block &body = callee.getBody().front();
    if ((written += int64_t(body.getOperations().size())) > kMostOperations)
      return call->emitError() << "expected at most " << kMostOperations
                               << " operations where calls are written out, got more";
    IRMapping mapping;
    mapping.map(body.getArguments(), call->getOperands());
    OpBuilder builder(call);
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping);
    for (auto [result, returned] :
         llvm::zip_equal(call->getResults(), body.getTerminator()->getOperands()))
      result.replaceAllUsesWith(mapping.lookupOrDefault(returned));
    call->erase();
    return success();
  }

  ModuleOp module;
  llvm::DenseSet<Operation *> open, done;
  int64_t written = 0;
};

LogicalResult verifyType(Operation *op, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return op->emitError() << "expected tensors, got " << type << " in " << op->getName();
  Type element = tensor.getElementType();
  bool isKnown = element.isF32() || element.isF16() || element.isBF16() || element.isInteger(1) ||
                 element.isInteger(8) || element.isInteger(16) || element.isInteger(32) ||
                 element.isInteger(64);
  if (!isKnown || element.isUnsignedInteger())
    return op->emitError() << "expected elements of f32, f16, bf16, i1, i8, i16, i32 or i64, got "
                           << element << " in " << op->getName();
  if (!tensor.hasStaticShape() || tensor.getNumElements() == 0)
    return op->emitError() << "expected shapes of positive sizes that are known, got " << tensor
                           << " in " << op->getName();
  return success();
}

LogicalResult verifyTypes(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (failed(verifyType(op, type)))
      return failure();
  for (Type type : op->getResultTypes())
    if (failed(verifyType(op, type)))
      return failure();
  return success();
}

class StableHLOToLinalg final : public impl::StableHLOToLinalgPassBase<StableHLOToLinalg> {
public:
  void runOnOperation() override {
    auto functions = llvm::to_vector(getOperation().getOps<func::FuncOp>());
    Inliner inliner(getOperation());
    for (func::FuncOp function : functions) {
      bool isForeign =
          function
              .walk([&](Operation *op) {
                return isStableHLO(op) ? WalkResult::interrupt() : WalkResult::advance();
              })
              .wasInterrupted();
      foreign |= isForeign;
    }
    if (!foreign)
      return;
    for (func::FuncOp function : functions)
      if (!function.isExternal() && failed(inliner.run(function)))
        return signalPassFailure();
    for (func::FuncOp function : functions) {
      if (function.isPrivate()) {
        function.erase();
        continue;
      }
      if (failed(lower(function)))
        return signalPassFailure();
    }
  }

private:
  LogicalResult lower(func::FuncOp function);
  LogicalResult lowerOp(Lowering &lowering, Operation *op);
  void lowerArguments(Lowering &lowering, func::FuncOp function);

  bool foreign = false;
};

} // namespace

/// Adds arguments of the lowered types behind those that there are, which stay until nothing asks
/// for their types. Integers of 64 bits that come from outside are tokens, which have 32.
void StableHLOToLinalg::lowerArguments(Lowering &lowering, func::FuncOp function) {
  Block &body = function.front();
  for (BlockArgument argument : llvm::to_vector(body.getArguments())) {
    RankedTensorType type = loweredType(argument.getType());
    if (!type.getElementType().isInteger(64)) {
      lowering.setArgument(argument, body.addArgument(type, argument.getLoc()));
      continue;
    }
    Value tokens = body.addArgument(type.clone(lowering.builder.getI32Type()), argument.getLoc());
    AffineMap map = lowering.builder.getMultiDimIdentityMap(unsigned(type.getRank()));
    SmallVector<utils::IteratorType> iterators(size_t(type.getRank()),
                                               utils::IteratorType::parallel);
    Value wide = lowering.generic(
        tokens, lowering.empty(type), {map, map}, iterators,
        [&](OpBuilder &inner, Location loc, ValueRange arguments) -> Value {
          return arith::ExtSIOp::create(inner, loc, type.getElementType(), arguments[0]);
        });
    lowering.setArgument(argument, wide);
  }
}

LogicalResult StableHLOToLinalg::lowerOp(Lowering &lowering, Operation *op) {
  if (auto weight = dyn_cast<GetWeightOp>(op)) {
    auto type = cast<RankedTensorType>(weight.getType());
    lowering.builder.setInsertionPointAfter(op);
    Value value = lowering.widen(weight.getResult());
    lowering.set(weight.getResult(), lowering.reshape(value, loweredType(type)), {});
    return success();
  }
  if (auto call = dyn_cast<CustomCallOp>(op)) {
    StringRef target = call.getCallTargetName();
    bool isSingle = call.getInputs().size() == 1 && call.getResults().size() == 1 &&
                    call.getInputs()[0].getType() == call.getResults()[0].getType();
    if (target == "Sharding" && isSingle) {
      lowering.set(op->getResult(0), lowering.get(op->getOperand(0)), op->getOperands());
      return success();
    }
    if (target != "mhlo.erf" || !isSingle)
      return op->emitError("expected a custom_call of mhlo.erf or Sharding, got one of ") << target;
    return lowerElementwise(lowering, op);
  }
  if (auto barrier = dyn_cast<OptimizationBarrierOp>(op)) {
    for (auto [result, operand] : llvm::zip_equal(barrier.getResults(), barrier.getOperands()))
      lowering.set(result, lowering.get(operand), operand);
    return success();
  }
  if (!isStableHLO(op))
    return op->emitError("expected operations of stablehlo, got ") << op->getName();
  if (isElementwise(op))
    return lowerElementwise(lowering, op);
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<DotGeneralOp, GatherOp, ReduceOp>(
          [&](auto op) { return stablehlo::lower(lowering, op); })
      .Case<ConcatenateOp, DynamicSliceOp, DynamicUpdateSliceOp, PadOp, SliceOp>(
          [&](auto op) { return lowerSlice(lowering, op); })
      .Default([&](Operation *op) { return lowerShape(lowering, op); });
}

LogicalResult StableHLOToLinalg::lower(func::FuncOp function) {
  for (Type type : function.getArgumentTypes())
    if (failed(verifyType(function, type)))
      return failure();
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return function.emitError("expected a function of one block, got another");
  Block &body = function.getBody().front();
  auto operations = llvm::to_vector(llvm::make_pointer_range(body.without_terminator()));
  Lowering lowering(OpBuilder::atBlockBegin(&body));
  lowering.loc = function.getLoc();
  lowerArguments(lowering, function);
  for (Operation *op : operations) {
    if (failed(verifyTypes(op)))
      return failure();
    lowering.at(op);
    if (failed(lowerOp(lowering, op)))
      return failure();
  }
  Operation *terminator = body.getTerminator();
  for (OpOperand &operand : terminator->getOpOperands())
    operand.set(lowering.get(operand.get()));
  for (Operation *op : llvm::reverse(operations))
    if (isStableHLO(op))
      op->erase();
  body.eraseArguments(0, function.getNumArguments());
  function.setFunctionType(
      FunctionType::get(&getContext(), body.getArgumentTypes(), terminator->getOperandTypes()));
  return success();
}

} // namespace stc
