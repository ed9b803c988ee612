// packed.attention_tile: rows, softmax and results; the products are in AttentionProducts.cpp.
#include "AttentionMatrix.h"
#include "AttentionToken.h"

#include "stc/Target/Kernels/Float8.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr double kLowest = -double(std::numeric_limits<float>::max());
constexpr int64_t kFloat = sizeof(float);
/// Most warps that share keys: each has a result of its own in shared memory.
constexpr int64_t kMostWorkers = 16;
/// Most rows of a chunk, and numbers of their results in a lane's registers.
constexpr int64_t kMostChunk = 8, kMostOuts = 48;
/// Most sums of products in a lane's registers.
constexpr int64_t kMostSums = 32;
/// Bytes of shared memory for results that are put together.
constexpr int64_t kResultBytes = 32 << 10;

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

AttentionEmitter::AttentionEmitter(packed::AttentionTileOp op, const TargetDescription &target)
    : op(op), builder(op, target), layout(cast<KVCacheType>(op.getCache().getType()).getLayout()),
      pattern(op) {
  int64_t padded = layout.paddedDim(), lanes = target.warpThreads;
  shared = op.getHeads() / layout.kvHeads;
  rows = shared * int64_t(op.getTokens());
  workers = std::min(target.warps(), kMostWorkers);
  // The widest loads that occupy all lanes.
  valueWidth = 2;
  for (int64_t width : {4, 8})
    if (padded % (width * lanes) == 0)
      valueWidth = width;
  valueVectors = llvm::divideCeil(valuesPerRow(), lanes);
  int64_t most = std::clamp<int64_t>(kMostOuts / (valueWidth * valueVectors), 1, kMostChunk);
  sharesKeys = isDecode() || rows <= most;
  // Equal chunks; or enough of them for all warps.
  int64_t goal = sharesKeys ? llvm::divideCeil(rows, llvm::divideCeil(rows, most))
                            : llvm::divideCeil(rows, workers);
  chunk = std::min(most, goal);
  chunks = llvm::divideCeil(rows, chunk);
  keyWidth = 16 / (isInt8() ? 4 : elementBytes());
  while (keyWidth > 1 && (keyWidth > lanes || keyWidth * chunk > kMostSums))
    keyWidth /= 2;
  mergedRows = std::clamp<int64_t>(kResultBytes / (workers * padded * kFloat), 1, chunk);
  planBias();
}

Type AttentionEmitter::storedType() {
  if (isFloat8())
    return builder.getI8Type();
  return layout.element == KVElement::F16 ? builder.getF16Type() : builder.getF32Type();
}

Value AttentionEmitter::loadedToF32(Value stored) {
  return isFloat8() ? float8ToScaledF32(builder, stored) : builder.toF32(stored);
}

Values AttentionEmitter::State::all() const {
  Values values = maxima;
  values.append(sums);
  values.append(outs);
  return values;
}

AttentionEmitter::State AttentionEmitter::split(ValueRange values) const {
  return {Values(values.take_front(chunk)), Values(values.slice(chunk, chunk)),
          Values(values.drop_front(2 * chunk))};
}

void AttentionEmitter::placeAll(ArrayRef<Value *> places, ArrayRef<int64_t> sizes) {
  int64_t bytes = 0;
  SmallVector<int64_t> offsets;
  for (int64_t size : sizes) {
    offsets.push_back(bytes);
    bytes += llvm::alignTo(size, 16);
  }
  Value scratch = builder.scratch(bytes);
  for (auto [place, offset] : llvm::zip_equal(places, offsets))
    *place = builder.address(scratch, offset);
}

void AttentionEmitter::placeBuffers() {
  int64_t allRows = chunks * chunk, padded = layout.paddedDim();
  Value *places[] = {&queries, &queryScales, &queryStarts, &weights, &results,
                     &maxima,  &sums,        &lines,       &slopes};
  int64_t sizes[] = {allRows * padded * (isInt8() ? 1 : kFloat),
                     isInt8() ? allRows * kFloat : 0,
                     isInt8() ? allRows * kFloat : 0,
                     workers * chunk * warpThreads() * kFloat,
                     sharesKeys ? mergedRows * workers * padded * kFloat : 0,
                     sharesKeys ? chunk * workers * kFloat : 0,
                     sharesKeys ? chunk * workers * kFloat : 0,
                     shared * lineFloats * kFloat,
                     op.getSlopes() ? shared * kFloat : 0};
  placeAll(places, sizes);
}

