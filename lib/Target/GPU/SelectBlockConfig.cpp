// packed-select-block-config: chooses how blocks of threads tile every packed.matmul.
#include "stc/Dialect/Packed/Transforms/TiledPhase.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTBLOCKCONFIGPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// Most row tiles of one piece of work for many tokens: rows of an output tile of tensor cores.
constexpr int64_t kMostRowTiles = 8;
/// Tokens a block of threads computes at once.
constexpr int64_t kTokensAtOnce = 32;
/// Columns of a single token's row up to which every block quantizes all of it for itself: reading
/// the row takes less time than a barrier of the grid.
constexpr int64_t kWholeColumns = 16 << 10;

class SelectBlockConfig final : public impl::SelectBlockConfigPassBase<SelectBlockConfig> {
public:
  using SelectBlockConfigPassBase::SelectBlockConfigPassBase;

  void runOnOperation() override {
    auto description = gpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    getOperation().walk([&](packed::QuantizeActivationsOp op) {
      auto type = cast<ShapedType>(op.getInput().getType());
      if (type.getDimSize(0) == 1 && type.getDimSize(1) <= kWholeColumns)
        op->setAttr(kWholeRowsAttr, UnitAttr::get(&getContext()));
    });
    getOperation().walk([&](packed::MatmulOp op) {
      if (op.getConfigAttr())
        return;
      auto weight = cast<packed::WeightType>(op.getWeight().getType());
      int64_t tiles = llvm::divideCeil(weight.getRows(), kTileRows);
      bool isOne = cast<ShapedType>(op.getOut().getType()).getDimSize(0) == 1;
      int64_t rowTiles = 1;
      while (!isOne && rowTiles < kMostRowTiles &&
             tiles / (2 * rowTiles) >= description->multiprocessors)
        rowTiles *= 2;
      op.setConfigAttr(packed::LoweringConfigAttr::get(&getContext(), isOne ? 1 : kTokensAtOnce,
                                                       /*accumulators=*/1, /*prefetch=*/0,
                                                       rowTiles));
    });
  }
};

} // namespace
} // namespace stc
