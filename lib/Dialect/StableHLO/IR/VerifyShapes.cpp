// What operations of stablehlo on whole tensors expect of shapes.
#include "stc/Dialect/StableHLO/IR/StableHLO.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace stc::stablehlo {

SmallVector<int64_t> otherDims(int64_t rank, ArrayRef<ArrayRef<int64_t>> named) {
  SmallVector<int64_t> others;
  for (int64_t dim = 0; dim < rank; ++dim)
    if (llvm::none_of(named, [&](ArrayRef<int64_t> dims) { return llvm::is_contained(dims, dim); }))
      others.push_back(dim);
  return others;
}

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

std::string text(ArrayRef<int64_t> numbers) {
  std::string result;
  llvm::raw_string_ostream stream(result);
  stream << '[';
  llvm::interleaveComma(numbers, stream, [&](int64_t number) {
    ShapedType::isDynamic(number) ? stream << '?' : stream << number;
  });
  stream << ']';
  return result;
}

/// Whether dimensions exist in a tensor of this rank, and none is named twice.
bool areDims(ArrayRef<int64_t> dims, int64_t rank) {
  llvm::SmallDenseSet<int64_t> seen;
  return llvm::all_of(
      dims, [&](int64_t dim) { return dim >= 0 && dim < rank && seen.insert(dim).second; });
}

LogicalResult verifyDims(Operation *op, StringRef condition, ArrayRef<int64_t> dims, int64_t rank) {
  if (areDims(dims, rank))
    return success();
  return op->emitOpError() << "expects different dimensions below " << rank << " " << condition
                           << ", but got " << text(dims);
}

/// Whether the result has these sizes and this element type; sizes that are not known fit.
LogicalResult verifyResult(Operation *op, StringRef condition, ArrayRef<int64_t> shape,
                           Type element) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (succeeded(verifyCompatibleShape(shape, type.getShape())) && type.getElementType() == element)
    return success();
  return op->emitOpError() << "expects a result of " << text(shape) << " " << element << " "
                           << condition << ", but got " << type;
}

LogicalResult verifyElement(Operation *op, StringRef condition, Type got, Type wanted) {
  if (got == wanted)
    return success();
  return op->emitOpError() << "expects elements of type " << wanted << " " << condition
                           << ", but got " << got;
}

LogicalResult verifyCount(Operation *op, StringRef condition, StringRef what, size_t got,
                          int64_t wanted) {
  if (int64_t(got) == wanted)
    return success();
  return op->emitOpError() << "expects " << wanted << " " << what << " " << condition
                           << ", but got " << got;
}

LogicalResult verifyStarts(Operation *op, StringRef condition, ValueRange starts) {
  for (Value start : starts)
    if (typeOf(start).getRank() != 0)
      return op->emitOpError() << "expects starts that are single integers " << condition
                               << ", but got " << start.getType();
  return success();
}

bool isElementOf(Type type, Type tensor) {
  return cast<RankedTensorType>(type).getRank() == 0 &&
         cast<RankedTensorType>(type).getElementType() ==
             cast<RankedTensorType>(tensor).getElementType();
}

} // namespace

//===----------------------------------------------------------------------===//
// On elements
//===----------------------------------------------------------------------===//

LogicalResult CompareOp::verify() {
  if (!getCompareType() || *getCompareType() == ComparisonType::NOTYPE)
    return success();
  bool isFloat = isa<FloatType>(typeOf(getLhs()).getElementType());
  bool saysFloat =
      *getCompareType() == ComparisonType::FLOAT || *getCompareType() == ComparisonType::TOTALORDER;
  if (isFloat == saysFloat)
    return success();
  return emitOpError() << "expects " << (isFloat ? "FLOAT or TOTALORDER" : "SIGNED or UNSIGNED")
                       << " for " << getLhs().getType() << " (C2), but got "
                       << stringifyComparisonType(*getCompareType());
}

LogicalResult SelectOp::verify() {
  if (typeOf(getPred()).getRank() == 0 ||
      succeeded(verifyCompatibleShape(typeOf(getPred()), typeOf(getResult()))))
    return success();
  return emitOpError() << "expects one condition or as many as " << getResult().getType()
                       << " has elements (C1), but got " << getPred().getType();
}

