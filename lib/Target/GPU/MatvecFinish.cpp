// A weight matrix times one token: what follows the products.
#include "MatvecEmitter.h"

#include "stc/Dialect/STC/Utils/ActivationMath.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

void MatvecEmitter::finish(Value begin, Value iterations) {
  builder.forThreads(builder.mul(iterations, kTileRows), [&](Value number) {
    Value slot = arith::DivUIOp::create(builder, number, builder.index(kTileRows));
    Value row = arith::RemUIOp::create(builder, number, builder.index(kTileRows));
    Value iteration = builder.add(begin, arith::MulIOp::create(builder, slot, step).getResult());
    finishRow(iteration, slot, row);
  });
}

/// The sum of all warps for a row of a stream's tile.
Value MatvecEmitter::sumOf(Value slot, int64_t stream, Value row) {
  Value place = builder.add(builder.mul(slot, streams.size()), stream);
  Value offset = builder.add(builder.mul(place, slotBytes()), builder.mul(row, sizeof(float)));
  Value start = builder.address(partials, builder.toI32(offset)), sum;
  for (int64_t w = 0; w < builder.warps(); ++w) {
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

void MatvecEmitter::storeRow(packed::MatmulTileOp op, Value row, Value sum) {
  Values indices{builder.index(0), row};
  if (op.getResidual())
    sum = arith::AddFOp::create(builder, sum,
                                memref::LoadOp::create(builder, op.getResidual(), indices));
  memref::StoreOp::create(builder, sum, op.getOut(), indices);
}

void MatvecEmitter::finishRow(Value iteration, Value slot, Value row) {
  Value gate; // of the row, computed by the multiplication before
  Value gateOut;
  for (size_t s = 0; s < streams.size();) {
    packed::MatmulTileOp op = streams[s].op;
    int64_t apart = streams[s].apart, parts = apart ? 2 : 1;
    Value tile = iteration;
    if (apart) {
      Value head = arith::DivUIOp::create(builder, iteration, builder.index(apart));
      tile = builder.add(builder.mul(head, 2 * apart),
                         arith::RemUIOp::create(builder, iteration, builder.index(apart)));
    }
    Values rows, sums;
    for (int64_t part = 0; part < parts; ++part) {
      rows.push_back(builder.add(builder.mul(builder.add(tile, part * apart), kTileRows), row));
      sums.push_back(sumOf(slot, s + part, row));
    }
    int64_t known = cast<packed::WeightType>(op.getWeight().getType()).getRows();
    auto finishSums = [&] {
      for (int64_t part = 0; part < parts; ++part) {
        if (op.getBias())
          sums[part] = arith::AddFOp::create(
              builder, sums[part], memref::LoadOp::create(builder, op.getBias(), rows[part]));
        if (!op.getGate())
          continue;
        Value factor = gateOut == op.getGate() && gate
                           ? gate
                           : memref::LoadOp::create(builder, op.getGate(),
                                                    ValueRange{builder.index(0), rows[part]})
                                 .getResult();
        sums[part] = activate(op, factor, sums[part]);
      }
      if (apart) {
        Value pair = builder.add(
            builder.mul(arith::RemUIOp::create(builder, iteration, builder.index(apart)),
                        kTileRows),
            row);
        Values angle{builder.index(0), pair};
        Value cos = memref::LoadOp::create(builder, op.getCos(), angle);
        Value sin = memref::LoadOp::create(builder, op.getSin(), angle);
        auto times = [&](Value a, Value b) -> Value {
          return arith::MulFOp::create(builder, a, b);
        };
        Value a = sums[0], b = sums[1];
        sums[0] = arith::SubFOp::create(builder, times(a, cos), times(b, sin));
        sums[1] = arith::AddFOp::create(builder, times(a, sin), times(b, cos));
      }
      for (int64_t part = 0; part < parts; ++part)
        storeRow(op, rows[part], sums[part]);
    };
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
