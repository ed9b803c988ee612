// packed-select-block-config: chooses how blocks of threads tile every packed.matmul and
// packed.attention.
#include "AttentionMatrix.h"
#include "WorkModel.h"

#include "stc/Dialect/Packed/Transforms/TiledPhase.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SELECTBLOCKCONFIGPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

class SelectBlockConfig final : public impl::SelectBlockConfigPassBase<SelectBlockConfig> {
public:
  using SelectBlockConfigPassBase::SelectBlockConfigPassBase;

  void runOnOperation() override {
    auto description = gpu::TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    if (maxTokens < 1) {
      getOperation().emitError("packed-select-block-config: expects max-tokens of at least 1, "
                               "but got ")
          << maxTokens.getValue();
      return signalPassFailure();
    }
    getOperation().walk([&](packed::AttentionOp op) {
      KVCacheLayout layout = cast<KVCacheType>(op.getCache().getType()).getLayout();
      int64_t shared = op.getHeads() / layout.kvHeads;
      int64_t rows = gpu::MatrixAttention::chooseRows(layout, shared, *description);
      if (rows != 0)
        op->setAttr(kRowsPerTileAttr, Builder(&getContext()).getI64IntegerAttr(rows));
    });
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      gpu::TokenRange range{1, maxTokens};
      if (auto own = function->getAttrOfType<DenseI64ArrayAttr>(gpu::kTokenRangeAttr))
        range = {own[0], own[1]};
      function.walk([&](packed::MatmulOp op) {
        if (!op.getConfigAttr())
          op.setConfigAttr(gpu::chooseBlockConfig(op, *description, range));
      });
      function->removeAttr(gpu::kTokenRangeAttr);
    }
  }
};

} // namespace
} // namespace stc
