// packed-fuse-gates: computes the tiles of a gate where they are used.
#include "MemoryAccess.h"
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_FUSEGATESPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

class FuseGates final : public impl::FuseGatesPassBase<FuseGates> {
public:
  void runOnOperation() override {
    getOperation().walk([&](scf::ForallOp loop) { fused += fuseGateInto(loop); });
  }

private:
  static bool fuseGateInto(scf::ForallOp loop);
};

/// The multiplication that is all a loop over row tiles, or over row tiles and pieces of the
/// tokens, does; or null.
packed::MatmulTileOp onlyTile(scf::ForallOp loop) {
  if (!loop.isNormalized() || ShapedType::isDynamic(tripCount(loop)))
    return {};
  auto tiles = loop.getBody()->getOps<packed::MatmulTileOp>();
  if (!llvm::hasSingleElement(tiles))
    return {};
  packed::MatmulTileOp tile = *tiles.begin();
  return loop.getRank() == (tile.getToken() ? 2 : 1) ? tile : packed::MatmulTileOp();
}

/// The loop before `loop`, with nothing between them that the order matters to, that computes
/// `gate`, or null.
scf::ForallOp findProducer(scf::ForallOp loop, Value gate) {
  MemoryAccesses between;
  for (Operation *op = loop->getPrevNode(); op; op = op->getPrevNode()) {
    if (isMemoryEffectFree(op))
      continue;
    MemoryAccesses accesses(op);
    auto producer = dyn_cast<scf::ForallOp>(op);
    packed::MatmulTileOp tile = producer ? onlyTile(producer) : packed::MatmulTileOp();
    if (tile && tile.getOut() == gate)
      return between.conflictsWith(accesses) ? scf::ForallOp() : producer;
    between.merge(accesses);
  }
  return {};
}

/// Whether both take the same row tiles and tokens at once and nothing but the gate connects them.
bool areTileLocal(packed::MatmulTileOp gate, packed::MatmulTileOp user) {
  auto rowsOf = [](packed::MatmulTileOp op) {
    return cast<packed::WeightType>(op.getWeight().getType()).getRows();
  };
  if (rowsOf(gate) != rowsOf(user) || bool(gate.getCos()) != bool(user.getCos()) ||
      gate.getConfig().getRowTiles() != user.getConfig().getRowTiles() ||
      gate.getConfig().getPieceTokens() != user.getConfig().getPieceTokens())
    return false;
  if (gate.getCos() && gate.getCos().getType() != user.getCos().getType())
    return false;
  for (OpOperand &operand : user->getOpOperands())
    if (operand.get() == gate.getOut() && &operand != &*user.getGateMutable().begin())
      return false;
  return !llvm::is_contained(gate->getOperands(), user.getOut());
}

bool FuseGates::fuseGateInto(scf::ForallOp loop) {
  packed::MatmulTileOp user = onlyTile(loop);
  if (!user || !user.getGate())
    return false;
  scf::ForallOp producer = findProducer(loop, user.getGate());
  // A bound that is not known is the number of pieces of the tokens, which a gate has as many of.
  if (!producer || producer.getStaticUpperBound() != loop.getStaticUpperBound() ||
      !areTileLocal(onlyTile(producer), user))
    return false;
  prependBody(producer, loop);
  return true;
}

} // namespace
} // namespace stc
