// packed-fuse-cache-updates: the blocks that attend to a new key store it first.
#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"
#include "stc/Dialect/Packed/Transforms/VisibleKeys.h"
#include "stc/Target/GPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_FUSECACHEUPDATESPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// The loop that comes next, if nothing with effects is before it.
scf::ForallOp nextLoop(scf::ForallOp loop) {
  for (Operation *op = loop->getNextNode(); op; op = op->getNextNode()) {
    if (auto next = dyn_cast<scf::ForallOp>(op))
      return next;
    if (!isMemoryEffectFree(op) && !isa<memref::AllocOp>(op))
      break;
  }
  return {};
}

/// Whether the update, in a loop of one iteration, is of the newest position that the tile sees.
bool hasPositionOf(CacheUpdateOp update, packed::AttentionTileOp tile, Value iteration) {
  if (tile.getEnd()) // may be any
    return false;
  Value position = update.getPosition();
  if (auto sum = position.getDefiningOp<arith::AddIOp>())
    if (sum.getRhs() == iteration)
      position = sum.getLhs();
  return position == tile.getPosition() && update.getCache() == tile.getCache() &&
         update.getLayer() == tile.getLayer();
}

/// Whether the tile's piece holds the newest key (i1), or null where there are no pieces.
Value holdsNewest(ImplicitLocOpBuilder &builder, packed::AttentionTileOp tile) {
  if (!tile.getPiece())
    return {};
  packed::VisibleBlocks blocks = packed::visibleBlocks(
      builder, tile.getPosition(), tile.getPosition(), tile.getWindow(), tile.getSinks(), Value());
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(builder, value);
  };
  Value last = arith::SubIOp::create(builder, blocks.count, index(1));
  last = arith::DivUIOp::create(builder, last, index(int64_t(tile.getPieceKeys()) / kKVBlock));
  return arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, tile.getPiece(), last);
}

class FuseCacheUpdates final : public impl::FuseCacheUpdatesPassBase<FuseCacheUpdates> {
public:
  void runOnOperation() override {
    SmallVector<scf::ForallOp> loops;
    getOperation().walk([&](scf::ForallOp loop) {
      if (loop.getRank() == 1 && hasOneIteration(loop))
        loops.push_back(loop);
    });
    for (scf::ForallOp loop : loops)
      fuse(loop);
  }

private:
  void fuse(scf::ForallOp loop) {
    auto update = onlyOperation<CacheUpdateOp>(loop);
    scf::ForallOp next = update ? nextLoop(loop) : scf::ForallOp();
    auto tile = next ? onlyOperation<packed::AttentionTileOp>(next) : packed::AttentionTileOp();
    if (!tile || tile.getTokens() != 1 || !hasPositionOf(update, tile, loop.getInductionVar(0)))
      return;
    ImplicitLocOpBuilder builder(update.getLoc(), tile);
    if (Value condition = holdsNewest(builder, tile)) {
      auto branch = scf::IfOp::create(builder, condition);
      builder.setInsertionPointToStart(branch.thenBlock());
    }
    IRMapping mapping;
    mapping.map(loop.getInductionVar(0), arith::ConstantIndexOp::create(builder, 0));
    for (Operation &op : loop.getBody()->without_terminator())
      builder.clone(op, mapping);
    loop.erase();
    ++fused;
  }
};

} // namespace
} // namespace stc