void AttentionEmitter::prefetch(Value begin, Value end) {
  constexpr int64_t kUnit = 16; // of bulk prefetches
  int64_t keyBytes = layout.keyBlockBytes(), valueBytes = layout.valueBlockBytes();
  if (!builder.getTarget().hasBulkPrefetch || keyBytes % kUnit != 0 || valueBytes % kUnit != 0)
    return;
  builder.loop(
      builder.add(begin, builder.toIndex(builder.thread())), end, builder.threads(),
      [&](Value number) {
        Value block = blocks.block(builder, number);
        builder.prefetchBulk(builder.address(keys, builder.times(block, keyBytes)), keyBytes);
        builder.prefetchBulk(builder.address(values, builder.times(block, valueBytes)), valueBytes);
      });
}

void AttentionEmitter::findTile() {
  auto [keyPointer, valuePointer] = builder.cachePointers(op.getCache(), op.getLayer());
  int64_t headKeys = layout.blocks() * layout.keyBlockBytes();
  int64_t headValues = layout.blocks() * layout.valueBlockBytes();
  keys = builder.address(builder.global(keyPointer), builder.times(op.getKvHead(), headKeys));
  values = builder.address(builder.global(valuePointer), builder.times(op.getKvHead(), headValues));

  Value tokens = builder.index(op.getTokens());
  if (!isDecode()) {
    Value all = builder.createOrFold<memref::DimOp>(op.getQueries(), builder.index(0));
    Value left = arith::SubIOp::create(builder, all, op.getToken());
    tokens = arith::MinSIOp::create(builder, tokens, left);
  }
  presentRows = builder.times(tokens, shared);
  firstPosition = builder.add(op.getPosition(), op.getToken());
  lastPosition = builder.add(builder.add(firstPosition, tokens), -1);
  blocks = packed::visibleBlocks(builder, firstPosition, lastPosition, op.getWindow(),
                                 op.getSinks(), op.getEnd());
  lane = builder.toIndex(builder.lane());
  warp = builder.toIndex(builder.warp());
}

