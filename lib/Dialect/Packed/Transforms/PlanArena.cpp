// packed-plan-arena: places every buffer at a fixed offset of one arena.
#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_PLANARENAPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

constexpr int64_t kAlignment = 64;

/// One allocation: how large it is, when it is used, and where it goes.
struct Buffer {
  memref::AllocOp op;
  int64_t bytes = 0;
  size_t firstUse = 0, lastUse = 0; // numbers of barriers before its uses
  int64_t offset = 0;               // from the start of the function's frame
};

/// The buffers of one function and where they begin.
struct Frame {
  SmallVector<Buffer> buffers;
  int64_t bytes = 0, base = 0;
  SmallVector<func::FuncOp> callees;
  bool done = false;
};

class PlanArena final : public impl::PlanArenaPassBase<PlanArena> {
public:
  using PlanArenaPassBase::PlanArenaPassBase;

  void runOnOperation() override {
    if (maxTokens < 1) {
      getOperation().emitError("packed-plan-arena: expects max-tokens of at least 1, but got ")
          << maxTokens.getValue();
      return signalPassFailure();
    }
    SymbolTableCollection symbols;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && failed(planFrame(function, symbols)))
        return signalPassFailure();
    if (failed(placeFrames()))
      return signalPassFailure();

    int64_t arenaBytes = kAlignment;
    for (auto &[function, frame] : frames) {
      arenaBytes = std::max(arenaBytes, frame.base + frame.bytes);
      rewrite(function, frame);
    }
    getOperation()->setAttr("stc.arena_bytes",
                            OpBuilder(&getContext()).getI64IntegerAttr(arenaBytes));
  }

private:
  LogicalResult planFrame(func::FuncOp function, SymbolTableCollection &symbols);
  FailureOr<int64_t> bytesOf(memref::AllocOp op);
  static void placeBuffers(Frame &frame);
  LogicalResult placeFrames();
  static void rewrite(func::FuncOp function, Frame &frame);

  llvm::MapVector<func::FuncOp, Frame> frames;
};

FailureOr<int64_t> PlanArena::bytesOf(memref::AllocOp op) {
  MemRefType type = op.getType();
  if (!type.getLayout().isIdentity() || !type.getElementType().isIntOrFloat())
    return op.emitOpError("expects numbers in the identity layout, but got ") << type;
  int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  for (int64_t size : type.getShape())
    if (llvm::MulOverflow(bytes, ShapedType::isDynamic(size) ? maxTokens.getValue() : size, bytes))
      return op.emitOpError("expects a buffer below 2^63 bytes, but got ") << type;
  return llvm::alignTo(std::max<int64_t>(bytes, 1), kAlignment);
}

LogicalResult PlanArena::planFrame(func::FuncOp function, SymbolTableCollection &symbols) {
  Frame &frame = frames[function];
  if (llvm::any_of(function.getResultTypes(), llvm::IsaPred<BaseMemRefType>))
    return function.emitOpError("expects no buffers among the results");
  Block &entry = function.front();
  // Threads run at different speeds between two barriers, so what is used between the same two is
  // in use at the same time. Barriers inside an operation are not counted, which is safe.
  llvm::DenseMap<Operation *, size_t> position;
  size_t barriers = 0;
  for (Operation &op : entry) {
    position[&op] = barriers;
    if (isa<packed::BarrierOp>(op))
      ++barriers;
  }

  BufferViewFlowAnalysis aliases(function);
  WalkResult walked = function.walk([&](Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op)) {
      auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
      if (callee && !callee.isExternal())
        frame.callees.push_back(callee);
    }
    auto alloc = dyn_cast<memref::AllocOp>(op);
    if (!alloc)
      return WalkResult::advance();
    Buffer buffer;
    buffer.op = alloc;
    FailureOr<int64_t> bytes = bytesOf(alloc);
    if (failed(bytes))
      return WalkResult::interrupt();
    buffer.bytes = *bytes;
    buffer.firstUse = barriers;
    for (Value alias : aliases.resolve(alloc.getResult())) {
      for (Operation *user : alias.getUsers()) {
        if (isa<memref::DeallocOp>(user))
          continue;
        size_t at = position.lookup(entry.findAncestorOpInBlock(*user));
        buffer.firstUse = std::min(buffer.firstUse, at);
        buffer.lastUse = std::max(buffer.lastUse, at);
      }
    }
    frame.buffers.push_back(buffer);
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  placeBuffers(frame);
  return success();
}

/// Large buffers first, each at the lowest offset that no buffer in use at the same time takes.
void PlanArena::placeBuffers(Frame &frame) {
  SmallVector<Buffer *> order;
  for (Buffer &buffer : frame.buffers)
    order.push_back(&buffer);
  // Buffers lie in one vector, in program order, which settles ties.
  llvm::sort(order,
             [](Buffer *a, Buffer *b) { return std::tie(b->bytes, a) < std::tie(a->bytes, b); });
  SmallVector<Buffer *> placed; // by offset
  for (Buffer *buffer : order) {
    int64_t offset = 0;
    for (Buffer *other : placed) {
      bool together = buffer->firstUse <= other->lastUse && other->firstUse <= buffer->lastUse;
      if (together && other->offset < offset + buffer->bytes)
        offset = std::max(offset, other->offset + other->bytes);
    }
    buffer->offset = offset;
    frame.bytes = std::max(frame.bytes, offset + buffer->bytes);
    placed.insert(llvm::upper_bound(placed, buffer,
                                    [](Buffer *a, Buffer *b) { return a->offset < b->offset; }),
                  buffer);
  }
}

/// A frame begins where the last of its callers' frames ends. Each round settles the functions all
/// of whose callers are settled; a round without progress means recursion.
LogicalResult PlanArena::placeFrames() {
  llvm::DenseMap<func::FuncOp, int> waiting;
  for (auto &[function, frame] : frames)
    for (func::FuncOp callee : frame.callees)
      ++waiting[callee];
  SmallVector<func::FuncOp> ready;
  for (auto &[function, frame] : frames)
    if (waiting.lookup(function) == 0)
      ready.push_back(function);
  while (!ready.empty()) {
    Frame &frame = frames[ready.pop_back_val()];
    frame.done = true;
    for (func::FuncOp callee : frame.callees) {
      Frame &called = frames[callee];
      called.base = std::max(called.base, frame.base + frame.bytes);
      if (--waiting[callee] == 0)
        ready.push_back(callee);
    }
  }
  for (auto &[function, frame] : frames)
    if (!frame.done)
      return function.emitOpError("expects no recursive calls");
  return success();
}

void PlanArena::rewrite(func::FuncOp function, Frame &frame) {
  SmallVector<memref::DeallocOp> deallocations;
  function.walk([&](memref::DeallocOp op) { deallocations.push_back(op); });
  for (memref::DeallocOp op : deallocations)
    op.erase();
  for (Buffer &buffer : frame.buffers) {
    OpBuilder builder(buffer.op);
    buffer.op->replaceAllUsesWith(packed::ScratchOp::create(
        builder, buffer.op.getLoc(), buffer.op.getType(), buffer.op.getDynamicSizes(),
        frame.base + buffer.offset, buffer.bytes));
    buffer.op.erase();
  }
}

} // namespace
} // namespace stc
