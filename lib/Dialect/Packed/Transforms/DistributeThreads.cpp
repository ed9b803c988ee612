// packed-distribute-threads: gives every thread its share of each scf.forall.
#include "ForallUtils.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_DISTRIBUTETHREADSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

class DistributeThreads final : public impl::DistributeThreadsPassBase<DistributeThreads> {
public:
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      packed::ThreadOp thread;
      SmallVector<scf::ForallOp> loops;
      // Loops inside a loop would belong to one thread; there are none.
      function.walk<WalkOrder::PreOrder>([&](scf::ForallOp op) {
        loops.push_back(op);
        return WalkResult::skip();
      });
      for (scf::ForallOp op : loops) {
        if (!op.isNormalized() || op.getNumResults() != 0) {
          op.emitOpError("expects bounds from 0 in steps of 1, and no results");
          return signalPassFailure();
        }
        if (!thread && !isReplicated(op)) {
          OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
          Type index = builder.getIndexType();
          thread = packed::ThreadOp::create(builder, function.getLoc(), index, index);
        }
        distribute(op, thread);
      }
    }
  }

private:
  static void distribute(scf::ForallOp op, packed::ThreadOp thread);
  static Operation *createShare(OpBuilder &builder, scf::ForallOp op, packed::ThreadOp thread,
                                SmallVector<Value> &indices);
};

/// The loop over the thread's iterations; `indices` are those of all dimensions inside it.
Operation *DistributeThreads::createShare(OpBuilder &builder, scf::ForallOp op,
                                          packed::ThreadOp thread, SmallVector<Value> &indices) {
  Location loc = op.getLoc();
  SmallVector<Value> sizes = op.getUpperBound(builder);
  Value count = sizes[0];
  for (Value size : ArrayRef(sizes).drop_front())
    count = arith::MulIOp::create(builder, loc, count, size);
  // Floor division splits n iterations into shares that differ by at most one.
  auto bound = [&](Value number) -> Value {
    Value product = arith::MulIOp::create(builder, loc, number, count);
    return arith::DivUIOp::create(builder, loc, product, thread.getCount());
  };
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value begin = bound(thread.getNumber());
  Value end = bound(arith::AddIOp::create(builder, loc, thread.getNumber(), one));
  auto loop = scf::ForOp::create(builder, loc, begin, end, one);

  builder.setInsertionPointToStart(loop.getBody());
  indices.resize(sizes.size());
  Value rest = loop.getInductionVar();
  for (size_t i = sizes.size() - 1; i > 0; --i) {
    indices[i] = arith::RemUIOp::create(builder, loc, rest, sizes[i]);
    rest = arith::DivUIOp::create(builder, loc, rest, sizes[i]);
  }
  indices[0] = rest;
  return loop.getBody()->getTerminator();
}

void DistributeThreads::distribute(scf::ForallOp op, packed::ThreadOp thread) {
  OpBuilder builder(op);
  SmallVector<Value> indices;
  Operation *before = op;
  if (isReplicated(op))
    indices.assign(op.getRank(), arith::ConstantIndexOp::create(builder, op.getLoc(), 0));
  else
    before = createShare(builder, op, thread, indices);
  for (auto [variable, index] : llvm::zip_equal(op.getInductionVars(), indices))
    variable.replaceAllUsesWith(index);
  Block *body = op.getBody();
  before->getBlock()->getOperations().splice(before->getIterator(), body->getOperations(),
                                             body->begin(), std::prev(body->end()));
  op.erase();
}

} // namespace
} // namespace stc
