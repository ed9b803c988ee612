// packed.rms_norm: the block takes a row of one group, each warp one of several groups.
#include "BlockLowerings.h"
#include "NormFusion.h"
#include "QuantizeTile.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

class NormEmitter {
public:
  NormEmitter(packed::RMSNormOp op, const NormFusion &fusion, const TargetDescription &target)
      : op(op), fusion(fusion), builder(op, target), size(op.getGroupColumns()),
        isBlock(op.getGroups() == 1),
        stride(kFour * (isBlock ? target.blockThreads : target.warpThreads)),
        rounds(llvm::divideCeil(size, stride)) {}

  void emit() {
    forEachToken(builder, op.getInput(), [&](Value token) {
      if (isBlock) {
        normalize(token, Value());
        return builder.barrier();
      }
      builder.forWarps(op.getGroups(), builder.warps(),
                       [&](Value group) { normalize(token, builder.times(group, size)); });
    });
    if (!isBlock)
      builder.barrier();
  }

private:
  /// Calls `body` with the thread's first column of each round, and its number if it is known.
  Values forEachRound(ValueRange initial,
                      function_ref<Values(Value column, int64_t round, ValueRange values)> body);
  Values load(Value token, Value begin, Value column, int64_t round) {
    return builder.loadFour(op.getInput(), token, begin, column, size, isInside(round));
  }
  Values loadGains(Value begin, Value column, int64_t round) {
    return builder.loadFour(op.getWeight(), {}, op.hasOwnWeights() ? begin : Value(), column, size,
                            isInside(round));
  }
  bool isKept() const { return rounds * kFour <= kKeptColumns; }
  /// Whether all threads have columns in a round; unknown rounds (-1) are as the last one.
  bool isInside(int64_t round) const { return (round < 0 ? rounds : round + 1) * stride <= size; }
  /// The mean over a group of what threads have summed of it, the `number`-th one of this row.
  Value meanOf(Value sum, int64_t number);
  /// The distances of columns that are there from the mean of their group; 0 for others.
  Values centre(Values four, Value mean, Value column, int64_t round);
  void normalize(Value token, Value begin);
  /// Quantizes the fours of all rounds.
  void quantize(packed::QuantizeActivationsOp quantization, Value token, ArrayRef<Values> results);

  packed::RMSNormOp op;
  const NormFusion &fusion;
  RowBuilder builder;
  int64_t size; // of a group
  bool isBlock;
  int64_t stride, rounds;
};

} // namespace

Values NormEmitter::forEachRound(ValueRange initial,
                                 function_ref<Values(Value, int64_t, ValueRange)> body) {
  Value member = builder.toIndex(isBlock ? builder.thread() : builder.lane());
  Value first = builder.times(member, kFour);
  Values values(initial);
  if (isKept()) {
    for (int64_t round = 0; round < rounds; ++round)
      values = body(builder.plus(first, round * stride), round, values);
    return values;
  }
  return builder.loop(
      builder.index(0), builder.index(rounds * stride), stride, values,
      [&](Value base, ValueRange carried) { return body(builder.add(base, first), -1, carried); });
}

Value NormEmitter::meanOf(Value sum, int64_t number) {
  if (isBlock) {
    // Threads may still read the sums before.
    int64_t bytes = llvm::alignTo(4 * builder.warps(), 16);
    Value scratch = builder.scratch((number + 1) * bytes);
    sum = builder.reduceBlock(Reduction::Sum, sum,
                              number == 0 ? scratch : builder.address(scratch, number * bytes));
  } else {
    sum = builder.reduceLanes(Reduction::Sum, sum, builder.getTarget().warpThreads - 1);
  }
  return arith::DivFOp::create(builder, sum, builder.constant(builder.getF32Type(), double(size)));
}

