// packed.matmul_tile: tiles of 16 rows of a weight matrix times all tokens. One generator for every
// layout.
#include "MatmulEmitter.h"
#include "TileLowerings.h"

#include "stc/Dialect/STC/Utils/ActivationMath.h"
#include "stc/Target/CPU/LoweringConfig.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

/// Fewest tokens at once of what whole blocks leave over, but for single ones.
constexpr int64_t kLeftOverTokens = 4;
/// Columns of float weights per iteration.
constexpr int64_t kUnrolledColumns = 8;

} // namespace

MatmulTileEmitter::MatmulTileEmitter(packed::MatmulTileOp op, const TargetDescription &target)
    : op(op), builder(op, target), type(cast<packed::WeightType>(op.getWeight().getType())),
      layout(type.getLayout().getLayout()), config(op.getConfig()) {}

void MatmulTileEmitter::emit() {
  weights = builder.weightAddress(op.getWeight());
  auto outType = cast<MemRefType>(op.getOut().getType());
  int64_t block = config.getTokens();
  Value zero = builder.index(0);
  if (!outType.isDynamicDim(0) && !op.getToken()) {
    int64_t tokens = outType.getDimSize(0);
    int64_t whole = tokens / block * block;
    if (whole > block)
      emitBlocks(zero, builder.index(whole), block);
    else if (whole > 0)
      emitTokens(zero, block);
    if (tokens > whole)
      emitTokens(builder.index(whole), tokens - whole);
    return;
  }
  // What is left over is too few tokens for a block, but should not run one by one either.
  Value tokens = memref::DimOp::create(builder, op.getOut(), 0);
  Value next = zero;
  if (op.getToken()) {
    next = op.getToken();
    Value end = builder.add(next, config.getPieceTokens());
    tokens = arith::MinUIOp::create(builder, tokens, end);
  }
  for (int64_t size = block;;
       size = size > kLeftOverTokens ? std::max(size / 2, kLeftOverTokens) : 1) {
    next = emitBlocks(next, tokens, size);
    if (size == 1)
      break;
  }
}

Value MatmulTileEmitter::emitBlocks(Value begin, Value end, int64_t block) {
  Value stop = end;
  if (block > 1) {
    Value left = arith::SubIOp::create(builder, end, begin);
    Value rest = arith::RemUIOp::create(builder, left, builder.index(block));
    stop = arith::SubIOp::create(builder, end, rest);
  }
  builder.loop(begin, stop, block, [&](Value token) { emitTokens(token, block); });
  return stop;
}

void MatmulTileEmitter::emitTokens(Value token, int64_t tokens) {
  count = tokens;
  inputAddresses.clear();
  for (Value input : op.getInputs())
    inputAddresses.push_back(builder.rowAddress(input, token));
  isFirst = Value();
  if (!isConstantIntValue(token, 0))
    isFirst = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, token, builder.index(0));
  int64_t tiles = llvm::divideCeil(type.getRows(), kTileRows), streams = config.getStreams();
  int64_t pieces = op.getCos() ? tiles / 2 : tiles, atOnce = config.getRowTiles();
  if (atOnce == 1)
    return emitPieces(op.getTile(), 1, token);
  Value begin = op.getTile(), end = builder.add(begin, atOnce), whole = end;
  if (pieces % atOnce == 0 && atOnce == streams)
    return emitPieces(begin, streams, token);
  if (pieces % atOnce != 0) {
    end = whole = arith::MinSIOp::create(builder, end, builder.index(pieces));
    if (pieces % streams != 0) {
      Value left = arith::SubIOp::create(builder, end, begin);
      left = arith::RemUIOp::create(builder, left, builder.index(streams));
      whole = arith::SubIOp::create(builder, end, left);
    }
  }
  builder.loop(begin, whole, streams, [&](Value first) { emitPieces(first, streams, token); });
  if (whole != end)
    builder.loop(whole, end, 1, [&](Value piece) { emitPieces(piece, 1, token); });
}

RowTile MatmulTileEmitter::makeTile(Value number) {
  RowTile tile{number, builder.mul(number, kTileRows), Value()};
  if (type.getRows() % kTileRows != 0) {
    Value left = arith::SubIOp::create(builder, builder.index(type.getRows()), tile.firstRow);
    tile.mask = builder.firstLanes(left);
  }
  return tile;
}

