// stc-emit-kernels: the kernels of a GPU image, and the frame every function needs.
#include "Simulation.h"

#include "stc/Runtime/ModelABI.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/Kernels/FrameLowering.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include <cstddef>

using namespace mlir;
using namespace stc::gpu;

namespace stc {

#define GEN_PASS_DEF_EMITKERNELSPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// The function that waits for all blocks of the grid.
constexpr StringLiteral kGridBarrier = "grid_barrier";

class EmitKernels final : public impl::EmitKernelsPassBase<EmitKernels> {
public:
  using EmitKernelsPassBase::EmitKernelsPassBase;

  void runOnOperation() override;

private:
  void lowerBlocks(FrameLowering &lowering);
  void emitGridBarrier(FrameLowering &lowering);
  LogicalResult emitKernel(const EntryPoint &entry, FrameLowering &lowering);

  TargetDescription description;
  Type pointer;
};

} // namespace

static StringRef gridScope(const TargetDescription &target) {
  return target.isNvidia() ? "device" : "agent";
}

/// The counter behind the grid's barrier, in order with nothing: the fences around it order.
static Value loadCounter(BlockBuilder &builder, Value counter) {
  return LLVM::LoadOp::create(builder, builder.getI64Type(), counter, /*alignment=*/8,
                              /*isVolatile=*/false, /*isNonTemporal=*/false,
                              /*isInvariant=*/false, /*isInvariantGroup=*/false,
                              LLVM::AtomicOrdering::monotonic, gridScope(builder.getTarget()));
}

/// Notes where the counter stands before the first barrier of a launch: at the multiple of the
/// blocks below it, as not all of them can have passed a barrier that this one has not reached.
static void startCounting(BlockBuilder &builder, Value sync) {
  Value blocks = builder.toI64(mlir::gpu::GridDimOp::create(builder, mlir::gpu::Dimension::x));
  Value now = loadCounter(builder, builder.global(sync));
  Value rest = arith::RemUIOp::create(builder, now, blocks);
  builder.storeAligned(arith::SubIOp::create(builder, now, rest), builder.barrierGoal(), 8);
}

/// Every block adds one to a counter that only grows, and waits until it is a multiple of the
/// blocks again: nothing needs to be set back between barriers or launches, and 64 bits never
/// overflow. No block waits for what its addition returns, as it knows the goal.
static void countBlocks(BlockBuilder &builder, Value sync) {
  Type i64 = builder.getI64Type();
  Value counter = builder.global(sync);
  Value blocks = builder.toI64(mlir::gpu::GridDimOp::create(builder, mlir::gpu::Dimension::x));
  Value goal =
      arith::AddIOp::create(builder, builder.loadAligned(i64, builder.barrierGoal(), 8), blocks);
  builder.storeAligned(goal, builder.barrierGoal(), 8);
  StringRef scope = gridScope(builder.getTarget());
  // Atomic operations of their own order nothing on NVIDIA's targets of LLVM.
  auto fence = [&] { LLVM::FenceOp::create(builder, LLVM::AtomicOrdering::acq_rel, scope); };
  fence();
  LLVM::AtomicRMWOp::create(builder, LLVM::AtomicBinOp::add, counter,
                            builder.constant(i64, int64_t(1)), LLVM::AtomicOrdering::monotonic,
                            scope);
  auto wait = scf::WhileOp::create(builder, TypeRange(), ValueRange());
  fence();
  OpBuilder::InsertionGuard guard(builder);
  builder.createBlock(&wait.getBefore());
  Value isEarly = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult,
                                        loadCounter(builder, counter), goal);
  scf::ConditionOp::create(builder, isEarly, ValueRange());
  builder.createBlock(&wait.getAfter());
  scf::YieldOp::create(builder);
}

/// One thread of a block speaks for it: the barriers of the block before and after make what any of
/// its threads wrote visible to that thread, and what that thread sees to all of them.
void EmitKernels::emitGridBarrier(FrameLowering &lowering) {
  OpBuilder atEnd = OpBuilder::atBlockEnd(getOperation().getBody());
  Location loc = getOperation().getLoc();
  auto function =
      func::FuncOp::create(atEnd, loc, kGridBarrier, atEnd.getFunctionType({pointer}, {}));
  function.setPrivate();
  function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(&getContext(), LLVM::Linkage::Internal));
  lowering.getSymbols().insert(function);
  Block *entry = function.addEntryBlock();
  OpBuilder start = OpBuilder::atBlockEnd(entry);
  auto end = func::ReturnOp::create(start, loc);
  BlockBuilder builder(end, description);
  builder.barrier();
  Value isFirst =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, builder.thread(), builder.int32(0));
  builder.ifThen(isFirst, [&] {
    Value sync = entry->getArgument(0);
    if (description.isSimulated())
      emitBlocksBarrier(builder, sync);
    else
      countBlocks(builder, sync);
  });
  builder.barrier();
}

