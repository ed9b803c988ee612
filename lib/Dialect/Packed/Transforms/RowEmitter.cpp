// Computes one row, or a range of columns of it, of a linalg operation on memrefs.
#include "RowEmitter.h"

#include "stc/Dialect/Packed/Transforms/ColumnLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace stc;

/// True if `map` is (rows), (columns), (rows, columns) or empty.
static bool isRowMajor(AffineMap map) {
  return map.isProjectedPermutation() && llvm::is_sorted(map.getResults(), [](auto a, auto b) {
           return cast<AffineDimExpr>(a).getPosition() < cast<AffineDimExpr>(b).getPosition();
         });
}

static bool usesColumns(AffineMap map) { return map.getNumDims() == 2 && map.isFunctionOfDim(1); }

bool RowEmitter::supports(linalg::LinalgOp op) {
  auto iterators = op.getIteratorTypesArray();
  if (op.getNumLoops() < 1 || op.getNumLoops() > 2 || op->getNumResults() != 0 ||
      iterators[0] != utils::IteratorType::parallel ||
      !llvm::all_of(op.getIndexingMapsArray(), isRowMajor))
    return false;
  if (op.getNumLoops() == 2 && ShapedType::isDynamic(op.getStaticLoopRanges()[1]))
    return false;
  bool reduces = op.getNumReductionLoops() > 0;
  for (OpOperand &output : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&output);
    if (!map.isFunctionOfDim(0) || (op.getNumLoops() == 2 && usesColumns(map) == reduces))
      return false;
  }
  return true;
}

Value RowEmitter::constant(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value RowEmitter::broadcast(Value value, int64_t width) {
  if (width == 1 || isa<VectorType>(value.getType()))
    return value;
  return vector::BroadcastOp::create(builder, loc, VectorType::get({width}, value.getType()),
                                     value);
}

/// The elements of `operand` in this row at `column` and after it.
Value RowEmitter::loadOperand(OpOperand &operand, Value column, int64_t width) {
  auto type = dyn_cast<MemRefType>(operand.get().getType());
  if (!type)
    return operand.get();
  SmallVector<Value> indices;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  for (AffineExpr result : map.getResults())
    indices.push_back(cast<AffineDimExpr>(result).getPosition() == 0 ? row : column);
  if (width == 1 || !usesColumns(map))
    return memref::LoadOp::create(builder, loc, operand.get(), indices);
  return vector::LoadOp::create(builder, loc, VectorType::get({width}, type.getElementType()),
                                operand.get(), indices);
}

/// Vector code needs a body of elementwise operations that are instructions or become some (angles
/// stay calls of the C library); a sum is the one reduction with it.
bool RowEmitter::isVectorizable() {
  Block &body = *op.getBlock();
  for (Operation &inner : body.without_terminator())
    if (isa<math::CosOp, math::SinOp>(inner) || (!OpTrait::hasElementwiseMappableTraits(&inner) &&
                                                 !inner.hasTrait<OpTrait::ConstantLike>()))
      return false;
  if (op.getNumReductionLoops() == 0)
    return true;
  if (op.getNumDpsInits() != 1)
    return false;
  auto sum = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  BlockArgument accumulator = op.getMatchingBlockArgument(op.getDpsInitOperand(0));
  return sum && bitEnumContainsAll(sum.getFastmath(), arith::FastMathFlags::reassoc) &&
         accumulator.hasOneUse() && *accumulator.user_begin() == sum;
}

/// Computes everything that does not depend on the column, except what accumulates.
void RowEmitter::emitUniform() {
  bool reduces = op.getNumReductionLoops() > 0;
  for (OpOperand &operand : op->getOpOperands()) {
    bool accumulates = reduces && op.isDpsInit(&operand);
    BlockArgument argument = op.getMatchingBlockArgument(&operand);
    if (!accumulates && !usesColumns(op.getMatchingIndexingMap(&operand)) && !argument.use_empty())
      uniform.map(argument, loadOperand(operand, Value(), 1));
  }
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      if (index.getDim() == 0)
        uniform.map(index.getResult(), row);
      continue;
    }
    bool isUniform =
        inner.getNumRegions() == 0 && llvm::all_of(inner.getOperands(), [&](Value operand) {
          return operand.getParentBlock() != op.getBlock() || uniform.contains(operand);
        });
    if (isUniform)
      builder.clone(inner, uniform);
  }
}