void AttentionEmitter::emit() {
  placeBuffers();
  findTile();
  Value offset = builder.times(warp, chunk * warpThreads() * kFloat);
  ownWeights = builder.address(weights, offset);
  Value begin = builder.index(0), end = blocks.count;
  if (Value piece = op.getPiece()) {
    int64_t perPiece = op.getPieceKeys() / kKVBlock;
    begin = builder.times(piece, perPiece);
    end = arith::MinSIOp::create(builder, end, builder.plus(begin, perPiece));
  }
  if (pattern.any())
    patternTable = pattern.table(builder, op);
  else if (isDecode())
    prefetch(begin, end);
  prepareRows();
  prepareBias();
  builder.barrier();

  int64_t stepsOfBlock = kKVBlock / warpThreads();
  begin = builder.times(begin, stepsOfBlock);
  end = builder.times(end, stepsOfBlock);
  if (!sharesKeys) {
    builder.forWarps(chunks, workers, [&](Value number) {
      Value first = builder.times(number, chunk);
      builder.ifThen(builder.isBelow(first, presentRows),
                     [&] { writeRows(first, attend(first, begin, end, 1)); });
    });
    builder.barrier();
    return;
  }
  Value start = builder.add(begin, warp);
  if (workers < builder.warps())
    start = builder.choose(builder.isBelow(warp, workers), start, end);
  auto emitChunk = [&](Value first) { writeMerged(first, attend(first, start, end, workers)); };
  if (chunks == 1)
    return emitChunk(builder.index(0));
  builder.loop(builder.index(0), builder.index(chunks * chunk), chunk, emitChunk);
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

std::pair<Value, Value> AttentionEmitter::tokenAndHead(Value row) {
  Value last = builder.add(presentRows, -1);
  row = builder.smaller(row, last);
  Value head = builder.add(builder.times(op.getKvHead(), shared), builder.remainder(row, shared));
  return {isDecode() ? builder.index(0) : builder.quotient(row, shared), head};
}

void AttentionEmitter::prepareRows() {
  if (isInt8())
    prepareCodes();
  else
    prepareFloats();
}

/// Queries times the softmax's scale, zeros behind them.
void AttentionEmitter::prepareFloats() {
  int64_t padded = layout.paddedDim();
  Type f32 = builder.getF32Type();
  Value scale =
      builder.constant(f32, op.getScale().convertToDouble() * (isFloat8() ? kFloat8Scale : 1));
  builder.forThreads(chunks * chunk * padded, [&](Value number) {
    Value d = builder.remainder(number, padded);
    auto [token, head] = tokenAndHead(builder.quotient(number, padded));
    Value column = builder.times(head, layout.headDim);
    column = builder.add(column, builder.smaller(d, layout.headDim - 1));
    Value x = builder.loadElement(op.getQueries(), {builder.add(op.getToken(), token), column});
    x = builder.productOf(x, scale);
    if (padded != layout.headDim)
      x = builder.choose(builder.isBelow(d, layout.headDim), x, builder.constant(f32, 0.0));
    builder.storeAligned(x, builder.address(queries, builder.times(number, kFloat)), kFloat);
  });
}

/// Queries as codes with one scale, a row per warp.
void AttentionEmitter::prepareCodes() {
  int64_t padded = layout.paddedDim(), lanes = warpThreads(), headDim = layout.headDim;
  Value scale = builder.constant(builder.getF32Type(), op.getScale().convertToDouble());
  builder.forWarps(chunks * chunk, builder.warps(), [&](Value row) {
    auto [token, head] = tokenAndHead(row);
    Value begin = builder.times(head, headDim), first = builder.times(lane, kFour);
    Values inputs;
    for (int64_t d = 0; d < padded; d += lanes * kFour)
      inputs.append(builder.loadFour(op.getQueries(), builder.add(op.getToken(), token), begin,
                                     builder.plus(first, d), headDim,
                                     d + lanes * kFour <= headDim));
    QuantizedLanes quantized = builder.quantize(inputs, lanes - 1);
    // Keys are stored as code + 128.
    Value sum = builder.reduceLanes(Reduction::Sum, builder.sumOf(quantized.codes), lanes - 1);
    Value start = arith::MulIOp::create(builder, sum, builder.int32(-128));
    Value address = builder.address(queries, builder.times(row, padded));
    for (int64_t d = 0, i = 0; d < padded; d += lanes * kFour, i += kFour) {
      Value place = builder.plus(first, d);
      Value word = builder.packBytes(ArrayRef(quantized.codes).slice(i, kFour));
      builder.guard(
          d + lanes * kFour > padded, [&] { return builder.isBelow(place, padded); },
          [&] { builder.storeAligned(word, builder.address(address, place), kFour); });
    }
    Value offset = builder.times(row, kFloat);
    builder.guard(
        lanes > 1, [&] { return builder.isBelow(lane, 1); },
        [&] {
          builder.storeAligned(builder.productOf(quantized.scale, scale),
                               builder.address(queryScales, offset), kFloat);
          builder.storeAligned(start, builder.address(queryStarts, offset), kFloat);
        });
  });
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

AttentionEmitter::State AttentionEmitter::stateBefore(Value first) {
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0), lowest = builder.constant(f32, kLowest);
  State start;
  start.maxima.assign(chunk, lowest);
  start.sums.assign(chunk, zero);
  start.outs.assign(chunk * valueVectors, builder.constant(builder.floats(valueWidth), 0.0));
  if (!op.getSinkLogits())
    return start;
  Value hasSink = builder.constant(builder.getI1Type(), int64_t(1));
  if (sharesKeys)
    hasSink = builder.isBelow(warp, 1);
  if (Value piece = op.getPiece())
    hasSink = arith::AndIOp::create(builder, hasSink, builder.isBelow(piece, 1));
  // Sums are of the lanes' own weights.
  Value one = arith::AndIOp::create(builder, hasSink, builder.isBelow(lane, 1));
  start.sums.assign(chunk, builder.choose(one, builder.constant(f32, 1.0), zero));
  for (int64_t r = 0; r < chunk; ++r) {
    Value head = tokenAndHead(builder.plus(first, r)).second;
    start.maxima[r] =
        builder.choose(hasSink, builder.loadElement(op.getSinkLogits(), {head}), lowest);
  }
  return start;
}

AttentionEmitter::State AttentionEmitter::attend(Value first, Value begin, Value end,
                                                 int64_t step) {
  State start = stateBefore(first);
  SmallVector<RowPlace> places;
  for (int64_t r = 0; r < chunk; ++r)
    places.push_back(placeOfRow(builder.plus(first, r)));
  if (pattern.any())
    return attendSeen(start, first, places);
  return split(builder.loop(begin, end, step, start.all(), [&](Value number, ValueRange carried) {
    int64_t stepsOfBlock = kKVBlock / warpThreads();
    enterStep(blocks.block(builder, builder.quotient(number, stepsOfBlock)),
              builder.remainder(number, stepsOfBlock));
    return addKeys(first, places, split(carried)).all();
  }));
}

void AttentionEmitter::enterStep(Value block, Value stepOfBlock) {
  stepKeys = builder.address(keys, builder.times(block, layout.keyBlockBytes()));
  stepValues = builder.address(values, builder.times(block, layout.valueBlockBytes()));
  inBlock = builder.times(stepOfBlock, warpThreads());
  position = builder.add(builder.times(block, kKVBlock), inBlock);
}

/// cap * tanh(score / cap).
Value AttentionEmitter::capScore(Value score) {
  double cap = op.getSoftCap().convertToDouble();
  if (cap == 0)
    return score;
  Type f32 = builder.getF32Type();
  Value scaled = builder.productOf(score, builder.constant(f32, 1 / cap));
  return builder.productOf(builder.tanh(scaled), builder.constant(f32, cap));
}

Value AttentionEmitter::isVisible(Value key, Value position) {
  auto compare = [&](arith::CmpIPredicate predicate, Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, predicate, a, b);
  };
  Value visible = op.getEnd() ? compare(arith::CmpIPredicate::slt, key, op.getEnd())
                              : compare(arith::CmpIPredicate::sle, key, position);
  if (int64_t window = op.getWindow()) {
    Value oldest = builder.plus(position, 1 - window);
    Value inside = compare(arith::CmpIPredicate::sge, key, oldest);
    if (op.getEnd())
      inside = arith::AndIOp::create(
          builder, inside,
          compare(arith::CmpIPredicate::sle, key, builder.plus(position, window - 1)));
    if (int64_t sinks = op.getSinks())
      inside = arith::OrIOp::create(builder, inside, builder.isBelow(key, sinks));
    visible = arith::AndIOp::create(builder, visible, inside);
  }
  if (pattern.any())
    visible = arith::AndIOp::create(builder, visible,
                                    pattern.seesKey(builder, position, key, patternTable));
  return visible;
}

