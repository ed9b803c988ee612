// packed.attention_combine: one query head's result from the pieces of its attention.
#include "BlockLowerings.h"
#include "QuantizeTile.h"

#include "stc/Dialect/Packed/Transforms/VisibleKeys.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// Most slices of pieces: their sums lie in shared memory.
constexpr int64_t kMostSlices = 32;

/// Every thread takes four columns of every slices-th piece; then slices are added up, in order.
void stc::gpu::emitAttentionCombine(packed::AttentionCombineOp op,
                                    const TargetDescription &target) {
  RowBuilder builder(op, target);
  KVCacheLayout layout = cast<KVCacheType>(op.getCache().getType()).getLayout();
  int64_t padded = layout.paddedDim(), fours = padded / kFour;
  int64_t slices = std::clamp<int64_t>(builder.threads() / fours, 1, kMostSlices);
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0);
  auto line = [&](Value piece) {
    return builder.add(builder.times(piece, op.getHeads()), op.getHead());
  };
  auto number = [&](Value piece, int64_t column) {
    return builder.loadElement(op.getPartials(), {line(piece), builder.index(padded + column)});
  };
  constexpr int64_t kFloat = sizeof(float);
  int64_t sliceBytes = llvm::alignTo(slices * (padded + 1) * kFloat, 16);
  Value scratch = builder.scratch(sliceBytes + builder.warps() * kFloat);
  Value sliceSums = builder.address(scratch, slices * padded * kFloat);

  Value lowest = builder.constant(f32, -double(std::numeric_limits<float>::max()));
  Value thread = builder.toIndex(builder.thread());
  Value maximum = builder.loop(thread, op.getPieces(), builder.threads(), lowest,
                               [&](Value piece, ValueRange carried) {
                                 return Values{builder.maximum(number(piece, 0), carried[0])};
                               })[0];
  maximum = builder.reduceBlock(Reduction::Maximum, maximum, builder.address(scratch, sliceBytes));

  // Few threads and long rows: a thread has several fours.
  int64_t perThread = llvm::divideCeil(fours * slices, builder.threads());
  for (int64_t i = 0; i < perThread; ++i) {
    Value unit = builder.plus(thread, i * builder.threads());
    builder.guard(
        (i + 1) * builder.threads() > fours * slices,
        [&] { return builder.isBelow(unit, fours * slices); },
        [&] {
          Value slice = builder.quotient(unit, fours);
          Value column = builder.times(builder.remainder(unit, fours), kFour);
          Values sums = builder.loop(
              slice, op.getPieces(), slices, Values(kFour + 1, zero),
              [&](Value piece, ValueRange carried) {
                Values inner;
                Value distance = arith::SubFOp::create(builder, number(piece, 0), maximum);
                Value weight = builder.fastExp(distance);
                Values four =
                    builder.loadFour(op.getPartials(), line(piece), Value(), column, padded,
                                     /*isInside=*/true);
                four.push_back(number(piece, 1));
                for (auto [x, sum] : llvm::zip_equal(four, carried))
                  inner.push_back(builder.multiplyAdd(x, weight, sum));
                return inner;
              });
          Value place = builder.add(builder.times(slice, padded), column);
          Value four = vector::FromElementsOp::create(builder, builder.floats(kFour),
                                                      ArrayRef(sums).drop_back());
          builder.storeAligned(four, builder.address(scratch, builder.times(place, kFloat)), 16);
          // The same in all threads of the slice.
          builder.storeAligned(sums[kFour],
                               builder.address(sliceSums, builder.times(slice, kFloat)), kFloat);
        });
  }
  builder.barrier();
  Value begin = builder.times(op.getHead(), layout.headDim);
  builder.forThreads(layout.headDim, [&](Value d) {
    Value value = zero, sum = zero;
    Value start = builder.address(scratch, builder.times(d, kFloat));
    for (int64_t i = 0; i < slices; ++i) {
      auto more = [&](Value total, Value address) -> Value {
        return arith::AddFOp::create(builder, total, builder.loadAligned(f32, address, kFloat));
      };
      value = more(value, builder.address(start, i * padded * kFloat));
      sum = more(sum, builder.address(sliceSums, i * kFloat));
    }
    sum = builder.maximum(sum, builder.constant(f32, packed::kSmallestSum));
    Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0), sum);
    memref::StoreOp::create(builder, builder.productOf(value, inverse), op.getOut(),
                            ValueRange{builder.index(0), builder.add(begin, d)});
  });
  builder.barrier();
}

