// packed.quantize_activations: each warp takes groups of columns.
#include "QuantizeTile.h"
#include "BlockLowerings.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

QuantizeTile::QuantizeTile(RowBuilder &builder, packed::QuantizeActivationsOp op)
    : op(op), builder(builder), group(op.getGroup()),
      numberOfGroups(llvm::divideCeil(op.getColumns(), group)),
      lanesOfGroup(std::min(group / kFour, builder.getTarget().warpThreads)) {}

Value QuantizeTile::firstColumn(Value number) {
  Value member = builder.toIndex(builder.remainder(builder.lane(), lanes()));
  return builder.add(builder.times(number, group), builder.times(member, kFour));
}

Values QuantizeTile::load(Value token, Value column, bool isInside) {
  int64_t columns = op.getColumns();
  if (!op.getOrder())
    return builder.loadFour(op.getInput(), token, Value(), column, columns, isInside);
  // Behind the end the order reads as zeros: column 0, which counts as zero too.
  Values four = builder.loadFour(op.getOrder(), {}, Value(), column, columns, isInside);
  for (auto [i, x] : llvm::enumerate(four)) {
    Value place = arith::FPToUIOp::create(builder, builder.getI32Type(), x);
    x = builder.loadElement(op.getInput(), {token, builder.toIndex(place)});
    if (!isInside)
      x = builder.choose(builder.isBelow(builder.plus(column, int64_t(i)), columns), x,
                         builder.constant(builder.getF32Type(), 0.0));
  }
  return four;
}

void QuantizeTile::storeCodes(Value token, Value column, ValueRange own) {
  Value word = builder.packBytes(own);
  if (op.getOffset() != 0) // 128, modulo 256
    word = arith::XOrIOp::create(builder, word, builder.int32(int32_t(0x80808080)));
  Value one = vector::BroadcastOp::create(builder, builder.ints(1), word);
  Value codes = vector::BitCastOp::create(builder, builder.bytes(kFour), one);
  vector::StoreOp::create(builder, codes, op.getCodes(), ValueRange{token, column},
                          /*nontemporal=*/false, llvm::MaybeAlign(kFour));
}

void QuantizeTile::storeFactors(Value number, Value scale, Value sum, Value token) {
  Value scaled = arith::MulIOp::create(builder, sum, builder.int32(op.getSumFactor()));
  Value place[] = {token, number};
  memref::StoreOp::create(builder, scale, op.getScales(), place);
  memref::StoreOp::create(builder, scaled, op.getSums(), place);
}

Values QuantizeTile::forEachRound(ValueRange initial,
                                  function_ref<Values(Round, ValueRange)> body) {
  Value first = builder.times(builder.toIndex(builder.thread()), kFour);
  int64_t stride = kFour * builder.threads(), rounds = llvm::divideCeil(group, stride);
  Values values(initial);
  if (rounds * kFour <= kKeptColumns) {
    for (int64_t round = 0; round < rounds; ++round)
      values = body(
          {builder.plus(first, round * stride), round, (round + 1) * stride <= op.getColumns()},
          values);
    return values;
  }
  return builder.loop(builder.index(0), builder.index(rounds * stride), stride, values,
                      [&](Value base, ValueRange carried) {
                        return body({builder.add(base, first), -1, false}, carried);
                      });
}

void QuantizeTile::storeWhole(Value token, function_ref<Values(Round)> four, Value scratch) {
  Value zero = builder.int32(0);
  Value greatest = forEachRound(zero, [&](Round round, ValueRange values) -> Values {
    return {
        builder.combine(Reduction::UnsignedMaximum, values[0], builder.greatestBits(four(round)))};
  })[0];
  greatest = builder.reduceBlock(Reduction::UnsignedMaximum, greatest, scratch);
  Value sum = forEachRound(zero, [&](Round round, ValueRange values) -> Values {
    QuantizedLanes own = builder.quantizeBelow(greatest, four(round));
    // Codes behind the row's end are zeros.
    builder.guard(
        !round.isInside, [&] { return builder.isBelow(round.column, group); },
        [&] { storeCodes(token, round.column, own.codes); });
    return {builder.combine(Reduction::Sum, values[0], builder.sumOf(own.codes))};
  })[0];
  sum = builder.reduceBlock(Reduction::Sum, sum, builder.address(scratch, scratchBytes() / 2));
  builder.ifThen(builder.isBelow(builder.thread(), 1), [&] {
    storeFactors(builder.index(0), builder.quantizeBelow(greatest, {}).scale, sum, token);
  });
}

