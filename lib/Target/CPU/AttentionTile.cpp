// packed.attention_tile: rows, softmax and results; the products are in AttentionProducts.cpp.
#include "AttentionEmitter.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

constexpr double kLowest = -double(std::numeric_limits<float>::max());
constexpr int64_t kFloat = sizeof(float);
/// A window that reaches further sees everything, and sums with positions stay 32-bit numbers.
constexpr int64_t kMostReach = 1 << 30;

/// As many rows at once as waste the fewest in the last group, of at most `most`.
static int64_t chooseTogether(int64_t rows, int64_t most) {
  int64_t best = 1, bestRows = std::numeric_limits<int64_t>::max();
  for (int64_t count = most; count >= 1; --count) {
    int64_t padded = llvm::alignTo(rows, count);
    // A row more costs less than loading everything again for groups of one.
    if (padded < bestRows && (best == 1 || padded + rows / 8 < bestRows)) {
      best = count;
      bestRows = padded;
    }
  }
  return best;
}

AttentionEmitter::AttentionEmitter(packed::AttentionTileOp op, const TargetDescription &target)
    : op(op), builder(op, target), layout(cast<KVCacheType>(op.getCache().getType()).getLayout()),
      pattern(op) {
  shared = op.getHeads() / layout.kvHeads;
  rows = shared * int64_t(op.getTokens());
  int64_t registers = std::max<int64_t>(target.vectorsInRegisters(), 4);
  together = chooseTogether(rows, registers >= 8 ? 4 : 2);
  allRows = llvm::alignTo(rows, together);
  auto fit = [&](int64_t most) {
    int64_t vectors = most;
    while (vectors > 1 && (together + 1) * vectors + 2 > registers)
      --vectors;
    return vectors;
  };
  keyVectors = llvm::bit_floor(uint64_t(fit(kVectors)));
  outVectors = fit(std::min<int64_t>(valueVectors(), 5));
}

Type AttentionEmitter::storedType() {
  return layout.element == KVElement::F16 ? builder.getF16Type() : builder.getF32Type();
}

void AttentionEmitter::forEachGroup(function_ref<void(Value)> body) {
  if (allRows == together)
    return body(builder.index(0));
  builder.loop(builder.index(0), groupedRows, together, body);
}

void AttentionEmitter::allocate() {
  int64_t padded = llvm::alignTo(allRows, kLanes);
  auto floats = [&](int64_t count) { return builder.stackBuffer(count * kFloat); };
  positions = floats(padded);
  scores = floats(allRows * kKVBlock);
  blockMaxima = floats(padded);
  maxima = floats(padded);
  alphas = floats(padded);
  factors = floats(padded);
  blockSums = floats(allRows * kLanes);
  sums = floats(allRows * kLanes);
  outs = floats(allRows * layout.paddedDim());
  allocateBias();
  if (!isInt8()) {
    queries = floats(allRows * layout.paddedDim());
    return;
  }
  queries = builder.stackBuffer(allRows * layout.paddedDim());
  queryScales = floats(padded);
  queryStarts = floats(padded);
  codes = builder.stackBuffer(allRows * kKVBlock);
  codeScales = floats(padded);
}

