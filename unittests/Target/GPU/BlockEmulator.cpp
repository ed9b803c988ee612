// Runs kernels of GPUs in this process.
#include "BlockEmulator.h"
#include "WarpInstructions.h"

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Support/Error.h"
#include "stc/Target/Autotune/StandaloneFunctions.h"
#include "stc/Target/Emission/CodeGenerator.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/ROCDL/ROCDLToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/TargetSelect.h"

#include <csetjmp>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <ucontext.h>

using namespace stc;

namespace {

constexpr llvm::StringLiteral kWarpgroupInstruction = "wgmma.mma_async.";
constexpr llvm::StringLiteral kWarpgroupWait = "wgmma.wait_group.";
constexpr size_t kStackBytes = 128 << 10, kPlaceBytes = 8;

/// The shared memory of the block that runs.
alignas(1024) uint8_t sharedMemory[kEmulatedSharedBytes];

/// Stacks, which are used again by the next block.
char *stackOf(size_t thread) {
  static std::vector<std::unique_ptr<char[]>> stacks;
  while (stacks.size() <= thread)
    stacks.emplace_back(new char[kStackBytes]);
  return stacks[thread].get();
}

/// A copy to shared memory that has been started.
struct Copy {
  void *to;
  const void *from;
  size_t bytes;
};

/// A thread, which runs until others have to catch up.
struct Fiber {
  ucontext_t context; // where it begins
  jmp_buf place;      // and where it goes on
  bool hasBegun = false;
  std::vector<Copy> copies;                 // not yet in a group
  std::deque<std::vector<Copy>> copyGroups; // not yet waited for, which is when they happen
  const std::string *waiting = nullptr;     // the instruction it has reached
  WarpCall call;
  bool isDone = false;
};

/// The threads of a block.
class EmulatedBlock {
public:
  EmulatedBlock(int64_t threads, int64_t waveThreads, std::function<void()> body)
      : fibers(threads), waveThreads(waveThreads), body(std::move(body)) {}
  void run();
  /// Called by threads: waits for the others where the instruction makes them meet.
  void reach(const std::string &intrinsic, const uint64_t *operands, size_t count, void *results,
             size_t resultBytes);
  static EmulatedBlock *current;

private:
  static void enter() {
    current->body();
    Fiber &fiber = current->fibers[current->running];
    fiber.isDone = true;
    _longjmp(current->scheduler, 1);
  }
  /// Lets a thread run until it waits or ends. Unlike swapcontext, jumps are no system calls.
  void resume(Fiber &fiber) {
    if (_setjmp(scheduler))
      return;
    if (fiber.hasBegun)
      _longjmp(fiber.place, 1);
    fiber.hasBegun = true;
    setcontext(&fiber.context);
  }
  void waitForOthers(Fiber &fiber) {
    if (!_setjmp(fiber.place))
      _longjmp(scheduler, 1);
  }
  /// Ends the program if a copy to shared memory begins whose place products under way read.
  void checkPendingReads(uint64_t to, size_t bytes);
  /// Runs all threads of a warp until they are at a barrier, where their wave meets, or end.
  void runWarpThreads(size_t first);
  /// Runs all threads of a wave until they are at a barrier, or end.
  void runWaveThreads(size_t first);
  /// Lets those go on that are at a barrier with all whom it waits for; false if there are none.
  bool releaseBarriers();

  std::vector<Fiber> fibers;
  std::map<uint32_t, size_t> arrivals; // of threads that do not wait, at each barrier
  size_t waveThreads;
  /// What products of each warp read that are under way, one group after the other.
  std::map<size_t, std::deque<SharedReads>> pendingReads;
  std::function<void()> body;
  jmp_buf scheduler;
  size_t running = 0;
};

EmulatedBlock *EmulatedBlock::current = nullptr;

constexpr llvm::StringLiteral kArrival = "llvm.nvvm.barrier.cta.arrive.aligned.count";

bool isBlockBarrier(const std::string &intrinsic) {
  return llvm::StringRef(intrinsic).starts_with("llvm.nvvm.barrier") ||
         intrinsic == "llvm.amdgcn.s.barrier";
}

void emulate(const std::string *intrinsic, const uint64_t *operands, uint64_t count, void *results,
             uint64_t resultBytes) {
  EmulatedBlock::current->reach(*intrinsic, operands, count, results, resultBytes);
}

} // namespace

