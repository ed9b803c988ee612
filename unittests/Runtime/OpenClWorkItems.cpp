// Runs the threads of a block one after another, as PoCL 3.1 does not finish compiling these
// kernels with threads of its own: it copies all code behind each barrier under a condition.
//
//   StcOpenClWorkItems INPUT OUTPUT ORDER
//
// reads bitcode of OpenCL kernels and writes kernels whose blocks have one thread. That thread goes
// through the others' code from barrier to barrier (after Meyer et al., "Continuation-based
// synchronization", IWOCL 2021): code between barriers becomes a case of a switch in a loop over
// threads, in a loop over barriers, and what a thread still needs behind a barrier lies in an array
// with an element for each of them. Threads run in the order of 0, 1, 2 ... with each number's bits
// exchanged by those of ORDER. A kernel whose threads reach different barriers stops at a trap.
//
// Built with LLVM 14, whose bitcode PoCL's LLVM 15 reads, and whose pointers have types as PoCL's.
#include "llvm/ADT/BitVector.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Verifier.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm;

namespace {

constexpr StringLiteral barrierName = "_Z7barrierj", localIdName = "_Z12get_local_idj",
                        sizesName = "reqd_work_group_size";

/// Which values are needed behind a barrier.
class Liveness {
public:
  explicit Liveness(Function &function) {
    for (Instruction &instruction : instructions(function)) {
      if (instruction.getType()->isVoidTy() || isa<AllocaInst>(instruction))
        continue;
      numbers[&instruction] = unsigned(values.size());
      values.push_back(&instruction);
    }
    for (BasicBlock &block : function)
      describe(block);
    for (bool changed = true; changed;) {
      changed = false;
      for (BasicBlock &block : reverse(function))
        changed |= update(block);
    }
  }

  /// The values that are made before the beginning of one of these blocks and used from there on.
  std::vector<Instruction *> liveInto(ArrayRef<BasicBlock *> targets) {
    BitVector all(unsigned(values.size()));
    for (BasicBlock *block : targets)
      all |= blocks[block].live;
    std::vector<Instruction *> result;
    for (unsigned number : all.set_bits())
      result.push_back(values[number]);
    return result;
  }

private:
  struct Sets {
    BitVector made, used, live;
  };

  void mark(BitVector &set, const Value *value) const {
    if (auto number = numbers.find(value); number != numbers.end())
      set.set(number->second);
  }

  void describe(BasicBlock &block) {
    Sets &sets = blocks[&block];
    for (BitVector *set : {&sets.made, &sets.used, &sets.live})
      set->resize(unsigned(values.size()));
    for (Instruction &instruction : block) {
      mark(sets.made, &instruction);
      if (!isa<PHINode>(instruction))
        for (const Value *operand : instruction.operands())
          mark(sets.used, operand);
    }
    sets.used.reset(sets.made); // what is made here is made before its uses here
  }

  bool update(BasicBlock &block) {
    Sets &sets = blocks[&block];
    BitVector live(unsigned(values.size()));
    for (BasicBlock *next : successors(&block)) {
      live |= blocks[next].live;
      for (PHINode &phi : next->phis())
        mark(live, phi.getIncomingValueForBlock(&block));
    }
    live.reset(sets.made);
    live |= sets.used;
    bool changed = live != sets.live;
    sets.live = std::move(live);
    return changed;
  }

  std::vector<Instruction *> values;
  DenseMap<const Value *, unsigned> numbers;
  DenseMap<const BasicBlock *, Sets> blocks;
};

/// One kernel on its way to blocks of one thread.
class Kernel {
public:
  Kernel(Function &function, unsigned threads, unsigned order)
      : function(function), threads(threads), order(order) {}

  void rewrite() {
    std::vector<CallInst *> barriers = callsOf(barrierName);
    for (CallInst *barrier : barriers) {
      continuations.push_back(barrier->getParent()->splitBasicBlock(barrier, "behind"));
      barrier->eraseFromParent();
    }
    for (Instruction *value : Liveness(function).liveInto(continuations))
      DemoteRegToStack(*value, /*VolatileLoads=*/false, &function.getEntryBlock().front());
    placeLoops();
    giveEachThreadItsOwn();
    for (CallInst *call : callsOf(localIdName)) {
      call->replaceAllUsesWith(IRBuilder<>(call).CreateZExt(thread, call->getType()));
      call->eraseFromParent();
    }
    function.setMetadata(sizesName, nullptr);
  }

private:
  std::vector<CallInst *> callsOf(StringRef name) {
    std::vector<CallInst *> calls;
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallInst>(&instruction);
          call && call->getCalledFunction() && call->getCalledFunction()->getName() == name)
        calls.push_back(call);
    return calls;
  }

  BasicBlock *addBlock(StringRef name) {
    return BasicBlock::Create(function.getContext(), name, &function);
  }

