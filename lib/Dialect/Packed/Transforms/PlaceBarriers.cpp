// packed-place-barriers: orders parallel loops so that threads wait for each other seldom.
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"
#include "MemoryAccess.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_PLACEBARRIERSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

/// A loop that waits for its place.
struct Work {
  scf::ForallOp loop;
  MemoryAccesses accesses;
  bool isSingle; // runs in one thread, always the same
};

class PlaceBarriers final : public impl::PlaceBarriersPassBase<PlaceBarriers> {
public:
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Block &block : function.getBody())
        if (failed(processBlock(block)))
          return signalPassFailure();
  }

private:
  LogicalResult processBlock(Block &block);
  LogicalResult processOther(Operation *op);
  void schedule(Operation *end);
  bool mustWait(const Work &item) const;
  void createBarrier(Operation *before);

  /// The loops since the last operation that is not one.
  SmallVector<Work> segment;
  /// What the loops since the last barrier access: those that run in one thread, and the others.
  MemoryAccesses single, shared;
};

void PlaceBarriers::createBarrier(Operation *before) {
  if (single.empty() && shared.empty())
    return;
  OpBuilder builder(before);
  packed::BarrierOp::create(builder, before->getLoc());
  single.clear();
  shared.clear();
  ++barriers;
}

bool PlaceBarriers::mustWait(const Work &item) const {
  return shared.racesWith(item.accesses) || (!item.isSingle && single.racesWith(item.accesses));
}

/// Moves the segment's loops before `end`: first all that need no barrier, then, after a barrier,
/// the next, never one before another it depends on. All the segment's values, which no loop
/// produces, are defined before `end`.
void PlaceBarriers::schedule(Operation *end) {
  while (!segment.empty()) {
    SmallVector<Work> later;
    for (Work &item : segment) {
      bool isBlocked = mustWait(item) || llvm::any_of(later, [&](const Work &other) {
                         return other.accesses.conflictsWith(item.accesses);
                       });
      if (isBlocked) {
        later.push_back(std::move(item));
        continue;
      }
      item.loop->moveBefore(end);
      (item.isSingle ? single : shared)
          .merge(isReplicated(item.loop) ? item.accesses.asReads() : item.accesses);
    }
    segment = std::move(later);
    if (!segment.empty())
      createBarrier(end);
  }
}

/// Blocks begin and end with all threads in step; so do functions, and so calls need no care.
LogicalResult PlaceBarriers::processBlock(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (auto loop = dyn_cast<scf::ForallOp>(op)) {
      // A replicated loop is every thread's.
      segment.push_back({loop, MemoryAccesses(loop), hasOneIteration(loop) && !isReplicated(loop)});
      continue;
    }
    if (isMemoryEffectFree(&op) && !op.hasTrait<OpTrait::IsTerminator>())
      continue;
    if (isa<memref::AllocOp, memref::AllocaOp>(op))
      continue;
    schedule(&op);
    if (failed(processOther(&op)))
      return failure();
  }
  return success();
}

LogicalResult PlaceBarriers::processOther(Operation *op) {
  if (op->getNumRegions() > 0 || isa<CallOpInterface>(op) ||
      op->hasTrait<OpTrait::IsTerminator>()) {
    createBarrier(op);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        if (failed(processBlock(block)))
          return failure();
    return success();
  }
  // Every thread runs this: reading is fine once all writes are done.
  Work item{{}, MemoryAccesses(op), /*isSingle=*/false};
  if (llvm::any_of(item.accesses.getWritten(), [](const MemoryPiece &piece) {
        return piece.kind != MemoryPiece::Kind::Private;
      }))
    return op->emitOpError("expects writes to memory to be inside scf.forall");
  if (mustWait(item))
    createBarrier(op);
  shared.merge(item.accesses);
  return success();
}

} // namespace
} // namespace stc
