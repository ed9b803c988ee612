// packed-fuse-gates: computes the tiles of a gate where they are used.
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"
#include "MemoryAccess.h"

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

/// The multiplication that is all a loop over row tiles does, or null.
packed::MatmulTileOp onlyTile(scf::ForallOp loop) {
  if (loop.getRank() != 1 || !loop.isNormalized() || ShapedType::isDynamic(tripCount(loop)))
    return {};
  auto tiles = loop.getBody()->getOps<packed::MatmulTileOp>();
  return llvm::hasSingleElement(tiles) ? *tiles.begin() : packed::MatmulTileOp();
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

/// Whether both take the same row tiles at once and nothing but the gate connects them.
bool areTileLocal(packed::MatmulTileOp gate, packed::MatmulTileOp user) {
  auto rowsOf = [](packed::MatmulTileOp op) {
    return cast<packed::WeightType>(op.getWeight().getType()).getRows();
  };
  if (rowsOf(gate) != rowsOf(user) || bool(gate.getCos()) != bool(user.getCos()) ||
      gate.getConfig().getRowTiles() != user.getConfig().getRowTiles())
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
  if (!producer || tripCount(producer) != tripCount(loop) ||
      !areTileLocal(onlyTile(producer), user))
    return false;
  prependBody(producer, loop);
  return true;
}

} // namespace
} // namespace stc
