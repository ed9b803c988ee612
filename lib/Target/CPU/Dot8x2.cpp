// packed.dot8x2: products of small matrices where there are any (i8mm), else dot products.
#include "MicroOps.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

/// Bytes of one operand of the instruction: eight of each of two rows, or two tokens.
static constexpr int64_t kMatrixBytes = 16;

/// Sums stay apart, one vector for each two rows, from one end of the chain to the other.
static Value lowerToMatrices(ArrayRef<packed::Dot8x2Op> chain, const TargetDescription &target) {
  packed::Dot8x2Op first = chain.front();
  KernelBuilder builder(first, target);
  Value accumulator = first.getAccumulator();
  int64_t pieces = 4 * cast<VectorType>(accumulator.getType()).getNumElements() / kMatrixBytes;
  Values sums = splitVector(builder, accumulator, pieces);
  for (packed::Dot8x2Op op : chain) {
    builder.setInsertionPoint(op);
    for (auto [sum, rows] :
         llvm::zip_equal(sums, splitVector(builder, op.getUnsignedBytes(), pieces)))
      sum = callIntrinsic(builder, "llvm.aarch64.neon.usmmla.v4i32.v16i8", sum.getType(),
                          {sum, rows, op.getSignedBytes()});
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
  if (target.hasDot8x2())
    return lowerToMatrices(chain, target);
  Value sum = packed::Dot8x2Op(chain.front()).getAccumulator();
  for (packed::Dot8x2Op op : chain)
    sum = addDots(sum, op, target);
  return sum;
}
