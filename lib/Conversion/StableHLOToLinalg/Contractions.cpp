// Sums of products and reductions.
#include "Lowering.h"

#include "mlir/IR/Matchers.h"

#include <limits>

using namespace mlir;

namespace stc::stablehlo {

//===----------------------------------------------------------------------===//
// dot_general
//===----------------------------------------------------------------------===//

namespace {

/// One operand of a dot_general, without dimensions of size 1.
struct Side {
  Value value;
  SmallVector<int64_t> batching, contracting, free;

  RankedTensorType type() const { return cast<RankedTensorType>(value.getType()); }
  int64_t count(ArrayRef<int64_t> dims) const {
    int64_t product = 1;
    for (int64_t dim : dims)
      product *= type().getDimSize(dim);
    return product;
  }
};

Side sideOf(Lowering &lowering, Value value, ArrayRef<int64_t> batching,
            ArrayRef<int64_t> contracting) {
  Side side{lowering.get(value),
            loweredDims(value.getType(), batching),
            loweredDims(value.getType(), contracting),
            {}};
  side.free = otherDims(side.type().getRank(), {side.batching, side.contracting});
  return side;
}

/// Whether dimensions can be made one.
bool areInOrder(ArrayRef<int64_t> dims) {
  if (dims.empty())
    return false;
  for (size_t i = 1; i < dims.size(); ++i)
    if (dims[i] != dims[i - 1] + 1)
      return false;
  return true;
}

/// Makes the dimensions that are summed over one dimension, and those that are not another.
void collapse(Lowering &lowering, Side &side) {
  SmallVector<int64_t> shape{side.count(side.free), side.count(side.contracting)};
  bool freeFirst = side.free[0] < side.contracting[0];
  if (!freeFirst)
    std::swap(shape[0], shape[1]);
  side.value = lowering.reshape(side.value, side.type().clone(shape));
  side.free = {freeFirst ? 0 : 1};
  side.contracting = {freeFirst ? 1 : 0};
}

/// left . right, with the dimensions of the result in the order of StableHLO. The result is of f32
/// where the operands are narrower floats.
Value createProduct(Lowering &lowering, Side left, Side right, Type element) {
  auto resultShape = [&] {
    SmallVector<int64_t> sizes;
    for (ArrayRef<int64_t> dims : {ArrayRef(left.batching), ArrayRef(left.free)})
      for (int64_t dim : dims)
        sizes.push_back(left.type().getDimSize(dim));
    for (int64_t dim : right.free)
      sizes.push_back(right.type().getDimSize(dim));
    return sizes;
  };
  SmallVector<int64_t> shape = resultShape(); // before dimensions are made one
  bool canCollapse = left.batching.empty() && areInOrder(left.contracting) &&
                     areInOrder(right.contracting) && areInOrder(left.free) &&
                     areInOrder(right.free);
  if (canCollapse) {
    collapse(lowering, left);
    collapse(lowering, right);
  }
  size_t batches = left.batching.size(), lefts = left.free.size(), rights = right.free.size();
  size_t outer = batches + lefts + rights, loops = outer + left.contracting.size();
  auto mapOf = [&](const Side &side, size_t firstFree) {
    SmallVector<AffineExpr> exprs(size_t(side.type().getRank()));
    auto place = [&](ArrayRef<int64_t> dims, size_t first) {
      for (auto [i, dim] : llvm::enumerate(dims))
        exprs[size_t(dim)] = lowering.builder.getAffineDimExpr(unsigned(first + i));
    };
    place(side.batching, 0);
    place(side.free, firstFree);
    place(side.contracting, outer);
    return AffineMap::get(unsigned(loops), 0, exprs, lowering.builder.getContext());
  };
  SmallVector<AffineExpr> results;
  for (size_t i = 0; i < outer; ++i)
    results.push_back(lowering.builder.getAffineDimExpr(unsigned(i)));
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  std::fill(iterators.begin() + int64_t(outer), iterators.end(), utils::IteratorType::reduction);
  auto zero = arith::ConstantOp::create(lowering.builder, lowering.loc,
                                        lowering.builder.getZeroAttr(element));
  auto type = RankedTensorType::get(resultShape(), element);
  Value product = lowering.generic(
      {left.value, right.value}, lowering.filled(type, zero),
      {mapOf(left, batches), mapOf(right, batches + lefts),
       AffineMap::get(unsigned(loops), 0, results, lowering.builder.getContext())},
      iterators, [&](OpBuilder &builder, Location loc, ValueRange x) -> Value {
        // Where nothing is summed over, a product is there alone.
        bool sums = loops > outer;
        if (isa<FloatType>(element)) {
          Value product = arith::MulFOp::create(builder, loc, x[0], x[1]);
          return sums ? arith::AddFOp::create(builder, loc, x[2], product).getResult() : product;
        }
        auto widen = [&](Value value) {
          return value.getType() == element
                     ? value
                     : arith::ExtSIOp::create(builder, loc, element, value).getResult();
        };
        return arith::AddIOp::create(builder, loc, x[2],
                                     arith::MulIOp::create(builder, loc, widen(x[0]), widen(x[1])));
      });
  return lowering.reshape(product, type.clone(shape));
}

} // namespace

LogicalResult lower(Lowering &lowering, DotGeneralOp op) {
  DotDimensionNumbersAttr numbers = op.getDotDimensionNumbers();
  Side left = sideOf(lowering, op.getLhs(), numbers.getLhsBatching(), numbers.getLhsContracting());
  Side right = sideOf(lowering, op.getRhs(), numbers.getRhsBatching(), numbers.getRhsContracting());
  Type element = loweredType(op.getType()).getElementType();
  Type operand = left.type().getElementType();
  bool fits = operand == right.type().getElementType() &&
              (isa<FloatType>(operand)
                   ? operand == element
                   : isa<IntegerType>(element) && !operand.isInteger(1) &&
                         operand.getIntOrFloatBitWidth() <= element.getIntOrFloatBitWidth());
  if (!fits)
    return op.emitError("expected operands and a result of floats, or of integers that are not "
                        "narrower, got ")
           << op.getLhs().getType() << ", " << op.getRhs().getType() << " and " << op.getType();
  // A weight is the right operand of what is computed, on whichever side it is written.
  bool swaps = left.batching.empty() && !lowering.isVariable(op.getLhs()) &&
               lowering.isVariable(op.getRhs());
  if (!swaps) {
    lowering.set(op.getResult(), createProduct(lowering, left, right, element), op->getOperands());
    return success();
  }
  Value product = createProduct(lowering, right, left, element);
  SmallVector<int64_t> order;
  int64_t lefts = int64_t(left.free.size()), rights = int64_t(right.free.size());
  for (int64_t i = 0; i < lefts + rights; ++i)
    order.push_back(i < lefts ? rights + i : i - lefts);
  lowering.set(op.getResult(), lowering.transpose(product, order), op->getOperands());
  return success();
}

//===----------------------------------------------------------------------===//
// reduce
//===----------------------------------------------------------------------===//

/// The operation that puts two elements together; null if it is not one alone.
static Operation *reducer(ReduceOp op) {
  Block &block = op.getBody().front();
  if (op.getInputs().size() != 1 || block.getOperations().size() != 2)
    return nullptr;
  Operation &inner = block.front();
  bool fits = isa<AddOp, MultiplyOp, MaximumOp, MinimumOp, AndOp, OrOp>(inner) &&
              block.back().getOperands() == inner.getResults() &&
              inner.getOperand(0) != inner.getOperand(1) &&
              llvm::all_of(inner.getOperands(), [&](Value value) {
                return value.getParentBlock() == &block && isa<BlockArgument>(value);
              });
  return fits ? &inner : nullptr;
}

LogicalResult lower(Lowering &lowering, ReduceOp op) {
  Operation *inner = reducer(op);
  if (!inner)
    return op.emitError("expected a reduction of one tensor by one of stablehlo's add, multiply, "
                        "maximum, minimum, and, or, got another region");
  Value input = op.getInputs()[0], operand = lowering.get(input);
  SmallVector<int64_t> dims = loweredDims(input.getType(), op.getDimensions());
  RankedTensorType type = loweredType(op.getResult(0).getType());
  Value init = lowering.get(op.getInitValues()[0]);
  Type element = cast<RankedTensorType>(input.getType()).getElementType();
  auto apply = [&](OpBuilder &builder, Location loc, ValueRange x) {
    return createScalar(builder, loc, inner, x, {element, element}, element);
  };
  unsigned rank = unsigned(cast<RankedTensorType>(operand.getType()).getRank());
  AffineMap identity = lowering.builder.getMultiDimIdentityMap(rank);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  SmallVector<AffineExpr> kept;
  for (int64_t dim : otherDims(rank, {dims}))
    kept.push_back(lowering.builder.getAffineDimExpr(unsigned(dim)));
  for (int64_t dim : dims)
    iterators[size_t(dim)] = utils::IteratorType::reduction;
  TypedAttr start = splatOf(init);
  if (auto number = dyn_cast_or_null<FloatAttr>(start);
      number && isa<MaximumOp>(inner) && dims.empty() && number.getValue().isInfinity() &&
      number.getValue().isNegative()) {
    lowering.set(op.getResult(0), operand, op->getOperands());
    return success();
  }
  // Of no dimension that is left, zeros are added to.
  bool isNeutral = start && ((isa<AddOp, OrOp>(inner) && matchPattern(init, m_AnyZeroFloat())) ||
                             (isa<AddOp, OrOp, AndOp>(inner) && isa<IntegerAttr>(start) &&
                              cast<IntegerAttr>(start).getValue().isZero() != isa<AndOp>(inner)));
  if (dims.empty() && isNeutral && (!isa<AndOp>(inner) || element.isInteger(1))) {
    lowering.set(op.getResult(0), operand, op->getOperands());
    return success();
  }
  Value made = lowering.generic(operand, lowering.filled(type, lowering.element(init)),
                                {identity, AffineMap::get(rank, 0, kept, op.getContext())},
                                iterators, [&](OpBuilder &builder, Location loc, ValueRange x) {
                                  return apply(builder, loc, {x[1], x[0]});
                                });
  lowering.set(op.getResult(0), made, op->getOperands());
  return success();
}

} // namespace stc::stablehlo
