// Targets of OpenCL: its functions in the place of what GPUs have instructions for, and pointers of
// its address spaces.
#include "OpenCL.h"

#include "FunctionCalls.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// OpenCL C's functions as compilers of C++ mangle their names, which LLVM knows by these.
constexpr StringLiteral kLocalId = "_Z12get_local_idj", kGroupId = "_Z12get_group_idj",
                        kGroups = "_Z14get_num_groupsj", kBarrier = "_Z7barrierj";

/// Instructions of SPIR-V, by the names that LLVM gives them as functions. What it makes of its own
/// atomic instructions names no storage class and so orders nothing, and its loads lose their
/// order.
constexpr StringLiteral kAtomicLoad = "_Z18__spirv_AtomicLoadPU3AS1jii",
                        kAtomicAdd = "_Z18__spirv_AtomicIAddPU3AS1jiij";

/// SPIR-V's numbers of scopes and of bits of memory semantics.
enum Semantics : int32_t {
  kDeviceScope = 1,
  kAcquire = 0x2,
  kAcquireRelease = 0x8,
  kCrossWorkgroupMemory = 0x200
};

/// What the other threads of a block see behind a barrier: CLK_LOCAL_MEM_FENCE and
/// CLK_GLOBAL_MEM_FENCE.
enum Fence : int32_t { kLocalFence = 1, kGlobalFence = 2 };

/// Address spaces of SPIR-V as LLVM numbers them; kGlobal and kShared are those of all GPUs.
enum SpirvSpace : unsigned { kPrivate = 0, kGeneric = 4 };

Value constantI32(ImplicitLocOpBuilder &builder, int32_t value) {
  return LLVM::ConstantOp::create(builder, builder.getI32Type(), builder.getI32IntegerAttr(value));
}

/// What calls of OpenCL's functions have instead of operations of the gpu dialect.
class Calls {
public:
  Calls(ModuleOp module, const TargetDescription &target) : module(module), target(target) {}

  LogicalResult replace(Operation *op) {
    ImplicitLocOpBuilder builder(op->getLoc(), op);
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](mlir::gpu::ThreadIdOp id) {
          return replaceNumber(builder, op, id.getDimension(), kLocalId);
        })
        .Case([&](mlir::gpu::BlockIdOp id) {
          return replaceNumber(builder, op, id.getDimension(), kGroupId);
        })
        .Case([&](mlir::gpu::GridDimOp dimension) {
          return replaceNumber(builder, op, dimension.getDimension(), kGroups);
        })
        .Case<mlir::gpu::BarrierOp, NVVM::SyncWarpOp>([&](auto barrier) {
          callBarrier(builder, kLocalFence | kGlobalFence);
          barrier->erase();
          return success();
        })
        .Case([&](mlir::gpu::ShuffleOp shuffle) { return replaceShuffle(builder, shuffle); })
        .Case([&](LLVM::FenceOp fence) { return replaceFence(fence); })
        .Case([&](LLVM::AtomicRMWOp update) { return replaceUpdate(builder, update); })
        .Case([&](LLVM::LoadOp load) { return replaceLoad(builder, load); })
        .Case([&](LLVM::CallIntrinsicOp call) -> LogicalResult {
          if (call.getIntrin().starts_with("llvm.nvvm."))
            return call.emitOpError("is nothing that OpenCL has");
          return success();
        })
        .Default([](Operation *other) { return other->emitOpError("is nothing that OpenCL has"); });
  }

