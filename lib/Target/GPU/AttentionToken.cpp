// packed.attention_tile of one token: all warps share the fewest keys.
#include "AttentionToken.h"

#include "stc/Target/Kernels/Float8.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr double kLowest = -double(std::numeric_limits<float>::max());
constexpr int64_t kFloat = sizeof(float), kWarps = 16;
/// Rows that a warp takes at once.
constexpr int64_t kMostTokenRows = 8;
/// Registers of a lane for keys and values that are under way while it waits for both, and the sums
/// they are added to.
constexpr int64_t kBusyRegisters = 72;
/// Sums of products in a lane's registers.
constexpr int64_t kFewSums = 16;
/// Of small shared memories, results take less.
constexpr int64_t kSmallShared = 96 << 10, kSmallResults = 16 << 10;
/// The warp that computes the score of the newest key: few pieces have a tile for it.
constexpr int64_t kNewestWarp = 12;

//===----------------------------------------------------------------------===//
// Which tiles
//===----------------------------------------------------------------------===//

bool TokenAttention::takes(packed::AttentionTileOp op, const TargetDescription &target) {
  if (op.getTokens() != 1 || op.getEnd() || op.getPattern() || target.warpThreads != kWarpLanes ||
      target.warps() != kWarps)
    return false;
  return TokenAttention(op, target).fits();
}

bool TokenAttention::fits() const {
  return !isInt8() && rows <= kMostTokenRows && chunks == 1 &&
         2 * layout.paddedDim() <= kWarps * kWarpLanes;
}

TokenAttention::TokenAttention(packed::AttentionTileOp op, const TargetDescription &target)
    : AttentionEmitter(op, target), update(updateBefore(op)) {
  rowWords = rows <= 2 ? rows : llvm::alignTo(rows, kFour);
  // Fewer keys of a lane are fewer sums, and exchanges of them.
  while (keyWidth > kFour && rows * keyWidth > kFewSums)
    keyWidth /= 2;
  keyGroups = kKVTile / keyWidth;
  keyLoads = llvm::divideCeil(layout.headDim, kWarpLanes / keyGroups);
  queryColumns = std::max(layout.paddedDim(), keyLoads * kWarpLanes / keyGroups);
  isOneRound = op.getPiece() && int64_t(op.getPieceKeys()) <= kRoundKeys;
  auto words = [&](int64_t elements) { return llvm::divideCeil(elements * elementBytes(), 4); };
  int64_t ofBlock = kShare / kRoundBlocks * valueVectors * words(valueWidth);
  int64_t ofKeys = keyLoads * words(keyWidth) + rows * keyWidth;
  if (isOneRound)
    earlyBlocks = std::clamp<int64_t>((kBusyRegisters - ofKeys) / ofBlock, 0, kRoundBlocks);
  keepsValues = kRoundBlocks * ofBlock + rows * valueVectors * valueWidth <= kBusyRegisters;
  if (target.sharedBytes < kSmallShared)
    mergedRows =
        std::clamp<int64_t>(kSmallResults / (kWarps * layout.paddedDim() * kFloat), 1, rows);
}

CacheUpdateOp TokenAttention::updateBefore(packed::AttentionTileOp op) {
  Operation *before = op->getPrevNode();
  while (before && isMemoryEffectFree(before))
    before = before->getPrevNode();
  CacheUpdateOp update = dyn_cast_or_null<CacheUpdateOp>(before);
  if (auto branch = dyn_cast_or_null<scf::IfOp>(before)) {
    if (branch.getNumResults() != 0 || !branch.getElseRegion().empty())
      return {};
    for (Operation &inner : branch.thenBlock()->without_terminator()) {
      if (isMemoryEffectFree(&inner))
        continue;
      if (update || !isa<CacheUpdateOp>(inner))
        return {};
      update = cast<CacheUpdateOp>(inner);
    }
  }
  if (!update || update.getCache() != op.getCache() || update.getLayer() != op.getLayer() ||
      cast<MemRefType>(update.getKeys().getType()).getDimSize(0) != 1)
    return {};
  Value position = update.getPosition();
  auto sum = position.getDefiningOp<arith::AddIOp>();
  if (sum && isConstantIntValue(sum.getRhs(), 0))
    position = sum.getLhs();
  return position == op.getPosition() ? update : CacheUpdateOp();
}

