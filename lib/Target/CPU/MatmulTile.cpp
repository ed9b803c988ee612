// packed.matmul_tile: tiles of 16 rows of a weight matrix times all tokens. One generator for every
// layout.
#include "TileLowerings.h"
#include "WeightReader.h"

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

/// A row tile that is being emitted.
struct RowTile {
  Value number;
  Value firstRow;
  Value mask; // of the rows that exist, where a tile may be partial
};

/// What stays the same for all tokens of the tile.
class MatmulTileEmitter {
public:
  MatmulTileEmitter(packed::MatmulTileOp op, const TargetDescription &target);
  void emit();

private:
  /// Computes `count` tokens starting at `token` of all row tiles, and writes their results.
  void emitTokens(Value token, int64_t count);
  /// The same of `pieces` row tiles from `number` on, or of so many pairs of those that are turned
  /// together, side by side.
  void emitPieces(Value number, int64_t pieces, Value token);
  /// The tiles of a piece: one, or two that are turned together.
  llvm::SmallVector<RowTile> tilesOf(Value piece);
  /// Turns the sums of the tokens of two tiles.
  void rotateTiles(Value piece, Value token, Values &first, Values &second);
  RowTile makeTile(Value number);
  /// Runs `body`, which prefetches weights, where it is the first block of tokens that reads them.
  void whereReadFirst(llvm::function_ref<void()> body);
  /// Computes tokens [begin, end) in blocks of `block` while there are that many; returns the next.
  Value emitBlocks(Value begin, Value end, int64_t block);

  // The sums of several row tiles, which are read side by side: a vector per token of each.
  using Sums = llvm::SmallVector<Values>;
  Sums emitSums(ArrayRef<RowTile> tiles);
  Sums emitFloats(ArrayRef<RowTile> tiles);
  /// Whether the block's tokens are multiplied in the form of split activations, and their sums.
  bool isSplit() const;
  Values emitSplit(const RowTile &tile);
  Sums emitQuantized(ArrayRef<RowTile> tiles);
  // And those of one group.
  Sums emitGroups(MutableArrayRef<WeightReader> readers, Value group, Sums &states);
  Sums emitDenseGroups(MutableArrayRef<WeightReader> readers, Value group, Sums &states);
  Sums emitPairsGroups(MutableArrayRef<WeightReader> readers, Value group);
  /// Whether the block's tokens go through tile registers, and the sums of a group from there.
  bool usesTiles() const;
  Values emitTileGroup(WeightReader &reader, Value group, Values &state);
  Values emitBlockGroup(WeightReader &reader, Value group, Values &state);
  Value selectInputs(Value positions, int64_t chunk, Value groupColumn, int64_t token);
  /// Whether activations are selected from 64 at once.
  bool selectsFromTables() const;
  Value tablePositions(Value pairs, int64_t chunk);
  void addScaled(WeightReader &reader, Value group, ArrayRef<Value> sums, Values &results);
  /// Pairs of the block's tokens that packed.dot8x2 multiplies with.
  int64_t tokenPairs() const;
  Value startPair(Value group, int64_t pair);
  void addPairProducts(Value first, Value second, Value column, Values &accumulators);
  void addProducts(Value weights, Value column, int64_t chain, Values &accumulators);
  Values tokenSums(ArrayRef<Value> accumulators);
  /// `type` from column `column` of input `number`, of token `token` of the block.
  Value loadInput(Type type, unsigned number, Value column, int64_t token);
  /// The tile's rows of `memref`, of a token where it is a matrix.
  Value loadRows(const RowTile &tile, Value memref, ValueRange indices);
  Value addBiasAndGate(const RowTile &tile, Value token, Value sum);
  void finish(const RowTile &tile, Value token, Value sum);

  packed::MatmulTileOp op;
  KernelBuilder builder;
  packed::WeightType type;
  Layout layout;
  packed::LoweringConfigAttr config;
  Value weights;
  // Of the block of tokens that is being emitted:
  int64_t count = 0;     // its tokens
  Value isFirst;         // whether weights are read for the first time; null: always
  Values inputAddresses; // where its first token begins in each input
};

} // namespace