/// Every thread takes a few columns of a head through the pieces, in order: what it reads of one
/// piece it reads at once.
void stc::gpu::emitAttentionCombineAll(BlockBuilder &builder, packed::AttentionCombineOp op) {
  KVCacheLayout layout = cast<KVCacheType>(op.getCache().getType()).getLayout();
  int64_t heads = op.getHeads(), padded = layout.paddedDim(), columns = layout.headDim;
  int64_t width = columns % kFour == 0 ? int64_t(kFour) : 1, perHead = columns / width;
  Type f32 = builder.getF32Type();
  VectorType type = builder.floats(width);
  Value one = builder.constant(f32, 1.0);
  builder.forThreads(heads * perHead, [&](Value number) {
    Value head = arith::DivUIOp::create(builder, number, builder.index(perHead));
    Value column =
        builder.mul(arith::RemUIOp::create(builder, number, builder.index(perHead)), width);
    // The largest score so far, and relative to it the sums of probabilities and of values.
    Values initial{builder.constant(f32, -double(std::numeric_limits<float>::max())),
                   builder.constant(f32, 0.0), builder.constant(type, 0.0)};
    Values sums = builder.loop(
        builder.index(0), op.getPieces(), 1, initial, [&](Value piece, ValueRange carried) {
          Value line = builder.add(builder.mul(piece, heads), head);
          auto element = [&](int64_t place) {
            return builder.loadElement(op.getPartials(), {line, builder.index(padded + place)});
          };
          Value score = element(0), sum = element(1);
          Value values = builder.loadVector(type, op.getPartials(), {line, column});
          Value largest = builder.maximum(carried[0], score);
          auto factor = [&](Value from) {
            return builder.fastExp(arith::SubFOp::create(builder, from, largest));
          };
          Value before = factor(carried[0]), now = factor(score);
          Value total = arith::MulFOp::create(builder, carried[1], before);
          Value all = arith::MulFOp::create(builder, carried[2], builder.broadcast(before, width));
          return Values{largest, builder.multiplyAdd(sum, now, total),
                        builder.multiplyAdd(values, builder.broadcast(now, width), all)};
        });
    Value sum = builder.maximum(sums[1], builder.constant(f32, packed::kSmallestSum));
    Value inverse = arith::DivFOp::create(builder, one, sum);
    Value result = arith::MulFOp::create(builder, sums[2], builder.broadcast(inverse, width));
    Value place = builder.add(builder.mul(head, columns), column);
    builder.storeVector(result, op.getOut(), {builder.index(0), place});
  });
  builder.barrier();
}

//===----------------------------------------------------------------------===//
// Together with a quantization
//===----------------------------------------------------------------------===//

namespace {

/// Every thread takes four columns in each of a few rounds, through pieces in order: those of as
/// many pieces as registers allow are asked for at once.
class CombineQuantizer {
public:
  CombineQuantizer(packed::AttentionCombineOp op, packed::QuantizeActivationsOp quantization,
                   const TargetDescription &target)
      : op(op), quantization(quantization), builder(quantization, target),
        layout(cast<KVCacheType>(op.getCache().getType()).getLayout()),
        columns(op.getHeads() * layout.headDim), stride(builder.threads() * kFour),
        rounds(llvm::divideCeil(columns, stride)),
        together(std::max<int64_t>(1, kPiecesOfRounds / rounds)) {}

  bool fits() const { return layout.headDim % kFour == 0 && rounds <= kPiecesOfRounds; }
  void emit(Operation *copies, bool isStored);

private:
  /// Of a round: the largest score so far, and relative to it the sums of probabilities and of
  /// values.
  struct Sums {
    Value largest, sum, values;
  };
  /// What a thread loads of a piece in a round.
  struct Part {
    Value score, sum, values;
  };
  SmallVector<Part> load(Value piece);
  Values add(ValueRange before, ArrayRef<Part> parts);
  Value columnOf(int64_t round) {
    return builder.plus(builder.times(builder.toIndex(builder.thread()), kFour), round * stride);
  }
  /// Whether all threads have columns in a round.
  bool isInside(int64_t round) const { return (round + 1) * stride <= columns; }

  /// Pieces times rounds that a thread has under way.
  static constexpr int64_t kPiecesOfRounds = 8;

  packed::AttentionCombineOp op;
  packed::QuantizeActivationsOp quantization;
  RowBuilder builder;
  KVCacheLayout layout;
  int64_t columns, stride, rounds, together;
};

} // namespace