void EmulatedBlock::reach(const std::string &intrinsic, const uint64_t *operands, size_t count,
                          void *results, size_t resultBytes) {
  Fiber &fiber = fibers[running];
  fiber.call = WarpCall();
  std::copy_n(operands, count, fiber.call.operands.begin());
  fiber.call.operandCount = count;
  if (intrinsic == "llvm.nvvm.read.ptx.sreg.tid.x" || intrinsic == "llvm.amdgcn.workitem.id.x") {
    fiber.call.results[0] = uint32_t(running);
  } else if (llvm::StringRef name = intrinsic; name.consume_front("llvm.nvvm.cp.async.c") &&
                                               name.drop_front().consume_front(".shared.global.")) {
    size_t bytes = 0;
    name.rsplit('.').second.getAsInteger(10, bytes);
    fiber.copies.push_back({reinterpret_cast<void *>(operands[0]),
                            reinterpret_cast<const void *>(operands[1]), bytes});
    checkPendingReads(operands[0], bytes);
  } else if (name.consume_front(kWarpgroupWait)) {
    size_t left = 0;
    name.getAsInteger(10, left);
    std::deque<SharedReads> &pending = pendingReads[running / kWarpThreads];
    while (pending.size() > left)
      pending.pop_front();
  } else if (intrinsic == "llvm.nvvm.cp.async.commit.group") {
    fiber.copyGroups.push_back(std::move(fiber.copies));
    fiber.copies.clear();
  } else if (intrinsic == "llvm.nvvm.cp.async.wait.group") {
    for (; fiber.copyGroups.size() > uint32_t(operands[0]); fiber.copyGroups.pop_front())
      for (const Copy &copy : fiber.copyGroups.front())
        std::memcpy(copy.to, copy.from, copy.bytes);
  } else if (intrinsic == kArrival) {
    ++arrivals[uint32_t(operands[0])];
  } else if (meetsWarp(intrinsic) || meetsWave(intrinsic) || isBlockBarrier(intrinsic)) {
    fiber.waiting = &intrinsic;
    waitForOthers(fiber);
  } else {
    runThread(intrinsic, fiber.call);
  }
  std::memcpy(results, fiber.call.results.data(), resultBytes);
}

void EmulatedBlock::checkPendingReads(uint64_t to, size_t bytes) {
  uint64_t begin = to - reinterpret_cast<uintptr_t>(sharedMemory);
  for (const auto &[warp, groups] : pendingReads)
    for (const SharedReads &reads : groups)
      for (uint64_t chunk = begin / 16; chunk <= (begin + bytes - 1) / 16; ++chunk)
        if (reads[chunk])
          llvm::report_fatal_error("a copy goes to what products under way may still read");
}

void EmulatedBlock::runWarpThreads(size_t first) {
  for (;;) {
    for (running = first; running < first + kWarpThreads; ++running)
      if (!fibers[running].isDone && !fibers[running].waiting)
        resume(fibers[running]);
    std::vector<WarpCall *> calls;
    for (size_t i = first; i < first + kWarpThreads; ++i) {
      if (fibers[i].isDone != fibers[first].isDone || fibers[i].waiting != fibers[first].waiting)
        llvm::report_fatal_error(llvm::Twine("threads of a warp part ways, one at ") +
                                 (fibers[first].waiting ? *fibers[first].waiting : "the end") +
                                 " and one at " +
                                 (fibers[i].waiting ? *fibers[i].waiting : "the end"));
      calls.push_back(&fibers[i].call);
    }
    if (fibers[first].isDone || isBlockBarrier(*fibers[first].waiting) ||
        meetsWave(*fibers[first].waiting))
      return; // of a warp that waits, nothing has changed
    llvm::StringRef name = *fibers[first].waiting;
    size_t warp = first / kWarpThreads;
    SharedReads reads;
    runWarp(name, warp, calls, sharedMemory, reads);
    if (name.starts_with(kWarpgroupProducts))
      pendingReads[warp].push_back(reads);
    for (size_t i = first; i < first + kWarpThreads; ++i)
      fibers[i].waiting = nullptr;
  }
}

