// stc-emit-entry-points: the C functions of a model binary, and the context every function needs.
#include "stc/Runtime/ModelABI.h"
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/CPU/VariantTable.h"
#include "stc/Target/Kernels/FrameLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <cstddef>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_EMITENTRYPOINTSPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

constexpr StringLiteral kBarrier = "stc_rt_barrier";

class EmitEntryPoints final : public impl::EmitEntryPointsPassBase<EmitEntryPoints> {
public:
  using EmitEntryPointsPassBase::EmitEntryPointsPassBase;

  void runOnOperation() override;

private:
  void lowerThreads(FrameLowering &lowering);
  LogicalResult emitEntryPoint(const EntryPoint &entry, FrameLowering &lowering);
  void declareRuntime();

  Type pointer, i64;
};

} // namespace

/// Expresses the number of the thread and barriers by the context: frame, thread, threads.
void EmitEntryPoints::lowerThreads(FrameLowering &lowering) {
  SmallVector<Operation *> operations;
  getOperation().walk([&](Operation *op) {
    if (isa<packed::ThreadOp, packed::BarrierOp>(op))
      operations.push_back(op);
  });
  for (Operation *op : operations) {
    auto function = op->getParentOfType<func::FuncOp>();
    OpBuilder builder(op);
    Location loc = op->getLoc();
    if (isa<packed::ThreadOp>(op)) {
      for (unsigned i : {0, 1})
        op->getResult(i).replaceAllUsesWith(arith::IndexCastOp::create(
            builder, loc, builder.getIndexType(), function.getArgument(1 + i)));
    } else {
      Value sync = lowering.loadField(builder, loc, function.getArgument(0),
                                      offsetof(StcFrame, sync), pointer);
      LLVM::CallOp::create(builder, loc, TypeRange(), kBarrier, sync);
    }
    op->erase();
  }
}

LogicalResult EmitEntryPoints::emitEntryPoint(const EntryPoint &entry, FrameLowering &lowering) {
  auto callee = lowering.getSymbols().lookup<func::FuncOp>(entry.function);
  if (!callee)
    return success();
  OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
  Location loc = callee.getLoc();
  std::string name = entryPointName(entry.function, variant);
  auto function =
      func::FuncOp::create(builder, loc, name, builder.getFunctionType({pointer, i64, i64}, {}));
  lowering.getSymbols().insert(function);
  builder.setInsertionPointToStart(function.addEntryBlock());
  auto operands = lowering.operandsOf(entry, callee, builder, function.getArguments());
  if (failed(operands))
    return failure();
  func::CallOp::create(builder, loc, callee, *operands);
  func::ReturnOp::create(builder, loc);
  return success();
}

void EmitEntryPoints::declareRuntime() {
  ModuleOp module = getOperation();
  OpBuilder builder(module.getBody(), module.getBody()->begin());
  LLVM::LLVMFuncOp::create(
      builder, module.getLoc(), kBarrier,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()), pointer));
}

void EmitEntryPoints::runOnOperation() {
  ModuleOp module = getOperation();
  pointer = LLVM::LLVMPointerType::get(&getContext());
  i64 = IntegerType::get(&getContext(), 64);
  FrameLowering lowering(module, {pointer, i64, i64});
  if (failed(lowering.addContexts()))
    return signalPassFailure();
  // One of several variants leaves the constants of the model to their table.
  if (variant < 0) {
    OpBuilder builder(module.getBody(), module.getBody()->begin());
    auto fingerprint = module->getAttrOfType<IntegerAttr>("stc.fingerprint");
    cpu::emitModelConstants(builder, module.getLoc(), fingerprint ? fingerprint.getInt() : 0);
  }
  declareRuntime();
  lowerThreads(lowering);
  lowering.lowerOperations();
  for (const EntryPoint &entry : entryPoints())
    if (failed(emitEntryPoint(entry, lowering)))
      return signalPassFailure();
  lowering.eraseWeights();
}

} // namespace stc
