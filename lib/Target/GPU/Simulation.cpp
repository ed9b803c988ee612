// The target `simt`: calls of the runtime in the place of what GPUs have instructions for.
#include "Simulation.h"

#include "FunctionCalls.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

constexpr StringLiteral kThread = "stc_simt_thread", kBlock = "stc_simt_block",
                        kBlocks = "stc_simt_blocks", kSharedBase = "stc_simt_shared",
                        kBarrier = "stc_simt_barrier", kWarpBarrier = "stc_simt_warp_barrier",
                        kNamedBarrier = "stc_simt_named_barrier", kCopy = "stc_simt_copy_async",
                        kCopyCommit = "stc_simt_copy_commit", kCopyWait = "stc_simt_copy_wait",
                        kShuffle = "stc_simt_shuffle_xor", kMmaInt8 = "stc_simt_mma_int8",
                        kMmaSparseInt8 = "stc_simt_mma_sparse_int8",
                        kMmaSparseBF16 = "stc_simt_mma_sparse_bf16",
                        kMmaSparseF16 = "stc_simt_mma_sparse_f16", kMmaBF16 = "stc_simt_mma_bf16",
                        kMmaF16 = "stc_simt_mma_f16", kLoadMatrices = "stc_simt_load_matrices",
                        kPairBF16 = "stc_simt_pair_bf16", kRunBlock = "stc_simt_run_block",
                        kGridBarrier = "stc_rt_barrier";

/// What calls of the runtime have instead of operations of the gpu dialect, and of the one of NVVM
/// that the gpu dialect has no counterpart for.
class Calls {
public:
  explicit Calls(const TargetDescription &target) : target(target) {}

  LogicalResult replace(Operation *op) {
    ImplicitLocOpBuilder builder(op->getLoc(), op);
    Type i32 = builder.getI32Type(), i64 = builder.getI64Type();
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](mlir::gpu::ThreadIdOp id) {
          return replaceNumber(builder, op, id.getDimension(), kThread, i32);
        })
        .Case([&](mlir::gpu::BlockIdOp id) {
          return replaceNumber(builder, op, id.getDimension(), kBlock, i64);
        })
        .Case([&](mlir::gpu::GridDimOp dimension) {
          return replaceNumber(builder, op, dimension.getDimension(), kBlocks, i64);
        })
        .Case([&](mlir::gpu::BarrierOp) {
          callFunction(builder, kBarrier, Type(), nextPlace(builder));
          op->erase();
          return success();
        })
        .Case([&](NVVM::SyncWarpOp) {
          callFunction(builder, kWarpBarrier, Type(), nextPlace(builder));
          op->erase();
          return success();
        })
        .Case([&](mlir::gpu::ShuffleOp shuffle) { return replaceShuffle(builder, shuffle); })
        .Case([&](NVVM::BarrierOp barrier) { return replaceBarrier(builder, barrier); })
        .Case([&](NVVM::CpAsyncOp copy) -> LogicalResult {
          if (copy.getCpSize())
            return op->emitOpError("expects a size that is known");
          callFunction(builder, kCopy, Type(),
                       {copy.getDst(), copy.getSrc(), constant(builder, copy.getSize())});
          op->erase();
          return success();
        })
        .Case([&](NVVM::CpAsyncCommitGroupOp) {
          callFunction(builder, kCopyCommit, Type(), {});
          op->erase();
          return success();
        })
        .Case([&](NVVM::CpAsyncWaitGroupOp wait) {
          callFunction(builder, kCopyWait, Type(), constant(builder, wait.getN()));
          op->erase();
          return success();
        })
        .Case([&](NVVM::CpAsyncBulkPrefetchOp) { // a hint
          op->erase();
          return success();
        })
        .Case([&](NVVM::MmaOp mma) { return replaceMma(builder, mma); })
        .Case([&](NVVM::MmaSpOp mma) { return replaceSparseMma(builder, mma); })
        .Case([&](NVVM::LdMatrixOp load) { return replaceLoad(builder, load); })
        .Case([&](LLVM::CallIntrinsicOp call) { return replaceIntrinsic(builder, call); })
        .Default([](Operation *other) {
          return other->emitOpError("is nothing that simulated threads can do");
        });
  }