private:
  static void callBarrier(ImplicitLocOpBuilder &builder, int32_t fences) {
    callFunction(builder, kBarrier, Type(), constantI32(builder, fences), Effects::Convergent);
  }

  static LogicalResult replaceNumber(ImplicitLocOpBuilder &builder, Operation *op,
                                     mlir::gpu::Dimension dimension, StringRef function) {
    if (dimension != mlir::gpu::Dimension::x)
      return op->emitOpError("expects dimension x");
    Value number = callFunction(builder, function, builder.getI64Type(), constantI32(builder, 0),
                                Effects::None);
    op->getResult(0).replaceAllUsesWith(
        arith::IndexCastUIOp::create(builder, builder.getIndexType(), number));
    op->erase();
    return success();
  }

  /// Every thread leaves its value in shared memory and takes another's from there.
  LogicalResult replaceShuffle(ImplicitLocOpBuilder &builder, mlir::gpu::ShuffleOp shuffle) {
    Type type = shuffle.getShuffleResult().getType(), i64 = builder.getI64Type();
    APInt width;
    if (shuffle.getMode() != mlir::gpu::ShuffleMode::XOR || type.getIntOrFloatBitWidth() != 32 ||
        !matchPattern(shuffle.getWidth(), m_ConstantInt(&width)) ||
        width != static_cast<uint64_t>(target.warpThreads) || !shuffle.getValid().use_empty())
      return shuffle.emitOpError("expects mode xor of 32 bits over a whole warp");
    auto pointer = LLVM::LLVMPointerType::get(builder.getContext(), kShared);
    Value own = callFunction(builder, kLocalId, i64, constantI32(builder, 0), Effects::None);
    Value other = arith::XOrIOp::create(builder, own,
                                        arith::ExtUIOp::create(builder, i64, shuffle.getOffset()));
    Value start = LLVM::AddressOfOp::create(builder, pointer, exchange(builder));
    auto place = [&](Value number) -> Value {
      return LLVM::GEPOp::create(builder, pointer, type, start, number);
    };
    LLVM::StoreOp::create(builder, shuffle.getValue(), place(own), /*alignment=*/4);
    callBarrier(builder, kLocalFence);
    Value value = LLVM::LoadOp::create(builder, type, place(other), /*alignment=*/4);
    callBarrier(builder, kLocalFence);
    shuffle.getShuffleResult().replaceAllUsesWith(value);
    shuffle.erase();
    return success();
  }

  /// The addition behind a fence does its work.
  static LogicalResult replaceFence(LLVM::FenceOp fence) {
    Operation *next = fence->getNextNode();
    while (next && isMemoryEffectFree(next) && !next->hasTrait<OpTrait::IsTerminator>())
      next = next->getNextNode();
    if (fence.getOrdering() != LLVM::AtomicOrdering::acq_rel ||
        !isa_and_nonnull<LLVM::AtomicRMWOp>(next))
      return fence.emitOpError("expects acq_rel and an addition behind it");
    fence.erase();
    return success();
  }

  static LogicalResult replaceUpdate(ImplicitLocOpBuilder &builder, LLVM::AtomicRMWOp update) {
    if (update.getBinOp() != LLVM::AtomicBinOp::add ||
        update.getOrdering() != LLVM::AtomicOrdering::monotonic || !isCounter(update.getPtr()) ||
        !update.getType().isInteger(32))
      return update.emitOpError("expects to add i32 in global memory, monotonic behind a fence");
    Value old = callFunction(builder, kAtomicAdd, update.getType(),
                             {update.getPtr(), constantI32(builder, kDeviceScope),
                              constantI32(builder, kAcquireRelease | kCrossWorkgroupMemory),
                              update.getVal()});
    update.replaceAllUsesWith(old);
    update.erase();
    return success();
  }

  static LogicalResult replaceLoad(ImplicitLocOpBuilder &builder, LLVM::LoadOp load) {
    if (load.getOrdering() != LLVM::AtomicOrdering::acquire || !isCounter(load.getAddr()) ||
        !load.getType().isInteger(32))
      return load.emitOpError("expects to load i32 from global memory, acquire");
    Value value = callFunction(builder, kAtomicLoad, load.getType(),
                               {load.getAddr(), constantI32(builder, kDeviceScope),
                                constantI32(builder, kAcquire | kCrossWorkgroupMemory)});
    load.replaceAllUsesWith(value);
    load.erase();
    return success();
  }

  static bool isCounter(Value address) {
    return cast<LLVM::LLVMPointerType>(address.getType()).getAddressSpace() == kGlobal;
  }

  /// The memory for exchanges, declared at the first use.
  StringRef exchange(OpBuilder &builder) {
    if (!module.lookupSymbol(kExchangeMemory)) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(module.getBody());
      auto type = LLVM::LLVMArrayType::get(builder.getI32Type(), target.warpThreads);
      LLVM::GlobalOp::create(builder, module.getLoc(), type, /*isConstant=*/false,
                             LLVM::Linkage::Internal, kExchangeMemory, Attribute(),
                             /*alignment=*/128, kShared);
    }
    return kExchangeMemory;
  }

  ModuleOp module;
  const TargetDescription &target;
};

/// Tables of constants lie in global memory: no generic pointer may point to constant memory.
void placeConstants(ModuleOp module) {
  auto pointer = LLVM::LLVMPointerType::get(module.getContext(), kGlobal);
  module.walk([&](LLVM::AddressOfOp address) {
    auto global = module.lookupSymbol<LLVM::GlobalOp>(address.getGlobalName());
    if (!global || global.getAddrSpace() == kShared)
      return;
    global.setAddrSpace(kGlobal);
    Type generic = address.getType();
    address.getRes().setType(pointer);
    ImplicitLocOpBuilder builder(address.getLoc(), address);
    builder.setInsertionPointAfter(address);
    auto cast = LLVM::AddrSpaceCastOp::create(builder, generic, address);
    address.getRes().replaceAllUsesExcept(cast, cast);
  });
}

/// The address of a variable of a thread is private, and generic for whoever uses it.
void placeVariables(ModuleOp module) {
  Type isPrivate = LLVM::LLVMPointerType::get(module.getContext(), kPrivate);
  module.walk([&](LLVM::AllocaOp variable) {
    Type generic = variable.getType();
    variable.getRes().setType(cast<LLVM::LLVMPointerType>(isPrivate));
    ImplicitLocOpBuilder builder(variable.getLoc(), variable);
    builder.setInsertionPointAfter(variable);
    auto cast = LLVM::AddrSpaceCastOp::create(builder, generic, variable);
    variable.getRes().replaceAllUsesExcept(cast, cast);
  });
}

