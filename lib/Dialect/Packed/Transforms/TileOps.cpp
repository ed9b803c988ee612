// packed-tile-ops: operations on memrefs become parallel loops over pieces of one thread.
#include "TileBuilders.h"

#include "stc/Dialect/Packed/IR/PackedRouting.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Dialect/Packed/Transforms/PatternBlocks.h"
#include "stc/Dialect/Packed/Transforms/TiledPhase.h"
#include "stc/Dialect/Packed/Transforms/VisibleKeys.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_TILEOPSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

/// Columns of one piece of work of a row that is divided among threads.
constexpr int64_t kBlockColumns = 512;
class TileOps final : public impl::TileOpsPassBase<TileOps> {
public:
  using TileOpsPassBase::TileOpsPassBase;

  void runOnOperation() override {
    if (rowsPerTile < 1) {
      getOperation().emitError("packed-tile-ops: expects rows-per-tile of at least 1, but got ")
          << rowsPerTile.getValue();
      return signalPassFailure();
    }
    if (pieceKeys < kKVBlock || pieceKeys % kKVBlock != 0) {
      getOperation().emitError("packed-tile-ops: expects piece-keys that are a multiple of ")
          << kKVBlock << ", but got " << pieceKeys.getValue();
      return signalPassFailure();
    }
    SmallVector<Operation *> operations;
    getOperation().walk([&](Operation *op) {
      bool isTensor = llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>);
      // What is already the work of one thread stays.
      if (isa<packed::AttentionOp, packed::GatherOp, packed::GatherTokensOp, packed::MatmulOp,
              packed::PermuteFeaturesOp, packed::QuantizeActivationsOp, packed::RMSNormOp,
              packed::RotaryOp, packed::ScatterAddOp, packed::SelectTokensOp,
              packed::SplitActivationsOp, packed::TopKGateOp, packed::GroupedGateOp, CacheUpdateOp>(
              op) &&
          !isTensor && !op->getParentOfType<scf::ForallOp>())
        operations.push_back(op);
    });
    for (Operation *op : operations) {
      ImplicitLocOpBuilder builder(op->getLoc(), op);
      llvm::TypeSwitch<Operation *>(op)
          .Case([&](packed::AttentionOp attention) { tileAttention(builder, attention); })
          .Case([&](packed::GatherOp gather) { tileGather(builder, gather); })
          .Case([&](packed::GatherTokensOp gather) { tileGatherTokens(builder, gather); })
          .Case([&](packed::MatmulOp matmul) { tileMatmul(builder, matmul); })
          .Case([&](packed::PermuteFeaturesOp permute) { tilePermute(builder, permute); })
          .Case([&](packed::QuantizeActivationsOp quantize) { tileQuantize(builder, quantize); })
          .Case([&](packed::RMSNormOp norm) { tileNorm(builder, norm); })
          .Case([&](packed::RotaryOp rotary) { tileRotary(builder, rotary); })
          .Case([&](packed::ScatterAddOp scatter) { tileScatterAdd(builder, scatter); })
          .Case([&](packed::SelectTokensOp select) { tileSelectTokens(builder, select); })
          .Case([&](packed::TopKGateOp gate) { tileTopKGate(builder, gate); })
          .Case([&](packed::GroupedGateOp gate) { tileGroupedGate(builder, gate); })
          .Case([&](packed::SplitActivationsOp split) { tileSplit(builder, split); })
          .Case([&](CacheUpdateOp update) { tileCacheUpdate(builder, update); });
      op->erase();
    }
  }

