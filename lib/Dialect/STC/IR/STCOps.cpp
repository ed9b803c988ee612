// Verifiers, printers and symbol checks of the stc operations.
#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Dialect/STC/IR/VerifyAttention.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/BitVector.h"

#include <cmath>

using namespace mlir;
using namespace stc;

void stc::printDoubles(OpAsmPrinter &printer, Operation *, DenseF64ArrayAttr numbers) {
  Builder builder(numbers.getContext());
  printer << '[';
  llvm::interleaveComma(numbers.asArrayRef(), printer, [&](double number) {
    printer.printAttributeWithoutType(builder.getF64FloatAttr(number));
  });
  printer << ']';
}

ParseResult stc::parseDoubles(OpAsmParser &parser, DenseF64ArrayAttr &numbers) {
  SmallVector<double> values;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
        return parser.parseFloat(values.emplace_back());
      }))
    return failure();
  numbers = parser.getBuilder().getDenseF64ArrayAttr(values);
  return success();
}

#define GET_OP_CLASSES
#include "stc/Dialect/STC/IR/STCOps.cpp.inc"

static int64_t columnsOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape().back();
}
static int64_t tokensOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape().front();
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Whether the numbers name each of `size` rows or columns once.
static bool isOrderOf(DenseIntElementsAttr order, int64_t size) {
  if (order.getType().getRank() != 1 || order.getNumElements() != size)
    return false;
  llvm::BitVector seen(size);
  for (int32_t index : order.getValues<int32_t>()) {
    if (index < 0 || index >= size || seen[index])
      return false;
    seen.set(index);
  }
  return true;
}

LogicalResult WeightOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type || !type.hasStaticShape() || !isa<FloatType>(type.getElementType()) ||
      type.getRank() < 1 || type.getRank() > 2 || type.getNumElements() == 0)
    return emitOpError("expects a static 1-d or 2-d tensor of floats (C1), but got ") << getType();
  if (getSource().has_value() == getValue().has_value())
    return emitOpError("expects exactly one of source and value (C2), but got ")
           << (getSource() ? "both" : "neither");
  if (getSlice() && ArrayRef<int64_t>(getSlice()->getShape()) != type.getShape())
    return emitOpError("expects a slice that leaves the shape of ")
           << type << " (C4), but got " << *getSlice();
  if (getValue() && getValue()->getShapedType() != getOriginType())
    return emitOpError("expects a value of type ")
           << getOriginType() << " (C3), but got " << getValue()->getShapedType();
  if ((getTransposed() || getOffset()) && !getSource())
    return emitOpError("expects transposed and offset with a source only (C5)");
  if (getTransposed() && type.getRank() != 2)
    return emitOpError("expects a transposed source of a 2-d weight (C5), but got ") << type;
  if (getOffset() && !getOffset()->isFinite())
    return emitOpError("expects a finite offset (C6), but got ") << getOffset()->convertToDouble();
  if (getRowOrder() && !isOrderOf(*getRowOrder(), type.getDimSize(0)))
    return emitOpError("expects a row_order that names each of ")
           << type.getDimSize(0) << " rows once (C7)";
  if (getColumnOrder() &&
      (type.getRank() != 2 || !isOrderOf(*getColumnOrder(), type.getDimSize(1))))
    return emitOpError("expects a column_order that names each column of a 2-d weight once (C7)");
  return success();
}

LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError("expects the name of a stc.weight (C1), but got ") << getWeightAttr();
  if (weight.getType() != getType())
    return emitOpError("expects a result of type ")
           << weight.getType() << " (C2), but got " << getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

void LayerOp::build(OpBuilder &builder, OperationState &state, Value input, int64_t index) {
  state.addOperands(input);
  state.addTypes(input.getType());
  state.getOrAddProperties<Properties>().index = builder.getI64IntegerAttr(index);
  Region *body = state.addRegion();
  body->emplaceBlock().addArgument(input.getType(), input.getLoc());
}