/// The body at `column`; returns what it yields, one value per output.
SmallVector<Value> RowEmitter::emitBody(Value column, int64_t width, ValueRange accumulators) {
  IRMapping mapping = uniform;
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(&operand);
    if (mapping.contains(argument) || argument.use_empty())
      continue;
    bool accumulates = op.isDpsInit(&operand) && !accumulators.empty();
    mapping.map(argument, accumulates
                              ? accumulators[operand.getOperandNumber() - op.getNumDpsInputs()]
                              : loadOperand(operand, column, width));
  }
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (llvm::all_of(inner.getResults(), [&](Value result) { return mapping.contains(result); }))
      continue;
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      mapping.map(index.getResult(), column);
      continue;
    }
    if (width > 1)
      for (Value operand : inner.getOperands())
        mapping.map(operand, broadcast(mapping.lookupOrDefault(operand), width));
    Operation *copy = builder.clone(inner, mapping);
    if (width > 1)
      for (Value result : copy->getResults())
        result.setType(VectorType::get({width}, result.getType()));
  }
  SmallVector<Value> results;
  for (Value yielded : op.getBlock()->getTerminator()->getOperands())
    results.push_back(broadcast(mapping.lookupOrDefault(yielded), width));
  return results;
}

void RowEmitter::storeResults(ValueRange results, Value column) {
  for (auto [value, output] : llvm::zip_equal(results, op.getDpsInitsMutable())) {
    SmallVector<Value> indices{row};
    if (usesColumns(op.getMatchingIndexingMap(&output)))
      indices.push_back(column);
    if (isa<VectorType>(value.getType()))
      vector::StoreOp::create(builder, loc, value, output.get(), indices);
    else
      memref::StoreOp::create(builder, loc, value, output.get(), indices);
  }
}

/// Vectors up to the last multiple of their width, then single columns.
void RowEmitter::emitColumns(ColumnRange range, int64_t columns) {
  int64_t vectorEnd = isVectorizable() ? columns / kVectorColumns * kVectorColumns : 0;
  auto loop = [&](Value begin, Value end, int64_t width) {
    auto loop = scf::ForOp::create(builder, loc, begin, end, constant(width));
    loop->setAttr(kColumnsAttr, builder.getUnitAttr());
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    storeResults(emitBody(loop.getInductionVar(), width), loop.getInductionVar());
  };
  if (vectorEnd > 0) {
    Value end = range.end;
    if (vectorEnd < columns)
      end = arith::MinSIOp::create(builder, loc, end, constant(vectorEnd));
    loop(range.begin, end, kVectorColumns);
  }
  if (vectorEnd < columns) {
    Value begin = range.begin;
    if (vectorEnd > 0)
      begin = arith::MaxSIOp::create(builder, loc, begin, constant(vectorEnd));
    loop(begin, range.end, 1);
  }
}

/// Sums up to four vectors at once, which hides the latency of the addition.
void RowEmitter::emitReduction(int64_t columns) {
  SmallVector<Value> totals;
  for (OpOperand &output : op.getDpsInitsMutable())
    totals.push_back(loadOperand(output, Value(), 1));
  SmallVector<int64_t> widths{1};
  if (isVectorizable())
    widths = {4 * kVectorColumns, kVectorColumns, 1};
  int64_t begin = 0;
  for (int64_t width : widths) {
    int64_t end = columns - (columns - begin) % width;
    if (begin == end)
      continue;
    SmallVector<Value> initial = totals;
    if (width > 1) {
      auto type = VectorType::get({width}, totals[0].getType());
      initial = {arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type))};
    }
    auto loop =
        scf::ForOp::create(builder, loc, constant(begin), constant(end), constant(width), initial);
    loop->setAttr(kColumnsAttr, builder.getUnitAttr());
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(loop.getBody());
      scf::YieldOp::create(builder, loc,
                           emitBody(loop.getInductionVar(), width, loop.getRegionIterArgs()));
    }
    if (width > 1)
      totals = {vector::ReductionOp::create(builder, loc, vector::CombiningKind::ADD,
                                            loop.getResult(0), totals[0],
                                            arith::FastMathFlags::reassoc)};
    else
      totals.assign(loop.result_begin(), loop.result_end());
    begin = end;
  }
  storeResults(totals, Value());
}

void RowEmitter::emit(std::optional<ColumnRange> range) {
  emitUniform();
  if (op.getNumLoops() == 1)
    return storeResults(emitBody(Value(), 1), Value());
  int64_t columns = op.getStaticLoopRanges()[1];
  if (op.getNumReductionLoops() > 0)
    return emitReduction(columns);
  if (!range)
    range = ColumnRange{constant(0), constant(columns)};
  emitColumns(*range, columns);
}
