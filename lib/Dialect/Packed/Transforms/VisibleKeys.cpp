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
                                         int64_t window, int64_t sinks) {
  Value size = index(builder, kKVBlock), zero = index(builder, 0);
  Value end = arith::AddIOp::create(builder, arith::DivUIOp::create(builder, last, size),
                                    index(builder, 1));
  VisibleBlocks blocks;
  if (window == 0) {
    blocks.count = end;
    blocks.skip = zero;
    return blocks;
  }
  blocks.sinkBlocks = llvm::divideCeil(sinks, kKVBlock);
  Value oldest = arith::SubIOp::create(builder, first, index(builder, window - 1));
  oldest = arith::MaxSIOp::create(builder, oldest, zero);
  Value skip = arith::SubIOp::create(builder, arith::DivUIOp::create(builder, oldest, size),
                                     index(builder, blocks.sinkBlocks));
  blocks.skip = arith::MaxSIOp::create(builder, skip, zero);
  blocks.count = arith::SubIOp::create(builder, end, blocks.skip);
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

int64_t stc::packed::mostVisibleBlocks(int64_t capacity, int64_t window, int64_t sinks) {
  int64_t all = llvm::divideCeil(capacity, kKVBlock);
  if (window == 0)
    return all;
  // A window touches one block more than it fills when it does not begin with a block.
  return std::min<int64_t>(all, llvm::divideCeil(window, kKVBlock) + 1 +
                                    llvm::divideCeil(sinks, kKVBlock));
}
