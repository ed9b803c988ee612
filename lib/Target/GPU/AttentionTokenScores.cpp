// packed.attention_tile of one token: scores, weights and results, from barrier to barrier.
#include "AttentionToken.h"

#include "stc/Target/Kernels/Float8.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr double kLowest = -double(std::numeric_limits<float>::max());
constexpr int64_t kFloat = sizeof(float);
/// The warp that computes the score of the newest key: few pieces have a tile for it.
constexpr int64_t kNewestWarp = 12;

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
  return builder.ifElse(seesTile(base, end), Values(rows, lowest()), [&] {
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
  return builder.ifElse(isHere, Values(rows, lowest()), [&] {
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

AttentionEmitter::State TokenAttention::split(ValueRange values) const {
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

AttentionEmitter::State TokenAttention::start() {
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0);
  State start{Values(rows, lowest()), Values(entries(), zero),
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

AttentionEmitter::State TokenAttention::addRound(Value base, Value end, const Loaded &loaded,
                                                 const State &before) {
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

  State after;
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
    after.outs = builder.ifElse(builder.isBelow(number, end), after.outs, [&] {
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

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// Contains barriers; the last one is behind everything.
void TokenAttention::writeResults(const State &of) {
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