AttentionEmitter::State AttentionEmitter::addKeys(Value first, ArrayRef<RowPlace> places,
                                                  const State &before) {
  int64_t lanes = warpThreads();
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0), lowest = builder.constant(f32, kLowest);
  Values products = scores(first);
  Value own = builder.add(position, lane), valueScale;
  if (isInt8()) {
    Value offset = builder.times(builder.add(inBlock, lane), kFloat);
    Value address = builder.address(stepValues, layout.valueScalesInBlock());
    valueScale = builder.loadAligned(f32, builder.address(address, offset), kFloat);
  }
  State after;
  Values seen, capped;
  for (int64_t r = 0; r < chunk; ++r) {
    seen.push_back(isVisible(own, places[r].position));
    Value score = addBias(places[r], own, capScore(products[r]));
    capped.push_back(builder.choose(seen[r], score, lowest));
  }
  Values largest = capped;
  builder.reduceLanes(Reduction::Maximum, largest, lanes - 1);
  for (int64_t r = 0; r < chunk; ++r) {
    Value visible = seen[r], score = capped[r];
    Value now = builder.maximum(largest[r], before.maxima[r]);
    auto exponential = [&](Value x) {
      return builder.fastExp(arith::SubFOp::create(builder, x, now));
    };
    Value alpha = exponential(before.maxima[r]);
    Value weight = builder.choose(visible, exponential(score), zero);
    after.maxima.push_back(now);
    after.sums.push_back(builder.multiplyAdd(before.sums[r], alpha, weight));
    // The scale of a position that nobody sees may be anything.
    if (isInt8())
      weight = builder.choose(visible, builder.productOf(weight, valueScale), zero);
    if (isFloat8())
      weight = builder.productOf(weight, builder.constant(f32, double(kFloat8Scale)));
    Value place = builder.plus(lane, r * lanes);
    builder.storeAligned(weight, builder.address(ownWeights, builder.times(place, kFloat)), kFloat);
    Value factor = builder.broadcast(alpha, valueWidth);
    for (int64_t v = 0; v < valueVectors; ++v)
      after.outs.push_back(builder.productOf(before.outs[r * valueVectors + v], factor));
  }
  builder.syncWarp();
  after.outs = addValues(after.outs);
  // Before the next step's weights.
  builder.syncWarp();
  return after;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Values AttentionEmitter::outPlace(Value row, Value d) {
  auto [token, head] = tokenAndHead(row);
  return {builder.add(op.getToken(), token), builder.add(builder.times(head, layout.headDim), d)};
}

