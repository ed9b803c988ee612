// Kernels of single rows: quantization, normalization, rotary embeddings, lookups in tables.
#include "BlockLowerings.h"
#include "RowBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

static int64_t columnsOf(Value matrix) { return cast<MemRefType>(matrix.getType()).getDimSize(1); }

//===----------------------------------------------------------------------===//
// packed.quantize_activations: exactly as Packing's quantizeActivations
//===----------------------------------------------------------------------===//

namespace {

/// Neighbouring lanes take a group of columns together.
class QuantizeEmitter {
public:
  QuantizeEmitter(packed::QuantizeActivationsOp op, const TargetDescription &target)
      : op(op), builder(op, target), group(op.getGroup()), columns(columnsOf(op.getInput())),
        groups(llvm::divideCeil(columns, group)),
        lanes(std::min(group / kFour, target.warpThreads)),
        groupsOfWarp(target.warpThreads / lanes) {}
  void emit();

private:
  void emitGroup(Value token, Value number);

  packed::QuantizeActivationsOp op;
  RowBuilder builder;
  int64_t group, columns, groups;
  int64_t lanes;        // of a group
  int64_t groupsOfWarp; // at once
};

} // namespace

void QuantizeEmitter::emit() {
  forEachToken(builder, op.getInput(), [&](Value token) {
    Value inWarp = builder.toIndex(builder.quotient(builder.lane(), lanes));
    // All lanes of a warp go through the loop together: they exchange values.
    builder.forWarps(llvm::divideCeil(groups, groupsOfWarp), builder.warps(), [&](Value round) {
      emitGroup(token, builder.add(builder.times(round, groupsOfWarp), inWarp));
    });
  });
  builder.barrier();
}

void QuantizeEmitter::emitGroup(Value token, Value number) {
  bool isThere = groups % groupsOfWarp == 0;
  bool isWhole = isThere && columns % group == 0;
  Value member = builder.toIndex(builder.remainder(builder.lane(), lanes));
  Values places, inputs;
  for (int64_t i = 0; i < group; i += lanes * kFour) {
    Value column = builder.add(builder.times(number, group), builder.times(member, kFour));
    places.push_back(builder.plus(column, i));
    inputs.append(builder.loadFour(op.getInput(), token, Value(), places.back(), columns, isWhole));
  }
  QuantizedLanes quantized = builder.quantize(inputs, lanes - 1);
  Value sum = builder.reduceLanes(Reduction::Sum, builder.sumOf(quantized.codes), lanes - 1);
  sum = arith::MulIOp::create(builder, sum, builder.int32(op.getSumFactor()));
  builder.guard(
      !isThere, [&] { return builder.isBelow(number, groups); },
      [&] {
        for (auto [i, column] : llvm::enumerate(places)) {
          Value word = builder.packBytes(ArrayRef(quantized.codes).slice(i * kFour, kFour));
          if (op.getOffset() != 0) // 128, modulo 256
            word = arith::XOrIOp::create(builder, word, builder.int32(int32_t(0x80808080)));
          Value one = vector::BroadcastOp::create(builder, builder.ints(1), word);
          Value codes = vector::BitCastOp::create(builder, builder.bytes(kFour), one);
          vector::StoreOp::create(builder, codes, op.getCodes(), ValueRange{token, column},
                                  /*nontemporal=*/false, llvm::MaybeAlign(kFour));
        }
        builder.guard(
            lanes > 1, [&] { return builder.isBelow(member, 1); },
            [&] {
              memref::StoreOp::create(builder, quantized.scale, op.getScales(),
                                      ValueRange{token, number});
              memref::StoreOp::create(builder, sum, op.getSums(), ValueRange{token, number});
            });
      });
}

void stc::gpu::emitQuantizeActivations(packed::QuantizeActivationsOp op,
                                       const TargetDescription &target) {
  QuantizeEmitter(op, target).emit();
}

//===----------------------------------------------------------------------===//
// packed.rms_norm: the block takes a row of one group, each warp one of several groups
//===----------------------------------------------------------------------===//

namespace {

class NormEmitter {
public:
  NormEmitter(packed::RMSNormOp op, const TargetDescription &target)
      : op(op), builder(op, target), size(cast<MemRefType>(op.getWeight().getType()).getDimSize(0)),
        isBlock(op.getGroups() == 1),
        stride(kFour * (isBlock ? target.blockThreads : target.warpThreads)),
        rounds(llvm::divideCeil(size, stride)) {}

  void emit() {
    forEachToken(builder, op.getInput(), [&](Value token) {
      if (isBlock)
        return normalize(token, Value());
      builder.forWarps(op.getGroups(), builder.warps(),
                       [&](Value group) { normalize(token, builder.times(group, size)); });
    });
    builder.barrier();
  }

private:
  /// Columns of a thread that stay in registers between both passes over the row.
  static constexpr int64_t kKeptColumns = 32;

  /// Calls `body` with the thread's first column of each round, and its number if it is known.
  Values forEachRound(ValueRange initial,
                      function_ref<Values(Value column, int64_t round, ValueRange values)> body);
  Values load(Value token, Value begin, Value column, bool isInside) {
    return builder.loadFour(op.getInput(), token, begin, column, size, isInside);
  }
  bool isKept() const { return rounds * kFour <= kKeptColumns; }
  /// Whether all threads have columns in a round; unknown rounds (-1) are as the last one.
  bool isInside(int64_t round) const { return (round < 0 ? rounds : round + 1) * stride <= size; }
  void normalize(Value token, Value begin);

