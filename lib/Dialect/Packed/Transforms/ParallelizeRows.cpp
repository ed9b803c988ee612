// packed-parallelize-rows: linalg operations on memrefs as parallel loops over tokens.
#include "RowEmitter.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_PARALLELIZEROWSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

/// Columns of one unit of work of a row that is divided among threads.
constexpr int64_t kBlockColumns = 256;

using Group = SmallVector<linalg::LinalgOp>;

class ParallelizeRows final : public impl::ParallelizeRowsPassBase<ParallelizeRows> {
public:
  using ParallelizeRowsPassBase::ParallelizeRowsPassBase;

  void runOnOperation() override {
    if (splitColumns < 1) {
      getOperation().emitError(
          "packed-parallelize-rows: expects split-columns of at least 1, but got ")
          << splitColumns.getValue();
      return signalPassFailure();
    }
    SmallVector<Block *> blocks;
    WalkResult walked = getOperation().walk([&](Operation *op) {
      if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
        if (linalgOp.hasPureBufferSemantics() && !RowEmitter::supports(linalgOp)) {
          op->emitOpError("expects a parallel loop over rows and at most one over columns");
          return WalkResult::interrupt();
        }
      for (Region &region : op->getRegions())
        for (Block &block : region)
          blocks.push_back(&block);
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return signalPassFailure();
    for (Block *block : blocks)
      processBlock(*block);
  }

private:
  void processBlock(Block &block);
  void emitGroup(Group &group);
};

/// memref.copy as an operation that can join a group.
linalg::LinalgOp copyAsGeneric(memref::CopyOp op) {
  OpBuilder builder(op);
  auto type = cast<MemRefType>(op.getTarget().getType());
  AffineMap map = AffineMap::getMultiDimIdentityMap(type.getRank(), op.getContext());
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(builder, op.getLoc(), op.getSource(), op.getTarget(),
                                           ArrayRef<AffineMap>{map, map}, iterators,
                                           [](OpBuilder &builder, Location loc, ValueRange args) {
                                             linalg::YieldOp::create(builder, loc, args[0]);
                                           });
  op.erase();
  return generic;
}

bool isRowLocal(linalg::LinalgOp op, OpOperand &operand) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  return map.getNumResults() > 0 && map.isFunctionOfDim(0);
}

/// True if, of two operations, one may run for a row before the other has run for all rows: what
/// one of them writes, the other uses in the same row only. Buffers are different values; views
/// of one buffer do not occur before the arena is planned.
bool areRowLocal(linalg::LinalgOp first, linalg::LinalgOp second) {
  for (OpOperand &a : first->getOpOperands())
    for (OpOperand &b : second->getOpOperands()) {
      bool writes = first.isDpsInit(&a) || second.isDpsInit(&b);
      if (a.get() == b.get() && writes && isa<MemRefType>(a.get().getType()) &&
          !(isRowLocal(first, a) && isRowLocal(second, b)))
        return false;
    }
  return true;
}

/// Rows agree if they are the same constant, or both the number of tokens: a function has no other
/// dynamic dimension.
bool joins(const Group &group, linalg::LinalgOp op) {
  return llvm::all_of(group, [&](linalg::LinalgOp other) {
    return other.getStaticLoopRanges()[0] == op.getStaticLoopRanges()[0] && areRowLocal(other, op);
  });
}

void ParallelizeRows::processBlock(Block &block) {
  SmallVector<Group> groups;
  bool open = false; // the last group may still grow
  for (Operation &op : llvm::make_early_inc_range(block)) {
    linalg::LinalgOp linalgOp = dyn_cast<linalg::LinalgOp>(&op);
    if (auto copy = dyn_cast<memref::CopyOp>(op))
      linalgOp = copyAsGeneric(copy);
    if (linalgOp && linalgOp.hasPureBufferSemantics()) {
      if (!open || !joins(groups.back(), linalgOp))
        groups.emplace_back();
      groups.back().push_back(linalgOp);
      open = true;
    } else if (!isMemoryEffectFree(&op) && !isa<memref::AllocOp>(op)) {
      open = false;
    }
  }
  for (Group &group : groups)
    emitGroup(group);
}

Value createRowCount(OpBuilder &builder, Location loc, Value buffer) {
  if (auto alloc = buffer.getDefiningOp<memref::AllocOp>())
    return alloc.getDynamicSizes()[0];
  return memref::DimOp::create(builder, loc, buffer, 0);
}

void ParallelizeRows::emitGroup(Group &group) {
  // Everything the group uses is defined before its last operation.
  OpBuilder builder(group.back());
  Location loc = group.back().getLoc();
  int64_t rows = group[0].getStaticLoopRanges()[0];
  SmallVector<OpFoldResult> bounds;
  if (ShapedType::isDynamic(rows))
    bounds.push_back(createRowCount(builder, loc, group[0].getDpsInits()[0]));
  else
    bounds.push_back(builder.getIndexAttr(rows));

  int64_t columns = group[0].getNumLoops() == 2 ? group[0].getStaticLoopRanges()[1] : 1;
  bool split = columns >= splitColumns && !ShapedType::isDynamic(rows) && llvm::all_of(group, [&](linalg::LinalgOp op) {
                 return op.getNumParallelLoops() == 2 && op.getStaticLoopRanges()[1] == columns;
               });
  if (split)
    bounds.push_back(builder.getIndexAttr(llvm::divideCeil(columns, kBlockColumns)));

  auto forall = scf::ForallOp::create(builder, loc, bounds, ValueRange(), std::nullopt);
  builder.setInsertionPointToStart(forall.getBody());
  std::optional<ColumnRange> range;
  if (split) {
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(builder, loc, value);
    };
    Value size = constant(kBlockColumns);
    Value begin = arith::MulIOp::create(builder, loc, forall.getInductionVar(1), size);
    Value end = arith::AddIOp::create(builder, loc, begin, size);
    if (columns % kBlockColumns != 0)
      end = arith::MinSIOp::create(builder, loc, end, constant(columns));
    range = ColumnRange{begin, end};
  }
  for (linalg::LinalgOp op : group) {
    RowEmitter(builder, op, forall.getInductionVar(0)).emit(range);
    op->erase();
  }
}

} // namespace
} // namespace stc
