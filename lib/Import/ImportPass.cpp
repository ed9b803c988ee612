// stc-import: fills an empty module with the graph of a checkpoint.
#include "stc/Import/Passes.h"

#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Import/Import.h"

using namespace mlir;

namespace stc {
#define GEN_PASS_DEF_IMPORTCHECKPOINT
#include "stc/Import/Passes.h.inc"
} // namespace stc

using namespace stc;

namespace {

struct ImportCheckpointPass : stc::impl::ImportCheckpointBase<ImportCheckpointPass> {
  using ImportCheckpointBase::ImportCheckpointBase;

  void runOnOperation() override {
    if (failed(fill(getOperation())))
      signalPassFailure();
  }

  LogicalResult fill(ModuleOp module) {
    if (!module.getBody()->empty())
      return module.emitError("stc-import: expected an empty module, got one with operations");
    if (path.empty())
      return module.emitError("stc-import: expected the option path to name a checkpoint, got none");
    auto checkpoint = Checkpoint::open(path);
    if (!checkpoint.ok())
      return emitStatus(module, checkpoint.status());
    ImportOptions options;
    options.maxContext = maxContext;
    auto element = parseKVElement(kvCache);
    if (!element.ok())
      return emitStatus(module, element.status());
    options.kvCache = *element;
    auto imported = importCheckpoint(getContext(), **checkpoint, options);
    if (!imported.ok())
      return emitStatus(module, imported.status());
    module->setDiscardableAttrs((**imported)->getDiscardableAttrDictionary());
    module.getBodyRegion().takeBody((**imported).getBodyRegion());
    return success();
  }
};

} // namespace