private:
  /// Different for each place of the code, whatever copies of it LLVM makes.
  Value nextPlace(ImplicitLocOpBuilder &builder) { return constant(builder, places++); }

  static Value constant(ImplicitLocOpBuilder &builder, int64_t value) {
    return LLVM::ConstantOp::create(builder, builder.getI32Type(),
                                    builder.getI32IntegerAttr(static_cast<int32_t>(value)));
  }

  static LogicalResult replaceNumber(ImplicitLocOpBuilder &builder, Operation *op,
                                     mlir::gpu::Dimension dimension, StringRef function,
                                     Type type) {
    if (dimension != mlir::gpu::Dimension::x)
      return op->emitOpError("expects dimension x");
    Value number = callFunction(builder, function, type, {}, Effects::None);
    op->getResult(0).replaceAllUsesWith(
        arith::IndexCastUIOp::create(builder, builder.getIndexType(), number));
    op->erase();
    return success();
  }

  LogicalResult replaceShuffle(ImplicitLocOpBuilder &builder, mlir::gpu::ShuffleOp shuffle) {
    Type i32 = builder.getI32Type(), type = shuffle.getShuffleResult().getType();
    APInt width;
    if (shuffle.getMode() != mlir::gpu::ShuffleMode::XOR || type.getIntOrFloatBitWidth() != 32 ||
        !matchPattern(shuffle.getWidth(), m_ConstantInt(&width)) ||
        width != static_cast<uint64_t>(target.warpThreads) || !shuffle.getValid().use_empty())
      return shuffle.emitOpError("expects mode xor of 32 bits over a whole warp");
    Value value = shuffle.getValue();
    if (type != i32)
      value = arith::BitcastOp::create(builder, i32, value);
    value = callFunction(builder, kShuffle, i32, {value, shuffle.getOffset(), nextPlace(builder)});
    if (type != i32)
      value = arith::BitcastOp::create(builder, type, value);
    shuffle.getShuffleResult().replaceAllUsesWith(value);
    shuffle.erase();
    return success();
  }

  LogicalResult replaceBarrier(ImplicitLocOpBuilder &builder, NVVM::BarrierOp barrier) {
    if (barrier.getNumResults() != 0 || !barrier.getBarrierId() || !barrier.getNumberOfThreads())
      return barrier.emitOpError("expects a number, threads and no reduction");
    callFunction(builder, kNamedBarrier, Type(),
                 {barrier.getBarrierId(), barrier.getNumberOfThreads(), nextPlace(builder)});
    barrier.erase();
    return success();
  }
  LogicalResult replaceMma(ImplicitLocOpBuilder &builder, NVVM::MmaOp mma);
  LogicalResult replaceSparseMma(ImplicitLocOpBuilder &builder, NVVM::MmaSpOp mma);
  LogicalResult replaceLoad(ImplicitLocOpBuilder &builder, NVVM::LdMatrixOp load);
  static LogicalResult replaceIntrinsic(ImplicitLocOpBuilder &builder, LLVM::CallIntrinsicOp call);

  const TargetDescription &target;
  int32_t places = 0;
};

