// The products of packed.attention_tile: queries by keys, and weights by values.
#include "AttentionEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kFloat = sizeof(float);
/// Registers of a lane for loads that are under way together and the sums they are added to: a
/// block's threads have 128 each, and addresses and weights take some.
constexpr int64_t kBusyRegisters = 88;

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Loads of 16 bytes of keys, of `rounds` that a lane makes in a step, that are under way together:
/// memory is waited for once if they all are.
int64_t AttentionEmitter::keyLoads(int64_t rounds) const {
  int64_t loads = rounds & -rounds;
  while (loads > 1 && loads * 4 + chunk * keyWidth > kBusyRegisters)
    loads /= 2;
  return loads;
}

Values AttentionEmitter::scores(Value first) {
  return isInt8() ? codeProducts(first) : floatProducts(first);
}

/// Neighbouring lanes have the same keys, as many as there are keys. In each round a lane keeps
/// half of its keys, and sends what it has of the other half to the lane that keeps those.
Value AttentionEmitter::exchange(Values sums) {
  Value number = builder.lane();
  for (int64_t half = keyWidth / 2; half > 0; half /= 2) {
    Value bit = arith::AndIOp::create(builder, number, builder.int32(half));
    Value keepsUpper =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, bit, builder.int32(0));
    Values kept;
    for (int64_t i = 0; i < half; ++i) {
      Value own = builder.choose(keepsUpper, sums[i + half], sums[i]);
      Value other = builder.choose(keepsUpper, sums[i], sums[i + half]);
      kept.push_back(builder.combine(Reduction::Sum, own, builder.shuffleXor(other, half)));
    }
    sums = kept;
  }
  return sums[0];
}

Values AttentionEmitter::floatProducts(Value first) {
  int64_t headDim = layout.headDim, bytes = elementBytes();
  int64_t rounds = llvm::divideCeil(headDim, keyWidth);
  int64_t unroll = keyLoads(rounds);
  // The lane's first key in the tile, and the first of the elements it takes.
  Value key = builder.add(inBlock, builder.times(builder.quotient(lane, keyWidth), keyWidth));
  Value phase = builder.remainder(lane, keyWidth);
  Value tile = builder.address(
      stepKeys, builder.times(builder.quotient(key, kKVTile), layout.keyTileBytes()));
  tile = builder.address(tile, builder.times(builder.remainder(key, kKVTile), bytes));
  Value queryRow = builder.address(queries, builder.times(first, layout.paddedDim() * kFloat));

  VectorType stored = VectorType::get(keyWidth, storedType());
  Values sums = builder.loop(
      builder.index(0), builder.index(rounds * keyWidth), unroll * keyWidth,
      Values(chunk, builder.constant(builder.floats(keyWidth), 0.0)),
      [&](Value base, ValueRange carried) {
        Values inner(carried), loaded;
        Value d = builder.add(base, phase);
        for (int64_t u = 0; u < unroll; ++u) {
          Value element = builder.plus(d, u * keyWidth);
          // Queries are zero behind the head.
          if (headDim % keyWidth != 0)
            element = builder.smaller(element, headDim - 1);
          Value address = builder.address(tile, builder.times(element, kKVTile * bytes));
          loaded.push_back(builder.loadAligned(stored, address, keyWidth * bytes));
        }
        for (int64_t u = 0; u < unroll; ++u) {
          Value keyVector = loadedToF32(loaded[u]);
          Value query =
              builder.address(queryRow, builder.times(builder.plus(d, u * keyWidth), kFloat));
          for (int64_t r = 0; r < chunk; ++r) {
            Value x = builder.loadAligned(builder.getF32Type(),
                                          builder.address(query, r * layout.paddedDim() * kFloat),
                                          kFloat);
            inner[r] = builder.multiplyAdd(keyVector, builder.broadcast(x, keyWidth), inner[r]);
          }
        }
        return inner;
      });
  Values result;
  for (Value sum : sums) {
    Values parts;
    for (int64_t i = 0; i < keyWidth; ++i)
      parts.push_back(vector::ExtractOp::create(builder, sum, i));
    result.push_back(exchange(parts));
  }
  return result;
}

