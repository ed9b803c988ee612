// packed.matmul_tile by the instructions every target has: each thread computes some results alone.
#include "MatmulEmitter.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Each thread takes two neighbouring rows of one token, of a row tile or of both of a pair.
/// Threads of neighbouring rows read neighbouring words.
class GenericMatmul final : public MatmulEmitter {
public:
  using MatmulEmitter::MatmulEmitter;
  GenericMatmul(packed::MatmulTileOp op, const TargetDescription &target)
      : MatmulEmitter(op, target) {}

private:
  using Pair = std::array<Value, 2>; // of both rows

  SmallVector<int64_t> blockSizes() const override { return {64}; }
  void emitBlock(const TokenBlock &block) override;
  Pair multiplyFloats(Value tile, Value rowPair, const TokenBlock &block, Value token);
  Pair multiplyMasked(Value tile, Value rowPair, const TokenBlock &block, Value token);
  Pair multiplyCodes(Value tile, Value rowPair, const TokenBlock &block, Value token);
  Pair multiplyGroup(CodeReader &reader, Value group, Value codes, Pair sums, Value &position);
  Pair multiplyStored(CodeReader &reader, Value group, Value codes);
};

} // namespace

void GenericMatmul::emitBlock(const TokenBlock &block) {
  constexpr int64_t rowPairs = kTileRows / 2;
  int64_t units = slots() / parts();
  builder.forThreads(units * block.count * rowPairs, [&](Value number) {
    Value rowPair = arith::RemUIOp::create(builder, number, builder.index(rowPairs));
    Value rest = arith::DivUIOp::create(builder, number, builder.index(rowPairs));
    Value token = arith::RemUIOp::create(builder, rest, builder.index(block.count));
    Value slot =
        builder.mul(arith::DivUIOp::create(builder, rest, builder.index(block.count)), parts());
    Value exists = existsSlot(slot, /*isWithin=*/true);
    if (block.present) {
      Value isPresent = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult,
                                              builder.toI32(token), block.present);
      exists = exists ? arith::AndIOp::create(builder, exists, isPresent).getResult() : isPresent;
    }
    auto compute = [&] {
      Value pair = builder.toI32(rowPair), inBlock = builder.toI32(token);
      SmallVector<Pair> sums;
      for (int64_t part = 0; part < parts(); ++part) {
        Value tile = tileAddress(tileOf(builder.add(slot, part)));
        sums.push_back(layout.isQuantized()     ? multiplyCodes(tile, pair, block, inBlock)
                       : layout.isSparseFloat() ? multiplyMasked(tile, pair, block, inBlock)
                                                : multiplyFloats(tile, pair, block, inBlock));
      }
      for (int64_t i : {0, 1}) {
        Values ofRow;
        for (const Pair &sum : sums)
          ofRow.push_back(sum[i]);
        finish(Result{slot, builder.add(builder.mul(rowPair, 2), i),
                      builder.add(block.first, token), ofRow});
      }
    };
    if (exists)
      builder.ifThen(exists, compute);
    else
      compute();
  });
  builder.barrier();
}

GenericMatmul::Pair GenericMatmul::multiplyFloats(Value tile, Value rowPair,
                                                  const TokenBlock &block, Value token) {
  Type f32 = builder.getF32Type(), element = type.getLayout().getElement();
  int64_t bytes = layout.floatBytes();
  Value x = inputRow(0, block, token);
  Value offset = arith::MulIOp::create(builder, rowPair, builder.int32(2 * bytes));
  Value start = builder.address(tile, offset), zero = builder.constant(f32, 0.0);
  Values sums = builder.loop(
      builder.index(0), builder.index(type.getColumns()), 1, {zero, zero},
      [&](Value column, ValueRange carried) {
        Value input = builder.loadAligned(f32, builder.address(x, builder.mul(column, 4)), 4);
        Value two = builder.loadAligned(
            VectorType::get(2, element),
            builder.address(start, builder.mul(column, kTileRows * bytes)), 2 * bytes, true);
        Values results;
        for (int64_t i : {0, 1}) {
          Value weight = vector::ExtractOp::create(builder, two, i);
          if (!element.isF32())
            weight = arith::ExtFOp::create(builder, f32, weight);
          results.push_back(builder.multiplyAdd(weight, input, carried[i]));
        }
        return results;
      });
  return {sums[0], sums[1]};
}