/// The values as an array on the stack of the thread.
Value storeArray(ImplicitLocOpBuilder &builder, ValueRange values) {
  Value array;
  {
    // Not in a loop, where each round would take more of the stack.
    OpBuilder::InsertionGuard guard(builder);
    auto function = builder.getInsertionBlock()->getParentOp();
    if (!isa<func::FuncOp>(function))
      function = function->getParentOfType<func::FuncOp>();
    builder.setInsertionPointToStart(&function->getRegion(0).front());
    Value count =
        LLVM::ConstantOp::create(builder, builder.getI32Type(),
                                 builder.getI32IntegerAttr(static_cast<int32_t>(values.size())));
    array = LLVM::AllocaOp::create(builder, LLVM::LLVMPointerType::get(builder.getContext()),
                                   values[0].getType(), count);
  }
  for (auto [i, value] : llvm::enumerate(values)) {
    Value place = LLVM::GEPOp::create(builder, array.getType(), value.getType(), array,
                                      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    LLVM::StoreOp::create(builder, value, place);
  }
  return array;
}

LogicalResult Calls::replaceMma(ImplicitLocOpBuilder &builder, NVVM::MmaOp mma) {
  using NVVM::MMATypes;
  NVVM::MMAShapeAttr shape = mma.getShape();
  MMATypes a = mma.getMultiplicandAPtxType().value_or(MMATypes::f64);
  MMATypes b = mma.getMultiplicandBPtxType().value_or(MMATypes::f64);
  auto isByte = [](MMATypes type) { return type == MMATypes::s8 || type == MMATypes::u8; };
  bool isBytes = isByte(a) && isByte(b) && shape.getK() == 32 &&
                 mma.getIntOverflowBehavior() == NVVM::MMAIntOverflow::wrapped;
  bool isBF16 = a == MMATypes::bf16 && b == MMATypes::bf16 && shape.getK() == 16;
  bool isF16 = a == MMATypes::f16 && b == MMATypes::f16 && shape.getK() == 16;
  if (shape.getM() != 16 || shape.getN() != 8 || (!isBytes && !isBF16 && !isF16) ||
      !mma.getOperandC()[0].getType().isIntOrFloat())
    return mma.emitOpError("expects m16n8k32 of bytes or m16n8k16 of bf16 or f16");
  Value sums = storeArray(builder, mma.getOperandC());
  Values operands{sums, storeArray(builder, mma.getOperandA()),
                  storeArray(builder, mma.getOperandB())};
  if (isBytes)
    for (MMATypes type : {a, b})
      operands.push_back(LLVM::ConstantOp::create(builder, builder.getI32Type(),
                                                  builder.getI32IntegerAttr(type == MMATypes::s8)));
  operands.push_back(nextPlace(builder));
  callFunction(builder, isBytes ? kMmaInt8 : isF16 ? kMmaF16 : kMmaBF16, Type(), operands);
  mma.getResult().replaceAllUsesWith(LLVM::LoadOp::create(builder, mma.getType(), sums));
  mma.erase();
  return success();
}

LogicalResult Calls::replaceSparseMma(ImplicitLocOpBuilder &builder, NVVM::MmaSpOp mma) {
  using NVVM::MMATypes;
  NVVM::MMAShapeAttr shape = mma.getShape();
  auto is = [&](MMATypes type, int64_t columns) {
    return mma.getMultiplicandAPtxType() == type && mma.getMultiplicandBPtxType() == type &&
           shape.getK() == columns;
  };
  bool isBytes =
      is(MMATypes::s8, 64) && mma.getIntOverflowBehavior() == NVVM::MMAIntOverflow::wrapped;
  bool isBF16 = is(MMATypes::bf16, 32), isF16 = is(MMATypes::f16, 32);
  if (shape.getM() != 16 || shape.getN() != 8 || (!isBytes && !isBF16 && !isF16) ||
      !mma.getOperandC()[0].getType().isIntOrFloat())
    return mma.emitOpError("expects m16n8k64 of signed bytes or m16n8k32 of bf16 or f16");
  Value sums = storeArray(builder, mma.getOperandC());
  Values operands{sums, storeArray(builder, mma.getOperandA()),
                  storeArray(builder, mma.getOperandB()), mma.getSparseMetadata()};
  if (!isBytes)
    operands.push_back(mma.getSparsitySelector());
  operands.push_back(nextPlace(builder));
  callFunction(builder,
               isBytes ? kMmaSparseInt8
               : isF16 ? kMmaSparseF16
                       : kMmaSparseBF16,
               Type(), operands);
  mma.getResult().replaceAllUsesWith(LLVM::LoadOp::create(builder, mma.getType(), sums));
  mma.erase();
  return success();
}

LogicalResult Calls::replaceLoad(ImplicitLocOpBuilder &builder, NVVM::LdMatrixOp load) {
  if (load.getNum() == 1 || load.getEltType() != NVVM::LdStMatrixEltType::B16)
    return load.emitOpError("expects several matrices of 16-bit numbers");
  Values zeros(load.getNum(), constant(builder, 0));
  Value words = storeArray(builder, zeros);
  bool isTransposed = load.getLayout() == NVVM::MMALayout::col;
  callFunction(builder, kLoadMatrices, Type(),
               {words, load.getPtr(), constant(builder, load.getNum()),
                constant(builder, isTransposed), nextPlace(builder)});
  load.getRes().replaceAllUsesWith(LLVM::LoadOp::create(builder, load.getRes().getType(), words));
  load.erase();
  return success();
}

LogicalResult Calls::replaceIntrinsic(ImplicitLocOpBuilder &builder, LLVM::CallIntrinsicOp call) {
  if (call.getIntrin() != "llvm.nvvm.ff2bf16x2.rn")
    return success(); // LLVM's own
  Value pair =
      callFunction(builder, kPairBF16, builder.getI32Type(), call.getArgs(), Effects::None);
  call.getResult(0).replaceAllUsesWith(
      LLVM::BitcastOp::create(builder, call.getResult(0).getType(), pair));
  call.erase();
  return success();
}

} // namespace

