// packed.matmul_tile: 16 rows of a weight matrix times all tokens. One generator for every layout.
#include "TileLowerings.h"
#include "WeightReader.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

/// Dot products are unrolled until a loop body holds this many.
constexpr int64_t kUnrolledDots = 128;
/// Columns of float weights per iteration.
constexpr int64_t kUnrolledColumns = 8;

/// What stays the same for all tokens of the tile.
class MatmulTileEmitter {
public:
  MatmulTileEmitter(packed::MatmulTileOp op, const TargetDescription &target);
  void emit();

private:
  /// Computes `count` tokens starting at `token`, and writes their results.
  void emitTokens(Value token, int64_t count);
  Values emitFloats(ArrayRef<Value> tokens);
  Values emitQuantized(ArrayRef<Value> tokens);
  Values emitGroup(WeightReader &reader, Value group, ArrayRef<Value> tokens, Values &state);
  void addProducts(Value weights, Value column, ArrayRef<Value> tokens, int64_t chain,
                   Values &accumulators);
  void finish(Value token, Value sum);

  packed::MatmulTileOp op;
  KernelBuilder builder;
  packed::WeightType type;
  Layout layout;
  packed::LoweringConfigAttr config;
  Value weights;
  Value firstRow;
  Value mask; // of the rows that exist, where a tile may be partial
};

} // namespace

MatmulTileEmitter::MatmulTileEmitter(packed::MatmulTileOp op, const TargetDescription &target)
    : op(op), builder(op, target), type(cast<packed::WeightType>(op.getWeight().getType())),
      layout(type.getLayout().getLayout()), config(op.getConfig()) {}

void MatmulTileEmitter::emit() {
  weights = builder.weightAddress(op.getWeight());
  firstRow = builder.mul(op.getTile(), kTileRows);
  if (type.getRows() % kTileRows != 0) {
    Value left = arith::SubIOp::create(builder, builder.index(type.getRows()), firstRow);
    mask = builder.firstLanes(left);
  }
  auto outType = cast<MemRefType>(op.getOut().getType());
  int64_t block = config.getTokens();
  if (!outType.isDynamicDim(0)) {
    int64_t tokens = outType.getDimSize(0);
    int64_t whole = tokens / block * block;
    if (whole == block)
      emitTokens(builder.index(0), block);
    else if (whole > 0)
      builder.loop(builder.index(0), builder.index(whole), block,
                   [&](Value token) { emitTokens(token, block); });
    if (tokens - whole == 1)
      emitTokens(builder.index(whole), 1);
    else if (tokens != whole)
      builder.loop(builder.index(whole), builder.index(tokens), 1,
                   [&](Value token) { emitTokens(token, 1); });
    return;
  }
  Value zero = builder.index(0);
  Value tokens = memref::DimOp::create(builder, op.getOut(), 0);
  Value whole = zero;
  if (block > 1) {
    Value rest = arith::RemUIOp::create(builder, tokens, builder.index(block));
    whole = arith::SubIOp::create(builder, tokens, rest);
    builder.loop(zero, whole, block, [&](Value token) { emitTokens(token, block); });
  }
  builder.loop(whole, tokens, 1, [&](Value token) { emitTokens(token, 1); });
}

void MatmulTileEmitter::emitTokens(Value token, int64_t count) {
  Values tokens;
  for (int64_t i = 0; i < count; ++i)
    tokens.push_back(builder.add(token, i));
  Values sums = layout.isQuantized() ? emitQuantized(tokens) : emitFloats(tokens);
  for (auto [t, sum] : llvm::zip_equal(tokens, sums))
    finish(t, sum);
}