void TokenAttention::takeUpdate() {
  if (!update)
    return;
  holds = builder.constant(builder.getI1Type(), int64_t(1));
  auto condition = dyn_cast<scf::IfOp>(update->getParentOp());
  if (!condition || condition->getBlock() != op->getBlock())
    return;
  holds = condition.getCondition();
  branch = condition;
  for (Operation &inner : llvm::make_early_inc_range(condition.thenBlock()->without_terminator()))
    if (isMemoryEffectFree(&inner))
      inner.moveBefore(condition);
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

void TokenAttention::placeTokenBuffers() {
  int64_t padded = layout.paddedDim(), buffers = isOneRound ? 1 : 2, bytes = 0;
  Value *places[] = {&queries, &newKey, &newValue, &scores, &largest,   &weights,
                     &results, &sums,   &lines,    &slopes, &lastMaxima};
  int64_t sizes[] = {rowWords * queryColumns * kFloat,
                     padded * kFloat,
                     padded * elementBytes(),
                     buffers * rows * kShare * kScoreStride * kFloat,
                     buffers * rows * kWarps * kFloat,
                     kWarps * kShare * rowWords * kFloat,
                     mergedRows * kWarps * padded * kFloat,
                     rows * kWarps * kFloat,
                     shared * lineFloats * kFloat,
                     op.getSlopes() ? shared * kFloat : 0,
                     rows * kFloat};
  SmallVector<int64_t> offsets;
  for (int64_t size : sizes) {
    offsets.push_back(bytes);
    bytes += llvm::alignTo(size, 16);
  }
  Value scratch = builder.scratch(bytes);
  for (auto [place, offset] : llvm::zip_equal(places, offsets))
    *place = builder.address(scratch, offset);
  ownWeights = builder.address(
      weights, builder.times(builder.toIndex(builder.warp()), kShare * rowWords * kFloat));
}

void TokenAttention::loadInputs() {
  int64_t padded = layout.paddedDim(), count = rows * queryColumns;
  Value thread = builder.toIndex(builder.thread()), zero = builder.index(0);
  Value begin = builder.times(op.getKvHead(), layout.headDim);
  auto columnOf = [&](Value d) { return builder.smaller(d, layout.headDim - 1); };
  for (int64_t first = 0; first < count; first += builder.threads()) {
    Value number = builder.smaller(builder.plus(thread, first), count - 1);
    Value head = tokenAndHead(builder.quotient(number, queryColumns)).second;
    Value column = builder.add(builder.times(head, layout.headDim),
                               columnOf(builder.remainder(number, queryColumns)));
    queryInputs.push_back(builder.loadElement(op.getQueries(), {op.getToken(), column}));
  }
  if (!update)
    return;
  Value column = builder.add(begin, columnOf(builder.remainder(thread, padded)));
  keyInput = builder.loadElement(update.getKeys(), {zero, column});
  valueInput = builder.loadElement(update.getValues(), {zero, column});
}

/// Queries times the softmax's scale, zeros behind them, and what is new.
void TokenAttention::storeInputs() {
  int64_t count = rows * queryColumns;
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0), thread = builder.toIndex(builder.thread());
  Value scale =
      builder.constant(f32, op.getScale().convertToDouble() * (isFloat8() ? kFloat8Scale : 1));
  bool hasPadding = queryColumns != layout.headDim;
  for (auto [i, input] : llvm::enumerate(queryInputs)) {
    int64_t first = int64_t(i) * builder.threads();
    Value number = builder.plus(thread, first), x = builder.productOf(input, scale);
    Value row = builder.quotient(number, queryColumns);
    Value d = builder.remainder(number, queryColumns);
    if (hasPadding)
      x = builder.choose(builder.isBelow(d, layout.headDim), x, zero);
    Value place = builder.add(builder.times(d, rowWords), row);
    builder.guard(
        first + builder.threads() > count, [&] { return builder.isBelow(number, count); },
        [&] {
          builder.storeAligned(x, builder.address(queries, builder.times(place, kFloat)), kFloat);
        });
  }
  // Rows that are no rows are multiplied too.
  if (rowWords != rows)
    builder.forThreads(queryColumns * (rowWords - rows), [&](Value number) {
      Value row = builder.plus(builder.quotient(number, queryColumns), rows);
      Value place =
          builder.add(builder.times(builder.remainder(number, queryColumns), rowWords), row);
      builder.storeAligned(zero, builder.address(queries, builder.times(place, kFloat)), kFloat);
    });
  if (update)
    builder.ifThen(holds, [&] { storeNewest(); });
}

