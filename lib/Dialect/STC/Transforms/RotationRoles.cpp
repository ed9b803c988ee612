// What a rotation of the hidden state, and of the values in attention, means for each weight.
#include "RotationRoles.h"

#include "LayerStructure.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace stc {

namespace {

/// Everything that is the hidden state: what a value of it is added to, passed on as, or made from
/// is the hidden state too.
class HiddenState {
public:
  HiddenState(func::FuncOp encode, func::FuncOp forward, func::FuncOp head, RotationRoles &roles)
      : encode(encode), forward(forward), head(head), roles(roles) {}

  LogicalResult follow() {
    for (func::FuncOp function : {encode, forward})
      if (function)
        function->walk([&](EmbeddingOp op) { add(op.getResult()); });
    for (size_t next = 0; next < values.size(); ++next) { // which grows meanwhile
      Value value = values[next];
      if (failed(checkSize(value)) || failed(visitOrigin(value)) || failed(visitUses(value)))
        return failure();
    }
    return success();
  }

private:
  void add(Value value) {
    if (known.insert(value).second)
      values.push_back(value);
  }

  LogicalResult checkSize(Value value) {
    int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(1);
    if (roles.hidden == 0)
      roles.hidden = size;
    if (size == roles.hidden)
      return success();
    return emitError(value.getLoc(), "stc-fold-rotations: expects one hidden state of ")
           << roles.hidden << " channels, got another of " << size;
  }

  LogicalResult unsupported(Operation *op) {
    return op->emitError("stc-fold-rotations: expects a hidden state that stc.embedding and "
                         "stc.linear write, stc.scale scales, arith.addf sums and stc.rms_norm "
                         "and stc.linear read, got ")
           << op->getName();
  }

  /// The role of the weight that an operand is; the caller says what is to become of it.
  FailureOr<RotationRole *> roleOf(OpOperand &operand) {
    if (!weightOf(operand.get()))
      return operand.getOwner()->emitError("stc-fold-rotations: expects weights that "
                                           "stc.get_weight reads, got another value");
    return &roles.readers[&operand];
  }

  LogicalResult readHidden(LinearOp linear, WeightOp gains) {
    auto role = roleOf(linear.getWeightMutable());
    if (failed(role))
      return failure();
    (*role)->columns = true;
    (*role)->gains = gains;
    return success();
  }

  LogicalResult writeHidden(LinearOp linear) {
    auto role = roleOf(linear.getWeightMutable());
    if (failed(role))
      return failure();
    (*role)->rows = true;
    for (OpOperand &bias : linear.getBiasMutable()) {
      auto added = roleOf(bias);
      if (failed(added))
        return failure();
      (*added)->rows = true;
    }
    return success();
  }