Value AttentionEmitter::inverseOf(Value sum) {
  Type f32 = builder.getF32Type();
  // Behind the end, a window may show nothing: the result is then zero.
  if (op.getEnd() && (op.getWindow() != 0 || pattern.any()))
    sum = builder.maximum(sum, builder.constant(f32, packed::kSmallestSum));
  return arith::DivFOp::create(builder, builder.constant(f32, 1.0), sum);
}

/// The chunk's results, complete in this warp.
void AttentionEmitter::writeRows(Value first, const State &state) {
  int64_t lanes = warpThreads(), headDim = layout.headDim;
  for (int64_t r = 0; r < chunk; ++r) {
    Value row = builder.plus(first, r);
    Value sum = builder.reduceLanes(Reduction::Sum, state.sums[r], lanes - 1);
    Value inverse = inverseOf(sum);
    builder.ifThen(builder.isBelow(row, presentRows), [&] {
      for (int64_t v = 0; v < valueVectors; ++v) {
        Value begin = builder.times(builder.plus(lane, v * lanes), valueWidth);
        for (int64_t i = 0; i < valueWidth; ++i) {
          Value d = builder.plus(begin, i);
          Value x = vector::ExtractOp::create(builder, state.outs[r * valueVectors + v], i);
          builder.guard((v + 1) * lanes * valueWidth > headDim,
                        [&] { return builder.isBelow(d, headDim); },
                        [&] {
                          memref::StoreOp::create(builder, builder.productOf(x, inverse),
                                                  op.getOut(), outPlace(row, d));
                        });
        }
      }
    });
  }
}

void AttentionEmitter::storeMerged(Value row, Value d, Value total, Value maximum, Value sum) {
  int64_t padded = layout.paddedDim();
  if (Value partials = op.getPartials()) {
    Value line = builder.add(builder.times(op.getPiece(), op.getHeads()), tokenAndHead(row).second);
    auto store = [&](Value value, Value column) {
      memref::StoreOp::create(builder, value, partials, ValueRange{line, column});
    };
    store(total, d);
    builder.ifThen(builder.isBelow(d, 1), [&] {
      store(maximum, builder.index(padded));
      store(sum, builder.index(padded + 1));
    });
    return;
  }
  Value inverse = inverseOf(sum);
  builder.guard(
      padded != layout.headDim, [&] { return builder.isBelow(d, layout.headDim); },
      [&] {
        memref::StoreOp::create(builder, builder.productOf(total, inverse), op.getOut(),
                                outPlace(row, d));
      });
}