/// The first threads have the key's elements, the next ones the value's.
void TokenAttention::storeNewest() {
  int64_t padded = layout.paddedDim(), headDim = layout.headDim, bytes = elementBytes();
  Value thread = builder.toIndex(builder.thread()), d = builder.remainder(thread, padded);
  Value block = builder.quotient(lastPosition, kKVBlock);
  Value place = builder.remainder(lastPosition, kKVBlock);
  Value zero = builder.constant(builder.getF32Type(), 0.0);
  bool hasPadding = padded != headDim;
  auto inHead = [&] { return builder.isBelow(d, headDim); };
  auto stored = [&](Value x) {
    if (hasPadding)
      x = builder.choose(inHead(), x, zero);
    return toStoredFloat(builder, layout.element, x);
  };
  builder.ifThen(builder.isBelow(thread, padded), [&] {
    Value x = stored(keyInput);
    builder.storeAligned(loadedToF32(x), builder.address(newKey, builder.times(d, kFloat)), kFloat);
    Value tile = builder.address(keys, builder.times(block, layout.keyBlockBytes()));
    tile = builder.address(tile,
                           builder.times(builder.quotient(place, kKVTile), layout.keyTileBytes()));
    Value number = builder.add(builder.times(d, kKVTile), builder.remainder(place, kKVTile));
    builder.guard(hasPadding, inHead, [&] {
      builder.storeAligned(x, builder.address(tile, builder.times(number, bytes)), unsigned(bytes));
    });
  });
  Value isOfValue = arith::AndIOp::create(
      builder,
      arith::CmpIOp::create(builder, arith::CmpIPredicate::uge, thread, builder.index(padded)),
      builder.isBelow(thread, 2 * padded));
  builder.ifThen(isOfValue, [&] {
    Value x = stored(valueInput);
    builder.storeAligned(x, builder.address(newValue, builder.times(d, bytes)), unsigned(bytes));
    Value start = builder.address(values, builder.times(block, layout.valueBlockBytes()));
    Value number = builder.add(builder.times(place, padded), d);
    builder.storeAligned(x, builder.address(start, builder.times(number, bytes)), unsigned(bytes));
  });
}

//===----------------------------------------------------------------------===//
// Loads of a round
//===----------------------------------------------------------------------===//

/// What `body` gives where the condition holds, else `others`.
static Values ifElse(BlockBuilder &builder, Value condition, ValueRange others,
                     function_ref<Values()> body) {
  auto branch = scf::IfOp::create(builder, others.getTypes(), condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(builder, others);
  builder.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(builder, body());
  return Values(branch.getResults());
}

Value TokenAttention::tilePosition(Value base) {
  int64_t tiles = kKVBlock / kKVTile;
  Value block = blocks.block(builder, builder.add(base, builder.quotient(warp, tiles)));
  return builder.add(builder.times(block, kKVBlock),
                     builder.times(builder.remainder(warp, tiles), kKVTile));
}

Value TokenAttention::seesTile(Value base, Value end) {
  Value number = builder.add(base, builder.quotient(warp, kKVBlock / kKVTile));
  Value begins =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::ule, tilePosition(base), lastPosition);
  return arith::AndIOp::create(builder, builder.isBelow(number, end), begins);
}

