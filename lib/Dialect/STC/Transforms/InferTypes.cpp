// Result types of a graph whose inputs changed theirs.
#include "InferTypes.h"

using namespace mlir;

namespace stc {

LogicalResult inferResultTypes(Block &block) {
  for (Operation &op : block) {
    if (auto layer = dyn_cast<LayerOp>(op)) {
      Block &body = layer.getBody().front();
      body.getArgument(0).setType(layer.getInput().getType());
      if (failed(inferResultTypes(body)))
        return failure();
      layer.getResult().setType(layer.getInput().getType());
      continue;
    }
    if (auto expert = dyn_cast<ExpertOp>(op)) {
      Block &body = expert.getBody().front();
      body.getArgument(0).setType(expert.getInput().getType());
      if (failed(inferResultTypes(body)))
        return failure();
      expert.getResult().setType(expert.getAccumulator().getType());
      continue;
    }
    if (op.getNumResults() == 0)
      continue;
    auto infer = dyn_cast<InferTypeOpInterface>(op);
    if (!infer) {
      auto isDynamic = [](Type type) {
        auto shaped = dyn_cast<ShapedType>(type);
        return shaped && !shaped.hasStaticShape();
      };
      if (llvm::any_of(op.getResultTypes(), isDynamic) || op.getNumRegions() != 0)
        return emitError(op.getLoc(),
                         "expected an operation whose result types can be inferred, got ")
               << op.getName();
      continue;
    }
    SmallVector<Type> types;
    if (failed(infer.inferReturnTypes(op.getContext(), op.getLoc(), op.getOperands(),
                                      op.getAttrDictionary(), op.getPropertiesStorage(),
                                      op.getRegions(), types)))
      return failure();
    for (auto [result, type] : llvm::zip_equal(op.getResults(), types))
      result.setType(type);
  }
  return success();
}

} // namespace stc