  /// What gives the value has to give it rotated.
  LogicalResult visitOrigin(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      Operation *parent = argument.getOwner()->getParentOp();
      if (auto layer = dyn_cast<LayerOp>(parent))
        add(layer.getInput());
      else if (parent == head && argument.getArgNumber() == 0)
        add(forward.getBody().front().getTerminator()->getOperand(0));
      else
        return unsupported(parent);
      return success();
    }
    Operation *op = value.getDefiningOp();
    if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
      auto role = roleOf(embedding.getTableMutable());
      if (failed(role))
        return failure();
      (*role)->columns = true;
      return success();
    }
    if (auto linear = dyn_cast<LinearOp>(op))
      return writeHidden(linear);
    if (auto sum = dyn_cast<arith::AddFOp>(op)) {
      add(sum.getLhs());
      add(sum.getRhs());
      return success();
    }
    if (auto scale = dyn_cast<ScaleOp>(op)) {
      add(scale.getInput());
      return success();
    }
    if (isa<LayerOp, ExpertOp>(op)) {
      add(op->getRegion(0).front().getTerminator()->getOperand(0));
      if (auto expert = dyn_cast<ExpertOp>(op))
        add(expert.getAccumulator());
      return success();
    }
    return unsupported(op);
  }

  /// What reads the value has to take it rotated.
  LogicalResult visitUses(Value value) {
    for (OpOperand &use : value.getUses()) {
      Operation *op = use.getOwner();
      auto expert = dyn_cast<ExpertOp>(op);
      if (isa<arith::AddFOp, ScaleOp>(op) || (expert && &use == &expert.getAccumulatorMutable())) {
        add(op->getResult(0));
      } else if (auto layer = dyn_cast<LayerOp>(op)) {
        add(layer.getBody().getArgument(0));
      } else if (isa<YieldOp>(op)) {
        add(op->getParentOp()->getResult(0));
      } else if (auto norm = dyn_cast<RMSNormOp>(op); norm && norm.getGroups() == 1) {
        auto role = roleOf(norm.getWeightMutable());
        if (failed(role))
          return failure();
        (*role)->isGain = true;
        if (failed(visitNormalized(norm.getResult(), weightOf(norm.getWeight()))))
          return failure();
      } else if (auto linear = dyn_cast<LinearOp>(op);
                 linear && &use == &linear.getInputMutable()) {
        if (failed(readHidden(linear, WeightOp())))
          return failure();
      } else if (isResultOfForward(use)) {
        add(head.getArgument(0));
      } else {
        return unsupported(op);
      }
    }
    return success();
  }

  /// Readers of a norm's result, which take over its gains.
  LogicalResult visitNormalized(Value value, WeightOp gains) {
    for (OpOperand &use : value.getUses()) {
      auto linear = dyn_cast<LinearOp>(use.getOwner());
      auto expert = dyn_cast<ExpertOp>(use.getOwner());
      LogicalResult visited =
          linear && &use == &linear.getInputMutable() ? readHidden(linear, gains)
          : expert && &use == &expert.getInputMutable()
              ? visitNormalized(expert.getBody().getArgument(0), gains)
          // What an encoder gives passes those that keep keys of it.
          : isa<LayerOp>(use.getOwner())
              ? visitNormalized(cast<LayerOp>(use.getOwner()).getBody().getArgument(0), gains)
          : isa<YieldOp>(use.getOwner()) && isa<LayerOp>(use.getOwner()->getParentOp())
              ? visitNormalized(use.getOwner()->getParentOp()->getResult(0), gains)
          : isResultOfForward(use) ? visitNormalized(head.getArgument(0), gains)
                                   : unsupported(use.getOwner());
      if (failed(visited))
        return failure();
    }
    return success();
  }

  bool isResultOfForward(OpOperand &use) {
    return use.getOwner() == forward.getBody().front().getTerminator() &&
           use.getOperandNumber() == 0;
  }

  func::FuncOp encode, forward, head; // no `encode` of a decoder alone
  RotationRoles &roles;
  SmallVector<Value> values; // in the order they were found
  llvm::DenseSet<Value> known;
};

/// The values that a layer caches are sums over inputs, and what attention gives are sums over
/// values: a rotation of each head passes through both.
LogicalResult findValues(func::FuncOp forward, RotationRoles &roles) {
  auto layers = findLayerStructures(forward, {});
  if (failed(layers))
    return failure();
  for (LayerStructure &found : *layers) {
    if (!found.attention || found.attention->update.getValues() != found.attention->v.getResult()) {
      roles.valuesUnmoved.push_back(found.layer);
      continue;
    }
    ++roles.valuesMoved;
    SelfAttention &attention = *found.attention;
    auto setRows = [&](OpOperand &operand) {
      RotationRole &role = roles.readers[&operand];
      role.valueRows = attention.headDim;
      role.layer = int64_t(found.layer.getIndex());
    };
    setRows(attention.v.getWeightMutable());
    for (OpOperand &bias : attention.v.getBiasMutable())
      setRows(bias);
    RotationRole &role = roles.readers[&attention.o.getWeightMutable()];
    role.valueColumns = attention.headDim;
    role.layer = int64_t(found.layer.getIndex());
  }
  return success();
}

} // namespace

FailureOr<RotationRoles> findRotationRoles(ModuleOp module) {
  auto function = [&](StringRef name) { return module.lookupSymbol<func::FuncOp>(name); };
  func::FuncOp encode = function("encode"), forward = function("forward");
  RotationRoles roles;
  if (failed(HiddenState(encode, forward, function("head"), roles).follow()))
    return failure();
  for (func::FuncOp each : {encode, forward})
    if (each && failed(findValues(each, roles)))
      return failure();
  return roles;
}

} // namespace stc
