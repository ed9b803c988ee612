// What the tiled phases of all targets have in common.
#include "stc/Dialect/Packed/Transforms/TiledPhase.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace stc;

void stc::addLoopPasses(OpPassManager &manager, int64_t maxTokens, int64_t privateBytes,
                        function_ref<void(OpPassManager &)> beforeBarriers) {
  manager.addPass(createTileOpsPass());
  manager.addPass(createFuseGatesPass());
  manager.addPass(createParallelizeRowsPass());
  manager.addPass(createFuseRowsPass());
  PrivatizeBuffersPassOptions privatize;
  privatize.maxBytes = privateBytes;
  manager.addPass(createPrivatizeBuffersPass(privatize));
  if (beforeBarriers)
    beforeBarriers(manager);
  manager.addPass(createPlaceBarriersPass());
  PlanArenaPassOptions arena;
  arena.maxTokens = maxTokens;
  manager.addPass(createPlanArenaPass(arena));
  // No canonicalization here: it would dissolve parallel loops of one iteration, and with them the
  // knowledge that only one thread may run their bodies.
  manager.addPass(createCSEPass());
}
