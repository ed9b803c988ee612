// Result shapes of the stc operations that compute on tensors.
#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace stc;

/// f32 activations with the tokens of `tokensFrom` (its dimension 0) and `columns` columns.
static Type activations(Value tokensFrom, int64_t columns) {
  int64_t tokens = cast<RankedTensorType>(tokensFrom.getType()).getDimSize(0);
  return RankedTensorType::get({tokens, columns}, Float32Type::get(tokensFrom.getContext()));
}

static int64_t columnsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

#define STC_INFER_SHAPE(Op, tokensFrom, columns)                                                   \
  LogicalResult Op::inferReturnTypes(MLIRContext *, std::optional<Location>, Op::Adaptor adaptor,  \
                                     SmallVectorImpl<Type> &results) {                             \
    results.push_back(activations(tokensFrom, columns));                                           \
    return success();                                                                              \
  }

STC_INFER_SHAPE(EmbeddingOp, adaptor.getTokens(), columnsOf(adaptor.getTable()))
STC_INFER_SHAPE(LinearOp, adaptor.getInput(),
                cast<RankedTensorType>(adaptor.getWeight().getType()).getDimSize(0))
STC_INFER_SHAPE(PermuteFeaturesOp, adaptor.getInput(), columnsOf(adaptor.getOrder()))
STC_INFER_SHAPE(RMSNormOp, adaptor.getInput(), columnsOf(adaptor.getInput()))
STC_INFER_SHAPE(LayerNormOp, adaptor.getInput(), columnsOf(adaptor.getInput()))
STC_INFER_SHAPE(ScaleOp, adaptor.getInput(), columnsOf(adaptor.getInput()))
STC_INFER_SHAPE(ClampOp, adaptor.getInput(), columnsOf(adaptor.getInput()))
STC_INFER_SHAPE(SoftCapOp, adaptor.getInput(), columnsOf(adaptor.getInput()))
STC_INFER_SHAPE(ActivationOp, adaptor.getInput(), columnsOf(adaptor.getInput()))
STC_INFER_SHAPE(GatedActivationOp, adaptor.getGate(), columnsOf(adaptor.getGate()))
STC_INFER_SHAPE(RotaryEmbeddingOp, adaptor.getInput(), columnsOf(adaptor.getInput()))
STC_INFER_SHAPE(TopKGateOp, adaptor.getLogits(), columnsOf(adaptor.getLogits()))
STC_INFER_SHAPE(AttentionOp, adaptor.getQueries(), columnsOf(adaptor.getQueries()))

#undef STC_INFER_SHAPE

LogicalResult PositionsOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                            PositionsOp::Adaptor adaptor,
                                            SmallVectorImpl<Type> &results) {
  results.push_back(adaptor.getTokens().getType());
  return success();
}

LogicalResult RotaryTableOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                              RotaryTableOp::Adaptor adaptor,
                                              SmallVectorImpl<Type> &results) {
  results.append(2, activations(adaptor.getTokens(), adaptor.getInverseFrequencies().size()));
  return success();
}
