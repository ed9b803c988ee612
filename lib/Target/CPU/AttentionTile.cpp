// packed.attention_tile: one token's attention for query heads that share keys and values.
//
// Softmax is computed online over tiles of 16 keys (Milakov and Gimelshein 2018): the maximum, the
// sum and the weighted values seen so far are kept, and rescaled when the maximum grows. Scores
// exist for one tile at a time, whatever the length of the context.
#include "TileLowerings.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

/// Elements of the keys multiplied per iteration.
constexpr int64_t kUnrolledElements = 8;

/// Attention for `count` query heads from `firstHead` on, whose running values are in registers.
class AttentionEmitter {
public:
  AttentionEmitter(packed::AttentionTileOp op, const TargetDescription &target);
  void emit();

private:
  /// What the loop over key tiles carries, for each head.
  struct Running {
    Values maxima;  // f32, of the scores
    Values sums;    // vector<16xf32>, one sum per lane
    Values outputs; // vector<16xf32>, valueVectors per head
  };
  Values pack(const Running &running) const;
  Running unpack(ValueRange values) const;

  void emitHeads(Value firstHead, int64_t count);
  void addTile(Value tile, Running &running);
  Values computeScores(Value tile);
  void rescale(Running &running, const Values &scores);
  void addValues(Value tile, Values probabilities, Running &running);
  Value valueMask(int64_t vector);

  packed::AttentionTileOp op;
  KernelBuilder builder;
  KVCacheType cache;
  int64_t headDim, valueVectors;
  Value keys, values; // memrefs of the layer
  Value kvHead, last, start;
  Value head; // the first query head in work
  int64_t heads = 0;
};

} // namespace

AttentionEmitter::AttentionEmitter(packed::AttentionTileOp op, const TargetDescription &target)
    : op(op), builder(op, target), cache(cast<KVCacheType>(op.getCache().getType())),
      headDim(cache.getHeadDim()), valueVectors((headDim + kLanes - 1) / kLanes) {}

void AttentionEmitter::emit() {
  std::tie(keys, values) = builder.cacheBuffers(op.getCache(), op.getLayer());
  int64_t shared = op.getHeads() / cache.getKvHeads();
  kvHead = arith::DivUIOp::create(builder, op.getHead(), builder.index(shared));
  last = builder.add(op.getPosition(), op.getToken());
  start = builder.index(0);
  if (int64_t window = op.getWindow()) {
    Value first = arith::SubIOp::create(builder, last, builder.index(window - 1));
    start = arith::MaxSIOp::create(builder, first, start);
  }
  // As many heads at once as leave half of the registers for keys, values and probabilities.
  int64_t count = op.getCount(), atOnce = count;
  int64_t budget = std::max<int64_t>(1, builder.getTarget().vectorsInRegisters() / 2);
  while (atOnce > 1 && (count % atOnce != 0 || atOnce * valueVectors > budget))
    --atOnce;
  for (int64_t i = 0; i < count; i += atOnce)
    emitHeads(builder.add(op.getHead(), i), atOnce);
}

Values AttentionEmitter::pack(const Running &running) const {
  Values packed(running.maxima);
  packed.append(running.sums);
  packed.append(running.outputs);
  return packed;
}

AttentionEmitter::Running AttentionEmitter::unpack(ValueRange packed) const {
  Running running;
  running.maxima = Values(packed.take_front(heads));
  running.sums = Values(packed.slice(heads, heads));
  running.outputs = Values(packed.drop_front(2 * heads));
  return running;
}

Value AttentionEmitter::valueMask(int64_t vector) {
  int64_t left = headDim - vector * kLanes;
  return left < kLanes ? builder.firstLanes(left) : Value();
}