private:
  /// Whether rows are divided: long ones, of a number of tokens that is known and so small. For
  /// shorter ones, waiting for another thread takes longer than the row.
  bool isDivided(Value matrix) const {
    auto type = cast<MemRefType>(matrix.getType());
    return !type.isDynamicDim(0) && type.getDimSize(1) >= splitColumns;
  }

  void tileAttention(ImplicitLocOpBuilder &builder, packed::AttentionOp op);
  void splitAttention(ImplicitLocOpBuilder &builder, packed::AttentionOp op, int64_t most);
  void tileCacheUpdate(ImplicitLocOpBuilder &builder, CacheUpdateOp op);
  void tileGather(ImplicitLocOpBuilder &builder, packed::GatherOp op);
  void tileMatmul(ImplicitLocOpBuilder &builder, packed::MatmulOp op);
  void tilePermute(ImplicitLocOpBuilder &builder, packed::PermuteFeaturesOp op);
  void tileQuantize(ImplicitLocOpBuilder &builder, packed::QuantizeActivationsOp op);
  void tileNorm(ImplicitLocOpBuilder &builder, packed::RMSNormOp op);
  void tileRotary(ImplicitLocOpBuilder &builder, packed::RotaryOp op);
  void tileSplit(ImplicitLocOpBuilder &builder, packed::SplitActivationsOp op);
};

Value scaled(ImplicitLocOpBuilder &builder, Value value, int64_t factor) {
  return arith::MulIOp::create(builder, value, arith::ConstantIndexOp::create(builder, factor));
}

/// ceil(value / divisor).
Value dividedUp(ImplicitLocOpBuilder &builder, Value value, int64_t divisor) {
  Value more = arith::ConstantIndexOp::create(builder, divisor - 1);
  return arith::DivUIOp::create(builder, arith::AddIOp::create(builder, value, more),
                                arith::ConstantIndexOp::create(builder, divisor));
}

/// Row `token` of a matrix, or `columns` columns of it from `column` on.
Value rowOf(ImplicitLocOpBuilder &builder, Value matrix, Value token,
            OpFoldResult column = OpFoldResult(), int64_t columns = 0) {
  OpFoldResult one = builder.getIndexAttr(1);
  if (!column) {
    column = builder.getIndexAttr(0);
    columns = columnsOf(matrix);
  }
  return memref::SubViewOp::create(builder, matrix, ArrayRef<OpFoldResult>{token, column},
                                   ArrayRef<OpFoldResult>{one, builder.getIndexAttr(columns)},
                                   ArrayRef<OpFoldResult>{one, one});
}

void TileOps::tileMatmul(ImplicitLocOpBuilder &builder, packed::MatmulOp op) {
  int64_t rows = cast<packed::WeightType>(op.getWeight().getType()).getRows();
  packed::LoweringConfigAttr config = op.getConfigAttr();
  if (!config)
    config = packed::LoweringConfigAttr::get(&getContext(), 1, 1, 0);
  // Two row tiles of a head are turned together.
  int64_t pieceRows = kTileRows * config.getRowTiles() * (op.getCos() ? 2 : 1);
  SmallVector<OpFoldResult> pieces{builder.getIndexAttr(llvm::divideCeil(rows, pieceRows))};
  int64_t pieceTokens = config.getPieceTokens();
  if (pieceTokens > 0) {
    auto type = cast<MemRefType>(op.getOut().getType());
    if (type.isDynamicDim(0))
      pieces.push_back(
          dividedUp(builder, memref::DimOp::create(builder, op.getOut(), 0), pieceTokens));
    else
      pieces.push_back(builder.getIndexAttr(llvm::divideCeil(type.getDimSize(0), pieceTokens)));
  }
  parallel(builder, pieces, [&](ValueRange indices) {
    Value tile = indices[0], token;
    if (config.getRowTiles() > 1)
      tile = scaled(builder, tile, config.getRowTiles());
    if (pieceTokens > 0)
      token = scaled(builder, indices[1], pieceTokens);
    packed::MatmulTileOp::create(builder, tile, token, op.getInputs(), op.getWeight(), op.getBias(),
                                 op.getGate(), op.getCos(), op.getSin(), op.getResidual(),
                                 op.getOut(), op.getActivationAttr(), config);
  });
}

