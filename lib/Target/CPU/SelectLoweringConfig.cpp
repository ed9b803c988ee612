// packed-select-lowering-config: chooses how every packed.matmul is tiled.
#include "MatmulEmitter.h"

#include "stc/Target/CPU/LoweringConfig.h"
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/CPU/TargetDescription.h"

#include "llvm/ADT/bit.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTLOWERINGCONFIGPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

class SelectLoweringConfig final : public impl::SelectLoweringConfigPassBase<SelectLoweringConfig> {
public:
  using SelectLoweringConfigPassBase::SelectLoweringConfigPassBase;
  SelectLoweringConfig(const SelectLoweringConfigPassOptions &options,
                       cpu::LoweringConfigChooser *chooser)
      : SelectLoweringConfigPassBase(options), chooser(chooser) {}

  void runOnOperation() override {
    auto description = cpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    SmallVector<cpu::LoweringChoice> choices;
    getOperation().walk([&](packed::MatmulOp op) {
      if (op.getConfigAttr())
        return;
      packed::LoweringConfigAttr config = select(op, *description);
      op.setConfigAttr(config);
      if (chooser)
        choices.push_back({op, cpu::loweringCandidates(op, config)});
    });
    if (!chooser)
      return;
    auto chosen = chooser->choose(choices);
    if (failed(chosen))
      return signalPassFailure();
    for (auto [choice, index] : llvm::zip_equal(choices, *chosen))
      choice.op.setConfigAttr(choice.candidates[index]);
  }

private:
  static packed::LoweringConfigAttr select(packed::MatmulOp op,
                                           const cpu::TargetDescription &target) {
    auto weight = cast<packed::WeightType>(op.getWeight().getType());
    Layout layout = weight.getLayout().getLayout();
    int64_t tokens = cast<ShapedType>(op.getOut().getType()).getDimSize(0);
    int64_t accumulators = layout.isQuantized() && layout.group <= 32 ? 2 : 4;
    // One token is bound by the bytes of the weights.
    if (tokens == 1) {
      int64_t streams = streamsOf(op, layout);
      return packed::LoweringConfigAttr::get(
          op.getContext(), 1, accumulators, streams > 1 ? 0 : kPrefetchDistance,
          prefetchLevel(layout), /*rowTiles=*/streams, streams, kUnroll,
          layout.hasTable() ? packed::ThreadSplit::Bytes : packed::ThreadSplit::Tiles,
          /*pieceTokens=*/0);
    }
    // Many tokens are bound by arithmetic, which only absent blocks spare.
    packed::ThreadSplit split =
        layout.kind == LayoutKind::Block ? packed::ThreadSplit::Bytes : packed::ThreadSplit::Tiles;
    int64_t atOnce = cpu::hasSplitActivations(op.getInputs()) ? cpu::kMostSplitTokens
                                                              : tokensAtOnce(layout, target);
    if (!ShapedType::isDynamic(tokens))
      atOnce = std::min(atOnce, tokens);
    // The first block of tokens reads a piece of work from memory and asks for the next one, the
    // other blocks find it in the cache.
    TileGeometry geometry = tileGeometry(layout, weight.getRows(), weight.getColumns());
    int64_t tileBytes = geometry.tileBytes;
    if (tileBytes == 0) // They differ: half of the codes.
      tileBytes = geometry.paddedColumns * kTileRows *
                  (layout.isQuantized() ? layout.codeBits() : layout.floatBytes() * 8) / 16;
    int64_t rowTiles = std::min(kPieceBytes / tileBytes, geometry.rowTiles / kLeastPieces);
    rowTiles = std::clamp<int64_t>(rowTiles, 1, kMostRowTiles);
    return packed::LoweringConfigAttr::get(op.getContext(), atOnce, accumulators,
                                           std::max(rowTiles * tileBytes, kPrefetchDistance),
                                           rowTiles, split);
  }

  /// Tokens whose sums stay in registers while a vector of weights is multiplied.
  static int64_t tokensAtOnce(const Layout &layout, const cpu::TargetDescription &target) {
    // Weights are expanded once for so many blocks of tokens.
    if (layout.isSparseFloat())
      return kSparseBlocks * cpu::floatTokensInRegisters(target);
    if (!layout.isQuantized())
      return cpu::floatTokensInRegisters(target);
    int64_t vectors = target.vectorsInRegisters();
    // Each token has an integer sum, used all the time, and a float sum, used once per group, which
    // may wait in memory. Numbers of tokens are often powers of two.
    // The weights and positions of pairs stay in registers for a whole group.
    int64_t most = layout.kind == LayoutKind::Pairs ? 8 : 16;
    return std::clamp<int64_t>(llvm::bit_floor(uint64_t(vectors / 2)), 1, most);
  }

  /// Kernels that read a line in a few instructions gain by finding it in the second cache (int4
  /// in groups of 128: 72 % of the read bandwidth became 90 %); those of blocks find too little
  /// time to bring it from there to the first one (83 % against 98 %).
  static int64_t prefetchLevel(const Layout &layout) {
    return layout.kind == LayoutKind::Block ? 1 : 2;
  }

  /// Pieces of work read side by side. A processor keeps more of memory under way with several
  /// streams that it follows by itself than with one that is asked for ahead (int4 in groups of
  /// 128, four streams: 93 % of the read bandwidth against 89 %; tiles of pairs and bitmaps are too
  /// short for that), but threads need enough pieces to share.
  static int64_t streamsOf(packed::MatmulOp op, const Layout &layout) {
    if (layout.kind != LayoutKind::Dense)
      return 1;
    int64_t pieces =
        llvm::divideCeil(cast<packed::WeightType>(op.getWeight().getType()).getRows(), kTileRows);
    int64_t streams = kMostStreams;
    if (op.getCos()) {
      pieces /= 2; // tiles that are turned together are two streams already
      streams /= 2;
    }
    return std::clamp<int64_t>(pieces / kLeastPieces, 1, streams);
  }

  /// Blocks of tokens that share expanded floats: more would save little, and kernels would be
  /// long.
  static constexpr int64_t kSparseBlocks = 2;
  /// Most streams of memory of one kernel.
  static constexpr int64_t kMostStreams = 4;
  /// Most dot products of a loop body.
  static constexpr int64_t kUnroll = 128;
  /// Bytes between reading and prefetching: what hides the latency of memory.
  static constexpr int64_t kPrefetchDistance = 8192;
  /// Weights of one piece of work for prompts, which stay in a core's second cache beside the
  /// activations; pieces that the threads can share evenly.
  static constexpr int64_t kPieceBytes = 128 << 10, kLeastPieces = 32, kMostRowTiles = 8;

  cpu::LoweringConfigChooser *chooser = nullptr;
};

} // namespace

int64_t cpu::floatTokensInRegisters(const TargetDescription &target) {
  // Weights and activations need a fourth of the registers.
  return std::clamp<int64_t>(target.vectorsInRegisters() * 3 / 4, 1, 8);
}

std::unique_ptr<Pass> createSelectLoweringConfigPass(const SelectLoweringConfigPassOptions &options,
                                                     cpu::LoweringConfigChooser *chooser) {
  return std::make_unique<SelectLoweringConfig>(options, chooser);
}

} // namespace stc