/// No branch is around loads, or LLVM's optimizer would convert what they load within it, and wait
/// for them there. Where there is nothing to load, all lanes load the same, which is there.
Values TokenAttention::loadKeys(Value base, Value end) {
  int64_t bytes = elementBytes();
  VectorType type = VectorType::get(keyWidth, storedType());
  Value first = tilePosition(base), block = builder.quotient(first, kKVBlock);
  Value offset = builder.times(block, layout.keyBlockBytes());
  offset = builder.add(
      offset, builder.times(builder.remainder(warp, kKVBlock / kKVTile), layout.keyTileBytes()));
  offset = builder.add(offset, builder.times(builder.remainder(lane, keyGroups), keyWidth * bytes));
  Value phase = builder.quotient(lane, keyGroups), none = builder.index(0);
  Value isThere = seesTile(base, end);
  Value tile = builder.address(keys, builder.choose(isThere, offset, none));
  Value inTile = builder.choose(isThere, builder.times(phase, kKVTile * bytes), none);
  Value start = builder.address(tile, inTile);
  Values loaded;
  for (int64_t i = 0; i < keyLoads; ++i) {
    int64_t element = i * kWarpLanes / keyGroups;
    Value address = builder.address(start, element * kKVTile * bytes);
    // Queries are zero behind the head: the first element is there.
    if (element + kWarpLanes / keyGroups > layout.headDim) {
      Value isInside = builder.isBelow(builder.plus(phase, element), layout.headDim);
      address = builder.choose(isInside, address, tile);
    }
    loaded.push_back(
        builder.loadAligned(type, address, unsigned(std::min<int64_t>(16, keyWidth * bytes))));
  }
  return loaded;
}

Values TokenAttention::loadBlockValues(Value number, Value end) {
  int64_t bytes = elementBytes(), padded = layout.paddedDim();
  VectorType type = VectorType::get(valueWidth, storedType());
  Value isThere = builder.isBelow(number, end);
  number = builder.smaller(number, builder.add(end, -1));
  enterStep(blocks.block(builder, number), builder.index(0));
  Value none = builder.index(0);
  Values loaded;
  for (int64_t k = 0; k < kKVBlock; k += kWarps) {
    Value place = seenPlace(builder.plus(warp, k));
    Value row = builder.address(stepValues, builder.times(place, padded * bytes));
    for (int64_t v = 0; v < valueVectors; ++v) {
      Value vector = builder.plus(lane, v * kWarpLanes);
      if ((v + 1) * kWarpLanes > valuesPerRow())
        vector = builder.smaller(vector, valuesPerRow() - 1);
      Value offset = builder.choose(isThere, builder.times(vector, valueWidth * bytes), none);
      loaded.push_back(builder.loadAligned(type, builder.address(row, offset),
                                           unsigned(std::min<int64_t>(16, valueWidth * bytes))));
    }
  }
  return loaded;
}

TokenAttention::Loaded TokenAttention::loadRound(Value base, Value end) {
  Loaded loaded{loadKeys(base, end), {}};
  for (int64_t i = 0; i < earlyBlocks; ++i)
    loaded.values.append(loadBlockValues(builder.plus(base, i), end));
  return loaded;
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Value TokenAttention::lowest() { return builder.constant(builder.getF32Type(), kLowest); }

Value TokenAttention::isNewest(Value key) {
  Value isLast = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, key, lastPosition);
  return arith::AndIOp::create(builder, isLast, holds);
}

Values TokenAttention::queriesOf(Value d) {
  Value start = builder.address(queries, builder.times(d, rowWords * kFloat));
  return loadRows(start);
}

/// A number of each row, from where they lie together.
Values TokenAttention::loadRows(Value start) {
  Values numbers;
  int64_t wide = std::min(rowWords, kFour);
  for (int64_t first = 0; first < rows; first += wide) {
    Value loaded = builder.loadAligned(builder.floats(wide), builder.address(start, first * kFloat),
                                       wide * kFloat);
    for (int64_t r = first; r < std::min(rows, first + wide); ++r)
      numbers.push_back(vector::ExtractOp::create(builder, loaded, r - first));
  }
  return numbers;
}