/// packed.thread is the block's number in the grid; packed.barrier waits for all of them.
void EmitKernels::lowerBlocks(FrameLowering &lowering) {
  SmallVector<Operation *> operations;
  getOperation().walk([&](Operation *op) {
    if (isa<packed::ThreadOp, packed::BarrierOp>(op))
      operations.push_back(op);
  });
  for (Operation *op : operations) {
    OpBuilder builder(op);
    Location loc = op->getLoc();
    if (isa<packed::ThreadOp>(op)) {
      op->getResult(0).replaceAllUsesWith(
          mlir::gpu::BlockIdOp::create(builder, loc, mlir::gpu::Dimension::x));
      op->getResult(1).replaceAllUsesWith(
          mlir::gpu::GridDimOp::create(builder, loc, mlir::gpu::Dimension::x));
    } else {
      Value frame = op->getParentOfType<func::FuncOp>().getArgument(0);
      Value sync = lowering.loadField(builder, loc, frame, offsetof(StcFrame, sync), pointer);
      func::CallOp::create(builder, loc, TypeRange(), kGridBarrier, sync);
    }
    op->erase();
  }
}

LogicalResult EmitKernels::emitKernel(const EntryPoint &entry, FrameLowering &lowering) {
  auto callee = lowering.getSymbols().lookup<func::FuncOp>(entry.function);
  if (!callee)
    return success();
  OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
  Location loc = callee.getLoc();
  bool isSimulated = description.isSimulated();
  std::string name = isSimulated ? (entry.function + "_kernel").str()
                                 : entryPointName(entry.function, /*variant=*/-1);
  auto function = func::FuncOp::create(builder, loc, name, builder.getFunctionType({pointer}, {}));
  lowering.getSymbols().insert(function);
  if (isSimulated) {
    function->setAttr("llvm.linkage",
                      LLVM::LinkageAttr::get(&getContext(), LLVM::Linkage::Internal));
    auto bytes = getOperation()->getAttrOfType<IntegerAttr>(kSharedBytesAttr);
    emitSimulatedEntryPoint(function, entryPointName(entry.function, variant), description,
                            bytes ? bytes.getInt() : 0);
  } else {
    auto frameType = LLVM::LLVMArrayType::get(builder.getI8Type(), sizeof(StcFrame));
    function.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(frameType));
    function.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(8));
    function->setAttr(kKernelAttr, builder.getUnitAttr());
  }
  builder.setInsertionPointToStart(function.addEntryBlock());
  auto operands = lowering.operandsOf(entry, callee, builder, function.getArguments());
  if (failed(operands))
    return failure();
  func::CallOp::create(builder, loc, callee, *operands);
  auto end = func::ReturnOp::create(builder, loc);
  if (!isSimulated) {
    BlockBuilder start(end, description);
    start.setInsertionPointToStart(end->getBlock());
    Value frame = end->getBlock()->getArgument(0);
    Value isFirst =
        arith::CmpIOp::create(start, arith::CmpIPredicate::eq, start.thread(), start.int32(0));
    start.ifThen(isFirst, [&] {
      startCounting(start,
                    lowering.loadField(start, loc, frame, offsetof(StcFrame, sync), pointer));
    });
  }
  return success();
}

void EmitKernels::runOnOperation() {
  ModuleOp module = getOperation();
  auto parsed = TargetDescription::parse(target);
  if (!parsed.ok()) {
    module.emitError() << std::string(parsed.status().message());
    return signalPassFailure();
  }
  description = *std::move(parsed);
  pointer = LLVM::LLVMPointerType::get(&getContext());
  FrameLowering lowering(module, {pointer});
  if (failed(lowering.addContexts()))
    return signalPassFailure();
  lowerBlocks(lowering);
  lowering.lowerOperations();
  for (const EntryPoint &entry : entryPoints())
    if (failed(emitKernel(entry, lowering)))
      return signalPassFailure();
  emitGridBarrier(lowering);
  lowering.eraseWeights();
}

} // namespace stc