/// Row tiles that the halves of a head are apart.
static int64_t tilesApart(packed::MatmulTileOp op) {
  return cast<MemRefType>(op.getCos().getType()).getDimSize(1) / kTileRows;
}

llvm::SmallVector<RowTile> MatmulTileEmitter::tilesOf(Value piece) {
  if (!op.getCos())
    return {makeTile(piece)};
  int64_t apart = tilesApart(op);
  Value head = arith::DivUIOp::create(builder, piece, builder.index(apart));
  Value place = arith::RemUIOp::create(builder, piece, builder.index(apart));
  Value first = builder.add(builder.mul(head, 2 * apart), place);
  return {makeTile(first), makeTile(builder.add(first, apart))};
}

void MatmulTileEmitter::rotateTiles(Value piece, Value token, Values &first, Values &second) {
  Value place = arith::RemUIOp::create(builder, piece, builder.index(tilesApart(op)));
  Value pair = builder.mul(place, kTileRows);
  for (int64_t t = 0; t < count; ++t) {
    llvm::SmallVector<Value> indices{builder.add(token, t), pair};
    Value cos = builder.loadVector(builder.floats(), op.getCos(), indices);
    Value sin = builder.loadVector(builder.floats(), op.getSin(), indices);
    std::tie(first[t], second[t]) = rotatePairs(builder, first[t], second[t], cos, sin);
  }
}

void MatmulTileEmitter::emitPieces(Value number, int64_t pieces, Value token) {
  llvm::SmallVector<RowTile> tiles;
  for (int64_t i = 0; i < pieces; ++i)
    tiles.append(tilesOf(builder.add(number, i)));
  // One stream of memory: a tile after the other.
  Sums sums;
  for (ArrayRef<RowTile> rest = tiles; !rest.empty();) {
    size_t abreast = config.getStreams() == 1 ? 1 : rest.size();
    sums.append(emitSums(rest.take_front(abreast)));
    rest = rest.drop_front(abreast);
  }
  for (auto [tile, values] : llvm::zip_equal(tiles, sums))
    for (int64_t t = 0; t < count; ++t)
      values[t] = addBiasAndGate(tile, builder.add(token, t), values[t]);
  if (op.getCos())
    for (int64_t i = 0; i < pieces; ++i)
      rotateTiles(builder.add(number, i), token, sums[2 * i], sums[2 * i + 1]);
  for (auto [tile, values] : llvm::zip_equal(tiles, sums))
    for (int64_t t = 0; t < count; ++t)
      finish(tile, builder.add(token, t), values[t]);
}

MatmulTileEmitter::Sums MatmulTileEmitter::emitSums(ArrayRef<RowTile> tiles) {
  if (layout.isQuantized())
    return emitQuantized(tiles);
  if (!layout.isSparseFloat() && !isSplit())
    return emitFloats(tiles);
  Sums sums;
  for (const RowTile &tile : tiles)
    sums.push_back(layout.isSparseFloat() ? emitSparseFloats(tile) : emitSplit(tile));
  return sums;
}

void MatmulTileEmitter::whereReadFirst(function_ref<void()> body) {
  if (config.getPrefetch() == 0)
    return;
  OpBuilder::InsertionGuard guard(builder);
  if (isFirst) {
    auto branch = scf::IfOp::create(builder, isFirst);
    builder.setInsertionPointToStart(branch.thenBlock());
  }
  body();
}

Value MatmulTileEmitter::loadInput(Type type, unsigned number, Value column, int64_t token) {
  auto matrix = cast<MemRefType>(op.getInputs()[number].getType());
  Value first = builder.address(inputAddresses[number],
                                builder.mul(column, matrix.getElementTypeBitWidth() / 8));
  return builder.load(type, builder.address(first, token * KernelBuilder::rowBytes(matrix)));
}

Value MatmulTileEmitter::loadRows(const RowTile &tile, Value memref, ValueRange indices) {
  return builder.loadVector(builder.floats(), memref, indices, tile.mask);
}

Value MatmulTileEmitter::addBiasAndGate(const RowTile &tile, Value token, Value sum) {
  if (op.getBias())
    sum = arith::AddFOp::create(builder, sum, loadRows(tile, op.getBias(), tile.firstRow));
  if (!op.getGate())
    return sum;
  Value gate = loadRows(tile, op.getGate(), {token, tile.firstRow});
  gate = createActivation(builder, builder.getLoc(), *op.getActivation(), gate);
  return arith::MulFOp::create(builder, gate, sum);
}

