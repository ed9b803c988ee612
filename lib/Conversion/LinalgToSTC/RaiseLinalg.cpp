// stc-raise-linalg: operations of linalg as the stc operations that they spell out.
#include "Attention.h"
#include "FindWeight.h"
#include "Patterns.h"
#include "RaiseTokens.h"

#include "stc/Conversion/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

#include <cmath>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_RAISELINALGPASS
#include "stc/Conversion/Passes.h.inc"

namespace {

/// One float for each column of `activations`.
bool isVectorFor(Value value, Type activations) {
  auto vector = dyn_cast<RankedTensorType>(value.getType());
  return vector && vector.getRank() == 1 && isa<FloatType>(vector.getElementType()) &&
         vector.getDimSize(0) == cast<RankedTensorType>(activations).getDimSize(1);
}

/// input * weight^T (+ bias).
struct LinearPattern {
  Value input, weight, bias;
};

/// One linalg operation on its way to stc: what it became, or why it stays.
class Raiser {
public:
  explicit Raiser(linalg::LinalgOp op) : op(op), builder(op) {}

  /// Makes the stc operation of this one's result; null if none is found.
  Value raise();
  /// What this operation would have had to be.
  std::string expected();

private:
  Value raiseLinear();
  Value raiseElementwise(int64_t depth);
  Value raiseActivation();
  std::optional<LinearPattern> matchLinear(linalg::LinalgOp matmul);
  Value createLinear(const LinearPattern &linear) {
    return LinearOp::create(builder, op.getLoc(), op->getResultTypes()[0], linear.input,
                            linear.weight, linear.bias);
  }

  linalg::LinalgOp op;
  OpBuilder builder;
};

} // namespace

Value Raiser::raise() {
  if (op->getNumResults() != 1 || !op.hasPureTensorSemantics() ||
      !isActivations(op->getResult(0).getType()))
    return {};
  if (Value linear = raiseLinear())
    return linear;
  if (Value activation = raiseActivation())
    return activation;
  // The least deep match: what it leaves whole is raised by itself.
  for (int64_t depth = 1; depth <= kDeepest; ++depth)
    if (Value raised = raiseElementwise(depth))
      return raised;
  return {};
}

Value Raiser::raiseLinear() {
  std::optional<LinearPattern> linear = matchLinear(op);
  return linear ? createLinear(*linear) : Value();
}

/// The tensors of the result's type that operations on elements compute it from, nearest first.
static SmallVector<Value> operandsInside(linalg::LinalgOp op) {
  constexpr size_t kMost = 16;
  llvm::SetVector<Value> found;
  Value result = op->getResult(0);
  found.insert(result);
  for (size_t i = 0; i < found.size() && found.size() < kMost; ++i) {
    auto inner = found[i].getDefiningOp<linalg::LinalgOp>();
    if (!inner || inner.getNumReductionLoops() != 0)
      continue;
    for (Value input : inner.getDpsInputs())
      if (input.getType() == result.getType())
        found.insert(input);
  }
  return llvm::to_vector(llvm::drop_begin(found));
}

/// A nonlinearity in single operations, whose input is read at several depths.
Value Raiser::raiseActivation() {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  for (Value input : operandsInside(op)) {
    ScalarExprs exprs(kDeepest, type.getShape());
    exprs.keep(input);
    auto found = matchActivation(exprs, exprs.whole(op->getResult(0)));
    if (!found || found->input != input || (found->up && found->up.getType() != type))
      continue;
    if (found->up)
      return GatedActivationOp::create(builder, op.getLoc(), input, found->up, found->kind);
    return ActivationOp::create(builder, op.getLoc(), type, input, found->kind);
  }
  return {};
}

Value Raiser::raiseElementwise(int64_t depth) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  ScalarExprs exprs(depth, type.getShape());
  const ScalarExpr *root = exprs.whole(op->getResult(0));
  auto fits = [&](Value value) { return value.getType() == type; };
  auto isNorm = [&](const std::optional<NormPattern> &norm) {
    return norm && fits(norm->input) && std::isfinite(norm->gain) &&
           (!norm->weight || isVectorFor(norm->weight, type)) &&
           (!norm->bias || isVectorFor(norm->bias, type)) && std::isfinite(norm->epsilon) &&
           norm->epsilon >= 0;
  };
  auto weightOf = [&](const NormPattern &norm) -> Value {
    if (norm.weight)
      return norm.weight;
    auto vector = RankedTensorType::get({type.getDimSize(1)}, type.getElementType());
    return arith::ConstantOp::create(
        builder, loc, DenseElementsAttr::get(vector, APFloat(static_cast<float>(norm.gain))));
  };
  if (auto norm = matchLayerNorm(exprs, root); isNorm(norm))
    return LayerNormOp::create(builder, loc, type, norm->input, weightOf(*norm), norm->bias,
                               builder.getF64FloatAttr(norm->epsilon),
                               builder.getI64IntegerAttr(1));
  if (auto norm = matchRMSNorm(exprs, root); isNorm(norm))
    return RMSNormOp::create(builder, loc, type, norm->input, weightOf(*norm),
                             builder.getF64FloatAttr(norm->epsilon), builder.getI64IntegerAttr(1));
  auto binary = matchBinary(exprs, root);
  // Only what the operation itself says: deeper, patterns are to be found first.
  if (!binary || !fits(binary->left))
    return {};
  if (binary->vector) {
    // A vector added to a product is its bias.
    auto matmul = binary->left.getDefiningOp<linalg::LinalgOp>();
    std::optional<LinearPattern> linear =
        matmul && binary->operation == "arith.addf" ? matchLinear(matmul) : std::nullopt;
    if (!linear || linear->bias || !isVectorFor(binary->vector, type))
      return {};
    linear->bias = binary->vector;
    return createLinear(*linear);
  }
  if (depth < kDeepest)
    return {};
  if (binary->factor)
    return ScaleOp::create(builder, loc, type, binary->left,
                           builder.getF64FloatAttr(*binary->factor));
  if (!fits(binary->right))
    return {};
  OperationState state(loc, binary->operation, {binary->left, binary->right}, type);
  return builder.create(state)->getResult(0);
}