void AttentionEmitter::emitHeads(Value firstHead, int64_t count) {
  head = firstHead;
  heads = count;
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(builder.floats(), 0.0);
  Running running;
  running.maxima.assign(count, builder.constant(f32, -double(std::numeric_limits<float>::max())));
  running.sums.assign(count, zero);
  running.outputs.assign(count * valueVectors, zero);

  Value lanes = builder.index(kLanes);
  Value firstTile = arith::DivUIOp::create(builder, start, lanes);
  Value lastTile = arith::DivUIOp::create(builder, last, lanes);
  Values results = builder.loop(firstTile, builder.add(lastTile, 1), 1, pack(running),
                                [&](Value tile, ValueRange carried) {
                                  Running inner = unpack(carried);
                                  addTile(tile, inner);
                                  return pack(inner);
                                });
  running = unpack(results);
  for (int64_t h = 0; h < count; ++h) {
    Value sum =
        vector::ReductionOp::create(builder, vector::CombiningKind::ADD, running.sums[h],
                                    arith::FastMathFlags::reassoc | arith::FastMathFlags::nsz);
    Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0), sum);
    inverse = builder.broadcast(inverse);
    Value column = builder.mul(builder.add(head, h), headDim);
    for (int64_t v = 0; v < valueVectors; ++v) {
      Value output = arith::MulFOp::create(builder, running.outputs[h * valueVectors + v], inverse);
      builder.storeVector(output, op.getOut(), {op.getToken(), builder.add(column, v * kLanes)},
                          valueMask(v));
    }
  }
}

void AttentionEmitter::addTile(Value tile, Running &running) {
  Values scores = computeScores(tile);
  Value base = builder.mul(tile, kLanes);
  // Positions of the lanes that this token sees.
  Type i32 = builder.getI32Type();
  auto relative = [&](Value position) {
    Value distance = arith::SubIOp::create(builder, position, base);
    return builder.broadcast(arith::IndexCastOp::create(builder, i32, distance));
  };
  Value lanes = builder.laneNumbers();
  Value seen = arith::CmpIOp::create(builder, arith::CmpIPredicate::sle, lanes, relative(last));
  if (op.getWindow() != 0) {
    Value inside =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::sge, lanes, relative(start));
    seen = arith::AndIOp::create(builder, seen, inside);
  }
  Value lowest = builder.constant(builder.floats(), -double(std::numeric_limits<float>::max()));
  for (Value &score : scores)
    score = arith::SelectOp::create(builder, seen, score, lowest);
  rescale(running, scores);

  Value zero = builder.constant(builder.floats(), 0.0);
  Values probabilities;
  for (int64_t h = 0; h < heads; ++h) {
    Value distance =
        arith::SubFOp::create(builder, scores[h], builder.broadcast(running.maxima[h]));
    Value probability = builder.expOfNegative(distance);
    // The smallest exponential is not quite zero.
    probability = arith::SelectOp::create(builder, seen, probability, zero);
    running.sums[h] = arith::AddFOp::create(builder, running.sums[h], probability);
    probabilities.push_back(probability);
  }
  addValues(tile, probabilities, running);
}

/// scale * (query . key) for each head, of the tile's 16 keys.
Values AttentionEmitter::computeScores(Value tile) {
  // One head alone would wait for each multiplication to end.
  int64_t chains = heads == 1 ? 4 : heads == 2 ? 2 : 1;
  Values sums(heads * chains, builder.constant(builder.floats(), 0.0));
  Value zero = builder.index(0);
  auto addElement = [&](Value element, int64_t chain, Values &into) {
    Value key = builder.loadVector(builder.floats(), keys, {kvHead, tile, element, zero});
    for (int64_t h = 0; h < heads; ++h) {
      Value column = builder.add(builder.mul(builder.add(head, h), headDim), element);
      Value query =
          builder.broadcast(builder.loadElement(op.getQueries(), {op.getToken(), column}));
      Value &sum = into[h * chains + chain];
      sum = builder.multiplyAdd(key, query, sum);
    }
  };
  int64_t whole = headDim / kUnrolledElements * kUnrolledElements;
  if (whole > 0)
    sums = builder.loop(zero, builder.index(whole), kUnrolledElements, sums,
                        [&](Value first, ValueRange carried) {
                          Values into(carried);
                          for (int64_t i = 0; i < kUnrolledElements; ++i)
                            addElement(builder.add(first, i), i % chains, into);
                          return into;
                        });
  for (int64_t element = whole; element < headDim; ++element)
    addElement(builder.index(element), element % chains, sums);

  Value scale = builder.constant(builder.floats(), op.getScale().convertToDouble());
  Values scores;
  for (int64_t h = 0; h < heads; ++h) {
    Value score = sums[h * chains];
    for (int64_t c = 1; c < chains; ++c)
      score = arith::AddFOp::create(builder, score, sums[h * chains + c]);
    scores.push_back(arith::MulFOp::create(builder, score, scale));
  }
  return scores;
}