/// Long rows of whole groups are divided into equal blocks; a lone token then occupies all threads.
void TileOps::tileQuantize(ImplicitLocOpBuilder &builder, packed::QuantizeActivationsOp op) {
  int64_t columns = op.getColumns(), group = op.getGroup();
  int64_t block = columns;
  if (isDivided(op.getInput()) && columns % group == 0)
    for (int64_t size = kBlockColumns; size >= group; size -= group)
      if (columns % size == 0) {
        block = size;
        break;
      }
  OpFoldResult tokens = tokensOf(builder, op.getInput());
  if (block == columns) {
    parallel(builder, tokens, [&](ValueRange indices) {
      auto row = [&](Value matrix) { return rowOf(builder, matrix, indices[0]); };
      packed::QuantizeActivationsOp::create(builder, TypeRange(), row(op.getInput()),
                                            row(op.getCodes()), row(op.getScales()),
                                            row(op.getSums()), op.getOrder(), op.getGroupAttr(),
                                            op.getSumFactorAttr(), op.getOffsetAttr());
    });
    return;
  }
  parallel(builder, {tokens, builder.getIndexAttr(columns / block)}, [&](ValueRange indices) {
    auto part = [&](Value matrix, int64_t size) {
      return rowOf(builder, matrix, indices[0], scaled(builder, indices[1], size), size);
    };
    // An order may name any column of the row.
    Value input = part(op.getInput(), block), order;
    if (op.getOrder()) {
      OpFoldResult one = builder.getIndexAttr(1);
      input = rowOf(builder, op.getInput(), indices[0]);
      order = memref::SubViewOp::create(builder, op.getOrder(),
                                        OpFoldResult(scaled(builder, indices[1], block)),
                                        OpFoldResult(builder.getIndexAttr(block)), one);
    }
    packed::QuantizeActivationsOp::create(
        builder, TypeRange(), input, part(op.getCodes(), block),
        part(op.getScales(), block / group), part(op.getSums(), block / group), order,
        op.getGroupAttr(), op.getSumFactorAttr(), op.getOffsetAttr());
  });
}

/// Only what is not quantized is permuted apart from it, so rows need not be divided.
void TileOps::tilePermute(ImplicitLocOpBuilder &builder, packed::PermuteFeaturesOp op) {
  bool hasZeros = columnsOf(op.getInput()) != columnsOf(op.getOut());
  parallel(builder, tokensOf(builder, op.getInput()), [&](ValueRange indices) {
    Value token = indices[0], begin = arith::ConstantIndexOp::create(builder, 0);
    Value end = arith::ConstantIndexOp::create(builder, columnsOf(op.getOut()));
    columnLoop(builder, begin, end, 1, [&](Value column) {
      Value from = memref::LoadOp::create(builder, op.getOrder(), column);
      Value zero, isZero;
      if (hasZeros) {
        zero = arith::ConstantOp::create(builder, builder.getF32FloatAttr(0));
        isZero = arith::CmpFOp::create(builder, arith::CmpFPredicate::OLT, from, zero);
        from = arith::SelectOp::create(builder, isZero, zero, from);
      }
      from = arith::FPToUIOp::create(builder, builder.getI32Type(), from);
      from = arith::IndexCastUIOp::create(builder, builder.getIndexType(), from);
      Value x = memref::LoadOp::create(builder, op.getInput(), ValueRange{token, from});
      if (hasZeros)
        x = arith::SelectOp::create(builder, isZero, zero, x);
      memref::StoreOp::create(builder, x, op.getOut(), ValueRange{token, column});
    });
  });
}

/// Only several tokens are split, so rows need not be divided.
void TileOps::tileSplit(ImplicitLocOpBuilder &builder, packed::SplitActivationsOp op) {
  parallel(builder, tokensOf(builder, op.getInput()), [&](ValueRange indices) {
    packed::SplitActivationsOp::create(builder, TypeRange(),
                                       rowOf(builder, op.getInput(), indices[0]),
                                       rowOf(builder, op.getOut(), indices[0]));
  });
}

void TileOps::tileGather(ImplicitLocOpBuilder &builder, packed::GatherOp op) {
  parallel(builder, tokensOf(builder, op.getTokens()), [&](ValueRange indices) {
    OpFoldResult one = builder.getIndexAttr(1);
    Value token =
        memref::SubViewOp::create(builder, op.getTokens(), OpFoldResult(indices[0]), one, one);
    packed::GatherOp::create(builder, TypeRange(), token, op.getTable(),
                             rowOf(builder, op.getOut(), indices[0]));
  });
}