void EmulatedBlock::runWaveThreads(size_t first) {
  for (;;) {
    std::vector<WarpCall *> calls;
    const std::string *meeting = nullptr;
    for (size_t i = first; i < first + waveThreads; ++i) {
      if (i % kWarpThreads == 0)
        runWarpThreads(i);
      if (!fibers[i].isDone && meetsWave(*fibers[i].waiting))
        meeting = fibers[i].waiting;
    }
    if (!meeting)
      return;
    // Instructions of matrices do not ask which lanes are active.
    for (size_t i = first; i < first + waveThreads; ++i) {
      if (fibers[i].isDone || fibers[i].waiting != meeting)
        llvm::report_fatal_error(llvm::Twine("threads of a wave part ways, some at ") + *meeting);
      calls.push_back(&fibers[i].call);
    }
    runWave(*meeting, calls);
    for (size_t i = first; i < first + waveThreads; ++i)
      fibers[i].waiting = nullptr;
  }
}

bool EmulatedBlock::releaseBarriers() {
  std::map<uint32_t, std::vector<Fiber *>> barriers;
  for (Fiber &fiber : fibers)
    if (!fiber.isDone)
      barriers[uint32_t(fiber.call.operands[0])].push_back(&fiber);
  bool isReleased = false;
  for (auto &[number, waiting] : barriers) {
    bool hasCount = llvm::StringRef(*waiting[0]->waiting).ends_with(".count");
    if (waiting.size() + arrivals[number] !=
        (hasCount ? waiting[0]->call.operands[1] & 0xFFFFFFFF : fibers.size()))
      continue;
    arrivals[number] = 0;
    for (Fiber *fiber : waiting)
      fiber->waiting = nullptr;
    isReleased = true;
  }
  return isReleased;
}

void EmulatedBlock::run() {
  current = this;
  for (auto [i, fiber] : llvm::enumerate(fibers)) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stackOf(i);
    fiber.context.uc_stack.ss_size = kStackBytes;
    makecontext(&fiber.context, enter, 0);
  }
  auto isDone = [](const Fiber &fiber) { return fiber.isDone; };
  for (;;) {
    for (size_t first = 0; first < fibers.size(); first += waveThreads)
      runWaveThreads(first);
    if (llvm::all_of(fibers, isDone))
      break;
    if (!releaseBarriers())
      llvm::report_fatal_error("not all threads reach a barrier");
  }
  current = nullptr;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

struct EmulatedKernel::State {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::map<std::string, int64_t> intrinsics; // and how often each is called
  int64_t threads = 0, waveThreads = 0;
  void *function = nullptr;
};

EmulatedKernel::EmulatedKernel() : state(std::make_unique<State>()) {}
EmulatedKernel::~EmulatedKernel() = default;

int64_t EmulatedKernel::countIntrinsics(const std::string &prefix) const {
  int64_t count = 0;
  for (const auto &[name, calls] : state->intrinsics)
    if (llvm::StringRef(name).starts_with(prefix))
      count += calls;
  return count;
}