void AttentionEmitter::emit() {
  allocate();
  auto [keyPointer, valuePointer] = builder.cachePointers(op.getCache(), op.getLayer());
  int64_t headKeys = layout.blocks() * layout.keyBlockBytes();
  int64_t headValues = layout.blocks() * layout.valueBlockBytes();
  keys = builder.address(keyPointer, builder.mul(op.getKvHead(), headKeys));
  values = builder.address(valuePointer, builder.mul(op.getKvHead(), headValues));

  tokens = builder.index(op.getTokens());
  if (op.getTokens() != 1) {
    Value all = builder.createOrFold<memref::DimOp>(op.getQueries(), builder.index(0));
    Value left = arith::SubIOp::create(builder, all, op.getToken());
    tokens = arith::MinSIOp::create(builder, tokens, left);
  }
  presentRows = builder.mul(tokens, shared);
  groupedRows = builder.add(presentRows, together - 1);
  groupedRows = builder.mul(
      builder.createOrFold<arith::DivUIOp>(groupedRows, builder.index(together)), together);
  firstPosition = builder.add(op.getPosition(), op.getToken());
  lastPosition = builder.add(builder.add(firstPosition, tokens), -1);
  blocks = packed::visibleBlocks(builder, firstPosition, lastPosition, op.getWindow(),
                                 op.getSinks(), op.getEnd());
  prepareRows();
  prepareBias();
  if (pattern.any()) {
    patternTable = pattern.table(builder, op);
    addSeenBlocks();
    return writeResults();
  }

  Value begin = builder.index(0), end = blocks.count;
  if (Value piece = op.getPiece()) {
    int64_t perPiece = op.getPieceKeys() / kKVBlock;
    begin = builder.mul(piece, perPiece);
    end = arith::MinSIOp::create(builder, end, builder.add(begin, perPiece));
  }
  builder.loop(begin, end, 1, [&](Value number) { addBlock(number); });
  writeResults();
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

void AttentionEmitter::prepareRows() {
  Value zero = builder.constant(builder.floats(), 0.0);
  Value lowest = builder.constant(builder.floats(), kLowest);
  for (int64_t row = 0; row < allRows; row += kLanes) {
    builder.store(lowest, builder.address(maxima, row * kFloat));
    builder.store(lowest, builder.address(blockMaxima, row * kFloat));
  }
  // A sink is a score of each row before all others, of a value that is zero. Of pieces, one has
  // it.
  Value sinkSum, hasSink;
  if (op.getSinkLogits()) {
    SmallVector<float> one(kLanes);
    one[0] = 1;
    sinkSum = arith::ConstantOp::create(
        builder, DenseElementsAttr::get(builder.floats(), ArrayRef<float>(one)));
    if (Value piece = op.getPiece()) {
      hasSink = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, piece, builder.index(0));
      sinkSum = arith::SelectOp::create(builder, hasSink, sinkSum, zero);
    }
  }
  Value lastRow = builder.add(presentRows, -1);
  builder.loop(builder.index(0), groupedRows, 1, [&](Value row) {
    // Rows that fill the last group repeat one that exists; nobody reads their results.
    Value real = arith::MinSIOp::create(builder, row, lastRow);
    Value token = builder.createOrFold<arith::DivUIOp>(real, builder.index(shared));
    Value head = builder.createOrFold<arith::RemUIOp>(real, builder.index(shared));
    head = builder.add(builder.mul(op.getKvHead(), shared), head);
    Value position = arith::IndexCastOp::create(builder, builder.getI32Type(),
                                                builder.add(firstPosition, token));
    builder.store(position, at(positions, row, kFloat));
    builder.store(sinkSum ? sinkSum : zero, at(sums, row, kLanes * kFloat));
    if (sinkSum) {
      Value logit = builder.loadElement(op.getSinkLogits(), {head});
      if (hasSink)
        logit = arith::SelectOp::create(builder, hasSink, logit,
                                        builder.constant(builder.getF32Type(), kLowest));
      builder.store(logit, at(maxima, row, kFloat));
    }
    for (int64_t v = 0; v < valueVectors(); ++v)
      builder.store(zero, at(outs, row, layout.paddedDim() * kFloat, v * kLanes * kFloat));
    prepareQuery(row, builder.add(op.getToken(), token), head);
  });
}

