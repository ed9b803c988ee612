// stc-emit-kernels: the kernels of a GPU image, and the frame every function needs.
#include "DeviceInstructions.h"
#include "Simulation.h"

#include "stc/Runtime/ModelABI.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/Pipeline.h"
#include "stc/Target/Kernels/FrameLowering.h"

#include "absl/strings/str_cat.h"
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
  LogicalResult emitKernel(const EntryPoint &entry, StringRef name, FrameLowering &lowering);

  TargetDescription description;
  Type pointer;
};

} // namespace

static StringRef gridScope(const TargetDescription &target) {
  return target.isNvidia() || target.isOpenCL() ? "device" : "agent";
}

/// Of the counter behind the grid's barrier. Without 64-bit atomics, which OpenCL leaves to
/// extensions, the launch sets it to zero.
static Type counterType(BlockBuilder &builder) {
  return builder.getTarget().isOpenCL() ? builder.getI32Type() : builder.getI64Type();
}

/// The blocks of the grid, as a number of that type.
static Value countOfBlocks(BlockBuilder &builder) {
  Value blocks = mlir::gpu::GridDimOp::create(builder, mlir::gpu::Dimension::x);
  return arith::IndexCastUIOp::create(builder, counterType(builder), blocks);
}

/// The counter behind the grid's barrier. What its block reads after it is as new as the counter.
/// (A load without order and a fence behind the last one take a third longer on an H100.)
static Value loadCounter(BlockBuilder &builder, Value counter) {
  Type type = counterType(builder);
  return LLVM::LoadOp::create(builder, type, counter, type.getIntOrFloatBitWidth() / 8,
                              /*isVolatile=*/false, /*isNonTemporal=*/false,
                              /*isInvariant=*/false, /*isInvariantGroup=*/false,
                              LLVM::AtomicOrdering::acquire, gridScope(builder.getTarget()));
}

/// Notes where the counter stands before the first barrier of a launch: at the multiple of the
/// blocks below it, as not all of them can have passed a barrier that this one has not reached.
static void startCounting(BlockBuilder &builder, Value sync) {
  Value blocks = countOfBlocks(builder);
  Value now = loadCounter(builder, builder.global(sync));
  Value rest = arith::RemUIOp::create(builder, now, blocks);
  builder.storeAligned(arith::SubIOp::create(builder, now, rest), builder.barrierGoal(), 8);
}

/// Every block adds one to a counter that only grows, and waits until it is a multiple of the
/// blocks again: nothing needs to be set back between barriers or launches, and 64 bits never
/// overflow. No block waits for what its addition returns, as it knows the goal.
static void countBlocks(BlockBuilder &builder, Value sync) {
  Type type = counterType(builder);
  Value counter = builder.global(sync);
  Value blocks = countOfBlocks(builder);
  Value goal =
      arith::AddIOp::create(builder, builder.loadAligned(type, builder.barrierGoal(), 8), blocks);
  builder.storeAligned(goal, builder.barrierGoal(), 8);
  StringRef scope = gridScope(builder.getTarget());
  // Additions of their own order nothing on NVIDIA's targets of LLVM.
  LLVM::FenceOp::create(builder, LLVM::AtomicOrdering::acq_rel, scope);
  LLVM::AtomicRMWOp::create(builder, LLVM::AtomicBinOp::add, counter,
                            builder.constant(type, int64_t(1)), LLVM::AtomicOrdering::monotonic,
                            scope);
  auto wait = scf::WhileOp::create(builder, TypeRange(), ValueRange());
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
  builder.instructions().publish(builder);
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
  builder.instructions().observe(builder);
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

/// The kernel of an entry point that calls `own`.
LogicalResult EmitKernels::emitKernel(const EntryPoint &entry, StringRef own,
                                      FrameLowering &lowering) {
  auto callee = lowering.getSymbols().lookup<func::FuncOp>(own);
  if (!callee)
    return success();
  OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
  Location loc = callee.getLoc();
  bool isSimulated = description.isSimulated();
  std::string name = isSimulated ? (own + "_kernel").str() : entryPointName(own, /*variant=*/-1);
  // AMD's launches leave parameters in constant memory, which pointers of any kind reach too.
  Type parameter =
      description.isAmd() ? LLVM::LLVMPointerType::get(&getContext(), kConstant) : pointer;
  auto function = func::FuncOp::create(builder, loc, name, builder.getFunctionType(parameter, {}));
  lowering.getSymbols().insert(function);
  if (isSimulated) {
    function->setAttr("llvm.linkage",
                      LLVM::LinkageAttr::get(&getContext(), LLVM::Linkage::Internal));
    auto bytes = getOperation()->getAttrOfType<IntegerAttr>(kSharedBytesAttr);
    emitSimulatedEntryPoint(function, entryPointName(entry.function, variant), description,
                            bytes ? bytes.getInt() : 0);
  } else {
    if (!description.isOpenCL()) {
      auto frameType = LLVM::LLVMArrayType::get(builder.getI8Type(), sizeof(StcFrame));
      StringRef byValue = description.isAmd() ? LLVM::LLVMDialect::getByRefAttrName()
                                              : LLVM::LLVMDialect::getByValAttrName();
      function.setArgAttr(0, byValue, TypeAttr::get(frameType));
    }
    function.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(8));
    function->setAttr(kKernelAttr, builder.getUnitAttr());
  }
  builder.setInsertionPointToStart(function.addEntryBlock());
  Value frame = function.getArgument(0);
  if (frame.getType() != pointer)
    frame = LLVM::AddrSpaceCastOp::create(builder, loc, pointer, frame);
  auto operands = lowering.operandsOf(entry, callee, builder, frame);
  if (failed(operands))
    return failure();
  func::CallOp::create(builder, loc, callee, *operands);
  auto end = func::ReturnOp::create(builder, loc);
  if (!isSimulated) {
    BlockBuilder start(end, description);
    start.setInsertionPointAfterValue(frame);
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
    if (failed(emitKernel(entry, entry.function, lowering)))
      return signalPassFailure();
  // Of prefill there may be more, for few tokens.
  if (auto few = module->getAttrOfType<DenseI64ArrayAttr>(kFewTokensAttr))
    for (int64_t tokens : few.asArrayRef())
      if (failed(emitKernel(entryPoints().front(), absl::StrCat("prefill_", tokens), lowering)))
        return signalPassFailure();
  emitGridBarrier(lowering);
  lowering.eraseWeights();
}

} // namespace stc