/// Pieces `piece` and on, all rounds of each; those that are not there have the lowest score.
SmallVector<CombineQuantizer::Part> CombineQuantizer::load(Value piece) {
  SmallVector<Part> parts;
  Value lowest = builder.constant(builder.getF32Type(), -double(std::numeric_limits<float>::max()));
  for (int64_t i = 0; i < together; ++i) {
    Value number = builder.plus(piece, i);
    Value place = builder.smaller(number, builder.add(op.getPieces(), -1));
    for (int64_t round = 0; round < rounds; ++round) {
      Value column = columnOf(round);
      if (!isInside(round))
        column = builder.smaller(column, columns - kFour);
      Value line = builder.add(builder.times(place, op.getHeads()),
                               builder.quotient(column, layout.headDim));
      auto element = [&](int64_t i) {
        return builder.loadElement(op.getPartials(), {line, builder.index(layout.paddedDim() + i)});
      };
      Value score = element(0);
      if (i > 0)
        score = builder.choose(builder.isBelow(number, op.getPieces()), score, lowest);
      Value inHead = builder.remainder(column, layout.headDim);
      Value values = vector::LoadOp::create(builder, builder.floats(kFour), op.getPartials(),
                                            ValueRange{line, inHead}, /*nontemporal=*/false,
                                            llvm::MaybeAlign(16));
      parts.push_back({score, element(1), values});
    }
  }
  return parts;
}

Values CombineQuantizer::add(ValueRange before, ArrayRef<Part> parts) {
  Values after;
  for (int64_t round = 0; round < rounds; ++round) {
    Sums sums{before[3 * round], before[3 * round + 1], before[3 * round + 2]};
    Value largest = sums.largest;
    for (int64_t i = 0; i < together; ++i)
      largest = builder.maximum(largest, parts[size_t(i * rounds + round)].score);
    auto factor = [&](Value from) {
      return builder.fastExp(arith::SubFOp::create(builder, from, largest));
    };
    Value old = factor(sums.largest);
    Value sum = builder.productOf(sums.sum, old);
    Value values = builder.productOf(sums.values, builder.broadcast(old, kFour));
    for (int64_t i = 0; i < together; ++i) {
      const Part &part = parts[size_t(i * rounds + round)];
      Value now = factor(part.score);
      sum = builder.multiplyAdd(part.sum, now, sum);
      values = builder.multiplyAdd(part.values, builder.broadcast(now, kFour), values);
    }
    after.append({largest, sum, values});
  }
  return after;
}

void CombineQuantizer::emit(Operation *copies, bool isStored) {
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0), one = builder.constant(f32, 1.0);
  Values sums;
  for (int64_t round = 0; round < rounds; ++round)
    sums.append({builder.constant(f32, -double(std::numeric_limits<float>::max())), zero,
                 builder.constant(builder.floats(kFour), 0.0)});
  SmallVector<Part> first = load(builder.index(0));
  if (copies)
    copies->moveBefore(builder.getInsertionBlock(), builder.getInsertionPoint());
  sums = add(sums, first);
  sums = builder.loop(builder.index(together), op.getPieces(), together, sums,
                      [&](Value piece, ValueRange carried) { return add(carried, load(piece)); });
  QuantizeTile tile(builder, quantization);
  int64_t group = quantization.getGroup();
  SmallVector<LaneColumns> parts;
  for (int64_t round = 0; round < rounds; ++round) {
    Value sum = builder.maximum(sums[3 * round + 1], builder.constant(f32, packed::kSmallestSum));
    Value inverse = arith::DivFOp::create(builder, one, sum), column = columnOf(round);
    Value result = builder.productOf(sums[3 * round + 2], builder.broadcast(inverse, kFour));
    LaneColumns part{
        builder.quotient(column, group), {}, (round + 1) * stride <= tile.groups() * group};
    for (int64_t i = 0; i < kFour; ++i) {
      Value x = vector::ExtractOp::create(builder, result, i);
      // Columns behind the end are zero.
      part.inputs.push_back(
          isInside(round) ? x : builder.choose(builder.isBelow(column, columns), x, zero));
    }
    if (isStored)
      builder.storeFour(part.inputs, op.getOut(), {builder.index(0)}, Value(), column, columns,
                        isInside(round));
    parts.push_back(std::move(part));
  }
  tile.store(builder.index(0), parts);
  builder.barrier();
}

bool stc::gpu::canQuantizeCombined(packed::AttentionCombineOp op,
                                   packed::QuantizeActivationsOp quantization,
                                   const TargetDescription &target) {
  int64_t columns = cast<MemRefType>(quantization.getInput().getType()).getDimSize(1);
  KVCacheLayout layout = cast<KVCacheType>(op.getCache().getType()).getLayout();
  // Only lanes of one warp exchange values.
  return !quantization.getOrder() && columns == int64_t(op.getHeads()) * layout.headDim &&
         int64_t(quantization.getGroup()) <= target.warpThreads * kFour &&
         CombineQuantizer(op, quantization, target).fits();
}

void stc::gpu::emitAttentionCombineQuantized(packed::AttentionCombineOp op,
                                             packed::QuantizeActivationsOp quantization,
                                             Operation *copies, bool isStored,
                                             const TargetDescription &target) {
  CombineQuantizer(op, quantization, target).emit(copies, isStored);
}
