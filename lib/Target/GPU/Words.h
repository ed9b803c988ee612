// Arithmetic on words of 32 bits, as kernels that take codes apart are written with.
#ifndef STC_LIB_TARGET_GPU_WORDS_H
#define STC_LIB_TARGET_GPU_WORDS_H

#include "BlockBuilder.h"

namespace stc::gpu {

/// Builds operations on i32 (and the conversions around it) at a builder's place. Constants that
/// change nothing are left out.
class Words {
public:
  explicit Words(BlockBuilder &builder) : builder(builder) {}

  Value number(uint32_t value) { return builder.int32(static_cast<int32_t>(value)); }
  Value add(Value a, Value b) { return mlir::arith::AddIOp::create(builder, a, b); }
  Value add(Value a, uint32_t b) { return b == 0 ? a : add(a, number(b)); }
  Value mul(Value a, Value b) { return mlir::arith::MulIOp::create(builder, a, b); }
  Value mul(Value a, uint32_t b) { return b == 1 ? a : mul(a, number(b)); }
  Value div(Value a, uint32_t b) {
    return b == 1 ? a : mlir::arith::DivUIOp::create(builder, a, number(b)).getResult();
  }
  Value rem(Value a, uint32_t b) { return mlir::arith::RemUIOp::create(builder, a, number(b)); }
  Value both(Value a, Value b) { return mlir::arith::AndIOp::create(builder, a, b); }
  Value both(Value a, uint32_t b) { return both(a, number(b)); }
  Value either(Value a, Value b) { return mlir::arith::OrIOp::create(builder, a, b); }
  Value flip(Value a, Value b) { return mlir::arith::XOrIOp::create(builder, a, b); }
  Value flip(Value a, uint32_t b) { return b == 0 ? a : flip(a, number(b)); }
  Value left(Value a, uint32_t bits) {
    return bits == 0 ? a : mlir::arith::ShLIOp::create(builder, a, number(bits)).getResult();
  }
  Value shiftLeft(Value a, Value bits) { return mlir::arith::ShLIOp::create(builder, a, bits); }
  Value right(Value a, uint32_t bits) {
    return bits == 0 ? a : mlir::arith::ShRUIOp::create(builder, a, number(bits)).getResult();
  }
  /// The bits of `a` where `mask` is set, else those of `b`.
  Value choose(Value mask, Value a, Value b) { return flip(both(flip(a, b), mask), b); }
  Value permute(Value a, Value b, Value selector) { return builder.permuteBytes(a, b, selector); }
  Value permute(Value a, Value b, uint32_t selector) { return permute(a, b, number(selector)); }

  Value isBelow(Value a, Value b) {
    return mlir::arith::CmpIOp::create(builder, mlir::arith::CmpIPredicate::ult, a, b);
  }
  Value isBelow(Value a, uint32_t b) { return isBelow(a, number(b)); }
  Value select(Value condition, Value a, Value b) {
    return mlir::arith::SelectOp::create(builder, condition, a, b);
  }
  /// How many bits are set.
  Value countOnes(Value a) { return mlir::LLVM::CtPopOp::create(builder, builder.getI32Type(), a); }
  /// The lower 32 bits of high:low, shifted right by `bits` modulo 32.
  Value funnel(Value high, Value low, Value bits) {
    return mlir::LLVM::FshrOp::create(builder, high, low, bits);
  }
  /// The sum of the `value`s of lanes before this one, and of all, among those whose numbers differ
  /// in bits from `begin` to below `end`.
  std::pair<Value, Value> addLanes(Value value, Value lane, int64_t begin, int64_t end) {
    Value before = number(0);
    for (int64_t bit = begin; bit < end; bit *= 2) {
      Value others = builder.shuffleXor(value, bit);
      Value isBehind = mlir::arith::CmpIOp::create(builder, mlir::arith::CmpIPredicate::ne,
                                                   both(lane, bit), number(0));
      before = add(before, select(isBehind, others, number(0)));
      value = add(value, others);
    }
    return {before, value};
  }
  /// Word `index` of a vector.
  Value part(Value vector, int64_t index) {
    return mlir::vector::ExtractOp::create(builder, vector, index);
  }

  /// `count` words from an aligned place on; `invariant` as in BlockBuilder::loadAligned. One word
  /// is a scalar.
  Value load(Value address, int64_t count, bool invariant) {
    Type word = builder.getI32Type();
    return builder.loadAligned(count == 1 ? word : mlir::VectorType::get(count, word), address,
                               4 * count, invariant);
  }

private:
  BlockBuilder &builder;
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_WORDS_H
