// packed.dot8x2: products of small matrices where there are any (i8mm), else dot products.
#include "MicroOps.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

/// Sums stay apart, one vector for each two rows (or as many pairs of rows as a register holds),
/// from one end of the chain to the other.
static Value lowerToMatrices(ArrayRef<packed::Dot8x2Op> chain, const TargetDescription &target) {
  packed::Dot8x2Op first = chain.front();
  KernelBuilder builder(first, target);
  Value accumulator = first.getAccumulator();
  int64_t pieces =
      32 * cast<VectorType>(accumulator.getType()).getNumElements() / target.vectorBits;
  Values sums = splitVector(builder, accumulator, pieces);
  for (packed::Dot8x2Op op : chain) {
    builder.setInsertionPoint(op);
    Values rows = splitVector(builder, op.getUnsignedBytes(), pieces);
    Value tokens = op.getSignedBytes();
    // Each 128 bits are multiplied by themselves: all of them get the same tokens.
    if (target.hasLongVectors())
      tokens = callScalable(builder, "llvm.aarch64.sve.dupq.lane", rows[0].getType(),
                            {tokens, builder.constant(builder.getI64Type(), int64_t(0))});
    for (int64_t i = 0; i < pieces; ++i) {
      Type type = sums[i].getType();
      if (target.hasLongVectors())
        sums[i] =
            callScalable(builder, "llvm.aarch64.sve.usmmla", type, {sums[i], rows[i], tokens});
      else
        sums[i] = callIntrinsic(builder, "llvm.aarch64.neon.usmmla.v4i32.v16i8", type,
                                {sums[i], rows[i], tokens});
    }
  }
  return joinVectors(builder, sums);
}

/// A row's eight products with a token are two lanes of packed.dot4, which are added.
static Value addDots(Value sum, packed::Dot8x2Op op, const TargetDescription &target) {
  KernelBuilder builder(op, target);
  Value rows = op.getUnsignedBytes(), tokens = op.getSignedBytes();
  auto type = cast<VectorType>(sum.getType());
  int64_t lanes = type.getNumElements();
  Values sums; // of both tokens
  for (int64_t t = 0; t < 2; ++t) {
    SmallVector<int64_t> repeated;
    for (int64_t i = 0; i < 4 * lanes; ++i)
      repeated.push_back(8 * t + i % 8);
    Value x = vector::ShuffleOp::create(builder, tokens, tokens, repeated);
    Value zero = builder.constant(type, int64_t(0));
    Value halves = packed::Dot4Op::create(builder, type, zero, rows, x, op.getBits());
    sums.push_back(arith::AddIOp::create(builder, builder.everyOther(halves, 0),
                                         builder.everyOther(halves, 1)));
  }
  return arith::AddIOp::create(builder, sum, builder.interleave(sums[0], sums[1]));
}

Value stc::cpu::lowerDot8x2Chain(ArrayRef<packed::Dot8x2Op> chain,
                                 const TargetDescription &target) {
  // A register's worth of sums, or several.
  int64_t bits =
      32 * cast<VectorType>(packed::Dot8x2Op(chain.front()).getResult().getType()).getNumElements();
  if (target.hasDot8x2() && bits % target.vectorBits == 0 &&
      llvm::isPowerOf2_64(bits / target.vectorBits))
    return lowerToMatrices(chain, target);
  Value sum = packed::Dot8x2Op(chain.front()).getAccumulator();
  for (packed::Dot8x2Op op : chain)
    sum = addDots(sum, op, target);
  return sum;
}
