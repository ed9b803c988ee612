// How the operations that survive to the packed phase become operations on memrefs.
#include "stc/Dialect/Packed/Transforms/BufferizableOpInterfaceImpl.h"
#include "stc/Dialect/Packed/IR/PackedRouting.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace mlir::bufferization;

namespace stc::packed {
namespace {

/// The operands of `op` with buffers in place of tensors.
FailureOr<SmallVector<Value>> bufferOperands(Operation *op, RewriterBase &rewriter,
                                             const BufferizationOptions &options,
                                             BufferizationState &state) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (isa<RankedTensorType>(operand.getType())) {
      FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      operand = *buffer;
    }
    operands.push_back(operand);
  }
  return operands;
}

/// Destination-style operations write all of their outs and read none of it, but for the one that
/// adds to it.
template <typename Op>
struct DestinationModel : DstBufferizableOpInterfaceExternalModel<DestinationModel<Op>, Op> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return std::is_same_v<Op, ScatterAddOp> || !cast<Op>(op).isDpsInit(&operand);
  }

  /// True if every element is read before the same element is written, so that these operands may
  /// share a buffer.
  bool bufferizesToElementwiseAccess(Operation *op, const AnalysisState &,
                                     ArrayRef<OpOperand *> operands) const {
    return llvm::all_of(operands, [op](OpOperand *operand) {
      if (cast<Op>(op).isDpsInit(operand))
        return true;
      if constexpr (std::is_same_v<Op, MatmulOp>)
        return operand->get() == cast<MatmulOp>(op).getResidual() &&
               !llvm::is_contained(cast<MatmulOp>(op).getInputs(), operand->get());
      if constexpr (std::is_same_v<Op, RotaryOp>)
        return operand == &cast<RotaryOp>(op).getInputMutable();
      if constexpr (std::is_same_v<Op, RMSNormOp>)
        return operand == &cast<RMSNormOp>(op).getInputMutable();
      return false;
    });
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> operands = bufferOperands(op, rewriter, options, state);
    if (failed(operands))
      return failure();
    auto bufferized = cast<Op>(clone(rewriter, op, TypeRange(), *operands));
    replaceOpWithBufferizedValues(rewriter, op, bufferized.getDpsInits());
    return success();
  }
};

/// A vector weight is memory nobody may write.
struct VectorModel : BufferizableOpInterface::ExternalModel<VectorModel, VectorOp> {
  bool isWritable(Operation *, Value, const AnalysisState &) const { return false; }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    auto vector = cast<VectorOp>(op);
    auto type = cast<RankedTensorType>(vector.getType());
    replaceOpWithNewBufferizedOp<VectorOp>(
        rewriter, op, MemRefType::get(type.getShape(), type.getElementType()), vector.getWeight());
    return success();
  }
};

/// The cache is written, the tensors are only read.
struct CacheUpdateModel : BufferizableOpInterface::ExternalModel<CacheUpdateModel, CacheUpdateOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &, const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &, const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &, const AnalysisState &) const {
    return {};
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    FailureOr<SmallVector<Value>> operands = bufferOperands(op, rewriter, options, state);
    if (failed(operands))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op->setOperands(*operands); });
    return success();
  }
};

} // namespace

void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, PackedDialect *) {
    AttentionOp::attachInterface<DestinationModel<AttentionOp>>(*context);
    GatherOp::attachInterface<DestinationModel<GatherOp>>(*context);
    GroupedGateOp::attachInterface<DestinationModel<GroupedGateOp>>(*context);
    GatherTokensOp::attachInterface<DestinationModel<GatherTokensOp>>(*context);
    MatmulOp::attachInterface<DestinationModel<MatmulOp>>(*context);
    PermuteFeaturesOp::attachInterface<DestinationModel<PermuteFeaturesOp>>(*context);
    QuantizeActivationsOp::attachInterface<DestinationModel<QuantizeActivationsOp>>(*context);
    RMSNormOp::attachInterface<DestinationModel<RMSNormOp>>(*context);
    RotaryOp::attachInterface<DestinationModel<RotaryOp>>(*context);
    ScatterAddOp::attachInterface<DestinationModel<ScatterAddOp>>(*context);
    SelectTokensOp::attachInterface<DestinationModel<SelectTokensOp>>(*context);
    SplitActivationsOp::attachInterface<DestinationModel<SplitActivationsOp>>(*context);
    TopKGateOp::attachInterface<DestinationModel<TopKGateOp>>(*context);
    VectorOp::attachInterface<VectorModel>(*context);
  });
  registry.addExtension(+[](MLIRContext *context, STCDialect *) {
    CacheUpdateOp::attachInterface<CacheUpdateModel>(*context);
  });
}

} // namespace stc::packed
