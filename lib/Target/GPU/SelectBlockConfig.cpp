// packed-select-block-config: chooses how blocks of threads tile every packed.matmul.
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTBLOCKCONFIGPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// Most row tiles of one piece of work for many tokens: rows of an output tile of tensor cores.
constexpr int64_t kMostRowTiles = 8;
/// What a piece of work costs besides its products, in row tiles: the activations it reads. A row
/// tile's products of 64 tokens take half as long as these come from L2, at 2048 products and 64
/// bytes a cycle.
constexpr int64_t kActivationsCost = 2;
/// Tokens a block of threads computes at once.
constexpr int64_t kTokensAtOnce = 32;

/// The row tiles of a piece of work for many tokens: such that the busiest multiprocessor is done
/// soonest.
int64_t chooseRowTiles(int64_t tiles, int64_t multiprocessors) {
  int64_t best = 1, leastCost = std::numeric_limits<int64_t>::max();
  for (int64_t rowTiles = 1; rowTiles <= kMostRowTiles; rowTiles *= 2) {
    int64_t rounds = llvm::divideCeil(llvm::divideCeil(tiles, rowTiles), multiprocessors);
    int64_t cost = rounds * (rowTiles + kActivationsCost);
    if (cost < leastCost) {
      best = rowTiles;
      leastCost = cost;
    }
  }
  return best;
}

class SelectBlockConfig final : public impl::SelectBlockConfigPassBase<SelectBlockConfig> {
public:
  using SelectBlockConfigPassBase::SelectBlockConfigPassBase;

  void runOnOperation() override {
    auto description = gpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    getOperation().walk([&](packed::MatmulOp op) {
      if (op.getConfigAttr())
        return;
      auto weight = cast<packed::WeightType>(op.getWeight().getType());
      int64_t tiles = llvm::divideCeil(weight.getRows(), kTileRows);
      bool isOne = cast<ShapedType>(op.getOut().getType()).getDimSize(0) == 1;
      int64_t rowTiles = isOne ? 1 : chooseRowTiles(tiles, description->multiprocessors);
      op.setConfigAttr(packed::LoweringConfigAttr::get(&getContext(), isOne ? 1 : kTokensAtOnce,
                                                       /*accumulators=*/1, /*prefetch=*/0,
                                                       rowTiles));
    });
  }
};

} // namespace
} // namespace stc
