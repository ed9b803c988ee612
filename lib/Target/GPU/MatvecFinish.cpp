// A weight matrix times one token: what follows the products.
#include "MatvecEmitter.h"

#include "stc/Dialect/STC/Utils/ActivationMath.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

MatvecEmitter::Finished MatvecEmitter::finishedBy(Value number, Value begin) {
  Value slot = arith::DivUIOp::create(builder, number, builder.index(kTileRows));
  Value row = arith::RemUIOp::create(builder, number, builder.index(kTileRows));
  return {builder.add(begin, arith::MulIOp::create(builder, slot, step).getResult()), slot, row};
}

void MatvecEmitter::loadOperands(Value begin, Value iterations) {
  early.clear();
  bool allExist = llvm::all_of(loops, [](const Part &part) {
    return llvm::all_of(part.streams, [](const Stream &stream) {
      packed::MatmulTileOp op = stream.op;
      return cast<packed::WeightType>(op.getWeight().getType()).getRows() % kTileRows == 0;
    });
  });
  if (!allExist || atOnce * kTileRows > builder.threads())
    return;
  // Threads without a row take the last one's.
  Value last = arith::SubIOp::create(builder, builder.mul(iterations, kTileRows), builder.index(1));
  Value number = arith::MinUIOp::create(builder, builder.toIndex(builder.thread()), last);
  Finished place = finishedBy(number, begin);
  // Of a loop that the row is not of, its last iteration's.
  for (const Part &part : loops) {
    Finished own = inPart(part, place);
    if (loops.size() > 1)
      own.iteration = arith::MinUIOp::create(builder, own.iteration, builder.index(part.count - 1));
    finishRow(part, own, /*loads=*/true);
  }
}

MatvecEmitter::Finished MatvecEmitter::inPart(const Part &part, Finished place) {
  if (part.begin != 0)
    place.iteration = arith::SubIOp::create(builder, place.iteration, builder.index(part.begin));
  return place;
}

/// What is loaded early is taken in the order in which it was loaded.
Value MatvecEmitter::operand(Value memref, ValueRange indices, bool isEarly) {
  if (!isEarly && nextEarly < early.size())
    return early[nextEarly++];
  Value value = memref::LoadOp::create(builder, memref, indices);
  if (isEarly)
    early.push_back(value);
  return value;
}

void MatvecEmitter::finish(Value begin, Value iterations) {
  nextEarly = 0;
  builder.forThreads(builder.mul(iterations, kTileRows), [&](Value number) {
    Finished place = finishedBy(number, begin);
    if (loops.size() == 1)
      return finishRow(loops.front(), place, /*loads=*/false);
    for (const Part &part : loops) {
      Finished own = inPart(part, place);
      // What comes before the loop is a large number.
      Value isOwn = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, own.iteration,
                                          builder.index(part.count));
      builder.ifThen(isOwn, [&] { finishRow(part, own, /*loads=*/false); });
    }
  });
}

/// The sum of all warps for a row of a stream's tile.
Value MatvecEmitter::sumOf(Value slot, int64_t stream, Value row) {
  Value place = builder.add(builder.mul(slot, streams.size()), stream);
  Value offset = builder.add(builder.mul(place, slotBytes()), builder.mul(row, sizeof(float)));
  Value start = builder.address(partials, builder.toI32(offset)), sum;
  for (int64_t w = 0; w < parts(); ++w) {
    Value part = builder.loadAligned(builder.getF32Type(),
                                     builder.address(start, w * kTileRows * sizeof(float)), 4);
    sum = sum ? arith::AddFOp::create(builder, sum, part).getResult() : part;
  }
  return sum;
}

Value MatvecEmitter::activate(packed::MatmulTileOp op, Value gate, Value sum) {
  gate = createActivation(builder, builder.getLoc(), *op.getActivation(), gate);
  return arith::MulFOp::create(builder, gate, sum);
}

/// With `loads`, only loads what the row will be finished with.
void MatvecEmitter::finishRow(const Part &part, const Finished &place, bool loads) {
  const std::vector<Stream> &streams = part.streams;
  Value zero = builder.index(0), gate; // of the row, computed by the multiplication before
  Value gateOut;
  for (size_t s = 0; s < streams.size();) {
    packed::MatmulTileOp op = streams[s].op;
    int64_t apart = streams[s].apart, parts = apart ? 2 : 1;
    Value tile = place.iteration, inHead;
    if (streams[s].areNeighbours)
      tile = tileOf(streams[s], tile);
    if (apart) {
      Value head = arith::DivUIOp::create(builder, tile, builder.index(apart));
      inHead = arith::RemUIOp::create(builder, tile, builder.index(apart));
      tile = builder.add(builder.mul(head, 2 * apart), inHead);
    }
    Values rows, sums(parts);
    for (int64_t part = 0; part < parts; ++part) {
      rows.push_back(
          builder.add(builder.mul(builder.add(tile, part * apart), kTileRows), place.row));
      if (!loads)
        sums[part] = sumOf(place.slot, s + part, place.row);
    }
    auto finishSums = [&] {
      for (int64_t part = 0; part < parts; ++part) {
        Value bias = op.getBias() ? operand(op.getBias(), rows[part], loads) : Value();
        bool isOwn = op.getGate() && gateOut == op.getGate(); // the gate was computed here
        Value factor = op.getGate() && !isOwn
                           ? operand(op.getGate(), ValueRange{zero, rows[part]}, loads)
                           : gate;
        if (loads)
          continue;
        if (bias)
          sums[part] = arith::AddFOp::create(builder, sums[part], bias);
        if (op.getGate())
          sums[part] = activate(op, factor, sums[part]);
      }
      if (apart) {
        Values angle{zero, builder.add(builder.mul(inHead, kTileRows), place.row)};
        Value cos = operand(op.getCos(), angle, loads), sin = operand(op.getSin(), angle, loads);
        if (!loads) {
          auto times = [&](Value a, Value b) -> Value {
            return arith::MulFOp::create(builder, a, b);
          };
          Value a = sums[0], b = sums[1];
          sums[0] = arith::SubFOp::create(builder, times(a, cos), times(b, sin));
          sums[1] = arith::AddFOp::create(builder, times(a, sin), times(b, cos));
        }
      }
      for (int64_t part = 0; part < parts; ++part) {
        Values indices{zero, rows[part]};
        Value residual = op.getResidual() ? operand(op.getResidual(), indices, loads) : Value();
        if (loads)
          continue;
        if (residual)
          sums[part] = arith::AddFOp::create(builder, sums[part], residual);
        memref::StoreOp::create(builder, sums[part], op.getOut(), indices);
      }
    };
    int64_t known = cast<packed::WeightType>(op.getWeight().getType()).getRows();
    if (known % kTileRows == 0) {
      finishSums();
      gate = sums[0];
      gateOut = apart ? Value() : op.getOut();
    } else {
      // A gate is then read back, as its value ends with the branch.
      Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, rows.back(),
                                           builder.index(known));
      builder.ifThen(exists, finishSums);
      gateOut = Value();
    }
    s += parts;
  }
}