/// Adds the residual to the sums of a token's 16 rows and stores them.
void MatmulTileEmitter::finish(const RowTile &tile, Value token, Value sum) {
  llvm::SmallVector<Value> indices{token, tile.firstRow};
  if (op.getResidual())
    sum = arith::AddFOp::create(builder, sum, loadRows(tile, op.getResidual(), indices));
  builder.storeVector(sum, op.getOut(), indices, tile.mask);
}

//===----------------------------------------------------------------------===//
// Float weights
//===----------------------------------------------------------------------===//

MatmulTileEmitter::Sums MatmulTileEmitter::emitFloats(ArrayRef<RowTile> tiles) {
  TileGeometry geometry = tileGeometry(layout, type.getRows(), type.getColumns());
  Values starts;
  for (const RowTile &tile : tiles)
    starts.push_back(builder.address(weights, builder.mul(tile.number, geometry.tileBytes)));
  Type element = builder.getF32Type();
  if (layout.element == ElementKind::BF16)
    element = builder.getBF16Type();
  else if (layout.element == ElementKind::F16)
    element = builder.getF16Type();
  auto vectorType = VectorType::get(kTileRows, element);
  int64_t columnBytes = kTileRows * element.getIntOrFloatBitWidth() / 8;
  int64_t chains = chainsPerToken(config, count), perTile = count * chains;

  auto addColumn = [&](Value column, int64_t chain, Values &sums) {
    Value offset = builder.mul(column, columnBytes);
    for (size_t i = 0; i < tiles.size(); ++i) {
      Value weight = builder.load(vectorType, builder.address(starts[i], offset));
      weight = builder.toF32(weight);
      for (int64_t t = 0; t < count; ++t) {
        Value x = builder.broadcast(loadInput(builder.getF32Type(), 0, column, t));
        Value &sum = sums[i * perTile + t * chains + chain];
        sum = builder.multiplyAdd(weight, x, sum);
      }
    }
  };
  Values sums(tiles.size() * perTile, builder.constant(builder.floats(), 0.0));
  int64_t whole = type.getColumns() / kUnrolledColumns * kUnrolledColumns;
  if (whole > 0)
    sums =
        builder.loop(builder.index(0), builder.index(whole), kUnrolledColumns, sums,
                     [&](Value first, ValueRange carried) {
                       Values values(carried);
                       whereReadFirst([&] {
                         for (Value start : starts) {
                           Value ahead = builder.address(start, builder.mul(first, columnBytes));
                           for (int64_t line = 0; line < kUnrolledColumns * columnBytes; line += 64)
                             packed::PrefetchOp::create(
                                 builder, builder.address(ahead, config.getPrefetch() + line),
                                 config.getLevel());
                         }
                       });
                       for (int64_t i = 0; i < kUnrolledColumns; ++i)
                         addColumn(builder.add(first, i), i % chains, values);
                       return values;
                     });
  for (int64_t column = whole; column < type.getColumns(); ++column)
    addColumn(builder.index(column), column % chains, sums);
  Sums results;
  for (size_t i = 0; i < tiles.size(); ++i)
    results.push_back(
        addChains<arith::AddFOp>(builder, ArrayRef(sums).slice(i * perTile, perTile), chains));
  return results;
}

bool MatmulTileEmitter::isSplit() const {
  packed::MatmulTileOp tile = op;
  return cpu::hasSplitActivations(tile.getInputs()) && count >= kLeastTileTokens;
}

Values MatmulTileEmitter::emitSplit(const RowTile &tile) {
  TileGeometry geometry = tileGeometry(layout, type.getRows(), type.getColumns());
  Value start = builder.address(weights, builder.mul(tile.number, geometry.tileBytes));
  int64_t stride = KernelBuilder::rowBytes(cast<MemRefType>(op.getInputs()[1].getType()));
  auto prefetch = [&](Value first, int64_t bytes) {
    whereReadFirst([&] {
      Value ahead = builder.address(first, config.getPrefetch());
      builder.loop(builder.index(0), builder.index(bytes), 64, [&](Value offset) {
        packed::PrefetchOp::create(builder, builder.address(ahead, offset), config.getLevel());
      });
    });
  };
  return emitSplitProducts(builder, {start, type.getColumns()}, {inputAddresses[1], stride, count},
                           prefetch);
}

void stc::cpu::emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &target) {
  MatmulTileEmitter(op, target).emit();
}