Values AttentionEmitter::codeProducts(Value first) {
  int64_t padded = layout.paddedDim();
  int64_t fours = llvm::divideCeil(layout.headDim, kFour);
  int64_t rounds = llvm::divideCeil(fours, keyWidth);
  int64_t unroll = keyLoads(rounds);
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  Value key = builder.add(inBlock, builder.times(builder.quotient(lane, keyWidth), keyWidth));
  Value phase = builder.remainder(lane, keyWidth);
  Value tile = builder.address(
      stepKeys, builder.times(builder.quotient(key, kKVTile), layout.keyTileBytes()));
  tile = builder.address(tile, builder.times(builder.remainder(key, kKVTile), kFour));
  Value queryRow = builder.address(queries, builder.times(first, padded));

  Values sums = builder.loop(
      builder.index(0), builder.index(rounds * keyWidth), unroll * keyWidth,
      Values(chunk * keyWidth, builder.int32(0)), [&](Value base, ValueRange carried) {
        Values inner(carried), loaded;
        Value number = builder.add(base, phase);
        for (int64_t u = 0; u < unroll; ++u) {
          Value four = builder.plus(number, u * keyWidth);
          // The codes of queries are zero behind the head.
          if (fours % keyWidth != 0)
            four = builder.smaller(four, fours - 1);
          Value address = builder.address(tile, builder.times(four, kFour * kKVTile));
          loaded.push_back(builder.loadAligned(builder.ints(keyWidth), address, keyWidth * kFour));
        }
        for (int64_t u = 0; u < unroll; ++u) {
          Value query =
              builder.address(queryRow, builder.times(builder.plus(number, u * keyWidth), kFour));
          for (int64_t r = 0; r < chunk; ++r) {
            Value codes = builder.loadAligned(i32, builder.address(query, r * padded), kFour);
            for (int64_t i = 0; i < keyWidth; ++i) {
              Value &sum = inner[r * keyWidth + i];
              Value word = vector::ExtractOp::create(builder, loaded[u], i);
              sum = builder.dot4(word, Bytes::Unsigned, codes, Bytes::Signed, sum);
            }
          }
        }
        return inner;
      });
  Value offset = builder.times(builder.add(inBlock, lane), kFloat);
  Value address = builder.address(stepKeys, layout.keyScalesInBlock());
  Value keyScale = builder.loadAligned(f32, builder.address(address, offset), kFloat);
  Values result;
  for (int64_t r = 0; r < chunk; ++r) {
    Value sum = exchange(Values(ArrayRef(sums).slice(r * keyWidth, keyWidth)));
    Value row = builder.times(builder.plus(first, r), kFloat);
    Value start = builder.loadAligned(i32, builder.address(queryStarts, row), kFloat);
    sum = arith::AddIOp::create(builder, sum, start);
    Value queryScale = builder.loadAligned(f32, builder.address(queryScales, row), kFloat);
    result.push_back(builder.productOf(arith::SIToFPOp::create(builder, f32, sum),
                                       builder.productOf(keyScale, queryScale)));
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// The place of a key (index, within the block) that is read for it: its own, unless no row sees
/// it. What lies there may be no number, and counts nothing, so a key that a row sees takes its
/// place.
Value AttentionEmitter::seenPlace(Value place) {
  Value start = arith::SubIOp::create(builder, position, inBlock);
  auto inThisBlock = [&](Value key) -> Value { return arith::SubIOp::create(builder, key, start); };
  place = builder.smaller(place, inThisBlock(builder.plus(blocks.end, -1)));
  if (op.getWindow() == 0)
    return place;
  // A block without sinks has keys of the window: nobody goes through others.
  Value oldest = inThisBlock(builder.plus(firstPosition, 1 - int64_t(op.getWindow())));
  oldest = arith::MaxSIOp::create(builder, oldest, builder.index(0));
  if (op.getSinks() == 0)
    return arith::MaxUIOp::create(builder, place, oldest);
  auto isLess = [&](Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, a, b);
  };
  Value sinks = inThisBlock(builder.index(op.getSinks()));
  Value isSink = isLess(place, sinks);
  Value isUnseen = arith::AndIOp::create(
      builder, isLess(place, oldest),
      arith::XOrIOp::create(builder, isSink, builder.constant(builder.getI1Type(), int64_t(1))));
  Value hasSinks = isLess(builder.index(0), sinks);
  return builder.choose(isUnseen, builder.choose(hasSinks, builder.index(0), oldest), place);
}

/// The lane's vector number `vector` of `keys` keys from `key` (index, within the step) on, as f32.
Values AttentionEmitter::loadValues(Value key, int64_t keys, int64_t vector) {
  int64_t lanes = warpThreads(), padded = layout.paddedDim(), bytes = elementBytes();
  Value number = builder.plus(lane, vector * lanes);
  if ((vector + 1) * lanes > valuesPerRow())
    number = builder.smaller(number, valuesPerRow() - 1);
  Value element = builder.times(number, valueWidth);
  Value first = builder.add(inBlock, key);
  Values result;
  if (!isInt8()) {
    auto type = VectorType::get(valueWidth, storedType());
    Value start = builder.address(stepValues, builder.times(element, bytes));
    for (int64_t k = 0; k < keys; ++k) {
      Value place = seenPlace(builder.plus(first, k));
      Value address = builder.address(start, builder.times(place, padded * bytes));
      result.push_back(
          builder.loadAligned(type, address, std::min<int64_t>(16, valueWidth * bytes)));
    }
    for (Value &x : result)
      x = loadedToF32(x);
    return result;
  }
  // Four positions of each element lie together; behind 2^23 the lowest bits of a float are an
  // integer, and code + 128 is one without a sign.
  Type f32 = builder.getF32Type();
  Value group = builder.quotient(first, kFour);
  Value address = builder.address(stepValues, builder.times(group, kFour * padded));
  address = builder.address(address, builder.times(element, kFour));
  Values words;
  for (int64_t k = 0; k < keys; k += kFour)
    words.push_back(builder.loadAligned(builder.ints(valueWidth),
                                        builder.address(address, k * padded),
                                        std::min<int64_t>(16, valueWidth * kFour)));
  Value inGroup = builder.toI32(builder.remainder(first, kFour));
  Value bias = builder.constant(builder.floats(valueWidth), -(8388608.0 + 128.0));
  for (int64_t k = 0; k < keys; ++k) {
    Value selector = builder.int32(0x7440 | (k % kFour));
    if (keys < kFour)
      selector = arith::OrIOp::create(builder, inGroup, builder.int32(0x7440));
    Values numbers;
    for (int64_t i = 0; i < valueWidth; ++i) {
      Value word = vector::ExtractOp::create(builder, words[k / kFour], i);
      word = arith::XOrIOp::create(builder, word, builder.int32(int32_t(0x80808080)));
      Value bits = builder.permuteBytes(word, builder.int32(0x4B000000), selector);
      numbers.push_back(arith::BitcastOp::create(builder, f32, bits));
    }
    Value x = vector::FromElementsOp::create(builder, builder.floats(valueWidth), numbers);
    result.push_back(arith::AddFOp::create(builder, x, bias));
  }
  return result;
}

/// Keys whose values a lane loads together: all of a step's if registers allow.
int64_t AttentionEmitter::valueKeys() const {
  int64_t bytesOfKey = valueVectors * valueWidth * elementBytes();
  int64_t sums = chunk * valueVectors * valueWidth, keys = warpThreads();
  while (keys > kFour && llvm::divideCeil(keys * bytesOfKey, 4) + sums > kBusyRegisters)
    keys /= 2;
  return keys;
}

Values AttentionEmitter::addValues(ValueRange outs) {
  int64_t lanes = warpThreads(), together = valueKeys(), wide = std::min(together, kFour);
  // Keys behind the last position have the weight zero, and are not read.
  Value count = arith::SubIOp::create(builder, blocks.end, position);
  count = arith::MinSIOp::create(builder, count, builder.index(lanes));
  if (op.getEnd() && op.getWindow() != 0) {
    // All windows may lie behind the end: without a sink in the block there is then no key to take
    // the place of another.
    auto isLess = [&](Value a, Value b) -> Value {
      return arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, a, b);
    };
    Value oldest = builder.plus(firstPosition, 1 - int64_t(op.getWindow()));
    Value seesAny = isLess(oldest, blocks.end);
    if (op.getSinks() != 0) {
      Value start = arith::SubIOp::create(builder, position, inBlock);
      seesAny = arith::OrIOp::create(builder, seesAny, builder.isBelow(start, op.getSinks()));
    }
    count = builder.choose(seesAny, count, builder.index(0));
  }
  return builder.loop(builder.index(0), count, together, outs, [&](Value key, ValueRange carried) {
    Values sums(carried), weightsOfRow(chunk);
    SmallVector<Values> loaded;
    for (int64_t v = 0; v < valueVectors; ++v)
      loaded.push_back(loadValues(key, together, v));
    Value start = builder.address(ownWeights, builder.times(key, kFloat));
    for (int64_t k = 0; k < together; ++k)
      for (int64_t r = 0; r < chunk; ++r) {
        if (k % wide == 0)
          weightsOfRow[r] =
              builder.loadAligned(builder.floats(wide),
                                  builder.address(start, (r * lanes + k) * kFloat), wide * kFloat);
        Value weight = builder.broadcast(
            vector::ExtractOp::create(builder, weightsOfRow[r], k % wide), valueWidth);
        for (int64_t v = 0; v < valueVectors; ++v) {
          Value &sum = sums[r * valueVectors + v];
          sum = builder.multiplyAdd(loaded[v][k], weight, sum);
        }
      }
    return sums;
  });
}
