// packed.rms_norm: normalizes each group of a row on its own.
#include "TileLowerings.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

class NormEmitter {
public:
  NormEmitter(packed::RMSNormOp op, const TargetDescription &target)
      : op(op), builder(op, target), size(op.getGroupColumns()) {}

  void emit() {
    Value zero = builder.index(0);
    forEachToken(builder, op.getInput(), [&](Value token) {
      if (op.getGroups() == 1)
        return normalize(token, zero);
      builder.loop(zero, builder.index(size * int64_t(op.getGroups())), size,
                   [&](Value group) { normalize(token, group); });
    });
  }

private:
  /// Calls `body` with each vector of columns of a group, and with a mask where it is not full.
  Values forEachVector(ValueRange initial,
                       function_ref<Values(Value column, Value mask, ValueRange values)> body) {
    int64_t whole = size / kLanes * kLanes;
    Values values(initial);
    if (whole > 0)
      values = builder.loop(
          builder.index(0), builder.index(whole), kLanes, values,
          [&](Value column, ValueRange values) { return body(column, Value(), values); });
    if (whole < size)
      values = body(builder.index(whole), builder.firstLanes(size - whole), values);
    return values;
  }
  Value load(Value matrix, Value token, Value group, Value column, Value mask) {
    return builder.loadVector(builder.floats(), matrix, {token, builder.add(group, column)}, mask);
  }
  /// The mean of a group whose columns are summed lane by lane.
  Value meanOf(Value sums);
  void normalize(Value token, Value group);

  packed::RMSNormOp op;
  KernelBuilder builder;
  int64_t size; // of a group
};

} // namespace

Value NormEmitter::meanOf(Value sums) {
  Value sum =
      vector::ReductionOp::create(builder, vector::CombiningKind::ADD, sums,
                                  arith::FastMathFlags::reassoc | arith::FastMathFlags::nsz);
  return arith::DivFOp::create(builder, sum, builder.constant(builder.getF32Type(), double(size)));
}

void NormEmitter::normalize(Value token, Value group) {
  Type f32 = builder.getF32Type();
  Value zeros = builder.constant(builder.floats(), 0.0), centre;
  // Lanes that a mask leaves out are zero.
  auto loadCentred = [&](Value column, Value mask) -> Value {
    Value x = load(op.getInput(), token, group, column, mask);
    if (!centre)
      return x;
    x = arith::SubFOp::create(builder, x, centre);
    return mask ? arith::SelectOp::create(builder, mask, x, zeros).getResult() : x;
  };
  if (op.getCentred())
    centre = builder.broadcast(
        meanOf(forEachVector(zeros, [&](Value column, Value mask, ValueRange sums) -> Values {
          Value x = load(op.getInput(), token, group, column, mask);
          return {arith::AddFOp::create(builder, sums[0], x)};
        })[0]));
  Values squares = forEachVector(zeros, [&](Value column, Value mask, ValueRange sums) -> Values {
    Value x = loadCentred(column, mask);
    return {builder.multiplyAdd(x, x, sums[0])};
  });
  Value shifted = arith::AddFOp::create(builder, meanOf(squares[0]),
                                        builder.constant(f32, op.getEpsilon().convertToDouble()));
  Value inverse = arith::DivFOp::create(builder, builder.constant(f32, 1.0),
                                        math::SqrtOp::create(builder, shifted));
  inverse = builder.broadcast(inverse);
  forEachVector({}, [&](Value column, Value mask, ValueRange) -> Values {
    Value x = loadCentred(column, mask);
    Value place = op.hasOwnWeights() ? builder.add(group, column) : column;
    Value gain = builder.loadVector(builder.floats(), op.getWeight(), place, mask);
    x = arith::MulFOp::create(builder, arith::MulFOp::create(builder, x, inverse), gain);
    builder.storeVector(x, op.getOut(), {token, builder.add(group, column)}, mask);
    return {};
  });
}

void stc::cpu::emitRMSNorm(packed::RMSNormOp op, const TargetDescription &target) {
  NormEmitter(op, target).emit();
}
