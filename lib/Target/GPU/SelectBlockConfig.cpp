// packed-select-block-config: chooses how blocks of threads tile every packed.matmul.
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"

#include <limits>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTBLOCKCONFIGPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// Most row tiles of one piece of work for many tokens: rows of an output tile of tensor cores.
constexpr int64_t kMostRowTiles = 8;
/// Tokens a block of threads computes at once.
constexpr int64_t kTokensAtOnce = 32;

/// Row tiles of a piece: every piece reads all activations once, which takes about as long as
/// multiplying one row tile, and the pieces go round the multiprocessors.
int64_t rowTilesOf(int64_t tiles, int64_t multiprocessors) {
  int64_t best = 1, least = std::numeric_limits<int64_t>::max();
  for (int64_t rowTiles = 1; rowTiles <= kMostRowTiles; ++rowTiles) {
    int64_t rounds = llvm::divideCeil(llvm::divideCeil(tiles, rowTiles), multiprocessors);
    if (rounds * (rowTiles + 1) < least) {
      least = rounds * (rowTiles + 1);
      best = rowTiles;
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
      int64_t rowTiles = isOne ? 1 : rowTilesOf(tiles, description->multiprocessors);
      op.setConfigAttr(packed::LoweringConfigAttr::get(&getContext(), isOne ? 1 : kTokensAtOnce,
                                                       /*accumulators=*/1, /*prefetch=*/0,
                                                       rowTiles));
    });
  }
};

} // namespace
} // namespace stc