/// Puts the results of all warps together. Contains barriers; the last one is behind everything.
void AttentionEmitter::writeMerged(Value first, const State &state) {
  int64_t lanes = warpThreads(), padded = layout.paddedDim();
  Type f32 = builder.getF32Type();
  bool areAll = workers == builder.warps();
  auto isWorker = [&] { return builder.isBelow(warp, workers); };
  Values sumsOfWarp = state.sums;
  builder.reduceLanes(Reduction::Sum, sumsOfWarp, lanes - 1);
  builder.guard(!areAll, isWorker, [&] {
    builder.guard(
        lanes > 1, [&] { return builder.isBelow(lane, 1); },
        [&] {
          for (int64_t r = 0; r < chunk; ++r) {
            Value offset = builder.times(builder.plus(warp, r * workers), kFloat);
            builder.storeAligned(state.maxima[r], builder.address(maxima, offset), kFloat);
            builder.storeAligned(sumsOfWarp[r], builder.address(sums, offset), kFloat);
          }
        });
  });
  for (int64_t begin = 0; begin < chunk; begin += mergedRows) {
    int64_t count = std::min(mergedRows, chunk - begin);
    builder.guard(!areAll, isWorker, [&] {
      for (int64_t r = 0; r < count; ++r)
        for (int64_t v = 0; v < valueVectors; ++v) {
          Value vector = builder.plus(lane, v * lanes);
          Value place = builder.times(builder.plus(warp, r * workers), padded);
          place = builder.add(place, builder.times(vector, valueWidth));
          builder.guard((v + 1) * lanes > valuesPerRow(),
                        [&] { return builder.isBelow(vector, valuesPerRow()); },
                        [&] {
                          builder.storeAligned(
                              state.outs[(begin + r) * valueVectors + v],
                              builder.address(results, builder.times(place, kFloat)),
                              std::min<int64_t>(16, valueWidth * kFloat));
                        });
        }
    });
    builder.barrier();
    builder.forThreads(count * padded, [&](Value number) {
      Value r = builder.quotient(number, padded), d = builder.remainder(number, padded);
      Value inChunk = builder.plus(r, begin), row = builder.add(first, inChunk);
      auto load = [&](Value base, Value place) {
        return builder.loadAligned(f32, builder.address(base, builder.times(place, kFloat)),
                                   kFloat);
      };
      auto partOf = [&](int64_t w) { return builder.plus(builder.times(inChunk, workers), w); };
      Value maximum = load(maxima, partOf(0));
      for (int64_t w = 1; w < workers; ++w)
        maximum = builder.maximum(load(maxima, partOf(w)), maximum);
      Value total = builder.constant(f32, 0.0), sum = total;
      for (int64_t w = 0; w < workers; ++w) {
        Value part = partOf(w);
        Value factor = builder.fastExp(arith::SubFOp::create(builder, load(maxima, part), maximum));
        Value place = builder.plus(builder.times(r, workers), w);
        place = builder.add(builder.times(place, padded), d);
        total = builder.multiplyAdd(load(results, place), factor, total);
        sum = builder.multiplyAdd(load(sums, part), factor, sum);
      }
      builder.ifThen(builder.isBelow(row, presentRows),
                     [&] { storeMerged(row, d, total, maximum, sum); });
    });
    builder.barrier();
  }
}

CacheUpdateOp stc::gpu::updateOf(packed::AttentionTileOp op, const TargetDescription &target) {
  return TokenAttention::takes(op, target) ? TokenAttention::updateBefore(op) : CacheUpdateOp();
}

void stc::gpu::emitAttentionTile(packed::AttentionTileOp op, const TargetDescription &target) {
  if (auto plan = MatrixAttention::plan(op, target))
    return MatrixAttention(op, target, *plan).emit();
  if (TokenAttention::takes(op, target))
    return TokenAttention(op, target).emit();
  AttentionEmitter(op, target).emit();
}