/// The same of floats with masks. Values are found by counting those before; one more than there
/// are may be read for a weight that is not stored.
GenericMatmul::Pair GenericMatmul::multiplyMasked(Value tile, Value rowPair,
                                                  const TokenBlock &block, Value token) {
  Words words(builder);
  Type f32 = builder.getF32Type(), i64 = builder.getI64Type(),
       element = type.getLayout().getElement();
  int64_t bytes = layout.floatBytes(), columns = type.getColumns();
  constexpr int64_t rowBits = kDotColumns, pairBits = 2 * rowBits;
  Value x = inputRow(0, block, token), zero = builder.constant(f32, 0.0);
  Value masks = builder.address(tile, geometry.masksOffset);
  Value values = builder.address(tile, geometry.valuesOffset);
  Value bit = arith::ExtUIOp::create(builder, i64, words.mul(rowPair, pairBits));
  Value one = builder.constant(i64, int64_t(1));
  Value below = arith::SubIOp::create(builder, arith::ShLIOp::create(builder, one, bit), one);
  auto countBytes = [&](Value mask) {
    Value count = LLVM::CtPopOp::create(builder, i64, mask);
    return words.mul(arith::TruncIOp::create(builder, builder.getI32Type(), count), bytes);
  };
  Values sums = builder.loop(
      builder.index(0), builder.index(llvm::divideCeil(columns, kDotColumns)), 1,
      {zero, zero, builder.int32(0)}, [&](Value step, ValueRange carried) {
        Value mask =
            builder.loadAligned(i64, builder.address(masks, builder.mul(step, 8)), 8, true);
        Value inputs[kDotColumns];
        for (int64_t i = 0; i < kDotColumns; ++i) {
          Value column = builder.add(builder.mul(step, kDotColumns), i), exists;
          if (columns % kDotColumns != 0) {
            exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, column,
                                           builder.index(columns));
            column = arith::MinUIOp::create(builder, column, builder.index(columns - 1));
          }
          inputs[i] = builder.loadAligned(f32, builder.address(x, builder.mul(column, 4)), 4);
          if (exists)
            inputs[i] = words.select(exists, inputs[i], zero);
        }
        Value before = arith::AndIOp::create(builder, mask, below);
        Value place = words.add(carried[2], countBytes(before));
        Value own = arith::TruncIOp::create(builder, builder.getI32Type(),
                                            arith::ShRUIOp::create(builder, mask, bit));
        Values results;
        for (int64_t row : {0, 1}) {
          Value sum = carried[row];
          for (int64_t i = 0; i < kDotColumns; ++i) {
            Value isSet = words.both(words.right(own, row * rowBits + i), 1);
            Value weight =
                builder.loadAligned(element, builder.address(values, place), unsigned(bytes), true);
            if (!element.isF32())
              weight = arith::ExtFOp::create(builder, f32, weight);
            weight = words.select(words.isBelow(isSet, 1), zero, weight);
            sum = builder.multiplyAdd(weight, inputs[i], sum);
            place = words.add(place, words.mul(isSet, bytes));
          }
          results.push_back(sum);
        }
        results.push_back(words.add(carried[2], countBytes(mask)));
        return results;
      });
  return {sums[0], sums[1]};
}

GenericMatmul::Pair GenericMatmul::multiplyCodes(Value tile, Value rowPair, const TokenBlock &block,
                                                 Value token) {
  Type f32 = builder.getF32Type(), i32 = builder.getI32Type();
  CodeReader reader(builder, type, tile, rowPair);
  Value codes = inputRow(0, block, token), scales = inputRow(1, block, token);
  Value correction = inputRow(2, block, token);
  Value zero = builder.constant(f32, 0.0);
  Values carried =
      builder.loop(builder.index(0), builder.index(geometry.groups), 1,
                   {zero, zero, builder.int32(0)}, [&](Value group, ValueRange values) -> Values {
                     Value position = values[2], offset = builder.mul(group, 4);
                     Value none = builder.int32(0), start;
                     Pair sums{none, none};
                     if (!reader.isSigned())
                       start = builder.loadAligned(i32, builder.address(correction, offset), 4);
                     if (start && !layout.minimums)
                       sums = {start, start};
                     if (layout.asymmetric) {
                       auto [first, second] =
                           reader.loadZeros(layout.perRow ? builder.index(0) : group);
                       sums[0] = arith::MulIOp::create(builder, sums[0], first);
                       sums[1] = arith::MulIOp::create(builder, sums[1], second);
                     }
                     Value inputs = builder.address(codes, builder.mul(group, layout.group));
                     if (reader.hasStoredSteps())
                       sums = multiplyStored(reader, group, codes);
                     else
                       sums = multiplyGroup(reader, group, inputs, sums, position);
                     Value scale = builder.loadAligned(f32, builder.address(scales, offset), 4);
                     Pair factors{scale, scale};
                     if (!layout.perRow) {
                       auto [first, second] = reader.loadScales(group);
                       factors = {first, second};
                       if (!layout.minimums)
                         for (Value &factor : factors)
                           factor = arith::MulFOp::create(builder, factor, scale);
                     }
                     Pair minimums;
                     if (layout.minimums)
                       std::tie(minimums[0], minimums[1]) = reader.loadMinimums(group);
                     Values next;
                     for (int64_t i : {0, 1}) {
                       Value sum = arith::SIToFPOp::create(builder, f32, sums[i]);
                       if (layout.minimums) {
                         sum = arith::MulFOp::create(builder, sum, factors[i]);
                         Value inputSum = arith::SIToFPOp::create(builder, f32, start);
                         sum = builder.multiplyAdd(minimums[i], inputSum, sum);
                         factors[i] = scale;
                       }
                       next.push_back(builder.multiplyAdd(sum, factors[i], values[i]));
                     }
                     next.push_back(position);
                     return next;
                   });
  if (!layout.perRow)
    return {carried[0], carried[1]};
  auto [first, second] = reader.loadScales(builder.index(0));
  return {arith::MulFOp::create(builder, carried[0], first),
          arith::MulFOp::create(builder, carried[1], second)};
}