/// Copies a query to the stack: floats times the softmax's scale, or codes.
void AttentionEmitter::prepareQuery(Value row, Value token, Value head) {
  Value column = builder.mul(head, layout.headDim);
  Values inputs;
  for (int64_t d = 0; d < layout.headDim; d += kLanes) {
    int64_t left = layout.headDim - d;
    Value mask = left < kLanes ? builder.firstLanes(left) : Value();
    inputs.push_back(builder.loadVector(builder.floats(), op.getQueries(),
                                        {token, builder.add(column, d)}, mask));
  }
  double scale = op.getScale().convertToDouble();
  if (!isInt8()) {
    if (isFloat8())
      scale *= kFloat8Scale;
    Value factor = builder.constant(builder.floats(), scale);
    for (auto [v, input] : llvm::enumerate(inputs))
      builder.store(arith::MulFOp::create(builder, input, factor),
                    at(queries, row, layout.paddedDim() * kFloat, v * kLanes * kFloat));
    return;
  }
  QuantizedVectors quantized = quantizeVectors(builder, inputs);
  Value total = builder.constant(builder.ints(), int64_t(0));
  for (auto [v, vector] : llvm::enumerate(quantized.codes)) {
    total = arith::AddIOp::create(builder, total, vector);
    builder.store(arith::TruncIOp::create(builder, builder.bytes(kLanes), vector),
                  at(queries, row, layout.paddedDim(), v * kLanes));
  }
  // Keys are stored as code + 128.
  Value sum = vector::ReductionOp::create(builder, vector::CombiningKind::ADD, total);
  sum = arith::MulIOp::create(builder, sum, builder.constant(builder.getI32Type(), int64_t(-128)));
  builder.store(sum, at(queryStarts, row, kFloat));
  Value scaled = arith::MulFOp::create(builder, quantized.scale,
                                       builder.constant(builder.getF32Type(), scale));
  builder.store(scaled, at(queryScales, row, kFloat));
}

//===----------------------------------------------------------------------===//
// Blocks of keys
//===----------------------------------------------------------------------===//

void AttentionEmitter::addBlock(Value number) {
  Value block = blocks.block(builder, number);
  blockKeys = builder.address(keys, builder.mul(block, layout.keyBlockBytes()));
  blockValues = builder.address(values, builder.mul(block, layout.valueBlockBytes()));
  blockStart = builder.mul(block, kKVBlock);
  forEachGroup([&](Value row) { addScores(row); });

  if (pattern.any()) { // which seldom shows whole blocks
    weighScores(/*masked=*/true);
    updateMaxima();
    return forEachGroup([&](Value row) { addValues(row); });
  }
  Value whole = packed::seesWholeBlock(builder, firstPosition, lastPosition, blockStart,
                                       op.getWindow(), op.getSinks(), op.getEnd());
  auto branch = scf::IfOp::create(builder, whole, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    weighScores(/*masked=*/false);
    builder.setInsertionPointToStart(branch.elseBlock());
    weighScores(/*masked=*/true);
  }
  updateMaxima();
  forEachGroup([&](Value row) { addValues(row); });
}

void AttentionEmitter::weighScores(bool masked) {
  Value count = allRows == together ? builder.index(allRows) : groupedRows;
  builder.loop(builder.index(0), count, 1, [&](Value row) { weighRow(row, masked); });
}

Value AttentionEmitter::visibleLanes(Value position, int64_t v) {
  Type i32 = builder.getI32Type();
  Value start = arith::IndexCastOp::create(builder, i32, builder.add(blockStart, v * kLanes));
  auto relative = [&](Value position) {
    return builder.broadcast(arith::SubIOp::create(builder, position, start));
  };
  Value lanes = builder.laneNumbers();
  auto compare = [&](arith::CmpIPredicate predicate, Value position) -> Value {
    return arith::CmpIOp::create(builder, predicate, lanes, relative(position));
  };
  Value visible;
  if (Value end = op.getEnd())
    visible = compare(arith::CmpIPredicate::slt, arith::IndexCastOp::create(builder, i32, end));
  else
    visible = compare(arith::CmpIPredicate::sle, position);
  if (int64_t window = op.getWindow()) {
    Value reach = builder.constant(i32, std::min(window - 1, kMostReach));
    Value inside =
        compare(arith::CmpIPredicate::sge, arith::SubIOp::create(builder, position, reach));
    if (op.getEnd())
      inside = arith::AndIOp::create(
          builder, inside,
          compare(arith::CmpIPredicate::sle, arith::AddIOp::create(builder, position, reach)));
    if (int64_t sinks = op.getSinks())
      inside = arith::OrIOp::create(
          builder, inside, compare(arith::CmpIPredicate::slt, builder.constant(i32, sinks)));
    visible = arith::AndIOp::create(builder, visible, inside);
  }
  if (pattern.any())
    visible = arith::AndIOp::create(builder, visible, patternLanes(position, v));
  return visible;
}

