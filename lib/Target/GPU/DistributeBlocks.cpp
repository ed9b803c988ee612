// packed-distribute-blocks: gives every block of threads its share of each scf.forall.
#include "BlockLowerings.h"
#include "SharedMemory.h"

#include "stc/Dialect/Packed/Transforms/ForallUtils.h"
#include "stc/Target/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc::gpu;

namespace stc {

#define GEN_PASS_DEF_DISTRIBUTEBLOCKSPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// The multiplications of one token, with row tile equal to the iteration, that are all a loop does
/// (a gate before its user); none if it does something else.
SmallVector<packed::MatmulTileOp> streamedTiles(scf::ForallOp loop) {
  SmallVector<packed::MatmulTileOp> tiles;
  if (loop.getRank() != 1 || ShapedType::isDynamic(tripCount(loop)))
    return {};
  for (Operation &op : loop.getBody()->without_terminator()) {
    auto tile = dyn_cast<packed::MatmulTileOp>(op);
    if (!tile || tile.getTile() != loop.getInductionVar(0) ||
        cast<MemRefType>(tile.getOut().getType()).getDimSize(0) != 1 ||
        tile.getConfig().getRowTiles() != 1)
      return {};
    tiles.push_back(tile);
  }
  // Of two, the first must be the second one's gate: both sums are then added up side by side.
  if (tiles.size() > 2 || (tiles.size() == 2 && tiles[1].getGate() != tiles[0].getOut()))
    return {};
  return tiles;
}

/// Bytes of weights that a block asks for ahead: together what half of the second cache of the
/// smallest large chips holds, and as much as the memory delivers during a few barriers.
constexpr int64_t kPrefetchBytes = 96 << 10;

/// An operation before `op` that does nothing and stays.
Operation *placeBefore(Operation *op) {
  OpBuilder builder(op);
  return arith::ConstantIndexOp::create(builder, op->getLoc(), 0);
}

class DistributeBlocks final : public impl::DistributeBlocksPassBase<DistributeBlocks> {
public:
  using DistributeBlocksPassBase::DistributeBlocksPassBase;

  void runOnOperation() override {
    auto parsed = TargetDescription::parse(target);
    if (!parsed.ok()) {
      getOperation().emitError() << std::string(parsed.status().message());
      return signalPassFailure();
    }
    description = *std::move(parsed);
    declareSharedMemory(getOperation(), description);
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
      Type index = builder.getIndexType();
      thread = packed::ThreadOp::create(builder, function.getLoc(), index, index);
      SmallVector<Block *> blocks;
      function.walk<WalkOrder::PreOrder>([&](Operation *op) {
        if (isa<scf::ForallOp>(op))
          return WalkResult::skip();
        for (Region &region : op->getRegions())
          for (Block &block : region)
            blocks.push_back(&block);
        return WalkResult::advance();
      });
      for (Block *block : blocks)
        if (failed(distribute(*block)))
          return signalPassFailure();
    }
  }

private:
  LogicalResult distribute(Block &block);
  void distribute(scf::ForallOp op);
  void inlineBody(scf::ForallOp op, Operation *before, ValueRange indices);
  Value readersOf(BlockBuilder &builder, scf::ForallOp op);
  void prefetch(ArrayRef<packed::MatmulTileOp> tiles, int64_t count);
  /// The first iteration of the next loop that this block takes.
  Value firstOf(BlockBuilder &builder);
  /// Counts the iterations of a loop: they are known, or a value.
  void pass(BlockBuilder &builder, Value iterations);

  TargetDescription description;
  packed::ThreadOp thread;
  /// Iterations since the last barrier: those of loops that say how many, and of others.
  int64_t passed = 0;
  Value passedMore;
  /// Where weights of coming multiplications can be asked for: before the barrier at which blocks
  /// wait after they have read those of the ones before. Null: nowhere.
  Operation *window = nullptr;
  int64_t windowBytes = 0; // that a block has asked for there
  bool multiplied = false; // since the window
};

Value DistributeBlocks::firstOf(BlockBuilder &builder) {
  Value blocks = thread.getCount(), number = thread.getNumber();
  Value sum = passedMore;
  if (passed) {
    Value known = builder.index(passed);
    sum = sum ? arith::AddIOp::create(builder, sum, known).getResult() : known;
  }
  if (!sum)
    return number;
  // (number - passed) modulo blocks.
  Value rest = arith::RemUIOp::create(builder, sum, blocks);
  Value shifted = arith::AddIOp::create(builder, number, blocks);
  shifted = arith::SubIOp::create(builder, shifted, rest);
  return arith::RemUIOp::create(builder, shifted, blocks);
}

void DistributeBlocks::pass(BlockBuilder &builder, Value iterations) {
  if (auto known = getConstantIntValue(iterations)) {
    passed += *known;
    return;
  }
  passedMore =
      passedMore ? arith::AddIOp::create(builder, passedMore, iterations).getResult() : iterations;
}

void DistributeBlocks::inlineBody(scf::ForallOp op, Operation *before, ValueRange indices) {
  for (auto [variable, index] : llvm::zip_equal(op.getInductionVars(), indices))
    variable.replaceAllUsesWith(index);
  Block *body = op.getBody();
  before->getBlock()->getOperations().splice(before->getIterator(), body->getOperations(),
                                             body->begin(), std::prev(body->end()));
}