void QuantizeTile::store(Value token, ArrayRef<LaneColumns> columns) {
  SmallVector<Values> inputs;
  for (const LaneColumns &part : columns)
    inputs.push_back(part.inputs);
  SmallVector<QuantizedLanes> quantized = builder.quantizeGroups(inputs, lanes() - 1);
  Values sums;
  for (const QuantizedLanes &result : quantized)
    sums.push_back(builder.sumOf(result.codes));
  builder.reduceLanes(Reduction::Sum, sums, lanes() - 1);

  auto ifThere = [&](const LaneColumns &part, function_ref<void()> body) {
    builder.guard(
        !part.isThere, [&] { return builder.isBelow(part.number, groups()); }, body);
  };
  for (auto [part, result] : llvm::zip_equal(columns, quantized))
    ifThere(part, [&, &part = part, &result = result] {
      Value first = firstColumn(part.number);
      for (int64_t i = 0; i < fours(); ++i)
        storeCodes(token, builder.plus(first, i * stride()),
                   ArrayRef(result.codes).slice(i * kFour, kFour));
    });
  builder.guard(
      lanes() > 1, [&] { return builder.isBelow(builder.remainder(builder.lane(), lanes()), 1); },
      [&] {
        for (auto [part, result, sum] : llvm::zip_equal(columns, quantized, sums))
          ifThere(part, [&, &part = part, &result = result, &sum = sum] {
            storeFactors(part.number, result.scale, sum, token);
          });
      });
}

/// Columns that a thread has under way at once.
constexpr int64_t kColumnsAtOnce = 32;

void stc::gpu::emitQuantizeActivations(packed::QuantizeActivationsOp op,
                                       const TargetDescription &target) {
  RowBuilder builder(op, target);
  QuantizeTile tile(builder, op);
  if (op.isWhole()) {
    Value scratch = builder.scratch(tile.scratchBytes());
    forEachToken(builder, op.getInput(), [&](Value token) {
      SmallVector<Values> kept;
      tile.storeWhole(
          token,
          [&](QuantizeTile::Round round) {
            // The first pass keeps what the second takes, where that is unrolled.
            if (round.number >= 0 && round.number < int64_t(kept.size()))
              return kept[round.number];
            Values four = tile.load(token, round.column, round.isInside);
            if (round.number >= 0)
              kept.push_back(four);
            return four;
          },
          scratch);
    });
    return builder.barrier();
  }
  int64_t columns = op.getColumns(), perWarp = tile.groupsOfWarp();
  int64_t atOnce = perWarp * builder.warps(); // groups of the block
  int64_t rounds = llvm::divideCeil(tile.groups(), atOnce);
  // All loads of several rounds come before the first use, so that memory is waited for once.
  int64_t most = std::max<int64_t>(1, kColumnsAtOnce / (tile.fours() * kFour));
  int64_t chunks = llvm::divideCeil(rounds, most), together = llvm::divideCeil(rounds, chunks);
  forEachToken(builder, op.getInput(), [&](Value token) {
    Value inWarp = builder.toIndex(builder.quotient(builder.lane(), tile.lanes()));
    Value own = builder.add(builder.times(builder.toIndex(builder.warp()), perWarp), inWarp);
    // All lanes of a warp go through the loop together: they exchange values.
    auto emitChunk = [&](Value start) {
      SmallVector<LaneColumns> parts;
      for (int64_t round = 0; round < together; ++round) {
        // With one chunk the rounds' numbers are known.
        int64_t last = (chunks == 1 ? round + 1 : chunks * together) * atOnce;
        LaneColumns part{
            builder.plus(builder.add(start, own), round * atOnce), {}, last <= tile.groups()};
        bool isWhole = part.isThere && columns % op.getGroup() == 0;
        Value first = tile.firstColumn(part.number);
        for (int64_t i = 0; i < tile.fours(); ++i)
          part.inputs.append(tile.load(token, builder.plus(first, i * tile.stride()), isWhole));
        parts.push_back(std::move(part));
      }
      startCopiesHere(builder, op);
      tile.store(token, parts);
    };
    if (chunks == 1)
      return emitChunk(builder.index(0));
    builder.loop(builder.index(0), builder.index(tile.groups()), together * atOnce, emitChunk);
  });
  builder.barrier();
}
