// packed-replicate-small-work: every block does for itself what is quicker done than waited for.
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"
#include "stc/Target/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_REPLICATESMALLWORKPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// Most pieces of attention that every block adds up for itself.
constexpr int64_t kMostPieces = 16;

bool isSmall(scf::ForallOp loop) {
  if (loop.getNumResults() != 0 || !loop.isNormalized())
    return false;
  auto combine = onlyOperation<packed::AttentionCombineOp>(loop);
  if (!combine || loop.getRank() != 1)
    return false;
  int64_t lines = cast<MemRefType>(combine.getPartials().getType()).getDimSize(0);
  int64_t heads = combine.getHeads();
  return tripCount(loop) == heads && lines <= kMostPieces * heads;
}

class ReplicateSmallWork final : public impl::ReplicateSmallWorkPassBase<ReplicateSmallWork> {
public:
  void runOnOperation() override {
    getOperation().walk([&](scf::ForallOp loop) {
      if (isReplicated(loop) || !isSmall(loop))
        return;
      loop->setAttr(kReplicatedAttr, UnitAttr::get(&getContext()));
      ++replicated;
    });
  }
};

} // namespace
} // namespace stc