/// Lanes that differ in bit 3 and lower ones have keys of their own in the end: in each round a
/// lane keeps half of its keys, and sends what it has of the other half.
Values TokenAttention::products(ValueRange loaded) {
  Values products(rows, builder.constant(builder.floats(keyWidth), 0.0));
  Value phase = builder.quotient(lane, keyGroups);
  for (auto [i, stored] : llvm::enumerate(loaded)) {
    Value key = loadedToF32(stored);
    Values query = queriesOf(builder.plus(phase, int64_t(i) * kWarpLanes / keyGroups));
    for (auto [x, product] : llvm::zip_equal(query, products))
      product = builder.multiplyAdd(key, builder.broadcast(x, keyWidth), product);
  }
  SmallVector<Values> parts(rows);
  for (auto [product, own] : llvm::zip_equal(products, parts))
    for (int64_t i = 0; i < keyWidth; ++i)
      own.push_back(vector::ExtractOp::create(builder, product, i));
  for (int64_t count = keyWidth, bit = kShare / 2; count > 1; count /= 2, bit /= 2) {
    Value isSet = arith::AndIOp::create(builder, builder.lane(), builder.int32(int32_t(bit)));
    isSet = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, isSet, builder.int32(0));
    int64_t half = count / 2;
    for (Values &own : parts) {
      for (int64_t i = 0; i < half; ++i) {
        Value kept = builder.choose(isSet, own[i + half], own[i]);
        Value given = builder.choose(isSet, own[i], own[i + half]);
        own[i] = arith::AddFOp::create(builder, kept, builder.shuffleXor(given, bit));
      }
      own.resize(half);
    }
  }
  Values sums;
  for (Values &own : parts)
    sums.push_back(own[0]);
  builder.reduceLanes(Reduction::Sum, sums, kShare);
  return sums;
}

Values TokenAttention::tileScores(Value base, Value end, ValueRange loaded) {
  return ifElse(builder, seesTile(base, end), Values(rows, lowest()), [&] {
    Values scores = products(loaded);
    Value key = builder.add(tilePosition(base), keyInTile());
    Value visible = isVisible(key, firstPosition);
    if (update)
      visible =
          builder.choose(isNewest(key), builder.constant(builder.getI1Type(), int64_t(0)), visible);
    for (int64_t r = 0; r < rows; ++r) {
      Value score = addBias(placeOfRow(builder.index(r)), key, capScore(scores[r]));
      scores[r] = builder.choose(visible, score, lowest());
    }
    return scores;
  });
}

/// The key of its tile that a lane has in the end.
Value TokenAttention::keyInTile() {
  return builder.add(builder.times(builder.remainder(lane, keyGroups), keyWidth),
                     builder.quotient(keyOfLane(), keyGroups));
}

Value TokenAttention::scoreAddress(Value row, Value inTile, Value tile) {
  Value place = builder.add(builder.times(row, kShare), inTile);
  place = builder.add(builder.times(place, kScoreStride), tile);
  return builder.address(scoresOfRound, builder.times(place, kFloat));
}

Values TokenAttention::newestScores(Value base) {
  Value number = arith::SubIOp::create(builder, builder.plus(blocks.count, -1), base);
  Value isHere = arith::AndIOp::create(builder, holds, builder.isBelow(number, kRoundBlocks));
  Value isOwn =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, warp, builder.index(kNewestWarp));
  isHere = arith::AndIOp::create(builder, isHere, isOwn);
  return ifElse(builder, isHere, Values(rows, lowest()), [&] {
    Type f32 = builder.getF32Type();
    Values scores(rows, builder.constant(f32, 0.0));
    int64_t padded = layout.paddedDim();
    for (int64_t first = 0; first < padded; first += kWarpLanes) {
      // What is behind the queries is zero; keys end before.
      Value d = builder.plus(lane, first);
      bool isInside = first + kWarpLanes <= padded;
      Value place = isInside ? d : builder.smaller(d, padded - 1);
      Value key =
          builder.loadAligned(f32, builder.address(newKey, builder.times(place, kFloat)), kFloat);
      if (!isInside)
        key = builder.choose(builder.isBelow(d, padded), key, builder.constant(f32, 0.0));
      for (auto [x, score] : llvm::zip_equal(queriesOf(place), scores))
        score = builder.multiplyAdd(key, x, score);
    }
    builder.reduceLanes(Reduction::Sum, scores, kWarpLanes - 1);
    for (int64_t r = 0; r < rows; ++r)
      scores[r] = addBias(placeOfRow(builder.index(r)), lastPosition, capScore(scores[r]));
    Value inBlock = builder.remainder(lastPosition, kKVBlock);
    Value tile =
        builder.add(builder.times(number, kKVBlock / kKVTile), builder.quotient(inBlock, kKVTile));
    builder.ifThen(builder.isBelow(lane, 1), [&] {
      for (int64_t r = 0; r < rows; ++r)
        builder.storeAligned(
            scores[r], scoreAddress(builder.index(r), builder.remainder(inBlock, kKVTile), tile),
            kFloat);
    });
    return scores;
  });
}

