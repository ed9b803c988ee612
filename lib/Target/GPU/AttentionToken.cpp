// packed.attention_tile of one token: all warps share the fewest keys.
#include "AttentionToken.h"

#include "stc/Target/Kernels/Float8.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kFloat = sizeof(float);
/// Rows that a warp takes at once.
constexpr int64_t kMostTokenRows = 8;
/// Registers of a lane for keys and values that are under way while it waits for both, and the sums
/// they are added to.
constexpr int64_t kBusyRegisters = 72;
/// Sums of products in a lane's registers.
constexpr int64_t kFewSums = 16;
/// Of small shared memories, results take less.
constexpr int64_t kSmallShared = 96 << 10, kSmallResults = 16 << 10;

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
  int64_t padded = layout.paddedDim(), buffers = isOneRound ? 1 : 2;
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
  placeAll(places, sizes);
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
// All of it
//===----------------------------------------------------------------------===//

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