static mlir::LogicalResult lower(mlir::ModuleOp module, const std::string &target,
                                 const std::string &passes, bool distributes) {
  mlir::PassManager manager(module.getContext());
  if (failed(mlir::parsePassPipeline(passes, manager)))
    return mlir::failure();
  manager.addPass(createSelectBlockConfigPass({target}));
  manager.addPass(createTileOpsPass());
  if (distributes)
    manager.addPass(createDistributeBlocksPass({target}));
  else
    manager.addPass(mlir::createForallToForLoopPass());
  manager.addPass(createLowerBlockTilesPass({target}));
  if (failed(manager.run(module)))
    return mlir::failure();
  module.walk([](packed::ThreadOp thread) {
    mlir::OpBuilder builder(thread);
    for (int64_t i : {0, 1}) // the first of one block
      thread->getResult(i).replaceAllUsesWith(
          mlir::arith::ConstantIndexOp::create(builder, thread.getLoc(), i));
    thread.erase();
  });
  module.walk([](packed::BarrierOp barrier) { // of a grid of one block
    mlir::OpBuilder builder(barrier);
    mlir::gpu::BarrierOp::create(builder, barrier.getLoc());
    barrier.erase();
  });
  makeStandalone(module);
  manager.clear();
  manager.addPass(createApproximateGPUMathPass());
  manager.addPass(mlir::createCanonicalizerPass());
  manager.addPass(mlir::createCSEPass());
  manager.addPass(mlir::createLoopInvariantCodeMotionPass());
  manager.addPass(createPlaceSharedMemoryPass({target}));
  manager.addPass(mlir::createSCFToControlFlowPass());
  manager.addPass(mlir::memref::createExpandStridedMetadataPass());
  manager.addPass(mlir::createLowerAffinePass());
  manager.addPass(mlir::createCanonicalizerPass());
  manager.addPass(mlir::createCSEPass());
  manager.addPass(createLowerToGPUPass({target}));
  manager.addPass(mlir::createReconcileUnrealizedCastsPass());
  return manager.run(module);
}

/// Sums of products that are under way may only be given to further products, and to what waits for
/// them.
static void checkPending(llvm::CallInst &products) {
  std::vector<llvm::Value *> sums = {&products};
  std::set<llvm::Value *> known;
  while (!sums.empty()) {
    llvm::Value *sum = sums.back();
    sums.pop_back();
    if (!known.insert(sum).second)
      continue;
    for (llvm::User *user : sum->users()) {
      auto *call = llvm::dyn_cast<llvm::CallInst>(user);
      auto *code = call ? llvm::dyn_cast<llvm::InlineAsm>(call->getCalledOperand()) : nullptr;
      if (llvm::isa<llvm::PHINode>(user) || llvm::isa<llvm::ExtractValueInst>(user))
        sums.push_back(user);
      else if (!code || !llvm::StringRef(code->getAsmString()).contains("wgmma."))
        llvm::report_fatal_error("sums are read while products are under way");
    }
  }
}