MatmulTileEmitter::MatmulTileEmitter(packed::MatmulTileOp op, const TargetDescription &target)
    : op(op), builder(op, target), type(cast<packed::WeightType>(op.getWeight().getType())),
      layout(type.getLayout().getLayout()), config(op.getConfig()) {}

void MatmulTileEmitter::emit() {
  weights = builder.weightAddress(op.getWeight());
  auto outType = cast<MemRefType>(op.getOut().getType());
  int64_t block = config.getTokens();
  Value zero = builder.index(0);
  if (!outType.isDynamicDim(0)) {
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
  if (!isSplit())
    return emitFloats(tiles);
  Sums sums;
  for (const RowTile &tile : tiles)
    sums.push_back(emitSplit(tile));
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

/// Chains of sums are independent of each other, so that additions need not wait for one another;
/// several tokens are chains already.
static int64_t chainsPerToken(packed::LoweringConfigAttr config, int64_t tokens) {
  return tokens == 1 ? config.getAccumulators() : 1;
}

/// Adds the chains of each token: chain c of token t is values[t * chains + c].
template <typename AddOp>
static Values addChains(KernelBuilder &builder, ArrayRef<Value> values, int64_t chains) {
  Values sums;
  for (; !values.empty(); values = values.drop_front(chains)) {
    Values terms(values.take_front(chains));
    for (; terms.size() > 1; terms.resize(terms.size() / 2))
      for (size_t i = 0; i < terms.size() / 2; ++i)
        terms[i] = AddOp::create(builder, terms[i], terms[i + terms.size() / 2]);
    sums.push_back(terms[0]);
  }
  return sums;
}

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
  return layout.element == ElementKind::BF16 && inputAddresses.size() == 2 &&
         count >= kLeastTileTokens;
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

//===----------------------------------------------------------------------===//
// Quantized weights
//===----------------------------------------------------------------------===//

/// What several tiles carry through a loop, one after the other, and back.
static Values flatten(ArrayRef<Values> ofTiles) {
  Values all;
  for (const Values &values : ofTiles)
    all.append(values);
  return all;
}
static ValueRange unflatten(ValueRange all, MutableArrayRef<Values> ofTiles) {
  for (Values &values : ofTiles) {
    size_t size = values.size();
    values.assign(all.begin(), all.begin() + size);
    all = all.drop_front(size);
  }
  return all;
}

int64_t MatmulTileEmitter::tokenPairs() const {
  return builder.getTarget().hasDot8x2() ? count / 2 : 0;
}

/// What the sums of a pair's tokens start from, in turn: one broadcast of 64 bits.
Value MatmulTileEmitter::startPair(Value group, int64_t pair) {
  Type i64 = builder.getI64Type();
  auto start = [&](int64_t token) -> Value {
    return arith::ExtUIOp::create(builder, i64, loadInput(builder.getI32Type(), 2, group, token));
  };
  Value shift = builder.constant(i64, int64_t(32));
  Value second = arith::ShLIOp::create(builder, start(2 * pair + 1), shift);
  Value both = arith::OrIOp::create(builder, start(2 * pair), second);
  return vector::BitCastOp::create(builder, builder.ints(2 * kTileRows), builder.broadcast(both));
}

/// Adds to the accumulator of each pair of tokens the products of 16 rows x 8 columns, whose codes
/// are those of two steps: four columns of each row, then the next four.
void MatmulTileEmitter::addPairProducts(Value first, Value second, Value column,
                                        Values &accumulators) {
  auto words = [&](Value codes) {
    return vector::BitCastOp::create(builder, builder.ints(), codes);
  };
  Value rows = builder.interleave(words(first), words(second));
  rows = vector::BitCastOp::create(builder, builder.bytes(2 * kStepBytes), rows);
  Type i64 = builder.getI64Type();
  for (int64_t pair = 0; pair < tokenPairs(); ++pair) {
    // Loading 16 columns of each token at once takes fewer instructions, but spills sums.
    Value inputs[] = {loadInput(i64, 0, column, 2 * pair), loadInput(i64, 0, column, 2 * pair + 1)};
    Value x = vector::FromElementsOp::create(builder, VectorType::get(2, i64), inputs);
    x = vector::BitCastOp::create(builder, builder.bytes(4 * kDotColumns), x);
    accumulators[pair] = packed::Dot8x2Op::create(builder, accumulators[pair].getType(),
                                                  accumulators[pair], rows, x, layout.codeBits());
  }
}

/// Adds to the accumulator of each token without another the products of 16 rows x 4 columns
/// starting at `column`.
void MatmulTileEmitter::addProducts(Value codes, Value column, int64_t chain,
                                    Values &accumulators) {
  int64_t chains = chainsPerToken(config, count), pairs = tokenPairs();
  for (int64_t t = 2 * pairs; t < count; ++t) {
    // Four activations as one i32, which one instruction broadcasts.
    Value x = loadInput(builder.getI32Type(), 0, column, t);
    x = vector::BitCastOp::create(builder, builder.bytes(kStepBytes), builder.broadcast(x));
    Value &accumulator = accumulators[pairs + (t - 2 * pairs) * chains + chain];
    accumulator = packed::Dot4Op::create(builder, accumulator.getType(), accumulator, codes, x,
                                         layout.codeBits());
  }
}

/// The sums of each token: those of pairs lie in turn.
Values MatmulTileEmitter::tokenSums(ArrayRef<Value> accumulators) {
  Values sums;
  for (Value pair : accumulators.take_front(tokenPairs()))
    for (int64_t t : {0, 1})
      sums.push_back(builder.everyOther(pair, t));
  sums.append(addChains<arith::AddIOp>(builder, accumulators.drop_front(tokenPairs()),
                                       chainsPerToken(config, count)));
  return sums;
}

/// The exact integer sums of one group: of (code - zero point) * activation code.
MatmulTileEmitter::Sums MatmulTileEmitter::emitDenseGroups(MutableArrayRef<WeightReader> readers,
                                                           Value group, Sums &states) {
  int64_t chains = chainsPerToken(config, count), pairs = tokenPairs();
  Values first;
  // Minus the zero point times the sum of the activations; zero points of rows come later.
  for (int64_t pair = 0; pair < pairs; ++pair)
    first.push_back(layout.asymmetric ? builder.constant(builder.ints(2 * kTileRows), int64_t(0))
                                      : startPair(group, pair));
  for (int64_t t = 2 * pairs; t < count; ++t) {
    first.push_back(layout.asymmetric
                        ? builder.constant(builder.ints(), int64_t(0))
                        : builder.broadcast(loadInput(builder.getI32Type(), 2, group, t)));
    first.append(chains - 1, builder.constant(builder.ints(), int64_t(0)));
  }
  Sums accumulators(readers.size(), first);
  int64_t blockSteps = readers[0].stepsPerBlock(), blockColumns = blockSteps * kDotColumns;
  int64_t blocks = layout.group / blockColumns;
  Values held(readers.size()); // the codes of steps whose successors are not read yet
  // `place` counts blocks of the unrolled code.
  auto addBlock = [&](Value number, int64_t place) {
    Value block = builder.add(builder.mul(group, blocks), number);
    Value column = builder.add(builder.mul(group, layout.group), builder.mul(number, blockColumns));
    for (size_t i = 0; i < readers.size(); ++i)
      readers[i].readBlock(block, states[i], [&](int64_t step, Value codes) {
        int64_t number = place * blockSteps + step;
        Value first = builder.add(column, step * kDotColumns);
        addProducts(codes, first, number % chains, accumulators[i]);
        if (number % 2 == 0)
          held[i] = codes;
        else if (pairs > 0)
          addPairProducts(held[i], codes, builder.add(first, -kDotColumns), accumulators[i]);
      });
  };
  int64_t unrolled = blocks, products = blockSteps * count * int64_t(readers.size());
  // Pairs of tokens take two steps at once.
  int64_t least = pairs > 0 && blockSteps % 2 != 0 ? 2 : 1;
  while (unrolled % (2 * least) == 0 && unrolled * products > config.getUnroll())
    unrolled /= 2;
  if (unrolled == blocks) {
    for (int64_t i = 0; i < blocks; ++i)
      addBlock(builder.index(i), i);
  } else {
    Values carried = flatten(accumulators);
    carried.append(flatten(states));
    carried = builder.loop(builder.index(0), builder.index(blocks), unrolled, carried,
                           [&](Value number, ValueRange values) {
                             unflatten(unflatten(values, accumulators), states);
                             for (int64_t i = 0; i < unrolled; ++i)
                               addBlock(builder.add(number, i), i);
                             Values next = flatten(accumulators);
                             next.append(flatten(states));
                             return next;
                           });
    unflatten(unflatten(carried, accumulators), states);
  }
  Sums sums;
  for (const Values &values : accumulators)
    sums.push_back(tokenSums(values));
  return sums;
}

/// The same for stored steps of signed weights, whose number differs from group to group. Weights
/// are the signed operand of dot products, so activations have an offset of 128, and 128 times the
/// sum of the weights, which all tokens share, is subtracted.
Values MatmulTileEmitter::emitBlockGroup(WeightReader &reader, Value group, Values &state) {
  const TileGeometry &geometry = reader.getGeometry();
  Value tile = reader.getTileAddress();
  auto loadNumber = [&](Value number, int64_t offset) -> Value {
    Value address = builder.address(tile, builder.add(builder.mul(number, 2), offset));
    Value value = builder.load(builder.getIntegerType(16), address);
    return arith::IndexCastUIOp::create(builder, builder.getIndexType(), value);
  };
  Value end = loadNumber(group, geometry.endsOffset);
  Value offset = builder.constant(builder.bytes(kStepBytes), int64_t(-128));
  Values sums(count + 1, builder.constant(builder.ints(), int64_t(0)));
  sums = builder.loop(state[0], end, 1, sums, [&](Value stored, ValueRange carried) {
    Values values(carried);
    Value column = builder.mul(loadNumber(stored, geometry.indicesOffset), kDotColumns);
    Value codes = reader.readStoredStep(stored, state[1]);
    auto addDot = [&](Value &value, Value x) {
      value =
          packed::Dot4Op::create(builder, value.getType(), value, x, codes, 8, reader.signedBits());
    };
    for (int64_t t = 0; t < count; ++t) {
      Value x = loadInput(builder.getI32Type(), 0, column, t);
      addDot(values[t], vector::BitCastOp::create(builder, offset.getType(), builder.broadcast(x)));
    }
    addDot(values[count], offset);
    return values;
  });
  state[0] = end;
  for (int64_t t = 0; t < count; ++t)
    sums[t] = arith::SubIOp::create(builder, sums[t], sums[count]);
  sums.resize(count);
  return sums;
}

/// The activations of a token that the pairs of a vector belong to. It covers 16 columns from
/// `column` on, or with fewer than four pairs per row 16 for each of its quarters or halves.
Value MatmulTileEmitter::selectInputs(Value positions, int64_t chunk, Value groupColumn,
                                      int64_t token) {
  int64_t chunks = std::max<int64_t>(1, kDotColumns / layout.n);
  if (selectsFromTables()) {
    // `positions` count from the begin of the 64 columns.
    int64_t first = chunk * layout.m / kStepBytes * kStepBytes;
    Value x = loadInput(builder.bytes(kStepBytes), 0, builder.add(groupColumn, first), token);
    return packed::Select64Op::create(builder, x.getType(), x, positions);
  }
  llvm::SmallVector<int64_t> lanes(kStepBytes);
  for (int64_t i = 0; i < kStepBytes; ++i)
    lanes[i] = i % kTileRows;
  Values selected;
  for (int64_t i = 0; i < chunks; ++i) {
    Value column = builder.add(groupColumn, (chunk + i) * layout.m);
    Value x = loadInput(builder.bytes(layout.m), 0, column, token);
    x = vector::ShuffleOp::create(builder, x, x, lanes);
    selected.push_back(packed::Select16Op::create(builder, x.getType(), x, positions));
  }
  // Of every four bytes each chunk's own are kept: halves of halves, or halves.
  for (int64_t own = kDotColumns / chunks; selected.size() > 1; own *= 2) {
    for (int64_t i = 0; i < kStepBytes; ++i)
      lanes[i] = i / own % 2 == 0 ? i : kStepBytes + i;
    for (size_t i = 0; i < selected.size() / 2; ++i)
      selected[i] = vector::ShuffleOp::create(builder, selected[2 * i], selected[2 * i + 1], lanes);
    selected.resize(selected.size() / 2);
  }
  return selected[0];
}

bool MatmulTileEmitter::selectsFromTables() const {
  return builder.getTarget().hasTable64() && layout.group % kStepBytes == 0;
}

/// The positions of a vector of pairs whose first chunk of 16 columns is `chunk`, within 64
/// columns.
Value MatmulTileEmitter::tablePositions(Value pairs, int64_t chunk) {
  llvm::SmallVector<int8_t> bases(kStepBytes);
  int64_t chunks = std::max<int64_t>(1, kDotColumns / layout.n), own = kDotColumns / chunks;
  for (int64_t i = 0; i < kStepBytes; ++i)
    bases[i] = (chunk + i % kDotColumns / own) * layout.m % kStepBytes;
  Type type = pairs.getType();
  Value low = arith::AndIOp::create(builder, pairs, builder.constant(type, int64_t(15)));
  Value base = arith::ConstantOp::create(
      builder, DenseElementsAttr::get(cast<ShapedType>(type), ArrayRef(bases)));
  return arith::OrIOp::create(builder, low, base);
}

/// The same for pairs of positions and signed weights.
MatmulTileEmitter::Sums MatmulTileEmitter::emitPairsGroups(MutableArrayRef<WeightReader> readers,
                                                           Value group) {
  int64_t chains = chainsPerToken(config, count);
  int64_t vectors = layout.group * layout.n / kStepBytes;
  size_t tiles = readers.size();
  Value offset = builder.constant(builder.bytes(kStepBytes), int64_t(-128));
  Value zero = builder.constant(builder.ints(), int64_t(0));
  auto addDot = [&](Value &sum, Value x, Value codes) {
    int64_t bits = readers[0].signedBits();
    sum = packed::Dot4Op::create(builder, sum.getType(), sum, x, codes, 8, bits);
  };
  // 128 times the sum of the weights, which all tokens share: what several of them start from,
  // negated, and what is subtracted from a single one, which need not wait for it then.
  Sums pairs(tiles), codes(tiles), sums(tiles, Values(count * chains, zero));
  Sums corrections(tiles, Values(chains, zero));
  for (int64_t i = 0; i < vectors; ++i)
    for (size_t tile = 0; tile < tiles; ++tile) {
      WeightReader &reader = readers[tile];
      pairs[tile].push_back(reader.readPairs(builder.add(builder.mul(group, vectors), i)));
      codes[tile].push_back(reader.weightsOf(pairs[tile].back()));
      addDot(corrections[tile][i % chains], offset, codes[tile].back());
    }
  for (size_t tile = 0; tile < tiles; ++tile) {
    corrections[tile] = addChains<arith::AddIOp>(builder, corrections[tile], chains);
    if (count > 1)
      sums[tile].assign(count * chains, arith::SubIOp::create(builder, zero, corrections[tile][0]));
  }
  Value groupColumn = builder.mul(group, layout.group);
  for (int64_t i = 0; i < vectors; ++i) {
    int64_t chunk = i * kStepBytes / layout.n / layout.m;
    for (size_t tile = 0; tile < tiles; ++tile) {
      Value positions =
          selectsFromTables() ? tablePositions(pairs[tile][i], chunk) : pairs[tile][i];
      for (int64_t t = 0; t < count; ++t)
        addDot(sums[tile][t * chains + i % chains], selectInputs(positions, chunk, groupColumn, t),
               codes[tile][i]);
    }
  }
  for (size_t tile = 0; tile < tiles; ++tile) {
    sums[tile] = addChains<arith::AddIOp>(builder, sums[tile], chains);
    if (count == 1)
      sums[tile][0] = arith::SubIOp::create(builder, sums[tile][0], corrections[tile][0]);
  }
  return sums;
}

bool MatmulTileEmitter::usesTiles() const {
  bool hasCodes = layout.kind == LayoutKind::Dense || layout.hasMasks();
  return builder.getTarget().hasTileDot() && hasCodes && count >= kLeastTileTokens &&
         count <= kTileRows;
}

/// The same by packed.tile_dot, which takes codes from memory: as they are stored, or unpacked once
/// for all tokens.
Values MatmulTileEmitter::emitTileGroup(WeightReader &reader, Value group, Values &state) {
  Value codes;
  if (layout.kind == LayoutKind::Dense && layout.element == ElementKind::I8) {
    codes = reader.codesAddress(group);
  } else {
    codes = builder.stackBuffer(layout.group * kTileRows);
    int64_t blockSteps = reader.stepsPerBlock(), blocks = layout.group / kDotColumns / blockSteps;
    for (int64_t i = 0; i < blocks; ++i)
      reader.readBlock(builder.add(builder.mul(group, blocks), i), state,
                       [&](int64_t step, Value values) {
                         int64_t place = (i * blockSteps + step) * kStepBytes;
                         builder.store(values, builder.address(codes, place));
                       });
  }
  Value results = builder.stackBuffer(kTileRows * kStepBytes);
  Value inputs = builder.address(inputAddresses[0], builder.mul(group, layout.group));
  int64_t stride = KernelBuilder::rowBytes(cast<MemRefType>(op.getInputs()[0].getType()));
  packed::TileDotOp::create(builder, results, inputs, stride, codes, count, layout.group);
  Values sums;
  for (int64_t t = 0; t < count; ++t) {
    Value sum = builder.load(builder.ints(), builder.address(results, t * kStepBytes));
    if (!layout.asymmetric)
      sum = arith::AddIOp::create(builder, sum,
                                  builder.broadcast(loadInput(builder.getI32Type(), 2, group, t)));
    sums.push_back(sum);
  }
  return sums;
}

/// The integer sums of a group, whatever the layout.
MatmulTileEmitter::Sums MatmulTileEmitter::emitGroups(MutableArrayRef<WeightReader> readers,
                                                      Value group, Sums &states) {
  if (layout.kind == LayoutKind::Pairs)
    return emitPairsGroups(readers, group);
  if (layout.kind != LayoutKind::Block && !usesTiles())
    return emitDenseGroups(readers, group, states);
  Sums sums;
  for (auto [reader, state] : llvm::zip_equal(readers, states))
    sums.push_back(layout.kind == LayoutKind::Block ? emitBlockGroup(reader, group, state)
                                                    : emitTileGroup(reader, group, state));
  return sums;
}

/// Adds the integer sums of a group, times the scales of weights and activations, to the results.
void MatmulTileEmitter::addScaled(WeightReader &reader, Value group, ArrayRef<Value> sums,
                                  Values &results) {
  Value scales = reader.loadScales(group), zeros;
  if (layout.asymmetric)
    zeros = reader.loadZeros(group);
  for (int64_t t = 0; t < count; ++t) {
    Value sum = arith::SIToFPOp::create(builder, builder.floats(), sums[t]);
    if (zeros) {
      // Exact: the products are integers below 2^24.
      Value x = builder.broadcast(loadInput(builder.getI32Type(), 2, group, t));
      x = arith::SIToFPOp::create(builder, builder.floats(), x);
      sum = builder.multiplyAdd(zeros, x, sum);
    }
    Value scale = builder.broadcast(loadInput(builder.getF32Type(), 1, group, t));
    scale = arith::MulFOp::create(builder, scales, scale);
    results[t] = builder.multiplyAdd(sum, scale, results[t]);
  }
}

MatmulTileEmitter::Sums MatmulTileEmitter::emitQuantized(ArrayRef<RowTile> tiles) {
  std::vector<WeightReader> readers;
  Sums states, results(tiles.size(), Values(count, builder.constant(builder.floats(), 0.0)));
  for (const RowTile &tile : tiles) {
    readers.emplace_back(builder, type, weights, tile.number);
    states.push_back(readers.back().initialState());
  }
  Values carried = flatten(results);
  carried.append(flatten(states));
  Value groups = builder.index(readers[0].getGeometry().groups);
  carried = builder.loop(builder.index(0), groups, 1, carried, [&](Value group, ValueRange values) {
    unflatten(unflatten(values, results), states);
    whereReadFirst([&] {
      for (WeightReader &reader : readers)
        reader.prefetchGroup(group, config.getPrefetch(), config.getLevel());
    });
    Sums sums = emitGroups(readers, group, states);
    for (size_t i = 0; i < readers.size(); ++i)
      addScaled(readers[i], group, sums[i], results[i]);
    Values next = flatten(results);
    next.append(flatten(states));
    return next;
  });
  unflatten(carried, results);
  return results;
}

void stc::cpu::emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &target) {
  MatmulTileEmitter(op, target).emit();
}