Values NormEmitter::centre(Values four, Value mean, Value column, int64_t round) {
  Value zero = builder.constant(builder.getF32Type(), 0.0);
  for (auto [i, x] : llvm::enumerate(four)) {
    x = arith::SubFOp::create(builder, x, mean);
    if (!isInside(round))
      x = builder.choose(builder.isBelow(builder.plus(column, int64_t(i)), size), x, zero);
  }
  return four;
}

void NormEmitter::normalize(Value token, Value begin) {
  Type f32 = builder.getF32Type();
  // All that memory must deliver is asked for at once: the row is waited for, the weight arrives
  // meanwhile.
  SmallVector<Values> kept, gains;
  if (isKept()) {
    forEachRound({}, [&](Value column, int64_t round, ValueRange) -> Values {
      kept.push_back(load(token, begin, column, round));
      return {};
    });
    forEachRound({}, [&](Value column, int64_t round, ValueRange) -> Values {
      gains.push_back(loadGains(begin, column, round));
      return {};
    });
    startCopiesHere(builder, op);
  }
  Value zero = builder.constant(f32, 0.0), mean;
  auto columnsOf = [&](Value column, int64_t round) {
    Values four = isKept() ? kept[round] : load(token, begin, column, round);
    return mean ? centre(std::move(four), mean, column, round) : four;
  };
  if (op.getCentred())
    mean = meanOf(forEachRound(zero,
                               [&](Value column, int64_t round, ValueRange sums) -> Values {
                                 Value inner = sums[0];
                                 for (Value x : columnsOf(column, round))
                                   inner = arith::AddFOp::create(builder, inner, x);
                                 return {inner};
                               })[0],
                  0);
  Value sum = forEachRound(zero, [&](Value column, int64_t round, ValueRange sums) -> Values {
    Value inner = sums[0];
    for (Value x : columnsOf(column, round))
      inner = builder.multiplyAdd(x, x, inner);
    return {inner};
  })[0];
  Value shifted = arith::AddFOp::create(builder, meanOf(sum, mean ? 1 : 0),
                                        builder.constant(f32, op.getEpsilon().convertToDouble()));
  Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0),
                                        math::SqrtOp::create(builder, shifted));
  SmallVector<Values> results;
  forEachRound({}, [&](Value column, int64_t round, ValueRange) -> Values {
    Values four = columnsOf(column, round);
    for (auto [x, gain] :
         llvm::zip_equal(four, isKept() ? gains[round] : loadGains(begin, column, round)))
      x = builder.productOf(builder.productOf(x, inverse), gain);
    if (fusion.isStored)
      builder.storeFour(four, op.getOut(), token, begin, column, size, isInside(round));
    results.push_back(std::move(four));
    return {};
  });
  for (packed::QuantizeActivationsOp quantization : fusion.quantizations)
    quantize(quantization, token, results);
}

void NormEmitter::quantize(packed::QuantizeActivationsOp quantization, Value token,
                           ArrayRef<Values> results) {
  QuantizeTile tile(builder, quantization);
  if (quantization.isWhole()) {
    // Behind the memory of both means.
    int64_t bytes = tile.scratchBytes();
    Value scratch = builder.address(builder.scratch(2 * bytes), bytes);
    return tile.storeWhole(
        token, [&](QuantizeTile::Round round) { return results[round.number]; }, scratch);
  }
  int64_t group = quantization.getGroup();
  SmallVector<LaneColumns> parts;
  forEachRound({}, [&](Value column, int64_t round, ValueRange) -> Values {
    // The fours of neighbouring lanes are neighbours, and warps begin with a group.
    bool isThere = (round + 1) * stride <= tile.groups() * group;
    parts.push_back({builder.quotient(column, group), results[round], isThere});
    return {};
  });
  tile.store(token, parts);
}

void stc::gpu::emitRMSNorm(packed::RMSNormOp op, const NormFusion &fusion,
                           const TargetDescription &target) {
  NormEmitter(op, fusion, target).emit();
}

bool stc::gpu::keepsRow(int64_t columns, const TargetDescription &target) {
  return columns <= kKeptColumns * target.blockThreads;
}