/// Calls of intrinsics become calls of `emulate`: operands and results go through memory.
static void replaceIntrinsics(llvm::Module &module, std::map<std::string, int64_t> &intrinsics) {
  llvm::LLVMContext &context = module.getContext();
  llvm::Type *i64 = llvm::Type::getInt64Ty(context);
  auto *pointer = llvm::PointerType::get(context, 0);
  auto constantPointer = [&](const void *address, unsigned space = 0) {
    return llvm::ConstantExpr::getIntToPtr(
        llvm::ConstantInt::get(i64, reinterpret_cast<uintptr_t>(address)),
        llvm::PointerType::get(context, space));
  };
  if (llvm::GlobalVariable *shared = module.getGlobalVariable("stc_shared")) {
    shared->replaceAllUsesWith(constantPointer(sharedMemory, shared->getAddressSpace()));
    shared->eraseFromParent();
  }
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       {pointer, pointer, i64, pointer, i64}, false);
  llvm::Value *function = constantPointer(reinterpret_cast<void *>(&emulate));
  // moves: what only keeps code at its place; fences: what orders memory that is always in order
  std::vector<std::pair<llvm::CallInst *, std::string>> calls;
  std::vector<llvm::CallInst *> moves, fences, waits;
  for (llvm::Function &f : module)
    for (llvm::Instruction &instruction : llvm::instructions(f))
      if (auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction)) {
        llvm::Function *callee = call->getCalledFunction();
        llvm::StringRef name = callee ? callee->getName() : "";
        if (auto *code = llvm::dyn_cast<llvm::InlineAsm>(call->getCalledOperand())) {
          llvm::StringRef text = code->getAsmString();
          if (text.empty() || text == "mov.b32 $0, $1;")
            moves.push_back(call);
          else if (text.contains("fence.proxy"))
            fences.push_back(call);
          else if (text.contains(kWarpgroupInstruction)) {
            std::string shape = text.split(kWarpgroupInstruction).second.split(' ').first.str();
            shape.erase(shape.find("sync.aligned."), sizeof "sync.aligned." - 1);
            size_t results = llvm::StringRef(code->getConstraintString()).count('=');
            calls.emplace_back(
                call,
                (kWarpgroupProducts + shape + "\n" + llvm::Twine(results) + "\n" + text).str());
            checkPending(*call);
          } else if (text.contains(kWarpgroupWait)) {
            waits.push_back(call);
          }
        } else if (name.starts_with("llvm.nvvm.fence.proxy")) {
          fences.push_back(call);
        } else if (name.starts_with("llvm.nvvm.") || name.starts_with("llvm.amdgcn.")) {
          calls.emplace_back(call, name.str());
        }
      }
  for (llvm::CallInst *fence : fences)
    fence->eraseFromParent();
  // Products were done when they began: sums that are waited for are what they were.
  for (llvm::CallInst *wait : waits) {
    for (llvm::User *user : llvm::make_early_inc_range(wait->users())) {
      auto *sum = llvm::cast<llvm::ExtractValueInst>(user);
      sum->replaceAllUsesWith(wait->getArgOperand(sum->getIndices()[0]));
      sum->eraseFromParent();
    }
    llvm::StringRef text = llvm::cast<llvm::InlineAsm>(wait->getCalledOperand())->getAsmString();
    auto *none = llvm::FunctionType::get(llvm::Type::getVoidTy(context), false);
    text = text.split("aligned ").second.split(';').first;
    llvm::IRBuilder<> builder(wait);
    llvm::CallInst *call = builder.CreateCall(none, llvm::ConstantPointerNull::get(pointer));
    calls.emplace_back(call, (kWarpgroupWait + text).str());
    wait->eraseFromParent();
  }
  for (llvm::CallInst *move : moves) {
    move->replaceAllUsesWith(move->getArgOperand(0));
    move->eraseFromParent();
  }
  // All calls of a function use the same memory, one after the other.
  std::map<llvm::Function *, std::pair<llvm::Value *, llvm::Value *>> memories;
  for (auto &[call, name] : calls) {
    auto entry = intrinsics.try_emplace(name, 0).first;
    ++entry->second;
    auto &[memory, results] = memories[call->getFunction()];
    if (!memory) {
      llvm::IRBuilder<> start(&*call->getFunction()->getEntryBlock().begin());
      memory = start.CreateAlloca(i64, start.getInt64(WarpCall().operands.size()));
      results = start.CreateAlloca(i64, start.getInt64(WarpCall().results.size() / 2));
    }
    llvm::IRBuilder<> builder(call);
    uint64_t places = 0;
    for (llvm::Value *operand : call->args()) {
      llvm::Value *place =
          builder.CreateConstGEP1_64(builder.getInt8Ty(), memory, places * kPlaceBytes);
      // What a place holds behind a small operand is of the call before.
      builder.CreateAlignedStore(builder.getInt64(0), place, llvm::Align(kPlaceBytes));
      builder.CreateAlignedStore(operand, place, llvm::Align(kPlaceBytes));
      uint64_t operandBytes = module.getDataLayout().getTypeStoreSize(operand->getType());
      places += llvm::divideCeil(operandBytes, kPlaceBytes);
    }
    bool isVoid = call->getType()->isVoidTy();
    uint64_t bytes = isVoid ? 0 : module.getDataLayout().getTypeStoreSize(call->getType());
    builder.CreateCall(type, function,
                       {constantPointer(&entry->first), memory, builder.getInt64(places), results,
                        builder.getInt64(bytes)});
    if (!isVoid)
      call->replaceAllUsesWith(
          builder.CreateAlignedLoad(call->getType(), results, llvm::Align(kPlaceBytes)));
    call->eraseFromParent();
  }
}

