// How long a matrix times many tokens takes a GPU, by how it is divided into pieces of work: a
// model.
#include "WorkModel.h"

#include "StagedHalves.h"
#include "StagedMatmul.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Most row tiles of one piece of work for many tokens: rows of an output tile of tensor cores; and
/// where warpgroups multiply what was copied while more is copied.
constexpr int64_t kMostRowTiles = 8, kMostRowTilesTogether = 16;
/// Fewest tokens of a piece that has not all: the most that a block of threads computes at once.
constexpr int64_t kFewestPieceTokens = 128;
/// Tokens of a piece that has all of a few.
constexpr int64_t kFewPieceTokens = 64;
/// Tokens a block of threads computes at once.
constexpr int64_t kTokensAtOnce = 32;

/// What a multiprocessor does in a cycle: products of bytes by the tensor cores of one warp each,
/// those by four warps together (of so many row tiles and tokens), and bytes from the second cache.
constexpr double kWarpProducts = 2048, kWarpgroupProducts = 4096, kCacheBytes = 64;
/// The bytes that it gets while products are under way all the time, and what one of a token, whose
/// columns lie apart from other tokens', counts. On an H200, pieces of f16 of 64 to 256 rows times
/// 128 or 256 tokens took as long as these say, within 8 %.
constexpr double kCacheBytesBeside = 40, kTokenByte = 1.25;
constexpr int64_t kWarpgroupRowTiles = 4, kWarpgroupTokens = 64;
/// What differs from a dense weight where products overlap: the columns that are multiplied in the
/// time of one, its bytes where a dense one has one, and the cycles (of products of bytes) that
/// preparing it takes, once for all tokens that are multiplied at once.
struct WeightWork {
  double columns = 1, bytes = 1, preparing = 0;
};
/// 2:4 floats have half of the values, and a mask. Zeros of other masks are put in by some 30
/// instructions for four of them, of 16 warps at once.
constexpr WeightWork kPrunedWork{2, 9.0 / 16, 0}, kMaskedWork{1, 1, 0.06};
/// Tokens that are multiplied at once where products overlap, of up to kMostRowTiles row tiles.
constexpr int64_t kTokensTogether = 256;
/// Cycles of a piece before its first product and after its last: copies on their way, barriers,
/// sums that are added up and finished.
constexpr double kPieceCycles = 2000;
/// Calls have as many tokens as there can be, or what a prompt leaves over: this part of those.
/// Where products overlap, and where fewer tokens have code of their own, a call of all counts so
/// many times: long prompts take most of the time.
constexpr int64_t kLeftOver = 8, kWholeCalls = 8;

/// A piece of work.
struct Piece {
  int64_t rowTiles;
  int64_t tokens; // 0: all
};

/// What the busiest multiprocessor takes for a matrix, in cycles of products of bytes. The layout
/// has little part in it: a gate and its user, whose layouts may differ, are to be divided alike.
class WorkModel {
public:
  /// `parts`: the row tiles that one of a piece stands for. `overlaps`: whether copies are under
  /// way all the time that products are; then `work`: what differs from dense weights.
  /// `most`: row tiles of a piece.
  WorkModel(const TargetDescription &target, int64_t tiles, int64_t columns, int64_t parts,
            bool overlaps, WeightWork work, int64_t most)
      : target(target), tiles(tiles), columns(columns), parts(parts), overlaps(overlaps),
        work(work), most(most) {}