/// SPIR-V has no vectors of one element: what is loaded and stored as one is a scalar.
void loadScalars(ModuleOp module) {
  auto elementOf = [](Type type) -> Type {
    auto vector = dyn_cast<VectorType>(type);
    return vector && vector.getNumElements() == 1 ? vector.getElementType() : Type();
  };
  module.walk([&](Operation *op) {
    ImplicitLocOpBuilder builder(op->getLoc(), op);
    if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
      Type type = load.getType(), element = elementOf(type);
      if (!element)
        return;
      load.getRes().setType(element);
      builder.setInsertionPointAfter(load);
      auto none = LLVM::PoisonOp::create(builder, type);
      auto vector = LLVM::InsertElementOp::create(builder, none, load, constantI32(builder, 0));
      load.getRes().replaceAllUsesExcept(vector, vector);
    } else if (auto store = dyn_cast<LLVM::StoreOp>(op)) {
      if (elementOf(store.getValue().getType()))
        store.getValueMutable().assign(
            LLVM::ExtractElementOp::create(builder, store.getValue(), constantI32(builder, 0)));
    }
  });
}

/// A kernel gets the frame in global memory.
void makeKernel(LLVM::LLVMFuncOp function, const TargetDescription &target) {
  function->removeAttr(kKernelAttr);
  function.setCConv(LLVM::CConv::SPIR_KERNEL);
  function.setReqdWorkGroupSize(
      SmallVector<int32_t>{static_cast<int32_t>(target.blockThreads), 1, 1});
  Block &entry = function.getBody().front();
  BlockArgument frame = entry.getArgument(0);
  Type generic = frame.getType(),
       global = LLVM::LLVMPointerType::get(function.getContext(), kGlobal);
  frame.setType(global);
  function.setFunctionType(
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(function.getContext()), {global}));
  ImplicitLocOpBuilder builder = ImplicitLocOpBuilder::atBlockBegin(function.getLoc(), &entry);
  auto cast = LLVM::AddrSpaceCastOp::create(builder, generic, frame);
  frame.replaceAllUsesExcept(cast, cast);
}

} // namespace

static bool isAtomicLoad(Operation *op) {
  auto load = dyn_cast<LLVM::LoadOp>(op);
  return load && load.getOrdering() != LLVM::AtomicOrdering::not_atomic;
}

LogicalResult stc::gpu::callOpenCL(ModuleOp module, const TargetDescription &target) {
  if (target.warps() != 1)
    return module.emitError("expects blocks of one warp for ") << target.name;
  SmallVector<Operation *> operations;
  module.walk([&](Operation *op) {
    if (isa<mlir::gpu::GPUDialect, NVVM::NVVMDialect>(op->getDialect()) ||
        isa<LLVM::CallIntrinsicOp, LLVM::FenceOp, LLVM::AtomicRMWOp>(op) || isAtomicLoad(op))
      operations.push_back(op);
  });
  Calls calls(module, target);
  for (Operation *op : operations)
    if (failed(calls.replace(op)))
      return failure();
  return success();
}

void stc::gpu::finishOpenCL(ModuleOp module, const TargetDescription &target) {
  AttrTypeReplacer replacer;
  // Floats of 16 bits are only moved, and converted as integers.
  auto isNarrow = [](Type type) { return type.isF16() || type.isBF16(); };
  Type i16 = IntegerType::get(module.getContext(), 16);
  replacer.addReplacement([=](FloatType type) -> Type { return isNarrow(type) ? i16 : type; });
  replacer.addReplacement([=](FloatAttr value) -> Attribute {
    return isNarrow(value.getType()) ? IntegerAttr::get(i16, value.getValue().bitcastToAPInt())
                                     : Attribute(value);
  });
  replacer.addReplacement([=](DenseElementsAttr values) -> Attribute {
    return isNarrow(values.getElementType()) ? values.bitcast(i16) : values;
  });
  replacer.addReplacement([](LLVM::LLVMPointerType type) -> Type {
    return type.getAddressSpace() == kPrivate
               ? LLVM::LLVMPointerType::get(type.getContext(), kGeneric)
               : type;
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  placeConstants(module);
  placeVariables(module);
  loadScalars(module);
  for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
    if (function->hasAttr(kKernelAttr)) {
      makeKernel(function, target);
      continue;
    }
    function.setCConv(LLVM::CConv::SPIR_FUNC);
    if (!function.isExternal())
      function.setAlwaysInline(true);
  }
  module.walk([](LLVM::CallOp call) { call.setCConv(LLVM::CConv::SPIR_FUNC); });
}
