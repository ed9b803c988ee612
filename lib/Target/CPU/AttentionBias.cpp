// What packed.attention_tile adds to scores: slopes times distances (ALiBi), and learned biases of
// distances (T5).
#include "AttentionEmitter.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

constexpr int64_t kFloat = sizeof(float);
/// A run of distances that takes more vectors is written by a loop.
constexpr int64_t kMostUnrolled = 8;

/// A query head's biases lie in a line, by distance: lanes then load neighbours. It begins and ends
/// with a vector of the biases that all distances beyond share.
void AttentionEmitter::allocateBias() {
  if (op.getSlopes())
    slopes = builder.stackBuffer(llvm::alignTo(op.getHeads(), kLanes) * kFloat);
  if (!op.getBias())
    return;
  int64_t buckets = cast<MemRefType>(op.getBias().getType()).getDimSize(0) / op.getHeads();
  runs = bucketRuns(buckets, op.getBiasDistance(), op.getEnd() != nullptr, layout.capacity);
  firstDistance = runs.front().begin - (kLanes - 1);
  lineFloats = runs.back().begin + kLanes - firstDistance;
  // The last store of a line may go beyond it.
  lines = builder.stackBuffer((shared * lineFloats + kLanes) * kFloat);
}

void AttentionEmitter::prepareBias() {
  if (auto given = op.getSlopes()) {
    SmallVector<float> numbers(given->begin(), given->end());
    numbers.resize(llvm::alignTo(numbers.size(), kLanes));
    for (size_t i = 0; i < numbers.size(); i += kLanes) {
      auto vector = DenseElementsAttr::get(builder.floats(), ArrayRef(numbers).slice(i, kLanes));
      builder.store(arith::ConstantOp::create(builder, vector),
                    builder.address(slopes, int64_t(i) * kFloat));
    }
  }
  if (!op.getBias())
    return;
  builder.loop(builder.index(0), builder.index(shared), 1, [&](Value number) {
    Value line = at(lines, number, lineFloats * kFloat);
    Value head = builder.add(builder.mul(op.getKvHead(), shared), number);
    // In order: what a store writes behind its run, the next run's first one replaces.
    for (const BucketRun &run : runs) {
      int64_t begin = &run == &runs.front() ? 0 : run.begin - firstDistance;
      int64_t end = &run == &runs.back() ? lineFloats : run.end - firstDistance;
      Value place = builder.add(head, run.bucket * int64_t(op.getHeads()));
      Value bias = builder.broadcast(builder.loadElement(op.getBias(), {place}));
      Value start = builder.address(line, begin * kFloat);
      if (end - begin > kMostUnrolled * kLanes) {
        builder.loop(builder.index(0), builder.index(end - begin), kLanes, [&](Value i) {
          builder.store(bias, builder.address(start, builder.mul(i, kFloat)));
        });
        continue;
      }
      for (int64_t i = 0; i < end - begin; i += kLanes)
        builder.store(bias, builder.address(start, i * kFloat));
    }
  });
}

AttentionEmitter::RowBias AttentionEmitter::biasOfRow(Value row, Value position) {
  RowBias result;
  if (!hasBias())
    return result;
  Value start = arith::IndexCastOp::create(builder, builder.getI32Type(), blockStart);
  result.distance = arith::SubIOp::create(builder, start, position);
  Value head = builder.createOrFold<arith::RemUIOp>(row, builder.index(shared));
  if (lines)
    result.line = at(lines, head, lineFloats * kFloat);
  if (slopes) {
    head = builder.add(builder.mul(op.getKvHead(), shared), head);
    result.slope = builder.broadcast(loadFloat(at(slopes, head, kFloat)));
  }
  return result;
}

Value AttentionEmitter::addBias(const RowBias &row, Value score, int64_t v) {
  if (row.line) {
    auto constant = [&](int64_t value) { return builder.constant(builder.getI32Type(), value); };
    Value place = arith::AddIOp::create(builder, row.distance, constant(v * kLanes));
    place = arith::SubIOp::create(builder, place, constant(firstDistance));
    place = arith::MaxSIOp::create(builder, place, constant(0));
    place = arith::MinSIOp::create(builder, place, constant(lineFloats - kLanes));
    place = arith::IndexCastOp::create(builder, builder.getIndexType(), place);
    Value bias =
        builder.load(builder.floats(), builder.address(row.line, builder.mul(place, kFloat)));
    score = arith::AddFOp::create(builder, score, bias);
  }
  if (row.slope) {
    Value distances = arith::AddIOp::create(builder, builder.laneNumbers(),
                                            builder.constant(builder.ints(), v * kLanes));
    distances = arith::AddIOp::create(builder, builder.broadcast(row.distance), distances);
    distances = arith::SIToFPOp::create(builder, builder.floats(), distances);
    // Keys ahead are seen where all are: -|distance|.
    if (op.getEnd())
      distances = builder.minimum(distances, arith::NegFOp::create(builder, distances));
    score = builder.multiplyAdd(distances, row.slope, score);
  }
  return score;
}