/// Raises the maxima to those of `scores`; what was summed under a lower maximum shrinks. Maxima
/// grow seldom after the first tiles, so the work is behind a branch.
void AttentionEmitter::rescale(Running &running, const Values &scores) {
  Values maxima;
  Value grows;
  for (int64_t h = 0; h < heads; ++h) {
    Value tileMaximum = vector::ReductionOp::create(builder, vector::CombiningKind::MAXNUMF,
                                                    scores[h], arith::FastMathFlags::nnan);
    Value larger =
        arith::CmpFOp::create(builder, arith::CmpFPredicate::OGT, tileMaximum, running.maxima[h]);
    maxima.push_back(arith::SelectOp::create(builder, larger, tileMaximum, running.maxima[h]));
    grows = grows ? arith::OrIOp::create(builder, grows, larger).getResult() : larger;
  }
  Values current = pack(running);
  auto branch = scf::IfOp::create(builder, ValueRange(current).getTypes(), grows,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    Running scaled = running;
    scaled.maxima = maxima;
    for (int64_t h = 0; h < heads; ++h) {
      Value distance = arith::SubFOp::create(builder, running.maxima[h], maxima[h]);
      Value factor = builder.broadcast(builder.expOfNegative(distance));
      auto multiply = [&](Value &value) { value = arith::MulFOp::create(builder, value, factor); };
      multiply(scaled.sums[h]);
      for (int64_t v = 0; v < valueVectors; ++v)
        multiply(scaled.outputs[h * valueVectors + v]);
    }
    scf::YieldOp::create(builder, pack(scaled));
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, current);
  }
  running = unpack(branch.getResults());
}

/// outputs += probability * value, key by key: each key's probabilities come to lane 0 in turn.
/// Values behind the last position are never read: they may be anything.
void AttentionEmitter::addValues(Value tile, Values probabilities, Running &running) {
  Value base = builder.mul(tile, kLanes);
  Value count = builder.add(arith::SubIOp::create(builder, last, base), 1);
  count = arith::MinSIOp::create(builder, count, builder.index(kLanes));
  SmallVector<int64_t> rotated;
  for (int64_t lane = 0; lane < kLanes; ++lane)
    rotated.push_back((lane + 1) % kLanes);

  Values carried(probabilities);
  carried.append(running.outputs);
  carried = builder.loop(builder.index(0), count, 1, carried, [&](Value key, ValueRange inner) {
    Values weights(inner.take_front(heads));
    Values outputs(inner.drop_front(heads));
    Values loaded;
    Value position = builder.add(base, key);
    for (int64_t v = 0; v < valueVectors; ++v)
      loaded.push_back(builder.loadVector(
          builder.floats(), values, {kvHead, position, builder.index(v * kLanes)}, valueMask(v)));
    for (int64_t h = 0; h < heads; ++h) {
      Value weight = vector::ExtractOp::create(builder, weights[h], 0);
      weight = builder.broadcast(weight);
      for (int64_t v = 0; v < valueVectors; ++v) {
        Value &output = outputs[h * valueVectors + v];
        output = builder.multiplyAdd(loaded[v], weight, output);
      }
      weights[h] = vector::ShuffleOp::create(builder, weights[h], weights[h], ArrayRef(rotated));
    }
    weights.append(outputs);
    return weights;
  });
  running.outputs.assign(carried.begin() + heads, carried.end());
}

void stc::cpu::emitAttentionTile(packed::AttentionTileOp op, const TargetDescription &target) {
  AttentionEmitter(op, target).emit();
}