Values TokenAttention::largestScores() {
  Values found;
  for (int64_t r = 0; r < rows; ++r) {
    Value place = builder.plus(keyOfLane(), r * kWarps);
    found.push_back(
        builder.loadAligned(builder.getF32Type(),
                            builder.address(largestOfRound, builder.times(place, kFloat)), kFloat));
  }
  builder.reduceLanes(Reduction::Maximum, found, kShare - 1);
  return found;
}

//===----------------------------------------------------------------------===//
// Rounds
//===----------------------------------------------------------------------===//

Values TokenAttention::Sums::all() const {
  Values values = maxima;
  values.append(sums);
  values.append(outs);
  return values;
}

TokenAttention::Sums TokenAttention::split(ValueRange values) const {
  return {Values(values.take_front(rows)), Values(values.slice(rows, entries())),
          Values(values.drop_front(rows + entries()))};
}

Value TokenAttention::isOddRow() {
  return arith::CmpIOp::create(builder, arith::CmpIPredicate::uge, lane, builder.index(kShare));
}

Value TokenAttention::ofEntry(ValueRange ofRows, int64_t entry) {
  Value first = ofRows[2 * entry];
  return isFull(entry) ? builder.choose(isOddRow(), ofRows[2 * entry + 1], first) : first;
}

Value TokenAttention::rowOfEntry(int64_t entry) {
  Value row = builder.index(2 * entry);
  return isFull(entry) ? builder.choose(isOddRow(), builder.index(2 * entry + 1), row) : row;
}

TokenAttention::Sums TokenAttention::start() {
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0);
  Sums start{Values(rows, lowest()), Values(entries(), zero),
             Values(rows * valueVectors, builder.constant(builder.floats(valueWidth), 0.0))};
  if (!op.getSinkLogits())
    return start;
  Value hasSink = builder.constant(builder.getI1Type(), int64_t(1));
  if (Value piece = op.getPiece())
    hasSink = builder.isBelow(piece, 1);
  for (int64_t r = 0; r < rows; ++r) {
    Value head = tokenAndHead(builder.index(r)).second;
    start.maxima[r] =
        builder.choose(hasSink, builder.loadElement(op.getSinkLogits(), {head}), lowest());
  }
  // Of one lane of each row.
  Value counts =
      arith::AndIOp::create(builder, builder.isBelow(warp, 1), builder.isBelow(keyOfLane(), 1));
  counts = arith::AndIOp::create(builder, counts, hasSink);
  start.sums.assign(entries(), builder.choose(counts, builder.constant(f32, 1.0), zero));
  return start;
}

