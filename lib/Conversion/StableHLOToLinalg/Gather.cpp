// Gathers as linalg.generic that reads one element each.
#include "Lowering.h"

using namespace mlir;

namespace stc::stablehlo {

namespace {

/// Reads the elements of one gather.
class GatherWriter {
public:
  GatherWriter(Lowering &lowering, GatherOp op)
      : lowering(lowering), op(op), numbers(op.getDimensionNumbers()),
        starts(cast<RankedTensorType>(op.getStartIndices().getType())),
        operand(cast<RankedTensorType>(op.getOperand().getType())),
        result(cast<RankedTensorType>(op.getType())),
        batchDims(otherDims(result.getRank(), {numbers.getOffsetDims()})),
        startDims(otherDims(starts.getRank(), {{numbers.getIndexVectorDim()}})) {
    SmallVector<int64_t> dropped(numbers.getCollapsedSliceDims());
    llvm::append_range(dropped, numbers.getOperandBatchingDims());
    offsetDims = otherDims(operand.getRank(), {dropped});
  }

  Value write();

private:
  /// The numbers of all starts for one place of their vectors.
  Value startsFor(size_t place);
  /// The index in dimension `dim` of the operand; `arguments` are the starts.
  Value indexIn(OpBuilder &builder, Location loc, int64_t dim, ValueRange arguments);
  /// The index in dimension `dim` of the result; null where it is 0.
  Value loop(OpBuilder &builder, Location loc, int64_t dim) {
    SmallVector<int64_t> lowered = loweredDims(result, {dim});
    return lowered.empty() ? Value() : linalg::IndexOp::create(builder, loc, uint64_t(lowered[0]));
  }

  Lowering &lowering;
  GatherOp op;
  GatherDimensionNumbersAttr numbers;
  RankedTensorType starts, operand, result;
  // Dimensions of the result that those of the starts are, and of the operand that offsets are in.
  SmallVector<int64_t> batchDims, startDims, offsetDims;
};

} // namespace

Value GatherWriter::startsFor(size_t place) {
  Value all = lowering.get(op.getStartIndices());
  SmallVector<int64_t> vector = loweredDims(starts, {numbers.getIndexVectorDim()});
  if (numbers.getIndexVectorDim() == starts.getRank() || vector.empty())
    return all;
  auto type = cast<RankedTensorType>(all.getType());
  SmallVector<OpFoldResult> offsets(size_t(type.getRank()), lowering.builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(size_t(type.getRank()), lowering.builder.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes;
  SmallVector<int64_t> shape;
  for (auto [dim, size] : llvm::enumerate(type.getShape())) {
    bool isVector = int64_t(dim) == vector[0];
    sizes.push_back(lowering.builder.getIndexAttr(isVector ? 1 : size));
    if (!isVector)
      shape.push_back(size);
  }
  offsets[size_t(vector[0])] = lowering.builder.getIndexAttr(int64_t(place));
  return tensor::ExtractSliceOp::create(lowering.builder, lowering.loc, type.clone(shape), all,
                                        offsets, sizes, strides);
}

Value GatherWriter::indexIn(OpBuilder &builder, Location loc, int64_t dim, ValueRange arguments) {
  Value index;
  auto constant = [&](int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  };
  auto add = [&](Value value) {
    index = !value   ? index
            : !index ? value
                     : arith::AddIOp::create(builder, loc, index, value).getResult();
  };
  ArrayRef<int64_t> map = numbers.getStartIndexMap(), batching = numbers.getOperandBatchingDims();
  if (const int64_t *place = llvm::find(map, dim); place != map.end()) {
    Value start = arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                             arguments[size_t(place - map.begin())]);
    int64_t most = operand.getDimSize(dim) - op.getSliceSizes()[size_t(dim)];
    start = arith::MaxSIOp::create(builder, loc, start, constant(0));
    add(arith::MinSIOp::create(builder, loc, start, constant(most)));
  }
  if (const int64_t *place = llvm::find(offsetDims, dim); place != offsetDims.end())
    add(loop(builder, loc, numbers.getOffsetDims()[size_t(place - offsetDims.begin())]));
  if (const int64_t *place = llvm::find(batching, dim); place != batching.end()) {
    int64_t start = numbers.getStartIndicesBatchingDims()[size_t(place - batching.begin())];
    add(loop(builder, loc, batchDims[size_t(llvm::find(startDims, start) - startDims.begin())]));
  }
  return index ? index : constant(0).getResult();
}

Value GatherWriter::write() {
  RankedTensorType type = loweredType(result);
  unsigned rank = unsigned(type.getRank());
  // The dimensions of the result that the starts have.
  SmallVector<AffineExpr> exprs;
  for (auto [dim, from] : llvm::zip_equal(batchDims, startDims))
    if (starts.getDimSize(from) != 1)
      exprs.push_back(getAffineDimExpr(unsigned(loweredDims(result, {dim})[0]), op.getContext()));
  SmallVector<Value> inputs;
  for (size_t place = 0; place < numbers.getStartIndexMap().size(); ++place)
    inputs.push_back(startsFor(place));
  SmallVector<AffineMap> maps(inputs.size(), AffineMap::get(rank, 0, exprs, op.getContext()));
  maps.push_back(lowering.builder.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  Value source = lowering.get(op.getOperand());
  return lowering.generic(inputs, lowering.empty(type), maps, iterators,
                          [&](OpBuilder &builder, Location loc, ValueRange arguments) -> Value {
                            SmallVector<Value> indices;
                            for (int64_t dim : keptDims(operand))
                              indices.push_back(indexIn(builder, loc, dim, arguments));
                            return tensor::ExtractOp::create(builder, loc, source, indices);
                          });
}

LogicalResult lower(Lowering &lowering, GatherOp op) {
  lowering.set(op.getResult(), GatherWriter(lowering, op).write(), op->getOperands());
  return success();
}

} // namespace stc::stablehlo