/// Groups are independent: those of a lone token occupy all threads.
void TileOps::tileNorm(ImplicitLocOpBuilder &builder, packed::RMSNormOp op) {
  int64_t groups = op.getGroups(), size = op.getGroupColumns();
  auto normalize = [&](Value input, Value weight, Value out, int64_t count) {
    packed::RMSNormOp::create(builder, TypeRange(), input, weight, out,
                              builder.getI64IntegerAttr(count), op.getEpsilonAttr(),
                              op.getCentredAttr());
  };
  if (groups == 1 || !isDivided(op.getInput())) {
    parallel(builder, tokensOf(builder, op.getInput()), [&](ValueRange indices) {
      normalize(rowOf(builder, op.getInput(), indices[0]), op.getWeight(),
                rowOf(builder, op.getOut(), indices[0]), groups);
    });
    return;
  }
  parallel(builder, {tokensOf(builder, op.getInput()), builder.getIndexAttr(groups)},
           [&](ValueRange indices) {
             Value column = scaled(builder, indices[1], size);
             Value weight = op.getWeight();
             if (op.hasOwnWeights())
               weight =
                   memref::SubViewOp::create(builder, weight, ArrayRef<OpFoldResult>{column},
                                             ArrayRef<OpFoldResult>{builder.getIndexAttr(size)},
                                             ArrayRef<OpFoldResult>{builder.getIndexAttr(1)});
             normalize(rowOf(builder, op.getInput(), indices[0], column, size), weight,
                       rowOf(builder, op.getOut(), indices[0], column, size), 1);
           });
}

void TileOps::tileRotary(ImplicitLocOpBuilder &builder, packed::RotaryOp op) {
  int64_t headDim = op.getHeadColumns();
  int64_t columns = columnsOf(op.getInput());
  auto rotate = [&](Value token, Value input, Value out) {
    packed::RotaryOp::create(builder, TypeRange(), input, rowOf(builder, op.getCos(), token),
                             rowOf(builder, op.getSin(), token), out, op.getInterleavedAttr(),
                             op.getHeadDimAttr());
  };
  if (!isDivided(op.getInput())) {
    parallel(builder, tokensOf(builder, op.getInput()), [&](ValueRange indices) {
      rotate(indices[0], rowOf(builder, op.getInput(), indices[0]),
             rowOf(builder, op.getOut(), indices[0]));
    });
    return;
  }
  parallel(builder, {tokensOf(builder, op.getInput()), builder.getIndexAttr(columns / headDim)},
           [&](ValueRange indices) {
             Value column = scaled(builder, indices[1], headDim);
             auto part = [&](Value matrix) {
               return rowOf(builder, matrix, indices[0], column, headDim);
             };
             rotate(indices[0], part(op.getInput()), part(op.getOut()));
           });
}

void TileOps::tileCacheUpdate(ImplicitLocOpBuilder &builder, CacheUpdateOp op) {
  parallel(builder, tokensOf(builder, op.getKeys()), [&](ValueRange indices) {
    Value position = arith::AddIOp::create(builder, op.getPosition(), indices[0]);
    CacheUpdateOp::create(builder, rowOf(builder, op.getKeys(), indices[0]),
                          rowOf(builder, op.getValues(), indices[0]), op.getCache(), op.getLayer(),
                          position);
  });
}

