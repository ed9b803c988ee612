// The products of packed.attention_tile: queries by keys, and weights by values. A few rows and a
// few vectors at a time stay in registers, and share what is loaded and converted.
#include "AttentionEmitter.h"

#include "stc/Target/Kernels/Float8.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

constexpr int64_t kFloat = sizeof(float);

Value AttentionEmitter::loadStored(Value address) {
  if (isFloat8())
    return float8ToScaledF32(builder, builder.load(builder.bytes(kLanes), address));
  return builder.toF32(builder.load(VectorType::get(kLanes, storedType()), address));
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Scores of rows [row, row + together) for the block.
void AttentionEmitter::addScores(Value row) {
  for (int64_t first = 0; first < kVectors; first += keyVectors) {
    Values products =
        isInt8() ? integerProducts(row, first, keyVectors) : floatProducts(row, first, keyVectors);
    for (int64_t r = 0; r < together; ++r)
      for (int64_t v = 0; v < keyVectors; ++v)
        builder.store(
            products[r * keyVectors + v],
            at(scores, builder.add(row, r), kKVBlock * kFloat, (first + v) * kLanes * kFloat));
  }
}

Values AttentionEmitter::floatProducts(Value row, int64_t first, int64_t vectors) {
  int64_t elementBytes = layout.elementBytes();
  Value zero = builder.constant(builder.floats(), 0.0);
  Value queryRow = at(queries, row, layout.paddedDim() * kFloat);
  return builder.loop(
      builder.index(0), builder.index(layout.headDim), 1, Values(together * vectors, zero),
      [&](Value d, ValueRange carried) {
        Values sums(carried), loaded;
        Value start = builder.address(blockKeys, builder.mul(d, kLanes * elementBytes));
        for (int64_t v = 0; v < vectors; ++v)
          loaded.push_back(loadStored(builder.address(start, (first + v) * layout.keyTileBytes())));
        Value query = builder.address(queryRow, builder.mul(d, kFloat));
        for (int64_t r = 0; r < together; ++r) {
          Value element =
              builder.broadcast(loadFloat(builder.address(query, r * layout.paddedDim() * kFloat)));
          for (int64_t v = 0; v < vectors; ++v) {
            Value &sum = sums[r * vectors + v];
            sum = builder.multiplyAdd(loaded[v], element, sum);
          }
        }
        return sums;
      });
}

Values AttentionEmitter::integerProducts(Value row, int64_t first, int64_t vectors) {
  VectorType bytes = builder.bytes(4 * kLanes);
  Values starts;
  for (int64_t r = 0; r < together; ++r) {
    Value start = builder.load(builder.getI32Type(), at(queryStarts, builder.add(row, r), kFloat));
    starts.append(vectors, builder.broadcast(start));
  }
  Value queryRow = at(queries, row, layout.paddedDim());
  Values sums = builder.loop(
      builder.index(0), builder.index((layout.headDim + 3) / 4), 1, starts,
      [&](Value group, ValueRange carried) {
        Values inner(carried), loaded;
        Value start = builder.address(blockKeys, builder.mul(group, 4 * kLanes));
        for (int64_t v = 0; v < vectors; ++v)
          loaded.push_back(
              builder.load(bytes, builder.address(start, (first + v) * layout.keyTileBytes())));
        Value query = builder.address(queryRow, builder.mul(group, 4));
        for (int64_t r = 0; r < together; ++r) {
          Value four =
              builder.load(builder.getI32Type(), builder.address(query, r * layout.paddedDim()));
          Value codes = vector::BitCastOp::create(builder, bytes, builder.broadcast(four));
          for (int64_t v = 0; v < vectors; ++v) {
            Value &sum = inner[r * vectors + v];
            sum = packed::Dot4Op::create(builder, sum.getType(), sum, loaded[v], codes);
          }
        }
        return inner;
      });
  Values scales;
  for (int64_t v = 0; v < vectors; ++v)
    scales.push_back(builder.load(
        builder.floats(),
        builder.address(blockKeys, layout.keyScalesInBlock() + (first + v) * kLanes * kFloat)));
  for (int64_t r = 0; r < together; ++r) {
    Value scale = builder.broadcast(loadFloat(at(queryScales, builder.add(row, r), kFloat)));
    for (int64_t v = 0; v < vectors; ++v) {
      Value &sum = sums[r * vectors + v];
      sum = arith::SIToFPOp::create(builder, builder.floats(), sum);
      sum = arith::MulFOp::create(builder, sum, arith::MulFOp::create(builder, scales[v], scale));
    }
  }
  return sums;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// outs = outs * alpha + weights . values * factor, and the same for the sums of the weights.
void AttentionEmitter::addValues(Value row) {
  Values alpha, factor;
  for (int64_t r = 0; r < together; ++r) {
    Value here = builder.add(row, r);
    alpha.push_back(builder.broadcast(loadFloat(at(alphas, here, kFloat))));
    Value number = loadFloat(at(factors, here, kFloat));
    Value sum = builder.load(builder.floats(), at(blockSums, here, kLanes * kFloat));
    sum = arith::MulFOp::create(builder, sum, builder.broadcast(number));
    Value address = at(sums, here, kLanes * kFloat);
    builder.store(builder.multiplyAdd(builder.load(builder.floats(), address), alpha[r], sum),
                  address);
    if (isInt8())
      number = arith::MulFOp::create(builder, number, loadFloat(at(codeScales, here, kFloat)));
    if (isFloat8())
      number = arith::MulFOp::create(builder, number,
                                     builder.constant(builder.getF32Type(), double(kFloat8Scale)));
    factor.push_back(builder.broadcast(number));
  }
  for (int64_t first = 0; first < valueVectors(); first += outVectors) {
    int64_t vectors = std::min(outVectors, valueVectors() - first);
    Values added = isInt8() ? integerSums(row, first, vectors) : floatSums(row, first, vectors);
    for (int64_t r = 0; r < together; ++r)
      for (int64_t v = 0; v < vectors; ++v) {
        Value address = at(outs, builder.add(row, r), layout.paddedDim() * kFloat,
                           (first + v) * kLanes * kFloat);
        Value out =
            arith::MulFOp::create(builder, builder.load(builder.floats(), address), alpha[r]);
        builder.store(builder.multiplyAdd(added[r * vectors + v], factor[r], out), address);
      }
  }
}

Values AttentionEmitter::integerSums(Value row, int64_t first, int64_t vectors) {
  VectorType bytes = builder.bytes(4 * kLanes);
  Value zero = builder.constant(builder.ints(), int64_t(0));
  Value codeRow = at(codes, row, kKVBlock);
  Values sums = builder.loop(
      builder.index(0), builder.index(kKVBlock / 4), 1, Values(together * vectors, zero),
      [&](Value group, ValueRange carried) {
        Values inner(carried), loaded;
        Value start = builder.address(blockValues, builder.mul(group, 4 * layout.paddedDim()));
        for (int64_t v = 0; v < vectors; ++v)
          loaded.push_back(builder.load(bytes, builder.address(start, (first + v) * 4 * kLanes)));
        Value weight = builder.address(codeRow, builder.mul(group, 4));
        for (int64_t r = 0; r < together; ++r) {
          Value four = builder.load(builder.getI32Type(), builder.address(weight, r * kKVBlock));
          Value weights = vector::BitCastOp::create(builder, bytes, builder.broadcast(four));
          for (int64_t v = 0; v < vectors; ++v) {
            Value &sum = inner[r * vectors + v];
            sum = packed::Dot4Op::create(builder, sum.getType(), sum, weights, loaded[v]);
          }
        }
        return inner;
      });
  for (Value &sum : sums)
    sum = arith::SIToFPOp::create(builder, builder.floats(), sum);
  return sums;
}

/// Key by key. Values that nobody sees are never read: they may be anything.
Values AttentionEmitter::floatSums(Value row, int64_t first, int64_t vectors) {
  int64_t rowBytes = layout.valueBlockBytes() / kKVBlock;
  int64_t elementBytes = rowBytes / layout.paddedDim();
  Value zero = builder.constant(builder.floats(), 0.0);
  Value weightRow = at(scores, row, kKVBlock * kFloat);
  auto addKey = [&](Value key, ValueRange carried) {
    Values sums(carried), loaded;
    Value start = builder.address(blockValues, builder.mul(key, rowBytes));
    for (int64_t v = 0; v < vectors; ++v)
      loaded.push_back(loadStored(builder.address(start, (first + v) * kLanes * elementBytes)));
    Value weight = builder.address(weightRow, builder.mul(key, kFloat));
    for (int64_t r = 0; r < together; ++r) {
      Value number = builder.broadcast(loadFloat(builder.address(weight, r * kKVBlock * kFloat)));
      for (int64_t v = 0; v < vectors; ++v) {
        Value &sum = sums[r * vectors + v];
        sum = builder.multiplyAdd(loaded[v], number, sum);
      }
    }
    return sums;
  };
  Value count = arith::SubIOp::create(builder, blocks.end, blockStart);
  count = arith::MinSIOp::create(builder, count, builder.index(kKVBlock));
  Values start(together * vectors, zero);
  if (op.getWindow() == 0)
    return builder.loop(builder.index(0), count, 1, start, addKey);

  // Keys before the window of the first row, but for sinks, are passed over.
  Value oldest = builder.add(firstPosition, 1 - int64_t(op.getWindow()));
  Value begin = arith::SubIOp::create(builder, oldest, blockStart);
  begin = arith::MaxSIOp::create(builder, begin, builder.index(0));
  if (int64_t sinks = op.getSinks()) {
    Value end = arith::SubIOp::create(builder, builder.index(sinks), blockStart);
    end = arith::MinSIOp::create(builder, end, count);
    start = builder.loop(builder.index(0), end, 1, start, addKey);
    begin = arith::MaxSIOp::create(builder, begin, end);
  }
  return builder.loop(begin, count, 1, start, addKey);
}