absl::StatusOr<std::unique_ptr<EmulatedKernel>>
EmulatedKernel::create(const std::string &parameters, const std::string &body,
                       const std::string &target, const std::string &passes, bool distributes) {
  static std::once_flag once;
  std::call_once(once, [] {
    registerPackedTransformsPasses();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  mlir::DialectRegistry registry;
  registry.insert<packed::PackedDialect, STCDialect, mlir::arith::ArithDialect,
                  mlir::func::FuncDialect, mlir::memref::MemRefDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect, mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect,
                  mlir::ROCDL::ROCDLDialect, mlir::gpu::GPUDialect>();
  registerTranslations(registry);
  mlir::registerNVVMDialectTranslation(registry);
  mlir::registerROCDLDialectTranslation(registry);
  mlir::registerGPUDialectTranslation(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string text = "func.func @kernel(" + parameters +
                     ") attributes {llvm.emit_c_interface} {\n" + body + "\nreturn\n}\n";
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  STC_ASSIGN_OR_RETURN(auto description, gpu::TargetDescription::parse(target));
  if (!module || failed(lower(*module, target, passes, distributes)))
    return absl::InvalidArgumentError("cannot lower for " + target + ":\n" + text);

  auto toStatus = [](llvm::Error error) {
    return absl::InternalError(llvm::toString(std::move(error)));
  };
  std::unique_ptr<EmulatedKernel> kernel(new EmulatedKernel());
  State &state = *kernel->state;
  state.threads = description.blockThreads;
  state.waveThreads = description.waveThreads;
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return toStatus(jit.takeError());
  state.jit = std::move(*jit);
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto llvmModule = mlir::translateModuleToLLVMIR(*module, *llvmContext, "kernel");
  if (!llvmModule)
    return absl::InternalError("no LLVM IR:\n" + text);
  llvmModule->setDataLayout(state.jit->getDataLayout());
  llvmModule->setTargetTriple(state.jit->getTargetTriple());
  replaceIntrinsics(*llvmModule, state.intrinsics);
  if (llvm::Error error = state.jit->addIRModule(
          llvm::orc::ThreadSafeModule(std::move(llvmModule), std::move(llvmContext))))
    return toStatus(std::move(error));
  auto symbol = state.jit->lookup("_mlir_ciface_kernel");
  if (!symbol)
    return toStatus(symbol.takeError());
  state.function = symbol->toPtr<void *>();
  return kernel;
}

void EmulatedKernel::run(std::vector<Argument> arguments) const {
  constexpr size_t most = JitKernel::kMaxArguments;
  if (arguments.size() > most)
    llvm::report_fatal_error("too many arguments");
  void *p[most] = {};
  for (size_t i = 0; i < arguments.size(); ++i)
    p[i] = arguments[i].get();
  std::memset(sharedMemory, 0xFF, sizeof sharedMemory);
  EmulatedBlock block(state->threads, state->waveThreads, [&] {
    // Arguments a C function does not have are ignored.
    using Function = void (*)(void *, void *, void *, void *, void *, void *, void *, void *,
                              void *, void *, void *, void *);
    reinterpret_cast<Function>(state->function)(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7],
                                                p[8], p[9], p[10], p[11]);
  });
  block.run();
}
