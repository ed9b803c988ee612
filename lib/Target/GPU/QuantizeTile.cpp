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
      for (int64_t i = 0; i < fours(); ++i) {
        Value word = builder.packBytes(ArrayRef(result.codes).slice(i * kFour, kFour));
        if (op.getOffset() != 0) // 128, modulo 256
          word = arith::XOrIOp::create(builder, word, builder.int32(int32_t(0x80808080)));
        Value one = vector::BroadcastOp::create(builder, builder.ints(1), word);
        Value codes = vector::BitCastOp::create(builder, builder.bytes(kFour), one);
        vector::StoreOp::create(builder, codes, op.getCodes(),
                                ValueRange{token, builder.plus(first, i * stride())},
                                /*nontemporal=*/false, llvm::MaybeAlign(kFour));
      }
    });
  builder.guard(
      lanes() > 1, [&] { return builder.isBelow(builder.remainder(builder.lane(), lanes()), 1); },
      [&] {
        for (auto [part, result, sum] : llvm::zip_equal(columns, quantized, sums))
          ifThere(part, [&, &part = part, &result = result, &sum = sum] {
            Value scaled = arith::MulIOp::create(builder, sum, builder.int32(op.getSumFactor()));
            Value place[] = {token, part.number};
            memref::StoreOp::create(builder, result.scale, op.getScales(), place);
            memref::StoreOp::create(builder, scaled, op.getSums(), place);
          });
      });
}

/// Columns that a thread has under way at once.
constexpr int64_t kColumnsAtOnce = 32;

void stc::gpu::emitQuantizeActivations(packed::QuantizeActivationsOp op,
                                       const TargetDescription &target) {
  RowBuilder builder(op, target);
  QuantizeTile tile(builder, op);
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
