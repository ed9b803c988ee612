// packed-distribute-threads: gives every thread its share of each scf.forall.
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/bit.h"

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

/// The multiplications whose pieces are divided by bytes, if `op` is a loop over some and nothing
/// but those: a matrix, and perhaps its gate.
static SmallVector<packed::MatmulTileOp> dividedByBytes(scf::ForallOp op) {
  SmallVector<packed::MatmulTileOp> tiles(op.getBody()->getOps<packed::MatmulTileOp>());
  // Pairs of row tiles that are turned together are not neighbours in the table.
  bool isDivided = op.getRank() == 1 && llvm::all_of(tiles, [](packed::MatmulTileOp tile) {
                     auto type = cast<packed::WeightType>(tile.getWeight().getType());
                     return tile.getConfig().getSplit() == packed::ThreadSplit::Bytes &&
                            !tile.getCos() && type.getLayout().getLayout().hasTable();
                   });
  return isDivided ? tiles : SmallVector<packed::MatmulTileOp>();
}

static int64_t rowsOf(packed::MatmulTileOp op) {
  return cast<packed::WeightType>(op.getWeight().getType()).getRows();
}

/// How many of `pieces` pieces begin before byte number / threads * bytes of the weights, by the
/// tables of tiles that they start with. Weights that are taken together have equally many tiles.
static Value countPiecesBefore(ImplicitLocOpBuilder &builder, ArrayRef<packed::MatmulTileOp> ops,
                               int64_t pieces, Value number, Value threads) {
  packed::MatmulTileOp op = ops.front();
  Type i32 = builder.getI32Type(), index = builder.getIndexType();
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(builder, value);
  };
  SmallVector<Value> tables;
  for (packed::MatmulTileOp multiplication : ops)
    tables.push_back(packed::PointerOp::create(builder, pointer, multiplication.getWeight()));
  int64_t tiles = llvm::divideCeil(rowsOf(op), kTileRows);
  // Where row tile `tile` starts, in the table's units, of all weights together.
  auto startOf = [&](Value tile) -> Value {
    Value place = arith::IndexCastOp::create(builder, builder.getI64Type(), tile), start;
    for (Value table : tables) {
      Value entry = LLVM::GEPOp::create(builder, pointer, i32, table, place);
      Value units = LLVM::LoadOp::create(builder, i32, entry);
      units = arith::IndexCastUIOp::create(builder, index, units);
      start = start ? arith::AddIOp::create(builder, start, units).getResult() : units;
    }
    return start;
  };
  Value first = startOf(constant(0));
  Value units = arith::SubIOp::create(builder, startOf(constant(tiles)), first);
  Value target = arith::MulIOp::create(builder, units, number);
  target = arith::AddIOp::create(builder, first, arith::DivUIOp::create(builder, target, threads));
  // Binary search, from the largest power of two down.
  int64_t largest = llvm::bit_floor(uint64_t(pieces)), steps = llvm::Log2_64(largest) + 1;
  auto loop = scf::ForOp::create(builder, constant(0), constant(steps), constant(1), constant(0));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value step = arith::ShRUIOp::create(builder, constant(largest), loop.getInductionVar());
  Value next = arith::AddIOp::create(builder, loop.getRegionIterArg(0), step);
  Value last = arith::MinUIOp::create(builder, next, constant(pieces));
  last = arith::SubIOp::create(builder, last, constant(1));
  last = arith::MulIOp::create(builder, last, constant(op.getConfig().getRowTiles()));
  Value isBefore = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, startOf(last), target);
  Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ule, next, constant(pieces));
  Value counts = arith::AndIOp::create(builder, isBefore, exists);
  Value count = arith::SelectOp::create(builder, counts, next, loop.getRegionIterArg(0));
  scf::YieldOp::create(builder, count);
  return loop.getResult(0);
}

/// The loop over the thread's iterations; `indices` are those of all dimensions inside it.
Operation *DistributeThreads::createShare(OpBuilder &builder, scf::ForallOp op,
                                          packed::ThreadOp thread, SmallVector<Value> &indices) {
  Location loc = op.getLoc();
  SmallVector<Value> sizes = op.getUpperBound(builder);
  Value count = sizes[0];
  for (Value size : ArrayRef(sizes).drop_front())
    count = arith::MulIOp::create(builder, loc, count, size);
  // Floor division splits n iterations into shares that differ by at most one.
  SmallVector<packed::MatmulTileOp> divided = dividedByBytes(op);
  auto bound = [&](Value number) -> Value {
    if (!divided.empty()) {
      ImplicitLocOpBuilder atLoop(loc, builder);
      return countPiecesBefore(atLoop, divided, op.getStaticUpperBound()[0], number,
                               thread.getCount());
    }
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