void stc::gpu::emitBlocksBarrier(ImplicitLocOpBuilder &builder, Value sync) {
  callFunction(builder, kGridBarrier, Type(), sync);
}

void stc::gpu::emitSimulatedEntryPoint(func::FuncOp kernel, StringRef name,
                                       const TargetDescription &target, int64_t sharedBytes) {
  ImplicitLocOpBuilder builder(kernel.getLoc(), kernel);
  builder.setInsertionPointAfter(kernel);
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext()), i32 = builder.getI32Type(),
       i64 = builder.getI64Type();
  auto function =
      func::FuncOp::create(builder, name, builder.getFunctionType({pointer, i64, i64}, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  auto constant = [&](Type type, int64_t value) -> Value {
    return LLVM::ConstantOp::create(builder, type, builder.getIntegerAttr(type, value));
  };
  Value callee = func::ConstantOp::create(builder, kernel.getFunctionType(), kernel.getSymName());
  Values operands{UnrealizedConversionCastOp::create(builder, pointer, callee).getResult(0)};
  llvm::append_range(operands, function.getArguments());
  operands.push_back(constant(i32, target.blockThreads));
  operands.push_back(constant(i32, target.warpThreads));
  operands.push_back(constant(i64, sharedBytes));
  callFunction(builder, kRunBlock, Type(), operands);
  func::ReturnOp::create(builder);
}

LogicalResult stc::gpu::callRuntime(ModuleOp module, const TargetDescription &target) {
  SmallVector<Operation *> operations;
  module.walk([&](Operation *op) {
    if (isa_and_nonnull<mlir::gpu::GPUDialect, NVVM::NVVMDialect>(op->getDialect()) ||
        isa<LLVM::CallIntrinsicOp>(op))
      operations.push_back(op);
  });
  Calls calls(target);
  for (Operation *op : operations)
    if (failed(calls.replace(op)))
      return failure();
  return success();
}

void stc::gpu::mergeAddressSpaces(ModuleOp module) {
  auto pointer = LLVM::LLVMPointerType::get(module.getContext());
  AttrTypeReplacer replacer;
  replacer.addReplacement([pointer](LLVM::LLVMPointerType) { return Type(pointer); });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  SmallVector<LLVM::AddrSpaceCastOp> casts;
  SmallVector<LLVM::AddressOfOp> addresses;
  module.walk([&](Operation *op) {
    if (auto cast = dyn_cast<LLVM::AddrSpaceCastOp>(op))
      casts.push_back(cast);
    else if (auto address = dyn_cast<LLVM::AddressOfOp>(op);
             address && address.getGlobalName() == kSharedMemory)
      addresses.push_back(address);
  });
  for (LLVM::AddrSpaceCastOp cast : casts) {
    cast.replaceAllUsesWith(cast.getArg());
    cast.erase();
  }
  for (LLVM::AddressOfOp address : addresses) {
    ImplicitLocOpBuilder builder(address.getLoc(), address);
    address.replaceAllUsesWith(callFunction(builder, kSharedBase, pointer, {}, Effects::None));
    address.erase();
  }
  if (Operation *shared = module.lookupSymbol(kSharedMemory))
    shared->erase();
}