// stc.layer 0 (%h = %x : tensor<?x4xf32>) { ... }
ParseResult LayerOp::parse(OpAsmParser &parser, OperationState &result) {
  int64_t index;
  OpAsmParser::Argument argument;
  OpAsmParser::UnresolvedOperand input;
  Type type;
  if (parser.parseInteger(index) || parser.parseLParen() || parser.parseArgument(argument) ||
      parser.parseEqual() || parser.parseOperand(input) || parser.parseColonType(type) ||
      parser.parseRParen() || parser.resolveOperand(input, type, result.operands))
    return failure();
  argument.type = type;
  result.addTypes(type);
  result.getOrAddProperties<Properties>().index = parser.getBuilder().getI64IntegerAttr(index);
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.parseRegion(*result.addRegion(), argument))
    return failure();
  ensureTerminator(*result.regions.front(), parser.getBuilder(), result.location);
  return success();
}

void LayerOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getIndex() << " (";
  printer.printRegionArgument(getBody().getArgument(0), {}, /*omitType=*/true);
  printer << " = " << getInput() << " : " << getInput().getType() << ")";
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"index"});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult LayerOp::verify() {
  Block &block = getBody().front();
  if (block.getNumArguments() != 1 || block.getArgument(0).getType() != getInput().getType())
    return emitOpError("expects one block argument of type ") << getInput().getType() << " (C1)";
  auto yield = cast<YieldOp>(block.getTerminator());
  if (!yield.getValue() || yield.getValue().getType() != getInput().getType())
    return emitOpError("expects to yield a value of type ") << getInput().getType() << " (C2)";
  if (static_cast<int64_t>(getIndex()) < 0)
    return emitOpError("expects a non-negative index (C3), but got ")
           << static_cast<int64_t>(getIndex());
  return success();
}

// Only parsing a region without a terminator makes such a yield; the verifier of what has the
// region refuses it.
void YieldOp::build(OpBuilder &, OperationState &) {}

LogicalResult RepeatOp::verify() {
  if (getWeights().empty())
    return emitOpError("expects at least one row of weights (C2)");
  std::optional<size_t> length;
  for (Attribute row : getWeights()) {
    auto symbols = dyn_cast<ArrayAttr>(row);
    if (!symbols || !llvm::all_of(symbols, llvm::IsaPred<FlatSymbolRefAttr>))
      return emitOpError("expects rows of weight symbols (C2), but got ") << row;
    if (length && symbols.size() != *length)
      return emitOpError("expects rows of equal length (C2), but got ")
             << *length << " and " << symbols.size();
    length = symbols.size();
  }
  bool hasCount = getCount() && int64_t(*getCount()) > 0 && getWeights().size() % *getCount() == 0;
  if (getRow() ? !hasCount : getCount().has_value())
    return emitOpError("expects a row together with a positive count that divides ")
           << getWeights().size() << " rows (C4)";
  return success();
}

