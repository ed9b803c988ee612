// Runs linalg on tensors point by point, and what moves elements between tensors: what modules of
// other front ends are written in before they are raised.
#include "Evaluator.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace stc;

/// An element of a tensor as a value of its type.
static Slot slotOf(double value, Type type) {
  return isa<FloatType>(type) ? Slot(value) : Slot(int64_t(value));
}

static double numberOf(const Slot &slot) {
  auto *integer = std::get_if<int64_t>(&slot);
  return integer ? double(*integer) : std::get<double>(slot);
}

/// Where an element lies, row by row.
static int64_t placeOf(ArrayRef<int64_t> index, const ReferenceTensor &tensor) {
  int64_t place = 0;
  for (auto [i, size] : llvm::zip_equal(index, tensor.shape))
    place = place * size + i;
  return place;
}

/// Goes to the next index of a shape; false after the last.
static bool advance(llvm::MutableArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  for (size_t i = index.size(); i-- > 0;) {
    if (++index[i] < shape[i])
      return true;
    index[i] = 0;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Structured operations
//===----------------------------------------------------------------------===//

/// The extents of the loops, which the operands' shapes give and must agree on.
static absl::StatusOr<llvm::SmallVector<int64_t>> loopExtents(Frame &frame, linalg::LinalgOp op) {
  llvm::SmallVector<int64_t> extents(op.getNumLoops(), -1);
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    const ReferenceTensor &tensor = frame.tensor(operand.get());
    for (auto [index, size] : llvm::zip_equal(map.getResults(), tensor.shape)) {
      auto dim = dyn_cast<AffineDimExpr>(index);
      if (!dim)
        continue;
      int64_t &extent = extents[dim.getPosition()];
      if (extent == -1)
        extent = size;
      if (extent != size)
        return opError(
            op,
            absl::StrCat("operands that loop ", dim.getPosition(), " goes over ", extent, " times"),
            absl::StrCat(size));
    }
  }
  int64_t points = 1;
  for (int64_t extent : extents)
    if (extent < 0 || __builtin_mul_overflow(points, extent, &points) || points > kLargestTensor)
      return opError(op, absl::StrCat("at most ", kLargestTensor, " points, over operands' sizes"),
                     shapeText(extents));
  return extents;
}

static absl::Status evaluateStructured(Evaluator &evaluator, Frame &frame, linalg::LinalgOp op) {
  if (!op.hasPureTensorSemantics())
    return opError(op, "tensors", "memrefs");
  STC_ASSIGN_OR_RETURN(llvm::SmallVector<int64_t> extents, loopExtents(frame, op));
  std::vector<ReferenceTensor> results;
  for (Value init : op.getDpsInits())
    results.push_back(frame.tensor(init));
  Frame body = frame;
  llvm::SmallVector<int64_t> point(extents.size());
  int64_t points = 1;
  for (int64_t extent : extents)
    points *= extent;
  auto elementOf = [&](OpOperand &operand) -> absl::StatusOr<int64_t> {
    int64_t number = int64_t(operand.getOperandNumber()) - op.getNumDpsInputs();
    const ReferenceTensor &tensor =
        number < 0 ? frame.tensor(operand.get()) : results[size_t(number)];
    llvm::SmallVector<int64_t> index = op.getMatchingIndexingMap(&operand).compose(point);
    for (auto [i, size] : llvm::zip_equal(index, tensor.shape))
      if (i < 0 || i >= size)
        return opError(op, absl::StrCat("indices within ", shapeText(tensor.shape)),
                       shapeText(index));
    return placeOf(index, tensor);
  };
  for (int64_t i = 0; i < points; ++i) {
    llvm::SmallVector<int64_t> written;
    for (OpOperand &operand : op->getOpOperands()) {
      BlockArgument argument = op.getMatchingBlockArgument(&operand);
      if (!isa<RankedTensorType>(operand.get().getType())) {
        body.set(argument, frame[operand.get()]);
        continue;
      }
      STC_ASSIGN_OR_RETURN(int64_t place, elementOf(operand));
      int64_t number = int64_t(operand.getOperandNumber()) - op.getNumDpsInputs();
      const ReferenceTensor &tensor =
          number < 0 ? frame.tensor(operand.get()) : results[size_t(number)];
      body.set(argument, slotOf(tensor.values[size_t(place)], argument.getType()));
      if (number >= 0)
        written.push_back(place);
    }
    for (auto index : op.getBlock()->getOps<linalg::IndexOp>())
      body.set(index.getResult(), Slot(point[index.getDim()]));
    STC_ASSIGN_OR_RETURN(std::vector<Slot> yielded, evaluator.runBlock(*op.getBlock(), body));
    for (auto [result, place, slot] : llvm::zip_equal(results, written, yielded))
      result.values[size_t(place)] = numberOf(slot);
    advance(point, extents);
  }
  for (auto [value, result] : llvm::zip_equal(op->getResults(), results))
    frame.set(value, std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Frame &frame, linalg::SoftmaxOp op) {
  if (op->getNumResults() != 1)
    return opError(op, "tensors", "memrefs");
  ReferenceTensor result = frame.tensor(op.getInput());
  int64_t count = result.shape[op.getDimension()], stride = 1;
  for (size_t i = op.getDimension() + 1; i < result.shape.size(); ++i)
    stride *= result.shape[i];
  for (int64_t begin = 0; begin < int64_t(result.values.size()); ++begin) {
    if (begin / stride % count != 0)
      continue;
    auto at = [&](int64_t i) -> double & { return result.values[size_t(begin + i * stride)]; };
    double largest = at(0), sum = 0;
    for (int64_t i = 1; i < count; ++i)
      largest = std::max(largest, at(i));
    for (int64_t i = 0; i < count; ++i)
      sum += at(i) = std::exp(at(i) - largest);
    for (int64_t i = 0; i < count; ++i)
      at(i) /= sum;
  }
  frame.set(op->getResult(0), std::move(result));
  return absl::OkStatus();
}

//===----------------------------------------------------------------------===//
// Elements of tensors
//===----------------------------------------------------------------------===//

/// Another shape of as many elements.
static absl::Status reshape(Frame &frame, Operation *op, llvm::SmallVector<int64_t> shape) {
  ReferenceTensor result = frame.tensor(op->getOperand(0));
  int64_t count = 1;
  for (int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count))
      return opError(op, "sizes that are not negative", shapeText(shape));
  if (count != int64_t(result.values.size()))
    return opError(op, absl::StrCat("a shape of ", result.values.size(), " elements"),
                   shapeText(shape));
  result.shape.assign(shape.begin(), shape.end());
  frame.set(op->getResult(0), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Frame &frame, tensor::CollapseShapeOp op) {
  const ReferenceTensor &source = frame.tensor(op.getSrc());
  llvm::SmallVector<int64_t> shape;
  llvm::SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
  for (const ReassociationIndices &group : groups) {
    shape.push_back(1);
    for (int64_t dim : group)
      shape.back() *= source.shape[size_t(dim)];
  }
  return reshape(frame, op, shape);
}

static absl::Status evaluate(Frame &frame, tensor::ExpandShapeOp op) {
  return reshape(frame, op, resolve(frame, op.getMixedOutputShape()));
}

static absl::Status evaluate(Frame &frame, tensor::ExtractOp op) {
  const ReferenceTensor &source = frame.tensor(op.getTensor());
  llvm::SmallVector<int64_t> index;
  for (auto [value, size] : llvm::zip_equal(op.getIndices(), source.shape)) {
    index.push_back(frame.integer(value));
    if (index.back() < 0 || index.back() >= size)
      return opError(op, absl::StrCat("indices within ", shapeText(source.shape)),
                     absl::StrCat(index.back()));
  }
  frame.set(op.getResult(), slotOf(source.values[size_t(placeOf(index, source))], op.getType()));
  return absl::OkStatus();
}

/// Copies `source` into `dest` from `offsets` on.
static absl::Status copyInto(Operation *op, const ReferenceTensor &source, ArrayRef<int64_t> sizes,
                             ArrayRef<int64_t> offsets, ReferenceTensor &dest) {
  for (auto [size, offset, whole] : llvm::zip_equal(sizes, offsets, dest.shape))
    if (size < 0 || offset < 0 || size > whole || offset > whole - size)
      return opError(op, absl::StrCat("a part of ", shapeText(dest.shape)),
                     absl::StrCat(shapeText(sizes), " at ", shapeText(offsets)));
  llvm::SmallVector<int64_t> index(sizes.size());
  for (double value : source.values) {
    llvm::SmallVector<int64_t> place(index);
    for (auto [i, offset] : llvm::zip_equal(place, offsets))
      i += offset;
    dest.values[size_t(placeOf(place, dest))] = value;
    advance(index, sizes);
  }
  return absl::OkStatus();
}

static absl::Status evaluate(Frame &frame, tensor::ConcatOp op) {
  size_t dim = op.getDim();
  std::vector<int64_t> shape = frame.tensor(op.getInputs()[0]).shape;
  shape[dim] = 0;
  for (Value input : op.getInputs())
    shape[dim] += frame.tensor(input).shape[dim];
  ReferenceTensor result = makeTensor(shape);
  llvm::SmallVector<int64_t> offsets(shape.size());
  for (Value input : op.getInputs()) {
    const ReferenceTensor &part = frame.tensor(input);
    STC_RETURN_IF_ERROR(copyInto(op, part, part.shape, offsets, result));
    offsets[dim] += part.shape[dim];
  }
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Frame &frame, tensor::InsertSliceOp op) {
  if (!op.hasUnitStride())
    return opError(op, "strides of 1", "others");
  const ReferenceTensor &source = frame.tensor(op.getSource());
  llvm::SmallVector<int64_t> sizes = resolve(frame, op.getMixedSizes());
  int64_t count = 1;
  for (int64_t size : sizes)
    count *= size;
  if (count != int64_t(source.values.size()))
    return opError(op, absl::StrCat(source.values.size(), " elements"), shapeText(sizes));
  ReferenceTensor result = frame.tensor(op.getDest());
  STC_RETURN_IF_ERROR(copyInto(op, source, sizes, resolve(frame, op.getMixedOffsets()), result));
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

absl::StatusOr<bool> stc::evaluateLinalg(Evaluator &evaluator, Frame &frame, Operation *op) {
  using Result = std::optional<absl::Status>;
  Result status = llvm::TypeSwitch<Operation *, Result>(op)
                      // Whose loop has set it.
                      .Case([](linalg::IndexOp) { return Result(absl::OkStatus()); })
                      .Case([&](linalg::LinalgOp op) {
                        return Result(evaluateStructured(evaluator, frame, op));
                      })
                      .Case<linalg::SoftmaxOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                            tensor::ExtractOp, tensor::ConcatOp, tensor::InsertSliceOp>(
                          [&](auto op) { return Result(evaluate(frame, op)); })
                      .Default([](Operation *) { return Result(); });
  if (!status)
    return false;
  STC_RETURN_IF_ERROR(*status);
  return true;
}