/// cap * tanh(scores / cap).
Value AttentionEmitter::capScores(Value scores) {
  double cap = op.getSoftCap().convertToDouble();
  if (cap == 0)
    return scores;
  Value scaled =
      arith::MulFOp::create(builder, scores, builder.constant(builder.floats(), 1 / cap));
  return arith::MulFOp::create(builder, builder.tanh(scaled),
                               builder.constant(builder.floats(), cap));
}

/// Turns a row's scores into weights relative to the block's maximum.
void AttentionEmitter::weighRow(Value row, bool masked) {
  Value lowest = builder.constant(builder.floats(), kLowest);
  Value zero = builder.constant(builder.floats(), 0.0);
  Values loaded, visible;
  Value largest, position;
  if (masked || hasBias())
    position = builder.load(builder.getI32Type(), at(positions, row, kFloat));
  RowBias bias = biasOfRow(row, position);
  for (int64_t v = 0; v < kVectors; ++v) {
    Value score =
        builder.load(builder.floats(), at(scores, row, kKVBlock * kFloat, v * kLanes * kFloat));
    score = addBias(bias, capScores(score), v);
    if (masked) {
      visible.push_back(visibleLanes(position, v));
      score = arith::SelectOp::create(builder, visible[v], score, lowest);
    }
    loaded.push_back(score);
    largest = largest ? builder.maximum(largest, score) : score;
  }
  Value maximum = builder.largestLane(largest);
  builder.store(maximum, at(blockMaxima, row, kFloat));
  maximum = builder.broadcast(maximum);
  Value sum;
  for (int64_t v = 0; v < kVectors; ++v) {
    Value weight = builder.expOfNegative(arith::SubFOp::create(builder, loaded[v], maximum));
    // The smallest exponential is not quite zero.
    if (masked)
      weight = arith::SelectOp::create(builder, visible[v], weight, zero);
    sum = sum ? arith::AddFOp::create(builder, sum, weight).getResult() : weight;
    if (isInt8()) {
      Value scale =
          builder.load(builder.floats(), builder.address(blockValues, layout.valueScalesInBlock() +
                                                                          v * kLanes * kFloat));
      weight = arith::MulFOp::create(builder, weight, scale);
      // The scale of a position that nobody sees may be anything.
      if (masked)
        weight = arith::SelectOp::create(builder, visible[v], weight, zero);
    }
    loaded[v] = weight;
  }
  builder.store(sum, at(blockSums, row, kLanes * kFloat));
  if (!isInt8()) {
    for (int64_t v = 0; v < kVectors; ++v)
      builder.store(loaded[v], at(scores, row, kKVBlock * kFloat, v * kLanes * kFloat));
    return;
  }
  // Weights times the values' scales, as bytes with one scale for the block.
  largest =
      builder.maximum(builder.maximum(loaded[0], loaded[1]), builder.maximum(loaded[2], loaded[3]));
  Value top =
      builder.maximum(builder.largestLane(largest), builder.constant(builder.getF32Type(), 1e-30));
  Value steps = builder.constant(builder.getF32Type(), 255.0);
  Value inverse = builder.broadcast(arith::DivFOp::create(builder, steps, top));
  builder.store(arith::DivFOp::create(builder, top, steps), at(codeScales, row, kFloat));
  // Behind 2^23, the lowest bits of a float are the nearest integer.
  Value magic = builder.constant(builder.floats(), 8388608.0);
  for (int64_t v = 0; v < kVectors; ++v) {
    Value rounded = builder.multiplyAdd(loaded[v], inverse, magic);
    rounded = arith::BitcastOp::create(builder, builder.ints(), rounded);
    builder.store(arith::TruncIOp::create(builder, builder.bytes(kLanes), rounded),
                  at(codes, row, kKVBlock, v * kLanes));
  }
}