  packed::RMSNormOp op;
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

void NormEmitter::normalize(Value token, Value begin) {
  Type f32 = builder.getF32Type();
  SmallVector<Values> kept;
  Value zero = builder.constant(f32, 0.0);
  Value sum = forEachRound(zero, [&](Value column, int64_t round, ValueRange sums) -> Values {
    Value inner = sums[0];
    Values four = load(token, begin, column, isInside(round));
    for (Value x : four)
      inner = builder.multiplyAdd(x, x, inner);
    kept.push_back(four);
    return {inner};
  })[0];
  sum = isBlock ? builder.reduceBlock(Reduction::Sum, sum, builder.scratch(4 * builder.threads()))
                : builder.reduceLanes(Reduction::Sum, sum, builder.getTarget().warpThreads - 1);
  Value mean = arith::DivFOp::create(builder, sum, builder.constant(f32, double(size)));
  Value shifted = arith::AddFOp::create(builder, mean,
                                        builder.constant(f32, op.getEpsilon().convertToDouble()));
  Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0),
                                        math::SqrtOp::create(builder, shifted));
  forEachRound({}, [&](Value column, int64_t round, ValueRange) -> Values {
    bool inside = isInside(round);
    Values four = isKept() ? kept[round] : load(token, begin, column, inside);
    Values gains = builder.loadFour(op.getWeight(), {}, Value(), column, size, inside);
    for (auto [x, gain] : llvm::zip_equal(four, gains))
      x = builder.productOf(builder.productOf(x, inverse), gain);
    builder.storeFour(four, op.getOut(), token, begin, column, size, inside);
    return {};
  });
}

void stc::gpu::emitRMSNorm(packed::RMSNormOp op, const TargetDescription &target) {
  NormEmitter(op, target).emit();
}

//===----------------------------------------------------------------------===//
// packed.rotary: each thread turns pairs
//===----------------------------------------------------------------------===//

void stc::gpu::emitRotary(packed::RotaryOp op, const TargetDescription &target) {
  RowBuilder builder(op, target);
  int64_t pairs = columnsOf(op.getCos()), headDim = op.getHeadColumns();
  int64_t heads = columnsOf(op.getInput()) / headDim, rest = headDim - 2 * pairs;
  bool copies = rest > 0 && op.getInput() != op.getOut();
  forEachToken(builder, op.getInput(), [&](Value token) {
    auto load = [&](Value matrix, Value column) {
      return builder.loadElement(matrix, {token, column});
    };
    auto store = [&](Value value, Value column) {
      memref::StoreOp::create(builder, value, op.getOut(), ValueRange{token, column});
    };
    builder.forThreads(heads * pairs, [&](Value number) {
      Value head = builder.times(builder.quotient(number, pairs), headDim);
      Value pair = builder.remainder(number, pairs);
      Value columnA = builder.add(head, op.getInterleaved() ? builder.times(pair, 2) : pair);
      Value columnB = builder.plus(columnA, op.getInterleaved() ? 1 : pairs);
      Value a = load(op.getInput(), columnA), b = load(op.getInput(), columnB);
      Value cos = load(op.getCos(), pair), sin = load(op.getSin(), pair);
      store(arith::SubFOp::create(builder, builder.productOf(a, cos), builder.productOf(b, sin)),
            columnA);
      store(arith::AddFOp::create(builder, builder.productOf(a, sin), builder.productOf(b, cos)),
            columnB);
    });
    if (copies)
      builder.forThreads(heads * rest, [&](Value number) {
        Value head = builder.times(builder.quotient(number, rest), headDim);
        Value column = builder.add(head, builder.plus(builder.remainder(number, rest), 2 * pairs));
        store(load(op.getInput(), column), column);
      });
  });
  builder.barrier();
}

//===----------------------------------------------------------------------===//
// packed.gather
//===----------------------------------------------------------------------===//

void stc::gpu::emitGather(packed::GatherOp op, const TargetDescription &target) {
  RowBuilder builder(op, target);
  auto type = cast<packed::WeightType>(op.getTable().getType());
  Layout layout = type.getLayout().getLayout();
  Type element = type.getLayout().getElement();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8, columns = type.getColumns();
  Value table = builder.global(builder.weightAddress(op.getTable()));
  auto load = [&](Value address, int64_t count) {
    Value x = builder.loadAligned(VectorType::get(count, element), address, count * bytes,
                                  /*invariant=*/true);
    return builder.toF32(x);
  };
  forEachToken(builder, op.getOut(), [&](Value token) {
    Value row = builder.toIndex(builder.loadElement(op.getTokens(), token));
    if (layout.kind == LayoutKind::Rows && RowBuilder::isAligned(op.getOut(), columns)) {
      Value start = builder.address(table, builder.times(row, columns * bytes));
      builder.forThreads(columns / kFour, [&](Value number) {
        Value column = builder.times(number, kFour);
        Value x = load(builder.address(start, builder.times(column, bytes)), kFour);
        vector::StoreOp::create(builder, x, op.getOut(), ValueRange{token, column},
                                /*nontemporal=*/false, llvm::MaybeAlign(16));
      });
      return;
    }
    // Single columns; those of tiles lie 16 rows apart.
    int64_t stride = bytes;
    Value start;
    if (layout.kind == LayoutKind::Rows) {
      start = builder.address(table, builder.times(row, columns * bytes));
    } else {
      int64_t tileBytes = tileGeometry(layout, type.getRows(), columns).tileBytes;
      start = builder.address(table, builder.times(builder.quotient(row, kTileRows), tileBytes));
      start = builder.address(start, builder.times(builder.remainder(row, kTileRows), bytes));
      stride = kTileRows * bytes;
    }
    builder.forThreads(columns, [&](Value column) {
      Value x = load(builder.address(start, builder.times(column, stride)), 1);
      memref::StoreOp::create(builder, vector::ExtractOp::create(builder, x, 0), op.getOut(),
                              ValueRange{token, column});
    });
  });
  builder.barrier();
}