/// How many blocks, the first ones, read what a replicated loop writes to the cache before the next
/// barrier: those that take pieces of the attention behind it, if nothing that is divided stands
/// between. Null if that is not known.
Value DistributeBlocks::readersOf(BlockBuilder &builder, scf::ForallOp op) {
  if (op.getBody()->getOps<CacheUpdateOp>().empty() || passed != 0 || passedMore)
    return {};
  for (Operation *next = op->getNextNode(); next; next = next->getNextNode()) {
    auto loop = dyn_cast<scf::ForallOp>(next);
    if (!loop) {
      if (isMemoryEffectFree(next))
        continue;
      return {};
    }
    if (isReplicated(loop))
      continue;
    if (loop.getBody()->getOps<packed::AttentionTileOp>().empty())
      return {};
    Value count;
    for (Value size : loop.getUpperBound(builder))
      count = count ? builder.createOrFold<arith::MulIOp>(count, size) : size;
    return count;
  }
  return {};
}

/// Asks for the block's weights of a multiplication while it waits for what the others compute: the
/// memory would have nothing to do until then.
void DistributeBlocks::prefetch(ArrayRef<packed::MatmulTileOp> tiles, int64_t count) {
  // What the loop's share depends on must be known at the window.
  if (!window || passedMore || !description.hasBulkPrefetch)
    return;
  BlockBuilder builder(window, description);
  Values weights;
  for (packed::MatmulTileOp tile : tiles) {
    Value weight = tile.getWeight();
    auto get = weight.getDefiningOp<packed::GetWeightOp>();
    bool isArgument = isa<BlockArgument>(weight);
    if (!get && !isArgument)
      return;
    weights.push_back(isArgument ? weight : builder.clone(*get)->getResult(0));
  }
  windowBytes += emitPrefetch(builder, tiles, weights, firstOf(builder), count, thread.getCount(),
                              kPrefetchBytes - windowBytes);
}

void DistributeBlocks::distribute(scf::ForallOp op) {
  orderScalars(op, description);
  BlockBuilder builder(op, description);
  if (isReplicated(op)) {
    if (hasOneIteration(op)) {
      Values zeros(op.getRank(), builder.index(0));
      if (Value readers = readersOf(builder, op)) {
        // Writing the same place takes longer the more blocks do it.
        Value isOne = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, thread.getNumber(),
                                            readers);
        auto branch = scf::IfOp::create(builder, isOne);
        return inlineBody(op, branch.thenBlock()->getTerminator(), zeros);
      }
      return inlineBody(op, op, zeros);
    }
    // What has several iterations for every block is one head each.
    for (auto combine : op.getBody()->getOps<packed::AttentionCombineOp>())
      emitAttentionCombineAll(builder, combine);
    return;
  }
  Values sizes = op.getUpperBound(builder);
  Value count = sizes[0];
  for (Value size : ArrayRef(sizes).drop_front())
    count = builder.createOrFold<arith::MulIOp>(count, size);
  if (SmallVector<packed::MatmulTileOp> tiles = streamedTiles(op); !tiles.empty()) {
    prefetch(tiles, tripCount(op));
    multiplied = true;
    emitMatvec(builder, tiles, firstOf(builder), tripCount(op), thread.getCount());
    return pass(builder, count);
  }
  auto loop = scf::ForOp::create(builder, firstOf(builder), count, thread.getCount());
  pass(builder, count);
  builder.setInsertionPointToStart(loop.getBody());
  // What the iteration before wrote, and scalars it read.
  builder.barrier();
  Values indices(sizes.size());
  Value rest = loop.getInductionVar();
  for (size_t i = sizes.size() - 1; i > 0; --i) {
    indices[i] = arith::RemUIOp::create(builder, rest, sizes[i]);
    rest = arith::DivUIOp::create(builder, rest, sizes[i]);
  }
  indices[0] = rest;
  inlineBody(op, loop.getBody()->getTerminator(), indices);
}

LogicalResult DistributeBlocks::distribute(Block &block) {
  auto openWindow = [&](Operation *op) {
    window = op;
    windowBytes = 0;
    multiplied = false;
  };
  auto startAnew = [&] {
    passed = 0;
    passedMore = Value();
  };
  startAnew();
  openWindow(thread->getBlock() == &block ? thread->getNextNode() : &block.front());
  for (Operation &op : llvm::make_early_inc_range(block)) {
    auto loop = dyn_cast<scf::ForallOp>(op);
    if (!loop) {
      // Whatever may contain a barrier begins anew.
      bool mayContain = isa<func::CallOp>(op) || op.getNumRegions() != 0;
      if (mayContain || isa<packed::BarrierOp>(op))
        startAnew();
      if (mayContain)
        openWindow(op.getNextNode());
      else if (isa<packed::BarrierOp>(op) && multiplied)
        openWindow(&op);
      continue;
    }
    if (!loop.isNormalized() || loop.getNumResults() != 0)
      return loop.emitOpError("expects bounds from 0 in steps of 1, and no results");
    // A loop that goes away must not be where something is still to be put.
    if (window == loop.getOperation())
      window = placeBefore(loop);
    distribute(loop);
    loop.erase();
  }
  return success();
}

} // namespace
} // namespace stc
