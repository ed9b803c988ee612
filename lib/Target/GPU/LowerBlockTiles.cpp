// packed-lower-block-tiles: writes the code by which a block of threads computes each tile.
#include "BlockLowerings.h"
#include "NormFusion.h"
#include "SharedMemory.h"

#include "stc/Dialect/Packed/Transforms/ColumnLoops.h"
#include "stc/Target/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc::gpu;

void stc::gpu::forEachToken(BlockBuilder &builder, Value matrix, function_ref<void(Value)> body) {
  Value zero = builder.index(0);
  auto type = cast<MemRefType>(matrix.getType());
  if (type.getDimSize(0) == 1)
    return body(zero);
  builder.loop(zero, builder.createOrFold<memref::DimOp>(matrix, zero), 1, body);
}

void stc::gpu::startCopiesHere(BlockBuilder &builder, Operation *op) {
  if (builder.getInsertionBlock() != op->getBlock())
    return; // of one token, and in no loop
  for (Operation *before = op->getPrevNode(); before; before = before->getPrevNode()) {
    if (isa<mlir::gpu::BarrierOp, packed::BarrierOp>(before))
      return;
    if (!isa<scf::ExecuteRegionOp>(before))
      continue;
    return before->moveBefore(builder.getInsertionBlock(), builder.getInsertionPoint());
  }
}

vector::ReductionOp stc::gpu::dividedSum(scf::ForOp loop) {
  // Vectors start as zeros; single columns go on from those sums and are few.
  if (loop.getNumResults() != 1 || !loop.getResult(0).hasOneUse())
    return {};
  auto reduction = dyn_cast<vector::ReductionOp>(*loop.getResult(0).user_begin());
  return reduction && reduction.getKind() == vector::CombiningKind::ADD ? reduction
                                                                        : vector::ReductionOp();
}

namespace stc {

#define GEN_PASS_DEF_LOWERBLOCKTILESPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// Each thread takes every threads-th vector of columns. The vectors' sums, which one reduction
/// takes, are put together over the block.
LogicalResult divideColumns(scf::ForOp loop, const TargetDescription &target) {
  BlockBuilder builder(loop, target);
  auto step = getConstantIntValue(loop.getStep());
  if (!step)
    return loop.emitOpError("expects a constant step of columns");
  if (loop.getNumResults() != 0) {
    vector::ReductionOp reduction = dividedSum(loop);
    if (!reduction)
      return success(); // every thread computes all of it
    builder.setInsertionPoint(reduction);
    Value own = vector::ReductionOp::create(builder, vector::CombiningKind::ADD,
                                            reduction.getVector(), reduction.getFastmath());
    // Slots are of four bytes; a double would not fit.
    if (!own.getType().isF32())
      return loop.emitOpError("expects sums of f32");
    Value sum = builder.reduceBlock(Reduction::Sum, own, builder.scratch(4 * builder.warps()));
    builder.barrier();
    if (reduction.getAcc())
      sum = arith::AddFOp::create(builder, sum, reduction.getAcc());
    reduction.replaceAllUsesWith(sum);
    reduction.erase();
  } else {
    builder.setInsertionPointAfter(loop);
    builder.barrier();
  }
  builder.setInsertionPoint(loop);
  Value offset = builder.mul(builder.toIndex(builder.thread()), *step);
  loop.getLowerBoundMutable().assign(builder.add(loop.getLowerBound(), offset));
  loop.getStepMutable().assign(builder.index(*step * builder.threads()));
  return success();
}

class LowerBlockTiles final : public impl::LowerBlockTilesPassBase<LowerBlockTiles> {
public:
  using LowerBlockTilesPassBase::LowerBlockTilesPassBase;

  void runOnOperation() override {
    auto description = TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    declareSharedMemory(getOperation(), *description);
    SmallVector<Operation *> operations;
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](Operation *op) {
      if (isa<packed::AttentionCombineOp, packed::AttentionTileOp, packed::GatherOp,
              packed::MatmulTileOp, packed::QuantizeActivationsOp, packed::RMSNormOp,
              packed::RotaryOp, packed::SplitActivationsOp, CacheUpdateOp>(op))
        operations.push_back(op);
      else if (auto loop = dyn_cast<scf::ForOp>(op); loop && loop->hasAttr(kColumnsAttr))
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops)
      if (failed(divideColumns(loop, *description)))
        return signalPassFailure();
    // Quantizations that the norm before them has done, and updates that attention stores.
    llvm::SmallPtrSet<Operation *, 4> fused;
    for (Operation *op : operations)
      if (auto tile = dyn_cast<packed::AttentionTileOp>(op))
        if (CacheUpdateOp update = updateOf(tile, *description))
          fused.insert(update);
    for (Operation *op : operations) {
      if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>)) {
        op->emitOpError("expects memrefs: bufferization comes before kernels");
        return signalPassFailure();
      }
      if (isa<CacheUpdateOp>(op) && fused.contains(op))
        continue; // the tile erases it
      LogicalResult result = success();
      TypeSwitch<Operation *>(op)
          .Case([&](packed::AttentionCombineOp combine) {
            emitAttentionCombine(combine, *description);
          })
          .Case([&](packed::AttentionTileOp tile) { emitAttentionTile(tile, *description); })
          .Case([&](packed::GatherOp gather) { emitGather(gather, *description); })
          .Case([&](packed::MatmulTileOp tile) { result = emitMatmulTile(tile, *description); })
          .Case([&](packed::QuantizeActivationsOp quantize) {
            if (!fused.contains(quantize))
              emitQuantizeActivations(quantize, *description);
          })
          .Case([&](packed::RMSNormOp norm) {
            NormFusion fusion = fuseNorm(norm, *description);
            fused.insert_range(fusion.quantizations);
            emitRMSNorm(norm, fusion, *description);
          })
          .Case([&](packed::RotaryOp rotary) { emitRotary(rotary, *description); })
          .Case(
              [&](packed::SplitActivationsOp split) { emitSplitActivations(split, *description); })
          .Case([&](CacheUpdateOp update) { emitCacheUpdate(update, *description); });
      if (failed(result))
        return signalPassFailure();
      op->erase();
    }
  }
};

} // namespace
} // namespace stc