/// Adds bias and residual to the sums of a token's 16 rows and stores them.
void MatmulTileEmitter::finish(Value token, Value sum) {
  auto addLoaded = [&](Value memref, ValueRange indices) {
    Value value = builder.loadVector(builder.floats(), memref, indices, mask);
    sum = arith::AddFOp::create(builder, sum, value);
  };
  if (op.getBias())
    addLoaded(op.getBias(), firstRow);
  if (op.getResidual())
    addLoaded(op.getResidual(), {token, firstRow});
  builder.storeVector(sum, op.getOut(), {token, firstRow}, mask);
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

Values MatmulTileEmitter::emitFloats(ArrayRef<Value> tokens) {
  TileGeometry geometry = tileGeometry(layout, type.getRows(), type.getColumns());
  Value tile = builder.address(weights, builder.mul(op.getTile(), geometry.tileBytes));
  Type element =
      layout.element == ElementKind::F32 ? Type(builder.getF32Type()) : Type(builder.getBF16Type());
  auto vectorType = VectorType::get(kTileRows, element);
  int64_t columnBytes = kTileRows * element.getIntOrFloatBitWidth() / 8;
  int64_t chains = chainsPerToken(config, tokens.size());

  auto addColumn = [&](Value column, int64_t chain, Values &sums) {
    Value address = builder.address(tile, builder.mul(column, columnBytes));
    Value weight = builder.toF32(builder.load(vectorType, address));
    for (auto [t, token] : llvm::enumerate(tokens)) {
      Value x = builder.broadcast(builder.loadElement(op.getInputs()[0], {token, column}));
      Value &sum = sums[t * chains + chain];
      sum = builder.multiplyAdd(weight, x, sum);
    }
  };
  Values sums(tokens.size() * chains, builder.constant(builder.floats(), 0.0));
  int64_t whole = type.getColumns() / kUnrolledColumns * kUnrolledColumns;
  if (whole > 0)
    sums =
        builder.loop(builder.index(0), builder.index(whole), kUnrolledColumns, sums,
                     [&](Value first, ValueRange carried) {
                       Values values(carried);
                       Value ahead = builder.address(tile, builder.mul(first, columnBytes));
                       if (config.getPrefetch() > 0)
                         for (int64_t line = 0; line < kUnrolledColumns * columnBytes; line += 64)
                           packed::PrefetchOp::create(
                               builder, builder.address(ahead, config.getPrefetch() + line));
                       for (int64_t i = 0; i < kUnrolledColumns; ++i)
                         addColumn(builder.add(first, i), i % chains, values);
                       return values;
                     });
  for (int64_t column = whole; column < type.getColumns(); ++column)
    addColumn(builder.index(column), column % chains, sums);
  return addChains<arith::AddFOp>(builder, sums, chains);
}

//===----------------------------------------------------------------------===//
// Quantized weights
//===----------------------------------------------------------------------===//

/// Adds to each token's accumulator the products of 16 rows x 4 columns starting at `column`.
void MatmulTileEmitter::addProducts(Value codes, Value column, ArrayRef<Value> tokens,
                                    int64_t chain, Values &accumulators) {
  int64_t chains = chainsPerToken(config, tokens.size());
  for (auto [t, token] : llvm::enumerate(tokens)) {
    // Four activations as one i32, which one instruction broadcasts.
    Value x = builder.loadVector(builder.bytes(kDotColumns), op.getInputs()[0], {token, column});
    x = vector::BitCastOp::create(builder, builder.ints(1), x);
    x = vector::ExtractOp::create(builder, x, 0);
    x = vector::BitCastOp::create(builder, builder.bytes(kStepBytes), builder.broadcast(x));
    Value &accumulator = accumulators[t * chains + chain];
    accumulator = packed::Dot4Op::create(builder, accumulator.getType(), accumulator, codes, x,
                                         layout.element == ElementKind::I4 ? 4 : 8);
  }
}

/// The exact integer sums of one group: of (code - zero point) * activation code.
Values MatmulTileEmitter::emitGroup(WeightReader &reader, Value group, ArrayRef<Value> tokens,
                                    Values &state) {
  int64_t chains = chainsPerToken(config, tokens.size());
  Values accumulators;
  for (Value token : tokens) {
    Value sum = builder.loadElement(op.getInputs()[2], {token, group});
    Value correction = arith::MulIOp::create(
        builder, sum, builder.constant(builder.getI32Type(), -layout.zeroPoint()));
    accumulators.push_back(builder.broadcast(correction));
    accumulators.append(chains - 1, builder.constant(builder.ints(), int64_t(0)));
  }
  int64_t blockColumns = reader.stepsPerBlock() * kDotColumns;
  int64_t blocks = layout.group / blockColumns;
  // `place` counts blocks of the unrolled code.
  auto addBlock = [&](Value number, int64_t place, Values &sums, Values &position) {
    Value block = builder.add(builder.mul(group, blocks), number);
    Value column = builder.add(builder.mul(group, layout.group), builder.mul(number, blockColumns));
    reader.readBlock(block, position, [&](int64_t step, Value codes) {
      int64_t chain = (place * reader.stepsPerBlock() + step) % chains;
      addProducts(codes, builder.add(column, step * kDotColumns), tokens, chain, sums);
    });
  };
  int64_t unrolled = blocks;
  while (unrolled % 2 == 0 &&
         unrolled * reader.stepsPerBlock() * int64_t(tokens.size()) > kUnrolledDots)
    unrolled /= 2;
  if (unrolled == blocks) {
    for (int64_t i = 0; i < blocks; ++i)
      addBlock(builder.index(i), i, accumulators, state);
    return addChains<arith::AddIOp>(builder, accumulators, chains);
  }
  Values carried(accumulators);
  carried.append(state);
  carried = builder.loop(builder.index(0), builder.index(blocks), unrolled, carried,
                         [&](Value first, ValueRange values) {
                           Values sums(values.take_front(accumulators.size()));
                           Values position(values.drop_front(accumulators.size()));
                           for (int64_t i = 0; i < unrolled; ++i)
                             addBlock(builder.add(first, i), i, sums, position);
                           sums.append(position);
                           return sums;
                         });
  accumulators.assign(carried.begin(), carried.begin() + accumulators.size());
  state.assign(carried.begin() + accumulators.size(), carried.end());
  return addChains<arith::AddIOp>(builder, accumulators, chains);
}

Values MatmulTileEmitter::emitQuantized(ArrayRef<Value> tokens) {
  WeightReader reader(builder, type, weights, op.getTile());
  Values carried(tokens.size(), builder.constant(builder.floats(), 0.0));
  carried.append(reader.initialState());
  carried = builder.loop(
      builder.index(0), builder.index(reader.getGeometry().groups), 1, carried,
      [&](Value group, ValueRange values) {
        Values results(values.take_front(tokens.size()));
        Values state(values.drop_front(tokens.size()));
        if (config.getPrefetch() > 0)
          reader.prefetchGroup(group, config.getPrefetch());
        Values sums = emitGroup(reader, group, tokens, state);
        Value scales = reader.loadScales(group);
        for (auto [t, token] : llvm::enumerate(tokens)) {
          Value sum = arith::SIToFPOp::create(builder, builder.floats(), sums[t]);
          Value scale = builder.broadcast(builder.loadElement(op.getInputs()[1], {token, group}));
          scale = arith::MulFOp::create(builder, scales, scale);
          results[t] = builder.multiplyAdd(sum, scale, results[t]);
        }
        results.append(state);
        return results;
      });
  carried.resize(tokens.size());
  return carried;
}

void stc::cpu::emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &target) {
  MatmulTileEmitter(op, target).emit();
}