LogicalResult ClampOp::verify() {
  for (Value bound : {getMin(), getMax()})
    if (bound.getType() != getOperand().getType() &&
        !isElementOf(bound.getType(), getOperand().getType()))
      return emitOpError() << "expects a bound of type " << getOperand().getType()
                           << " or of one element (C1), but got " << bound.getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Tensors from numbers
//===----------------------------------------------------------------------===//

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

LogicalResult ConstantOp::verify() {
  if (getValue().getType() == getType())
    return success();
  return emitOpError() << "expects a value of type " << getType() << " (C1), but got "
                       << getValue().getType();
}

LogicalResult IotaOp::verify() {
  return verifyDims(*this, "(C1)", {int64_t(getIotaDimension())}, typeOf(getResult()).getRank());
}

//===----------------------------------------------------------------------===//
// Tensors of the same elements
//===----------------------------------------------------------------------===//

LogicalResult BroadcastInDimOp::verify() {
  RankedTensorType operand = typeOf(getOperand()), result = typeOf(getResult());
  ArrayRef<int64_t> dims = getBroadcastDimensions();
  if (failed(verifyCount(*this, "(C1)", "dimensions", dims.size(), operand.getRank())) ||
      failed(verifyDims(*this, "(C2)", dims, result.getRank())))
    return failure();
  for (auto [dim, size] : llvm::zip_equal(dims, operand.getShape())) {
    int64_t wanted = result.getDimSize(dim);
    if (size != 1 && size != wanted && !ShapedType::isDynamic(size) &&
        !ShapedType::isDynamic(wanted))
      return emitOpError() << "expects a size of 1 or " << wanted << " for dimension " << dim
                           << " (C3), but got " << size;
  }
  return verifyElement(*this, "(C4)", result.getElementType(), operand.getElementType());
}

LogicalResult ReshapeOp::verify() {
  RankedTensorType operand = typeOf(getOperand()), result = typeOf(getResult());
  if (operand.hasStaticShape() && result.hasStaticShape() &&
      operand.getNumElements() != result.getNumElements())
    return emitOpError() << "expects a result of " << operand.getNumElements()
                         << " elements (C1), but got " << result;
  return verifyElement(*this, "(C2)", result.getElementType(), operand.getElementType());
}

LogicalResult TransposeOp::verify() {
  RankedTensorType operand = typeOf(getOperand());
  ArrayRef<int64_t> dims = getPermutation();
  if (failed(verifyCount(*this, "(C1)", "dimensions", dims.size(), operand.getRank())) ||
      failed(verifyDims(*this, "(C1)", dims, operand.getRank())))
    return failure();
  SmallVector<int64_t> shape;
  for (int64_t dim : dims)
    shape.push_back(operand.getDimSize(dim));
  return verifyResult(*this, "(C2)", shape, operand.getElementType());
}

LogicalResult SliceOp::verify() {
  RankedTensorType operand = typeOf(getOperand());
  for (ArrayRef<int64_t> numbers : {getStartIndices(), getLimitIndices(), getStrides()})
    if (failed(
            verifyCount(*this, "(C1)", "numbers of each kind", numbers.size(), operand.getRank())))
      return failure();
  SmallVector<int64_t> shape;
  for (auto [size, start, limit, stride] :
       llvm::zip_equal(operand.getShape(), getStartIndices(), getLimitIndices(), getStrides())) {
    if (start < 0 || limit < start || (limit > size && !ShapedType::isDynamic(size)) || stride < 1)
      return emitOpError() << "expects 0 <= start <= limit <= " << text(size)
                           << " and positive steps (C2), but got " << start << ':' << limit << ':'
                           << stride;
    shape.push_back(llvm::divideCeil(uint64_t(limit - start), uint64_t(stride)));
  }
  return verifyResult(*this, "(C3)", shape, operand.getElementType());
}

LogicalResult DynamicSliceOp::verify() {
  RankedTensorType operand = typeOf(getOperand());
  ArrayRef<int64_t> sizes = getSliceSizes();
  if (failed(verifyCount(*this, "(C1)", "starts", getStartIndices().size(), operand.getRank())) ||
      failed(verifyCount(*this, "(C1)", "sizes", sizes.size(), operand.getRank())))
    return failure();
  for (auto [size, whole] : llvm::zip_equal(sizes, operand.getShape()))
    if (size < 0 || (size > whole && !ShapedType::isDynamic(whole)))
      return emitOpError() << "expects sizes of at most " << text(operand.getShape())
                           << " (C2), but got " << text(sizes);
  return failure(failed(verifyResult(*this, "(C3)", sizes, operand.getElementType())) ||
                 failed(verifyStarts(*this, "(C4)", getStartIndices())));
}

LogicalResult DynamicUpdateSliceOp::verify() {
  RankedTensorType operand = typeOf(getOperand()), update = typeOf(getUpdate());
  if (failed(verifyCount(*this, "(C1)", "starts", getStartIndices().size(), operand.getRank())) ||
      failed(verifyStarts(*this, "(C1)", getStartIndices())))
    return failure();
  bool fits =
      update.getRank() == operand.getRank() && update.getElementType() == operand.getElementType();
  for (int64_t i = 0; fits && i < operand.getRank(); ++i)
    fits = update.isDynamicDim(i) || operand.isDynamicDim(i) ||
           update.getDimSize(i) <= operand.getDimSize(i);
  if (!fits)
    return emitOpError() << "expects an update that is a part of " << operand << " (C2), but got "
                         << update;
  return success();
}

LogicalResult ConcatenateOp::verify() {
  if (getInputs().empty())
    return emitOpError() << "expects at least one operand (C1), but got none";
  RankedTensorType first = typeOf(getInputs()[0]);
  int64_t dim = int64_t(getDimension());
  if (failed(verifyDims(*this, "(C2)", {dim}, first.getRank())))
    return failure();
  SmallVector<int64_t> shape(first.getShape());
  shape[dim] = 0;
  for (Value input : getInputs()) {
    RankedTensorType type = typeOf(input);
    bool fits = type.getRank() == first.getRank();
    for (int64_t i = 0; fits && i < first.getRank(); ++i)
      fits = i == dim || type.isDynamicDim(i) || first.isDynamicDim(i) ||
             type.getDimSize(i) == first.getDimSize(i);
    if (!fits)
      return emitOpError() << "expects shapes that differ from " << text(first.getShape())
                           << " in dimension " << dim << " alone (C3), but got " << type;
    if (failed(verifyElement(*this, "(C4)", type.getElementType(), first.getElementType())))
      return failure();
    shape[dim] = type.isDynamicDim(dim) || ShapedType::isDynamic(shape[dim])
                     ? ShapedType::kDynamic
                     : shape[dim] + type.getDimSize(dim);
  }
  return verifyResult(*this, "(C3)", shape, first.getElementType());
}

LogicalResult PadOp::verify() {
  RankedTensorType operand = typeOf(getOperand());
  for (ArrayRef<int64_t> numbers :
       {getEdgePaddingLow(), getEdgePaddingHigh(), getInteriorPadding()})
    if (failed(
            verifyCount(*this, "(C1)", "numbers of each kind", numbers.size(), operand.getRank())))
      return failure();
  SmallVector<int64_t> shape;
  for (auto [size, low, high, interior] : llvm::zip_equal(
           operand.getShape(), getEdgePaddingLow(), getEdgePaddingHigh(), getInteriorPadding())) {
    if (interior < 0)
      return emitOpError() << "expects no negative number of elements between others (C1), but got "
                           << interior;
    shape.push_back(ShapedType::isDynamic(size)
                        ? size
                        : low + high + size + std::max<int64_t>(size - 1, 0) * interior);
  }
  if (!isElementOf(getPaddingValue().getType(), operand))
    return emitOpError() << "expects one element of " << operand << " as padding (C3), but got "
                         << getPaddingValue().getType();
  return verifyResult(*this, "(C2)", shape, operand.getElementType());
}

LogicalResult GatherOp::verify() {
  RankedTensorType operand = typeOf(getOperand()), starts = typeOf(getStartIndices());
  GatherDimensionNumbersAttr numbers = getDimensionNumbers();
  ArrayRef<int64_t> sizes = getSliceSizes();
  int64_t vectorDim = numbers.getIndexVectorDim();
  SmallVector<int64_t> dropped(numbers.getCollapsedSliceDims());
  llvm::append_range(dropped, numbers.getOperandBatchingDims());
  SmallVector<int64_t> startBatching(numbers.getStartIndicesBatchingDims());
  if (vectorDim != starts.getRank())
    startBatching.push_back(vectorDim);
  if (failed(verifyDims(*this, "(C1)", dropped, operand.getRank())) ||
      failed(verifyDims(*this, "(C1)", numbers.getStartIndexMap(), operand.getRank())) ||
      failed(verifyDims(*this, "(C1)", startBatching, starts.getRank())) ||
      failed(verifyDims(*this, "(C1)", numbers.getOffsetDims(), typeOf(getResult()).getRank())) ||
      failed(verifyCount(*this, "(C1)", "batching dimensions of the indices",
                         numbers.getStartIndicesBatchingDims().size(),
                         int64_t(numbers.getOperandBatchingDims().size()))) ||
      failed(verifyCount(*this, "(C2)", "sizes", sizes.size(), operand.getRank())))
    return failure();
  for (auto [dim, size, whole] : llvm::enumerate(sizes, operand.getShape()))
    if (size < 0 || (size > whole && !ShapedType::isDynamic(whole)) ||
        (size != 1 && llvm::is_contained(dropped, int64_t(dim))))
      return emitOpError() << "expects sizes of at most " << text(operand.getShape())
                           << ", of 1 where they are dropped (C2), but got " << text(sizes);
  int64_t length = vectorDim == starts.getRank() ? 1 : starts.getDimSize(vectorDim);
  if (!ShapedType::isDynamic(length) &&
      failed(verifyCount(*this, "(C3)", "dimensions in start_index_map",
                         numbers.getStartIndexMap().size(), length)))
    return failure();
  SmallVector<int64_t> batch;
  for (int64_t dim : otherDims(starts.getRank(), {{vectorDim}}))
    batch.push_back(starts.getDimSize(dim));
  SmallVector<int64_t> kept = otherDims(operand.getRank(), {dropped});
  if (failed(verifyCount(*this, "(C4)", "offset dimensions", numbers.getOffsetDims().size(),
                         int64_t(kept.size()))) ||
      failed(
          verifyDims(*this, "(C4)", numbers.getOffsetDims(), int64_t(batch.size() + kept.size()))))
    return failure();
  SmallVector<int64_t> shape(batch.size() + kept.size());
  for (auto [dim, from] : llvm::zip_equal(numbers.getOffsetDims(), kept))
    shape[dim] = sizes[from];
  for (auto [dim, size] :
       llvm::zip_equal(otherDims(int64_t(shape.size()), {numbers.getOffsetDims()}), batch))
    shape[dim] = size;
  return verifyResult(*this, "(C4)", shape, operand.getElementType());
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

LogicalResult DotGeneralOp::verify() {
  RankedTensorType lhs = typeOf(getLhs()), rhs = typeOf(getRhs());
  DotDimensionNumbersAttr numbers = getDotDimensionNumbers();
  SmallVector<int64_t> left(numbers.getLhsBatching()), right(numbers.getRhsBatching());
  llvm::append_range(left, numbers.getLhsContracting());
  llvm::append_range(right, numbers.getRhsContracting());
  if (failed(verifyDims(*this, "(C1)", left, lhs.getRank())) ||
      failed(verifyDims(*this, "(C1)", right, rhs.getRank())) ||
      failed(verifyCount(*this, "(C2)", "batching dimensions of the right operand",
                         numbers.getRhsBatching().size(),
                         int64_t(numbers.getLhsBatching().size()))) ||
      failed(verifyCount(*this, "(C2)", "contracting dimensions of the right operand",
                         numbers.getRhsContracting().size(),
                         int64_t(numbers.getLhsContracting().size()))))
    return failure();
  for (auto [a, b] : llvm::zip_equal(left, right))
    if (failed(verifyCompatibleShape({lhs.getDimSize(a)}, {rhs.getDimSize(b)})))
      return emitOpError() << "expects dimension " << b << " of the right operand to have the size "
                           << lhs.getDimSize(a) << " of dimension " << a
                           << " of the left one (C3), but got " << rhs.getDimSize(b);
  SmallVector<int64_t> shape;
  for (int64_t dim : numbers.getLhsBatching())
    shape.push_back(lhs.getDimSize(dim));
  for (int64_t dim : otherDims(lhs.getRank(), {left}))
    shape.push_back(lhs.getDimSize(dim));
  for (int64_t dim : otherDims(rhs.getRank(), {right}))
    shape.push_back(rhs.getDimSize(dim));
  return verifyResult(*this, "(C4)", shape, typeOf(getResult()).getElementType());
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

LogicalResult OptimizationBarrierOp::verify() {
  if (getOperandTypes() == getResultTypes())
    return success();
  return emitOpError() << "expects results of the operands' types (C1), but got "
                       << getResultTypes();
}

LogicalResult CompositeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto function = symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getDecompositionAttr());
  if (function && function.getArgumentTypes() == getOperandTypes() &&
      function.getResultTypes() == getResultTypes())
    return success();
  return emitOpError() << "expects a function @" << getDecomposition()
                       << " of its operands and results (C1), but got "
                       << (function ? "one of other types" : "none");
}

} // namespace stc::stablehlo

template <typename Op> static LogicalResult verifyOneType(Op op) {
  if (op.getOperand().getType() == op.getType())
    return success();
  return op.emitOpError() << "expects one type for operand and result (C1), but got "
                          << op.getOperand().getType() << " and " << op.getType();
}

LogicalResult stc::chlo::ErfOp::verify() { return verifyOneType(*this); }
LogicalResult stc::chlo::ErfcOp::verify() { return verifyOneType(*this); }
LogicalResult stc::chlo::SquareOp::verify() { return verifyOneType(*this); }