TokenAttention::Sums TokenAttention::addRound(Value base, Value end, const Loaded &loaded,
                                              const Sums &before) {
  Type f32 = builder.getF32Type();
  Values own = tileScores(base, end, loaded.keys);
  Values largest = own;
  builder.reduceLanes(Reduction::Maximum, largest, kShare - 1);
  Value isWriter = builder.isBelow(lane, kShare);
  if (update) {
    for (auto [score, most] : llvm::zip_equal(newestScores(base), largest))
      most = builder.maximum(score, most);
    Value isNew = isNewest(builder.add(tilePosition(base), keyInTile()));
    isWriter = builder.choose(isNew, builder.constant(builder.getI1Type(), int64_t(0)), isWriter);
  }
  builder.ifThen(isWriter, [&] {
    for (int64_t r = 0; r < rows; ++r)
      builder.storeAligned(own[r], scoreAddress(builder.index(r), keyInTile(), warp), kFloat);
  });
  builder.ifThen(builder.isBelow(lane, 1), [&] {
    for (int64_t r = 0; r < rows; ++r) {
      Value place = builder.plus(warp, r * kWarps);
      builder.storeAligned(largest[r],
                           builder.address(largestOfRound, builder.times(place, kFloat)), kFloat);
    }
  });
  // Where all values were too many, now keys have left registers.
  Values values = loaded.values;
  for (int64_t block = earlyBlocks; keepsValues && block < kRoundBlocks; ++block)
    values.append(loadBlockValues(builder.plus(base, block), end));
  builder.barrier();

  Sums after;
  Values factors;
  auto exponential = [&](Value x, Value most) {
    return builder.fastExp(arith::SubFOp::create(builder, x, most));
  };
  bool hasBefore = !isOneRound || op.getSinkLogits();
  for (auto [most, last] : llvm::zip_equal(largestScores(), before.maxima)) {
    after.maxima.push_back(hasBefore ? builder.maximum(most, last) : most);
    factors.push_back(hasBefore ? exponential(last, after.maxima.back()) : Value());
  }
  for (int64_t e = 0; e < entries(); ++e) {
    Value row = rowOfEntry(e);
    Value score = builder.loadAligned(f32, scoreAddress(row, warp, keyOfLane()), kFloat);
    // Keys that nobody sees have the lowest score, and no weight.
    Value isSeen = arith::CmpFOp::create(builder, arith::CmpFPredicate::UNE, score, lowest());
    Value weight = builder.choose(isSeen, exponential(score, ofEntry(after.maxima, e)),
                                  builder.constant(f32, 0.0));
    after.sums.push_back(
        hasBefore ? builder.multiplyAdd(before.sums[e], ofEntry(factors, e), weight) : weight);
    if (isFloat8())
      weight = builder.productOf(weight, builder.constant(f32, double(kFloat8Scale)));
    Value place = builder.add(builder.times(keyOfLane(), rowWords), row);
    builder.storeAligned(weight, builder.address(ownWeights, builder.times(place, kFloat)), kFloat);
  }
  builder.syncWarp();
  for (auto [i, out] : llvm::enumerate(before.outs)) {
    Value factor = factors[i / valueVectors];
    after.outs.push_back(hasBefore ? builder.productOf(out, builder.broadcast(factor, valueWidth))
                                   : out);
  }
  int64_t vectors = kKVBlock / kWarps * valueVectors;
  for (int64_t block = 0; block < kRoundBlocks; ++block) {
    Value number = builder.plus(base, block);
    after.outs = ifElse(builder, builder.isBelow(number, end), after.outs, [&] {
      Values outs = after.outs;
      Values own = keepsValues || block < earlyBlocks
                       ? Values(ArrayRef(values).slice(block * vectors, vectors))
                       : loadBlockValues(number, end);
      addBlock(block, number, own, outs);
      return outs;
    });
  }
  return after;
}

/// Adds values of block `block` of the round, number `number` of those that are visible.
void TokenAttention::addBlock(int64_t block, Value number, ValueRange loaded, Values &outs) {
  constexpr int64_t kKeys = kKVBlock / kWarps;
  enterStep(blocks.block(builder, number), builder.index(0));
  for (int64_t k = 0; k < kKeys; ++k) {
    Value isNew;
    if (update)
      isNew = isNewest(builder.add(position, seenPlace(builder.plus(warp, k * kWarps))));
    Values weightsOfKey =
        loadRows(builder.address(ownWeights, (block * kKeys + k) * rowWords * kFloat));
    for (int64_t v = 0; v < valueVectors; ++v) {
      Value stored = loaded[k * valueVectors + v];
      if (isNew)
        stored = builder.choose(isNew, newVector(v), stored);
      Value value = loadedToF32(stored);
      for (int64_t r = 0; r < rows; ++r) {
        Value &out = outs[r * valueVectors + v];
        out = builder.multiplyAdd(value, builder.broadcast(weightsOfKey[r], valueWidth), out);
      }
    }
  }
}

/// The lane's vector of the newest value.
Value TokenAttention::newVector(int64_t number) {
  int64_t bytes = valueWidth * elementBytes();
  Value vector = builder.plus(lane, number * kWarpLanes);
  if ((number + 1) * kWarpLanes > valuesPerRow())
    vector = builder.smaller(vector, valuesPerRow() - 1);
  return builder.loadAligned(VectorType::get(valueWidth, storedType()),
                             builder.address(newValue, builder.times(vector, bytes)),
                             unsigned(std::min<int64_t>(16, bytes)));
}

