// The ways to tile a matrix multiplication that are worth a measurement.
#include "stc/Target/CPU/LoweringConfig.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace stc;

namespace {

/// A config whose fields can be changed one by one.
struct Fields {
  explicit Fields(packed::LoweringConfigAttr config)
      : tokens(config.getTokens()), accumulators(config.getAccumulators()),
        prefetch(config.getPrefetch()), level(config.getLevel()), rowTiles(config.getRowTiles()),
        streams(config.getStreams()), unroll(config.getUnroll()),
        pieceTokens(config.getPieceTokens()), split(config.getSplit()) {}
  packed::LoweringConfigAttr get(MLIRContext *context) const {
    return packed::LoweringConfigAttr::get(context, tokens, accumulators, prefetch, level, rowTiles,
                                           streams, unroll, split, pieceTokens);
  }

  int64_t tokens, accumulators, prefetch, level, rowTiles, streams, unroll, pieceTokens;
  packed::ThreadSplit split;
};

/// Every thread needs pieces of work, and a few of them to come out even.
constexpr int64_t kLeastPieces = 16;

} // namespace

SmallVector<packed::LoweringConfigAttr> cpu::loweringCandidates(packed::MatmulOp op,
                                                                packed::LoweringConfigAttr first) {
  SmallVector<packed::LoweringConfigAttr> candidates{first};
  // One step away from the model in each direction: the directions are nearly independent, and all
  // combinations would take minutes to compile. How threads divide the work is not tried: it is
  // not seen where each thread has a matrix of its own.
  auto vary = [&](auto values, auto change) {
    for (int64_t value : values) {
      Fields fields(first);
      change(fields, value);
      packed::LoweringConfigAttr candidate = fields.get(op.getContext());
      if (!llvm::is_contained(candidates, candidate))
        candidates.push_back(candidate);
    }
  };
  using Values = std::initializer_list<int64_t>;
  vary(Values{1, 2, 4}, [](Fields &fields, int64_t value) { fields.accumulators = value; });
  vary(Values{32, 64, 128, 256}, [](Fields &fields, int64_t value) { fields.unroll = value; });

  int64_t tokens = cast<ShapedType>(op.getOut().getType()).getDimSize(0);
  if (tokens == 1) {
    vary(Values{0, 2048, 4096, 8192, 16384},
         [](Fields &fields, int64_t value) { fields.prefetch = value; });
    vary(Values{1, 2, 3}, [](Fields &fields, int64_t value) { fields.level = value; });
    // One stream, asked for ahead, or several that the processor follows by itself.
    vary(Values{1, 2, 3, 4, 6}, [](Fields &fields, int64_t value) {
      fields.rowTiles = fields.streams = value;
      fields.prefetch = value == 1 ? 8192 : 0;
    });
    return candidates;
  }
  vary(Values{2, 4, 6, 8, 12, 16, 24}, [&](Fields &fields, int64_t value) {
    fields.tokens = ShapedType::isDynamic(tokens) ? value : std::min(value, tokens);
  });
  int64_t rows = cast<packed::WeightType>(op.getWeight().getType()).getRows();
  vary(Values{1, 2, 4, 8}, [&](Fields &fields, int64_t value) {
    if (value * kTileRows * kLeastPieces > rows)
      return;
    // The next piece of work is asked for, however long it is.
    fields.prefetch = fields.prefetch * value / fields.rowTiles;
    fields.rowTiles = value;
    fields.streams = 1;
  });
  return candidates;
}