  double cycles(Piece piece, int64_t tokens) const {
    int64_t atOnce = piece.tokens == 0 ? tokens : std::min(piece.tokens, tokens);
    int64_t pieces =
        llvm::divideCeil(tiles, piece.rowTiles * parts) * llvm::divideCeil(tokens, atOnce);
    int64_t slots = piece.rowTiles * parts;
    bool isTogether =
        target.hasWarpgroupMma && slots % kWarpgroupRowTiles == 0 && atOnce >= kWarpgroupTokens;
    double rows = slots * kTileRows;
    double products =
        rows * atOnce / (isTogether ? kWarpgroupProducts : kWarpProducts) / work.columns;
    // Of a column: a byte of each row, for all tokens at once or some, and of each token.
    int64_t blocks = overlaps ? llvm::divideCeil(atOnce, slots > kMostRowTiles ? kTokensTogether / 2
                                                                               : kTokensTogether)
                              : 1;
    double bytes = rows * blocks * work.bytes + kTokenByte * atOnce;
    double both =
        overlaps ? std::max({products, bytes / kCacheBytesBeside, rows * blocks * work.preparing})
                 : products + (rows + atOnce) / kCacheBytes;
    int64_t rounds = llvm::divideCeil(pieces, target.multiprocessors);
    return rounds * (columns * both + kPieceCycles * blocks);
  }

  /// The best piece for calls of so many tokens.
  Piece choose(TokenRange range) const {
    Piece best{1, 0};
    double least = std::numeric_limits<double>::infinity();
    int64_t leftOver = std::max<int64_t>(range.fewest, llvm::divideCeil(range.most, kLeftOver));
    int64_t wholeCalls = overlaps || range.fewest > 1 ? kWholeCalls : 1;
    for (int64_t rowTiles = 1; rowTiles * parts <= most; rowTiles *= 2) {
      SmallVector<Piece> candidates{{rowTiles, 0}};
      for (int64_t some = kFewestPieceTokens; some < range.most; some *= 2)
        candidates.push_back({rowTiles, some});
      for (Piece piece : candidates) {
        double cost = wholeCalls * cycles(piece, range.most) + cycles(piece, leftOver);
        if (cost < least) {
          least = cost;
          best = piece;
        }
      }
    }
    return best;
  }

private:
  const TargetDescription &target;
  int64_t tiles, columns, parts;
  bool overlaps;
  WeightWork work;
  int64_t most;
};

} // namespace

packed::LoweringConfigAttr stc::gpu::chooseBlockConfig(packed::MatmulOp op,
                                                       const TargetDescription &target,
                                                       TokenRange range) {
  MLIRContext *context = op.getContext();
  int64_t tokens = cast<ShapedType>(op.getOut().getType()).getDimSize(0);
  if (tokens == 1)
    return packed::LoweringConfigAttr::get(context, 1, /*accumulators=*/1, /*prefetch=*/0);
  bool areKnown = !ShapedType::isDynamic(tokens);
  if (areKnown)
    range = {1, tokens};
  auto weight = cast<packed::WeightType>(op.getWeight().getType());
  int64_t tiles = llvm::divideCeil(weight.getRows(), kTileRows);
  bool hasHalves = target.hasWarpgroupMma && op.getInputs().size() == 2;
  bool isPruned = hasHalves && takesPrunedHalves(weight);
  bool isMasked = hasHalves && takesMaskedHalves(weight);
  bool overlapsHalves =
      weight.getLayout().getLayout().isQuantized()
          ? target.hasWarpgroupMma && op.getInputs().size() == 1 && takesRoundedInputs(weight)
          : isPruned || isMasked || (hasHalves && takesHalves(weight));
  bool sumsRows = target.hasWarpgroupMma && op.getInputs().size() == 3 &&
                  cast<ShapedType>(op.getInputs()[1].getType()).getDimSize(1) == 1 &&
                  takesWholeRows(weight, target);
  WorkModel model(target, tiles, weight.getColumns(), op.getCos() ? 2 : 1,
                  overlapsHalves || sumsRows,
                  isPruned   ? kPrunedWork
                  : isMasked ? kMaskedWork
                             : WeightWork(),
                  overlapsHalves ? kMostRowTilesTogether : kMostRowTiles);
  Piece piece = model.choose(range);
  // Code for more tokens at once than there can be is left out.
  if (!areKnown && piece.tokens == 0 && range.most <= kFewPieceTokens)
    piece.tokens = kFewPieceTokens;
  return packed::LoweringConfigAttr::get(context, kTokensAtOnce, /*accumulators=*/1,
                                         /*prefetch=*/0, piece.rowTiles, packed::ThreadSplit::Tiles,
                                         piece.tokens);
}
