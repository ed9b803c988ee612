// What packed.attention_tile adds to scores: slopes times distances (ALiBi), and learned biases of
// distances (T5).
#include "AttentionEmitter.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kFloat = sizeof(float);

/// A query head's biases lie in a line, by distance. Its ends are for all distances beyond.
void AttentionEmitter::planBias() {
  if (!op.getBias())
    return;
  int64_t buckets = cast<MemRefType>(op.getBias().getType()).getDimSize(0) / op.getHeads();
  runs = bucketRuns(buckets, op.getBiasDistance(), op.getEnd() != nullptr, layout.capacity);
  lineFloats = runs.back().end - runs.front().begin;
}

/// Threads look up one number each: buckets and slopes are comparisons with constants.
void AttentionEmitter::prepareBias() {
  auto headOf = [&](Value number) {
    return builder.add(builder.times(op.getKvHead(), shared), number);
  };
  auto store = [&](Value number, Value base, Value place) {
    builder.storeAligned(number, builder.address(base, builder.times(place, kFloat)), kFloat);
  };
  if (auto given = op.getSlopes())
    builder.forThreads(shared, [&](Value number) {
      Value head = headOf(number);
      auto constant = [&](double slope) { return builder.constant(builder.getF32Type(), slope); };
      Value slope = constant(given->back());
      for (int64_t i = int64_t(given->size()) - 1; i > 0; --i)
        slope = builder.choose(builder.isBelow(head, i), constant((*given)[size_t(i - 1)]), slope);
      store(slope, slopes, number);
    });
  if (!op.getBias())
    return;
  builder.forThreads(shared * lineFloats, [&](Value place) {
    Value head = headOf(builder.quotient(place, lineFloats));
    Value distance = builder.remainder(place, lineFloats);
    Value bucket = builder.index(runs.back().bucket);
    for (const BucketRun &run : llvm::reverse(ArrayRef(runs).drop_back()))
      bucket = builder.choose(builder.isBelow(distance, run.end - runs.front().begin),
                              builder.index(run.bucket), bucket);
    Value number = builder.add(builder.times(bucket, op.getHeads()), head);
    store(builder.loadElement(op.getBias(), {number}), lines, place);
  });
}

AttentionEmitter::RowPlace AttentionEmitter::placeOfRow(Value row) {
  RowPlace result;
  result.position =
      isDecode() ? firstPosition : builder.add(firstPosition, tokenAndHead(row).first);
  Value head = builder.remainder(row, shared);
  if (op.getBias())
    result.line = builder.address(lines, builder.times(head, lineFloats * kFloat));
  if (op.getSlopes())
    result.slope = builder.loadAligned(
        builder.getF32Type(), builder.address(slopes, builder.times(head, kFloat)), kFloat);
  return result;
}

Value AttentionEmitter::addBias(const RowPlace &row, Value key, Value score) {
  if (!row.line && !row.slope)
    return score;
  Type f32 = builder.getF32Type();
  Value distance = arith::SubIOp::create(builder, key, row.position);
  if (row.line) {
    Value place = builder.plus(distance, -runs.front().begin);
    place = arith::MaxSIOp::create(builder, place, builder.index(0));
    place = arith::MinSIOp::create(builder, place, builder.index(lineFloats - 1));
    Value address = builder.address(row.line, builder.times(place, kFloat));
    score = arith::AddFOp::create(builder, score, builder.loadAligned(f32, address, kFloat));
  }
  if (row.slope) {
    Value length = arith::SIToFPOp::create(builder, f32, builder.toI32(distance));
    // Keys ahead are seen where all are: -|distance|.
    if (op.getEnd())
      length = builder.minimum(length, arith::NegFOp::create(builder, length));
    score = builder.multiplyAdd(length, row.slope, score);
  }
  return score;
}
