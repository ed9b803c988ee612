// What the tiled phases of all targets have in common.
#include "stc/Dialect/Packed/Transforms/TiledPhase.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace stc;

void stc::addLoopPasses(OpPassManager &manager, const LoopPassOptions &options) {
  TileOpsPassOptions tile;
  tile.splitColumns = options.splitColumns;
  tile.pieceKeys = options.pieceKeys;
  manager.addPass(createTileOpsPass(tile));
  manager.addPass(createFuseGatesPass());
  manager.addPass(createParallelizeRowsPass());
  manager.addPass(createFuseRowsPass());
  PrivatizeBuffersPassOptions privatize;
  privatize.maxBytes = options.privateBytes;
  manager.addPass(createPrivatizeBuffersPass(privatize));
  if (options.beforeBarriers)
    options.beforeBarriers(manager);
  manager.addPass(createPlaceBarriersPass());
  PlanArenaPassOptions arena;
  arena.maxTokens = options.maxTokens;
  manager.addPass(createPlanArenaPass(arena));
  // No canonicalization here: it would dissolve parallel loops of one iteration, and with them the
  // knowledge that only one thread may run their bodies.
  manager.addPass(createCSEPass());
}