void TokenAttention::emit() {
  placeTokenBuffers();
  findTile();
  takeUpdate();
  Value begin = builder.index(0), end = blocks.count;
  if (Value piece = op.getPiece()) {
    int64_t perPiece = op.getPieceKeys() / kKVBlock;
    begin = builder.times(piece, perPiece);
    end = arith::MinSIOp::create(builder, end, builder.plus(begin, perPiece));
  }
  // All that memory must deliver is asked for at once.
  loadInputs();
  Loaded loaded;
  if (isOneRound)
    loaded = loadRound(begin, end);
  if (earlyBlocks < kRoundBlocks)
    prefetch(builder.plus(begin, earlyBlocks), end);
  storeInputs();
  prepareBias();
  builder.barrier();
  scoresOfRound = scores;
  largestOfRound = largest;
  if (isOneRound) {
    writeResults(addRound(begin, end, loaded, start()));
  } else {
    // Threads may still read what is of the round before.
    auto ofRound = [&](Value buffer, Value parity, int64_t bytes) {
      return builder.address(buffer, builder.times(parity, bytes));
    };
    Values sums =
        builder.loop(begin, end, kRoundBlocks, start().all(), [&](Value base, ValueRange carried) {
          Value parity = arith::SubIOp::create(builder, base, begin);
          parity = builder.remainder(builder.quotient(parity, kRoundBlocks), 2);
          scoresOfRound = ofRound(scores, parity, rows * kShare * kScoreStride * kFloat);
          largestOfRound = ofRound(largest, parity, rows * kWarps * kFloat);
          return addRound(base, end, loadRound(base, end), split(carried)).all();
        });
    writeResults(split(sums));
  }
  if (!update)
    return;
  Operation *stored = branch ? branch : update.getOperation();
  stored->erase();
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// Contains barriers; the last one is behind everything.
void TokenAttention::writeResults(const Sums &of) {
  int64_t padded = layout.paddedDim();
  Type f32 = builder.getF32Type();
  auto at = [&](Value base, Value place) {
    return builder.address(base, builder.times(place, kFloat));
  };
  Values sumsOfWarp = of.sums;
  builder.reduceLanes(Reduction::Sum, sumsOfWarp, kShare - 1);
  builder.ifThen(builder.isBelow(keyOfLane(), 1), [&] {
    for (int64_t e = 0; e < entries(); ++e) {
      Value place = builder.add(builder.times(rowOfEntry(e), kWarps), warp);
      builder.storeAligned(sumsOfWarp[e], at(sums, place), kFloat);
    }
  });
  builder.ifThen(builder.isBelow(builder.thread(), 1), [&] {
    for (int64_t r = 0; r < rows; ++r)
      builder.storeAligned(of.maxima[r], builder.address(lastMaxima, r * kFloat), kFloat);
  });
  for (int64_t begin = 0; begin < rows; begin += mergedRows) {
    int64_t count = std::min(mergedRows, rows - begin);
    for (int64_t r = 0; r < count; ++r)
      for (int64_t v = 0; v < valueVectors; ++v) {
        Value vector = builder.plus(lane, v * kWarpLanes);
        Value place = builder.times(builder.plus(warp, r * kWarps), padded);
        place = builder.add(place, builder.times(vector, valueWidth));
        builder.guard((v + 1) * kWarpLanes > valuesPerRow(),
                      [&] { return builder.isBelow(vector, valuesPerRow()); },
                      [&] {
                        builder.storeAligned(of.outs[(begin + r) * valueVectors + v],
                                             at(results, place),
                                             unsigned(std::min<int64_t>(16, valueWidth * kFloat)));
                      });
      }
    builder.barrier();
    builder.forThreads(count * padded, [&](Value number) {
      Value r = builder.quotient(number, padded), d = builder.remainder(number, padded);
      Value row = builder.plus(r, begin), total, sum;
      auto more = [&](Value &all, Value address) {
        Value part = builder.loadAligned(f32, address, kFloat);
        all = all ? arith::AddFOp::create(builder, all, part).getResult() : part;
      };
      for (int64_t w = 0; w < kWarps; ++w) {
        Value place = builder.times(builder.plus(builder.times(r, kWarps), w), padded);
        more(total, at(results, builder.add(place, d)));
        more(sum, at(sums, builder.plus(builder.times(row, kWarps), w)));
      }
      storeMerged(row, d, total, builder.loadAligned(f32, at(lastMaxima, row), kFloat), sum);
    });
    builder.barrier();
  }
}