/// Heads are the outer dimension: a thread's share is then whole heads where possible.
void TileOps::tileAttention(ImplicitLocOpBuilder &builder, packed::AttentionOp op) {
  auto cache = cast<KVCacheType>(op.getCache().getType());
  int64_t tokens = cast<MemRefType>(op.getQueries().getType()).getDimSize(0);
  int64_t most = packed::mostVisibleBlocks(cache.getCapacity(), op.getWindow(), op.getSinks(),
                                           /*bothSides=*/op.getEnd() != nullptr);
  most = llvm::divideCeil(most * kKVBlock, pieceKeys);
  if (tokens == 1 && most > 1)
    return splitAttention(builder, op, most);
  int64_t rows = rowsPerTile;
  if (auto chosen = op->getAttrOfType<IntegerAttr>(kRowsPerTileAttr))
    rows = chosen.getInt();
  int64_t perTile = std::max<int64_t>(1, rows / (op.getHeads() / cache.getKvHeads()));
  if (!ShapedType::isDynamic(tokens))
    perTile = std::min(perTile, tokens);
  Value count = memref::DimOp::create(builder, op.getQueries(), 0);
  auto constant = [&](int64_t value) { return arith::ConstantIndexOp::create(builder, value); };
  Value tiles = dividedUp(builder, count, perTile);
  OpFoldResult bound = tiles;
  if (!ShapedType::isDynamic(tokens))
    bound = builder.getIndexAttr(llvm::divideCeil(tokens, perTile));
  parallel(builder, {builder.getIndexAttr(cache.getKvHeads()), bound}, [&](ValueRange indices) {
    // Later tokens see more keys. Taking tiles from both ends in turn makes neighbours together
    // cost the same everywhere, so that shares of one head are equal too.
    Value number = indices[1];
    Value half = arith::DivUIOp::create(builder, number, constant(2));
    Value odd = arith::RemUIOp::create(builder, number, constant(2));
    Value fromEnd =
        arith::SubIOp::create(builder, arith::SubIOp::create(builder, tiles, constant(1)), half);
    Value isOdd = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, odd, constant(0));
    Value tile = arith::SelectOp::create(builder, isOdd, fromEnd, half);
    packed::AttentionTileOp::create(
        builder, indices[0], scaled(builder, tile, perTile), builder.getI64IntegerAttr(perTile),
        op.getQueries(), op.getCache(), op.getLayer(), op.getPosition(), op.getEnd(), op.getBias(),
        op.getSinkLogits(), op.getOut(), Value(), Value(), op.getHeadsAttr(), op.getScaleAttr(),
        op.getWindowAttr(), op.getSinksAttr(), op.getSoftCapAttr(), op.getBiasDistanceAttr(),
        op.getSlopesAttr(), op.getPatternAttr(), builder.getI64IntegerAttr(0));
  });
}

/// One token: pieces of the cache are divided among threads, and put together in a fixed order
/// after them. There are as many pieces as the position needs.
void TileOps::splitAttention(ImplicitLocOpBuilder &builder, packed::AttentionOp op, int64_t most) {
  auto cache = cast<KVCacheType>(op.getCache().getType());
  int64_t heads = op.getHeads();
  auto type =
      MemRefType::get({most * heads, cache.getLayout().paddedDim() + 16}, builder.getF32Type());
  Value partials = memref::AllocOp::create(builder, type);
  packed::VisibleBlocks blocks = packed::visibleBlocks(builder, op.getPosition(), op.getPosition(),
                                                       op.getWindow(), op.getSinks(), op.getEnd());
  Value zero = arith::ConstantIndexOp::create(builder, 0);
  Value count = blocks.count;
  // Pieces are equal in what they read.
  if (packed::PatternBlocks pattern(op); pattern.any())
    count = pattern.countSeen(builder, op.getPosition(), count);
  Value pieces = dividedUp(builder, count, pieceKeys / kKVBlock);
  parallel(builder, {builder.getIndexAttr(cache.getKvHeads()), pieces}, [&](ValueRange indices) {
    packed::AttentionTileOp::create(
        builder, indices[0], zero, builder.getI64IntegerAttr(1), op.getQueries(), op.getCache(),
        op.getLayer(), op.getPosition(), op.getEnd(), op.getBias(), op.getSinkLogits(), op.getOut(),
        indices[1], partials, op.getHeadsAttr(), op.getScaleAttr(), op.getWindowAttr(),
        op.getSinksAttr(), op.getSoftCapAttr(), op.getBiasDistanceAttr(), op.getSlopesAttr(),
        op.getPatternAttr(), builder.getI64IntegerAttr(pieceKeys));
  });
  parallel(builder, {OpFoldResult(builder.getIndexAttr(heads))}, [&](ValueRange indices) {
    packed::AttentionCombineOp::create(builder, indices[0], pieces, partials, op.getCache(),
                                       op.getOut(), op.getHeadsAttr());
  });
}

} // namespace
} // namespace stc