LogicalResult RepeatOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError("expects the name of a function (C1), but got ") << getCalleeAttr();
  SmallVector<Type> expected{getInput().getType(), IndexType::get(getContext())};
  llvm::append_range(expected, getCaptures().getTypes());
  ArrayRef<Type> inputs = callee.getArgumentTypes();
  size_t weights = cast<ArrayAttr>(getWeights()[0]).size();
  if (inputs.size() != expected.size() + weights ||
      inputs.take_front(expected.size()) != ArrayRef<Type>(expected) ||
      callee.getResultTypes() != ArrayRef<Type>(getResult().getType()))
    return emitOpError("expects a callee of hidden state, index, captures and ")
           << weights << " weights to hidden state (C1), but got " << callee.getFunctionType();
  for (Attribute row : getWeights()) {
    for (auto [symbol, type] : llvm::zip(cast<ArrayAttr>(row).getAsRange<FlatSymbolRefAttr>(),
                                         inputs.drop_front(expected.size()))) {
      Operation *weight = symbols.lookupNearestSymbolFrom(*this, symbol);
      auto weightType = weight ? weight->getAttrOfType<TypeAttr>("type") : TypeAttr();
      if (!weightType || weightType.getValue() != type)
        return emitOpError("expects a weight of type ") << type << " (C3), but got " << symbol;
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Computation
//===----------------------------------------------------------------------===//

// The result shapes of pure ops (their last constraint) are checked by type inference.

LogicalResult EmbeddingOp::verify() { return success(); }

LogicalResult PositionsOp::verify() { return success(); }

LogicalResult LinearOp::verify() {
  auto weight = cast<RankedTensorType>(getWeight().getType());
  if (columnsOf(getInput()) != weight.getDimSize(1))
    return emitOpError("expects input columns equal to weight columns (C1), but got ")
           << columnsOf(getInput()) << " and " << weight.getDimSize(1);
  if (getBias() && columnsOf(getBias()) != weight.getDimSize(0))
    return emitOpError("expects one bias value per weight row (C2), but got ")
           << columnsOf(getBias()) << " and " << weight.getDimSize(0);
  return success();
}

static bool isFiniteAndNotNegative(const APFloat &value) {
  return value.isFinite() && value.convertToDouble() >= 0;
}

LogicalResult PermuteFeaturesOp::verify() {
  int64_t columns = columnsOf(getInput());
  if (columns > int64_t(1) << 24)
    return emitOpError("expects at most 2^24 columns (C2), but got ") << columns;
  return success();
}

/// C1 of both norms.
template <typename Op> static LogicalResult verifyGroups(Op op) {
  auto groups = int64_t(op.getGroups());
  if (groups < 1)
    return op.emitOpError("expects positive groups (C1), but got ") << groups;
  auto weight = cast<ShapedType>(op.getWeight().getType());
  if (columnsOf(op.getInput()) != groups * columnsOf(op.getWeight()))
    return op.emitOpError("expects one weight value per column of a group (C1), but got ")
           << columnsOf(op.getWeight()) << " for " << columnsOf(op.getInput()) << " columns in "
           << groups << " groups";
  if (weight.getRank() == 2 && weight.getDimSize(0) != groups)
    return op.emitOpError("expects one row of weights per group (C1), but got ")
           << weight.getDimSize(0) << " for " << groups << " groups";
  return success();
}

LogicalResult RMSNormOp::verify() {
  if (failed(verifyGroups(*this)))
    return failure();
  if (!isFiniteAndNotNegative(getEpsilon()))
    return emitOpError("expects a finite, non-negative epsilon (C2), but got ")
           << getEpsilon().convertToDouble();
  return success();
}

LogicalResult LayerNormOp::verify() {
  if (failed(verifyGroups(*this)))
    return failure();
  if (getBias() && getGroups() != 1)
    return emitOpError("expects no bias with several groups (C2), but got ") << getBias().getType();
  if (getBias() && columnsOf(getInput()) != columnsOf(getBias()))
    return emitOpError("expects one bias value per column (C2), but got ")
           << columnsOf(getBias()) << " and " << columnsOf(getInput());
  if (!isFiniteAndNotNegative(getEpsilon()))
    return emitOpError("expects a finite, non-negative epsilon (C3), but got ")
           << getEpsilon().convertToDouble();
  return success();
}

LogicalResult ScaleOp::verify() {
  if (!getFactor().isFinite())
    return emitOpError("expects a finite factor (C1), but got ") << getFactor().convertToDouble();
  return success();
}

LogicalResult ClampOp::verify() {
  double limit = getLimit().convertToDouble();
  if (!std::isfinite(limit) || limit <= 0)
    return emitOpError("expects a finite, positive limit (C1), but got ") << limit;
  return success();
}

LogicalResult SoftCapOp::verify() {
  double cap = getCap().convertToDouble();
  if (!std::isfinite(cap) || cap <= 0)
    return emitOpError("expects a finite, positive cap (C1), but got ") << cap;
  return success();
}

LogicalResult ActivationOp::verify() { return success(); }

LogicalResult GatedActivationOp::verify() {
  if (getGate().getType() != getUp().getType())
    return emitOpError("expects gate and up of equal type (C1), but got ")
           << getGate().getType() << " and " << getUp().getType();
  if (!getLimit().isFinite() || getLimit().isNegative())
    return emitOpError("expects a finite limit that is not negative (C2), but got ")
           << getLimit().convertToDouble();
  if (!getOffset().isFinite())
    return emitOpError("expects a finite offset (C3), but got ") << getOffset().convertToDouble();
  return success();
}

void GatedActivationOp::build(OpBuilder &builder, OperationState &state, Value gate, Value up,
                              ActivationKind kind) {
  build(builder, state, gate.getType(), gate, up, kind, /*limit=*/llvm::APFloat(0.0),
        /*offset=*/llvm::APFloat(0.0));
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

LogicalResult RotaryTableOp::verify() {
  for (double frequency : getInverseFrequencies())
    if (!std::isfinite(frequency) || frequency < 0)
      return emitOpError("expects finite, non-negative frequencies (C2), but got ") << frequency;
  double scale = getScale().convertToDouble();
  if (!std::isfinite(scale) || scale <= 0)
    return emitOpError("expects a finite, positive scale (C3), but got ") << scale;
  return success();
}

LogicalResult RotaryEmbeddingOp::verify() {
  int64_t headDim = getHeadColumns();
  if (headDim < 2 * columnsOf(getCos()))
    return emitOpError("expects a head_dim of 0 or at least ")
           << 2 * columnsOf(getCos()) << " (C3), but got " << headDim;
  if (headDim <= 0 || columnsOf(getInput()) % headDim != 0)
    return emitOpError("expects input columns that are a multiple of ")
           << headDim << " (C1), but got " << columnsOf(getInput());
  if (getCos().getType() != getSin().getType() || tokensOf(getCos()) != tokensOf(getInput()))
    return emitOpError("expects cos and sin of equal type with the input's tokens (C2), but got ")
           << getCos().getType() << " and " << getSin().getType();
  return success();
}

LogicalResult CacheUpdateOp::verify() {
  auto cache = cast<KVCacheType>(getCache().getType());
  int64_t columns = cache.getKvHeads() * cache.getHeadDim();
  if (getKeys().getType() != getValues().getType() || columnsOf(getKeys()) != columns)
    return emitOpError("expects keys and values of equal type with ")
           << columns << " columns (C1), but got " << getKeys().getType() << " and "
           << getValues().getType();
  return success();
}

void AttentionOp::build(OpBuilder &builder, OperationState &state, Value queries, Value cache,
                        Value layer, Value position, int64_t heads, double scale) {
  build(builder, state, queries.getType(), queries, cache, layer, position, /*end=*/Value(),
        /*bias=*/Value(), /*sink_logits=*/Value(), builder.getI64IntegerAttr(heads),
        builder.getF64FloatAttr(scale), /*window=*/builder.getI64IntegerAttr(0), /*sinks=*/{},
        /*soft_cap=*/{}, /*bias_distance=*/{}, /*slopes=*/{}, /*pattern=*/{});
}

LogicalResult AttentionOp::verify() {
  auto cache = cast<KVCacheType>(getCache().getType());
  int64_t columns = int64_t(getHeads()) * cache.getHeadDim();
  if (failed(verifyHeads(*this)))
    return failure();
  if (columnsOf(getQueries()) != columns)
    return emitOpError("expects ")
           << columns << " query columns (C2), but got " << columnsOf(getQueries());
  if (getBias() && columnsOf(getBias()) != int64_t(getHeads()))
    return emitOpError("expects a bias of ")
           << int64_t(getHeads()) << " columns (C7), but got " << columnsOf(getBias());
  return verifyScores(*this, getBias() ? tokensOf(getBias()) : 0);
}
