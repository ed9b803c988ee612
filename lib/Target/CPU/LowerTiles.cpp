// packed-lower-tiles: writes the loops of every kernel.
#include "TileLowerings.h"

#include "stc/Target/CPU/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc::cpu;

void stc::cpu::forEachToken(KernelBuilder &builder, Value matrix, function_ref<void(Value)> body) {
  Value zero = builder.index(0);
  auto type = cast<MemRefType>(matrix.getType());
  if (type.getDimSize(0) == 1)
    return body(zero);
  builder.loop(zero, builder.createOrFold<memref::DimOp>(matrix, zero), 1, body);
}

namespace stc {

#define GEN_PASS_DEF_LOWERTILESPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

class LowerTiles final : public impl::LowerTilesPassBase<LowerTiles> {
public:
  using LowerTilesPassBase::LowerTilesPassBase;

  void runOnOperation() override {
    auto description = TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    SmallVector<Operation *> operations;
    getOperation().walk([&](Operation *op) {
      if (isa<packed::AttentionCombineOp, packed::AttentionTileOp, packed::GatherOp,
              packed::MatmulTileOp, packed::QuantizeActivationsOp, packed::RMSNormOp,
              packed::RotaryOp, packed::SplitActivationsOp, CacheUpdateOp>(op))
        operations.push_back(op);
    });
    for (Operation *op : operations) {
      if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>)) {
        op->emitOpError("expects memrefs: bufferization comes before kernels");
        return signalPassFailure();
      }
      if (auto tile = dyn_cast<packed::MatmulTileOp>(op);
          tile && cast<MemRefType>(tile.getInputs()[0].getType()).getElementType().isF16()) {
        op->emitOpError("expects int8 activations for quantized weights on processors");
        return signalPassFailure();
      }
      if (auto quantize = dyn_cast<packed::QuantizeActivationsOp>(op);
          quantize && quantize.isWhole()) {
        op->emitOpError("expects a scale for each group of activations on processors");
        return signalPassFailure();
      }
      TypeSwitch<Operation *>(op)
          .Case([&](packed::AttentionCombineOp combine) {
            emitAttentionCombine(combine, *description);
          })
          .Case([&](packed::AttentionTileOp tile) { emitAttentionTile(tile, *description); })
          .Case([&](packed::GatherOp gather) { emitGather(gather, *description); })
          .Case([&](packed::MatmulTileOp tile) { emitMatmulTile(tile, *description); })
          .Case([&](packed::QuantizeActivationsOp quantize) {
            emitQuantizeActivations(quantize, *description);
          })
          .Case([&](packed::RMSNormOp norm) { emitRMSNorm(norm, *description); })
          .Case([&](packed::RotaryOp rotary) { emitRotary(rotary, *description); })
          .Case(
              [&](packed::SplitActivationsOp split) { emitSplitActivations(split, *description); })
          .Case([&](CacheUpdateOp update) { emitCacheUpdate(update, *description); });
      op->erase();
    }
  }
};

} // namespace
} // namespace stc