/// Raises the maxima to the block's, for all rows at once.
void AttentionEmitter::updateMaxima() {
  for (int64_t row = 0; row < allRows; row += kLanes) {
    auto load = [&](Value buffer) {
      return builder.load(builder.floats(), builder.address(buffer, row * kFloat));
    };
    Value before = load(maxima), block = load(blockMaxima);
    Value now = builder.maximum(block, before);
    auto exponential = [&](Value maximum, Value into) {
      Value distance = arith::SubFOp::create(builder, maximum, now);
      builder.store(builder.expOfNegative(distance), builder.address(into, row * kFloat));
    };
    exponential(before, alphas);
    exponential(block, factors);
    builder.store(now, builder.address(maxima, row * kFloat));
  }
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void AttentionEmitter::writeResults() {
  Type f32 = builder.getF32Type();
  Value partials = op.getPartials();
  builder.loop(builder.index(0), presentRows, 1, [&](Value row) {
    Value head = builder.createOrFold<arith::RemUIOp>(row, builder.index(shared));
    head = builder.add(builder.mul(op.getKvHead(), shared), head);
    Value lanes = builder.load(builder.floats(), at(sums, row, kLanes * kFloat));
    Value sum =
        vector::ReductionOp::create(builder, vector::CombiningKind::ADD, lanes,
                                    arith::FastMathFlags::reassoc | arith::FastMathFlags::nsz);
    auto load = [&](int64_t v) {
      return builder.load(builder.floats(),
                          at(outs, row, layout.paddedDim() * kFloat, v * kLanes * kFloat));
    };
    if (partials) {
      Value line = builder.add(builder.mul(op.getPiece(), op.getHeads()), head);
      for (int64_t v = 0; v < valueVectors(); ++v)
        builder.storeVector(load(v), partials, {line, builder.index(v * kLanes)});
      auto storeNumber = [&](Value number, int64_t column) {
        memref::StoreOp::create(builder, number, partials,
                                ValueRange{line, builder.index(layout.paddedDim() + column)});
      };
      storeNumber(loadFloat(at(maxima, row, kFloat)), 0);
      storeNumber(sum, 1);
      return;
    }
    // Behind the end, a window may show nothing: the result is then zero.
    if (op.getEnd() && (op.getWindow() != 0 || pattern.any()))
      sum = builder.maximum(sum, builder.constant(f32, packed::kSmallestSum));
    Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0), sum);
    inverse = builder.broadcast(inverse);
    Value token = builder.createOrFold<arith::DivUIOp>(row, builder.index(shared));
    token = builder.add(op.getToken(), token);
    Value column = builder.mul(head, layout.headDim);
    for (int64_t v = 0; v < valueVectors(); ++v) {
      int64_t left = layout.headDim - v * kLanes;
      Value mask = left < kLanes ? builder.firstLanes(left) : Value();
      builder.storeVector(arith::MulFOp::create(builder, load(v), inverse), op.getOut(),
                          {token, builder.add(column, v * kLanes)}, mask);
    }
  });
}

void stc::cpu::emitAttentionTile(packed::AttentionTileOp op, const TargetDescription &target) {
  AttentionEmitter(op, target).emit();
}
