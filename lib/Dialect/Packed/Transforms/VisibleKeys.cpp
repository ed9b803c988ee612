// Which blocks of the cache an attention reads: the one place that counts them.
#include "stc/Dialect/Packed/Transforms/VisibleKeys.h"

#include "stc/Packing/KVCache.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace stc::packed;

static Value index(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIndexOp::create(builder, value);
}

VisibleBlocks stc::packed::visibleBlocks(ImplicitLocOpBuilder &builder, Value first, Value last,
                                         int64_t window, int64_t sinks, Value end) {
  Value size = index(builder, kKVBlock), zero = index(builder, 0);
  VisibleBlocks blocks;
  Value newest = last;
  if (end) {
    blocks.end = end;
    if (window != 0) {
      // The window of the last row, and sinks behind it.
      Value inside = arith::AddIOp::create(builder, last, index(builder, window));
      inside = arith::MaxSIOp::create(builder, inside, index(builder, sinks));
      blocks.end = arith::MinSIOp::create(builder, end, inside);
    }
    newest = arith::SubIOp::create(builder, blocks.end, index(builder, 1));
  } else {
    blocks.end = arith::AddIOp::create(builder, last, index(builder, 1));
  }
  Value endBlock = arith::AddIOp::create(builder, arith::DivUIOp::create(builder, newest, size),
                                         index(builder, 1));
  if (window == 0) {
    blocks.count = endBlock;
    blocks.skip = zero;
    return blocks;
  }
  blocks.sinkBlocks = llvm::divideCeil(sinks, kKVBlock);
  Value oldest = arith::SubIOp::create(builder, first, index(builder, window - 1));
  oldest = arith::MaxSIOp::create(builder, oldest, zero);
  Value skip = arith::SubIOp::create(builder, arith::DivUIOp::create(builder, oldest, size),
                                     index(builder, blocks.sinkBlocks));
  if (end) {
    // Windows may lie behind the end; sinks, and one block at least, stay.
    Value most = index(builder, std::max<int64_t>(blocks.sinkBlocks, 1));
    skip = arith::MinSIOp::create(builder, skip, arith::SubIOp::create(builder, endBlock, most));
  }
  blocks.skip = arith::MaxSIOp::create(builder, skip, zero);
  blocks.count = arith::SubIOp::create(builder, endBlock, blocks.skip);
  return blocks;
}

Value VisibleBlocks::block(ImplicitLocOpBuilder &builder, Value number) const {
  Value behind = arith::AddIOp::create(builder, number, skip);
  if (sinkBlocks == 0)
    return behind;
  Value isSink =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, number, index(builder, sinkBlocks));
  return arith::SelectOp::create(builder, isSink, number, behind);
}

Value stc::packed::seesWholeBlock(ImplicitLocOpBuilder &builder, Value first, Value last,
                                  Value start, int64_t window, int64_t sinks, Value end) {
  auto compare = [&](arith::CmpIPredicate predicate, Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, predicate, a, b);
  };
  auto plus = [&](Value a, int64_t b) -> Value {
    return arith::AddIOp::create(builder, a, index(builder, b));
  };
  Value blockEnd = plus(start, kKVBlock - 1);
  Value whole = end ? compare(arith::CmpIPredicate::slt, blockEnd, end)
                    : compare(arith::CmpIPredicate::sle, blockEnd, first);
  if (window == 0)
    return whole;
  Value inside = compare(arith::CmpIPredicate::sge, start, plus(last, 1 - window));
  if (end) {
    Value newest = plus(first, window - 1);
    inside = arith::AndIOp::create(builder, inside,
                                   compare(arith::CmpIPredicate::sle, blockEnd, newest));
  }
  if (sinks != 0) {
    Value isSink = compare(arith::CmpIPredicate::slt, blockEnd, index(builder, sinks));
    inside = arith::OrIOp::create(builder, inside, isSink);
  }
  return arith::AndIOp::create(builder, whole, inside);
}

int64_t stc::packed::mostVisibleBlocks(int64_t capacity, int64_t window, int64_t sinks,
                                       bool bothSides) {
  int64_t all = llvm::divideCeil(capacity, kKVBlock);
  if (window == 0 || window > capacity)
    return all;
  if (bothSides)
    window = 2 * window - 1;
  // A window touches one block more than it fills when it does not begin with a block.
  return std::min<int64_t>(all, llvm::divideCeil(window, kKVBlock) + 1 +
                                    llvm::divideCeil(sinks, kKVBlock));
}
