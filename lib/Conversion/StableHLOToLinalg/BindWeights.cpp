// stablehlo-bind-weights: arguments of a graph as the weights of a checkpoint.
#include "stc/Conversion/Passes.h"
#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Dialect/StableHLO/IR/StableHLO.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_BINDSTABLEHLOWEIGHTSPASS
#include "stc/Conversion/Passes.h.inc"

namespace {

constexpr llvm::StringLiteral kSource = "stc.source";

/// The name that an argument has in the checkpoint: its attribute's, or its location's.
std::string sourceOf(func::FuncOp function, unsigned argument) {
  if (auto named = function.getArgAttrOfType<StringAttr>(argument, kSource))
    return named.str();
  if (auto named = dyn_cast<NameLoc>(function.getArgument(argument).getLoc()))
    return named.getName().str();
  return {};
}

class BindWeights final : public impl::BindStableHLOWeightsPassBase<BindWeights> {
public:
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal() || !module->hasAttr("stc.checkpoint"))
      return;
    SymbolTable symbols(module);
    llvm::BitVector bound(main.getNumArguments());
    for (BlockArgument argument : main.getArguments()) {
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      if (!type || !isa<FloatType>(type.getElementType()))
        continue;
      unsigned number = argument.getArgNumber();
      std::string source = sourceOf(main, number);
      if (source.empty()) {
        main.emitError() << "expected the name of a tensor of the checkpoint for argument "
                         << number << ", as its attribute " << kSource
                         << " or its location, got none";
        return signalPassFailure();
      }
      if (!type.hasStaticShape() || type.getRank() < 1 || type.getRank() > 2) {
        main.emitError() << "expected a weight of 1 or 2 dimensions for argument " << number
                         << ", got " << type;
        return signalPassFailure();
      }
      OpBuilder builder(main);
      auto weight =
          WeightOp::create(builder, main.getLoc(), builder.getStringAttr("params." + source),
                           TypeAttr::get(type), builder.getStringAttr(source), {}, {},
                           /*transposed=*/UnitAttr(), {}, {}, {}, {}, {});
      symbols.insert(weight);
      builder.setInsertionPointToStart(&main.front());
      Value value = GetWeightOp::create(builder, main.getLoc(), type,
                                        FlatSymbolRefAttr::get(weight.getSymNameAttr()));
      argument.replaceAllUsesWith(value);
      bound.set(number);
    }
    (void)main.eraseArguments(bound);
  }
};

} // namespace
} // namespace stc
