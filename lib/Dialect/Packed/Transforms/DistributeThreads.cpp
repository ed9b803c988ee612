// packed-distribute-threads: gives every thread its share of each scf.forall.
#include "MemoryAccess.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_DISTRIBUTETHREADSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

class DistributeThreads final : public impl::DistributeThreadsPassBase<DistributeThreads> {
public:
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      thread = {};
      shared.clear();
      single.clear();
      for (Block &block : function.getBody())
        if (failed(processBlock(block)))
          return signalPassFailure();
    }
  }

private:
  LogicalResult processBlock(Block &block);
  LogicalResult distribute(scf::ForallOp op);
  void createBarrier(Operation *before);

  packed::ThreadOp thread;
  /// What the foralls since the last barrier read and write: those of several iterations, and
  /// those of one, which all run in the same thread and so in order.
  MemoryAccesses shared, single;
};

void DistributeThreads::createBarrier(Operation *before) {
  if (shared.empty() && single.empty())
    return;
  OpBuilder builder(before);
  packed::BarrierOp::create(builder, before->getLoc());
  shared.clear();
  single.clear();
  ++barriers;
}

/// Blocks begin and end with all threads in step; so do functions, and so calls need no care.
LogicalResult DistributeThreads::processBlock(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (auto forall = dyn_cast<scf::ForallOp>(op)) {
      MemoryAccesses own(forall);
      bool isSingle = llvm::all_of(forall.getStaticUpperBound(), [](int64_t n) { return n == 1; });
      if (shared.conflictsWith(own) || (!isSingle && single.conflictsWith(own)))
        createBarrier(forall);
      else if (!shared.empty() || !single.empty())
        ++skipped;
      (isSingle ? single : shared).merge(own);
      if (failed(distribute(forall)))
        return failure();
    } else if (op.getNumRegions() > 0 || isa<CallOpInterface>(op)) {
      createBarrier(&op);
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          if (failed(processBlock(inner)))
            return failure();
    } else if (op.hasTrait<OpTrait::IsTerminator>()) {
      createBarrier(&op);
    } else if (!isMemoryEffectFree(&op)) {
      // Every thread runs this: reading is fine once all writes are done.
      MemoryAccesses own(&op);
      if (own.writes())
        return op.emitOpError("expects writes to memory to be inside scf.forall");
      if (shared.conflictsWith(own) || single.conflictsWith(own))
        createBarrier(&op);
    }
  }
  return success();
}

LogicalResult DistributeThreads::distribute(scf::ForallOp op) {
  if (!op.isNormalized() || op.getNumResults() != 0)
    return op.emitOpError("expects bounds from 0 in steps of 1, and no results");
  OpBuilder builder(op);
  Location loc = op.getLoc();
  if (!thread) {
    OpBuilder::InsertionGuard guard(builder);
    auto function = op->getParentOfType<func::FuncOp>();
    builder.setInsertionPointToStart(&function.front());
    thread = packed::ThreadOp::create(builder, function.getLoc(), builder.getIndexType(),
                                      builder.getIndexType());
  }
  SmallVector<Value> sizes = op.getUpperBound(builder);
  Value count = sizes[0];
  for (Value size : ArrayRef(sizes).drop_front())
    count = arith::MulIOp::create(builder, loc, count, size);
  // Floor division splits n iterations into shares that differ by at most one.
  auto bound = [&](Value index) -> Value {
    Value product = arith::MulIOp::create(builder, loc, index, count);
    return arith::DivUIOp::create(builder, loc, product, thread.getCount());
  };
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value begin = bound(thread.getNumber());
  Value end = bound(arith::AddIOp::create(builder, loc, thread.getNumber(), one));
  auto loop = scf::ForOp::create(builder, loc, begin, end, one);

  builder.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> indices(sizes.size());
  Value rest = loop.getInductionVar();
  for (size_t i = sizes.size() - 1; i > 0; --i) {
    indices[i] = arith::RemUIOp::create(builder, loc, rest, sizes[i]);
    rest = arith::DivUIOp::create(builder, loc, rest, sizes[i]);
  }
  indices[0] = rest;
  for (auto [variable, index] : llvm::zip_equal(op.getInductionVars(), indices))
    variable.replaceAllUsesWith(index);
  Block *body = loop.getBody();
  body->getOperations().splice(std::prev(body->end()), op.getBody()->getOperations(),
                               op.getBody()->begin(), std::prev(op.getBody()->end()));
  op.erase();
  return success();
}

} // namespace
} // namespace stc