std::optional<LinearPattern> Raiser::matchLinear(linalg::LinalgOp matmul) {
  if (!linalg::isaContractionOpInterface(matmul) || matmul.getNumLoops() != 3 ||
      matmul->getNumResults() != 1 || !isActivations(matmul->getResult(0).getType()))
    return std::nullopt;
  // A contraction may round its operands; a widening changes nothing.
  if (!llvm::all_of(matmul.getBlock()->without_terminator(),
                    llvm::IsaPred<arith::ExtFOp, arith::MulFOp, arith::AddFOp>))
    return std::nullopt;
  FailureOr<linalg::ContractionDimensions> dims = linalg::inferContractionDims(matmul);
  if (failed(dims) || dims->m.size() != 1 || dims->n.size() != 1 || dims->k.size() != 1)
    return std::nullopt;
  auto dim = [&](unsigned position) { return getAffineDimExpr(position, matmul.getContext()); };
  AffineExpr tokens = dim(dims->m[0]), outputs = dim(dims->n[0]), inputs = dim(dims->k[0]);
  SmallVector<AffineMap> maps = matmul.getIndexingMapsArray();
  auto is = [](AffineMap map, AffineExpr first, AffineExpr second) {
    return map.getResults() == ArrayRef<AffineExpr>{first, second};
  };
  Value left = matmul->getOperand(0), right = matmul->getOperand(1);
  if (!is(maps[2], tokens, outputs) || !is(maps[0], tokens, inputs) ||
      !isActivations(left.getType()))
    return std::nullopt;
  LinearPattern linear{left, findWeight(builder, right, maps[1], outputs, inputs), {}};
  if (!linear.weight)
    return std::nullopt;
  ScalarExprs exprs(kDeepest, cast<RankedTensorType>(matmul->getResult(0).getType()).getShape());
  const ScalarExpr *start = exprs.whole(matmul.getDpsInits()[0]);
  if (exprs.number(start) == std::optional(0.0))
    return linear;
  linear.bias = exprs.columnVector(start);
  if (!linear.bias || !isVectorFor(linear.bias, matmul->getResult(0).getType()))
    return std::nullopt;
  return linear;
}

std::string Raiser::expected() {
  if (linalg::isaContractionOpInterface(op)) {
    if (op.getNumLoops() > 3)
      return "products of whole rows of activations, or a part of an attention: softmax(scale * "
             "queries . keys, causal or of all) * values, of activations whose columns are heads";
    return "activations times a weight of [outputs, inputs], by its indexing maps or by a "
           "linalg.transpose, on zeros or a bias";
  }
  return "a part of an RMS or layer normalization, a nonlinearity (silu, gelu, gelu_tanh, relu, "
         "sigmoid), a "
         "multiple, or a sum, difference or product of two tensors of [tokens, columns]";
}

namespace {

class RaiseLinalg final : public impl::RaiseLinalgPassBase<RaiseLinalg> {
public:
  using RaiseLinalgPassBase::RaiseLinalgPassBase;

  void runOnOperation() override {
    // Whole attentions first: their parts mean nothing else.
    for (auto function : getOperation().getOps<func::FuncOp>())
      operationsRaised += raiseTokens(function, capacity);
    // From the last to the first: a pattern is seen from its result, and what only it reads is
    // gone when its turn comes.
    SmallVector<Operation *> operations;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      // Bodies go with their operation.
      bool isLinalg = isa<linalg::LinalgOp, linalg::SoftmaxOp>(op);
      if (isLinalg || isa_and_nonnull<tensor::TensorDialect>(op->getDialect()) ||
          op->hasTrait<OpTrait::ConstantLike>())
        operations.push_back(op);
      return isLinalg ? WalkResult::skip() : WalkResult::advance();
    });
    SmallVector<Operation *> left;
    for (Operation *op : llvm::reverse(operations)) {
      if (isOpTriviallyDead(op)) {
        op->erase();
        continue;
      }
      auto structured = dyn_cast<linalg::LinalgOp>(op);
      if (!structured && !isa<linalg::SoftmaxOp>(op))
        continue;
      if (Value raised = structured ? Raiser(structured).raise() : Value()) {
        op->getResult(0).replaceAllUsesWith(raised);
        op->erase();
        ++operationsRaised;
        continue;
      }
      left.push_back(op);
    }
    for (Operation *op : llvm::reverse(left)) {
      // Zeros and copies are there for operations that are left themselves.
      auto structured = dyn_cast<linalg::LinalgOp>(op);
      if (isa<linalg::FillOp, linalg::BroadcastOp, linalg::TransposeOp>(op))
        continue;
      ++operationsLeft;
      std::string expected =
          structured
              ? Raiser(structured).expected()
              : "a part of an attention: softmax(scale * queries . keys, causal or of all) * "
                "values, of activations whose columns are heads";
      op->emitRemark() << "not raised: expected " << expected;
    }
  }
};

} // namespace
} // namespace stc