  /// Every way out of the code between two barriers is one to `latch`, with the place reached: 0
  /// for the beginning, i + 1 behind barrier i, `done` for the end.
  void placeLoops() {
    BasicBlock &entry = function.getEntryBlock();
    auto code = entry.begin();
    for (; isa<AllocaInst>(*code); ++code) {
    }
    BasicBlock *begin = entry.splitBasicBlock(code, "begin");
    std::vector<Instruction *> returns;
    for (BasicBlock &block : function)
      if (isa<ReturnInst>(block.getTerminator()))
        returns.push_back(block.getTerminator());
    BasicBlock *parts = addBlock("parts"), *dispatch = addBlock("threads"),
               *latch = addBlock("latch"), *next = addBlock("next"), *last = addBlock("last"),
               *differ = addBlock("differ"), *end = addBlock("end");
    entry.getTerminator()->setSuccessor(0, parts);

    IRBuilder<> builder(parts);
    Type *i32 = builder.getInt32Ty();
    PHINode *place = builder.CreatePHI(i32, 2, "place");
    builder.CreateBr(dispatch);

    builder.SetInsertPoint(dispatch);
    PHINode *turn = builder.CreatePHI(i32, 2, "turn"),
            *common = builder.CreatePHI(i32, 2, "common");
    thread = builder.CreateXor(turn, order, "thread");
    SwitchInst *cases = builder.CreateSwitch(place, begin, unsigned(continuations.size()));

    builder.SetInsertPoint(latch);
    PHINode *reached = builder.CreatePHI(i32, unsigned(continuations.size()), "reached");
    Value *isFirst = builder.CreateICmpEQ(turn, builder.getInt32(0));
    Value *agreed = builder.CreateSelect(isFirst, reached, common);
    builder.CreateCondBr(builder.CreateICmpEQ(agreed, reached), next, differ);

    builder.SetInsertPoint(next);
    Value *following = builder.CreateAdd(turn, builder.getInt32(1));
    builder.CreateCondBr(builder.CreateICmpEQ(following, builder.getInt32(threads)), last,
                         dispatch);

    builder.SetInsertPoint(last);
    ConstantInt *done = builder.getInt32(~0u);
    builder.CreateCondBr(builder.CreateICmpEQ(agreed, done), end, parts);

    builder.SetInsertPoint(differ);
    builder.CreateIntrinsic(Intrinsic::trap, {}, {});
    builder.CreateUnreachable();
    builder.SetInsertPoint(end);
    builder.CreateRetVoid();

    auto leave = [&](Instruction *terminator, ConstantInt *to) {
      reached->addIncoming(to, terminator->getParent());
      ReplaceInstWithInst(terminator, BranchInst::Create(latch));
    };
    for (unsigned i = 0; i < continuations.size(); ++i) {
      ConstantInt *number = builder.getInt32(i + 1);
      leave(continuations[i]->getSinglePredecessor()->getTerminator(), number);
      cases->addCase(number, continuations[i]);
    }
    for (Instruction *terminator : returns)
      leave(terminator, done);
    place->addIncoming(builder.getInt32(0), &entry);
    place->addIncoming(agreed, last);
    turn->addIncoming(builder.getInt32(0), parts);
    turn->addIncoming(following, next);
    common->addIncoming(builder.getInt32(0), parts);
    common->addIncoming(agreed, next);
  }

  /// A variable becomes an array with an element for each thread.
  void giveEachThreadItsOwn() {
    std::vector<AllocaInst *> variables;
    for (Instruction &instruction : function.getEntryBlock())
      if (auto *variable = dyn_cast<AllocaInst>(&instruction))
        variables.push_back(variable);
    for (AllocaInst *variable : variables) {
      IRBuilder<> builder(variable);
      auto *type = ArrayType::get(variable->getAllocatedType(), threads);
      AllocaInst *array = builder.CreateAlloca(type);
      array->setAlignment(variable->getAlign());
      std::vector<Use *> uses;
      for (Use &use : variable->uses())
        uses.push_back(&use);
      for (Use *use : uses) {
        builder.SetInsertPoint(cast<Instruction>(use->getUser()));
        use->set(builder.CreateInBoundsGEP(type, array, {builder.getInt32(0), thread}));
      }
      variable->eraseFromParent();
    }
  }

  Function &function;
  const unsigned threads, order;
  std::vector<BasicBlock *> continuations;
  Value *thread = nullptr;
};

int fail(const Twine &message) {
  errs() << "error: " << message << '\n';
  return 1;
}

} // namespace

/// The threads of a block of this kernel: a power of two, or 0 if it does not say.
static unsigned threadsOf(const Function &kernel) {
  const MDNode *sizes = kernel.getMetadata(sizesName);
  auto *threads = sizes && sizes->getNumOperands() == 3
                      ? mdconst::dyn_extract<ConstantInt>(sizes->getOperand(0))
                      : nullptr;
  return threads && threads->getValue().isPowerOf2() ? unsigned(threads->getZExtValue()) : 0;
}

int main(int count, char **arguments) {
  unsigned order = 0;
  if (count != 4 || StringRef(arguments[3]).getAsInteger(10, order))
    return fail("expected INPUT OUTPUT ORDER, a number");
  LLVMContext context;
  SMDiagnostic problem;
  std::unique_ptr<Module> module = parseIRFile(arguments[1], problem, context);
  if (!module)
    return fail(problem.getMessage());
  for (Function &function : *module) {
    if (function.isDeclaration())
      continue;
    if (function.getCallingConv() != CallingConv::SPIR_KERNEL)
      return fail("expected kernels alone, got " + function.getName());
    unsigned threads = threadsOf(function);
    if (order >= threads)
      return fail("expected a kernel with " + sizesName + " above " + Twine(order) + ", got " +
                  Twine(threads));
    Kernel(function, threads, order).rewrite();
  }
  if (verifyModule(*module, &errs()))
    return 1;
  std::error_code error;
  raw_fd_ostream stream(arguments[2], error);
  if (error)
    return fail(error.message());
  WriteBitcodeToFile(*module, stream);
}