/// Adds to `sums` the products of a group, whose activations begin at `codes`.
GenericMatmul::Pair GenericMatmul::multiplyGroup(CodeReader &reader, Value group, Value codes,
                                                 Pair sums, Value &position) {
  Type i32 = builder.getI32Type();
  // Half of a span, or all of several.
  int64_t spans = std::max<int64_t>(1, layout.group / kSpanColumns);
  int64_t ofSpan = std::max<int64_t>(1, kSpanColumns / layout.group); // groups
  Values carried = builder.loop(
      builder.index(0), builder.index(spans), 1, {sums[0], sums[1], position},
      [&](Value number, ValueRange values) -> Values {
        Values next(values);
        Value span = builder.add(builder.mul(group, spans), number), first = builder.int32(0);
        if (ofSpan > 1) {
          span = arith::DivUIOp::create(builder, group, builder.index(ofSpan));
          first = builder.toI32(arith::RemUIOp::create(builder, group, builder.index(ofSpan)));
          first = arith::MulIOp::create(builder, first, builder.int32(kSpanParts / ofSpan));
        }
        Value inputs = builder.address(codes, builder.mul(number, kSpanColumns));
        for (int64_t part = 0; part < kSpanParts / ofSpan; ++part) {
          Value place = builder.createOrFold<arith::AddIOp>(first, builder.int32(part));
          CodeWords words = reader.read(span, place, next[2]);
          if (reader.countsPositions())
            next[2] = arith::AddIOp::create(builder, next[2], reader.bytesOf(span, place));
          for (int64_t step : {0, 1}) {
            Value x = builder.loadAligned(
                i32, builder.address(inputs, (2 * part + step) * kDotColumns), 4);
            // What is stored with an offset is signed without its highest bit.
            if (reader.isSigned())
              x = arith::XOrIOp::create(builder, x, builder.int32(int32_t(0x80808080)));
            for (int64_t row : {0, 1})
              next[row] = builder.dot4(words.words[step][row], reader.byteKind(), x, Bytes::Signed,
                                       next[row]);
          }
        }
        return next;
      });
  position = carried[2];
  return {carried[0], carried[1]};
}

/// The same for what is stored of a group; `codes` are those of all columns.
GenericMatmul::Pair GenericMatmul::multiplyStored(CodeReader &reader, Value group, Value codes) {
  Value one = builder.index(1), zero = builder.int32(0);
  Value isFirst = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, group, builder.index(0));
  Value before = arith::SubIOp::create(builder, group, one);
  before = arith::SelectOp::create(builder, isFirst, group, before);
  Value begin = arith::SelectOp::create(builder, isFirst, zero, reader.storedUpTo(before));
  Values sums = builder.loop(
      builder.toIndex(begin), builder.toIndex(reader.storedUpTo(group)), 1, {zero, zero},
      [&](Value number, ValueRange values) -> Values {
        Value stored = builder.toI32(number);
        Value column =
            arith::MulIOp::create(builder, reader.stepOf(stored), builder.int32(kDotColumns));
        Value x = builder.loadAligned(builder.getI32Type(), builder.address(codes, column), 4);
        x = arith::XOrIOp::create(builder, x, builder.int32(int32_t(0x80808080)));
        auto [first, second] = reader.readStored(stored);
        return {builder.dot4(first, Bytes::Signed, x, Bytes::Signed, values[0]),
                builder.dot4(second, Bytes::Signed, x, Bytes::Signed, values[1])};
      });
  return {sums[0], sums[1]};
}

std::unique_ptr<MatmulEmitter> stc::gpu::createGenericMatmul(packed::MatmulTileOp op,
                                                             const TargetDescription &target) {
  return std::make_unique<GenericMatmul>(op, target);
}
