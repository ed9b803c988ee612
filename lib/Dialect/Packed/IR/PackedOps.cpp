// Verifiers and effects of the packed operations.
#include "Destination.h"

#include "stc/Dialect/STC/IR/VerifyAttention.h"
#include "stc/Packing/Pack.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

#include <cmath>

using namespace mlir;
using namespace stc::packed;
using stc::ElementKind;
using stc::kSectionAlignment;
using stc::KVCacheType;
using stc::Layout;
using stc::LayoutKind;
using stc::TileGeometry;

#define GET_OP_CLASSES
#include "stc/Dialect/Packed/IR/PackedOps.cpp.inc"

static int64_t columnsOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape().back();
}
static int64_t tokensOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape().front();
}
static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

LogicalResult stc::packed::verifyDestination(DestinationStyleOpInterface op) {
  SmallVector<Type> expected;
  for (Value init : op.getDpsInits())
    if (isa<RankedTensorType>(init.getType()))
      expected.push_back(init.getType());
  if (SmallVector<Type>(op->getResultTypes()) != expected)
    return op.emitOpError("expects one result per tensor in outs, of its type");
  return success();
}

void stc::packed::destinationEffects(
    DestinationStyleOpInterface op,
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType, stc::KVCacheType>(operand.get().getType()))
      continue;
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

#define STC_DESTINATION_EFFECTS(Op)                                                                \
  void Op::getEffects(                                                                             \
      SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {              \
    destinationEffects(*this, effects);                                                            \
  }

STC_DESTINATION_EFFECTS(QuantizeActivationsOp)
STC_DESTINATION_EFFECTS(PermuteFeaturesOp)
STC_DESTINATION_EFFECTS(SplitActivationsOp)
STC_DESTINATION_EFFECTS(MatmulOp)
STC_DESTINATION_EFFECTS(GatherOp)
STC_DESTINATION_EFFECTS(RotaryOp)
STC_DESTINATION_EFFECTS(RMSNormOp)
STC_DESTINATION_EFFECTS(AttentionOp)
STC_DESTINATION_EFFECTS(TopKGateOp)
STC_DESTINATION_EFFECTS(SelectTokensOp)
STC_DESTINATION_EFFECTS(GatherTokensOp)
STC_DESTINATION_EFFECTS(ScatterAddOp)

#undef STC_DESTINATION_EFFECTS

using Effects = SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

/// As destinationEffects, for an operation that is no destination-style operation.
static void tileEffects(Operation *op, OpOperand &out, Effects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (&operand == &out)
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else if (isa<MemRefType, stc::KVCacheType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

void MatmulTileOp::getEffects(Effects &effects) { tileEffects(*this, getOutMutable(), effects); }

void AttentionTileOp::getEffects(Effects &effects) {
  // A piece writes its partial result and nothing else.
  OpOperand &out = getPartials() ? *getPartialsMutable().begin() : getOutMutable();
  for (OpOperand &operand : (*this)->getOpOperands()) {
    if (&operand == &out)
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else if (isa<MemRefType, stc::KVCacheType>(operand.get().getType()) &&
             &operand != &getOutMutable())
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

void AttentionCombineOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getPartialsMutable());
  effects.emplace_back(MemoryEffects::Write::get(), &getOutMutable());
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

LogicalResult WeightOp::verify() {
  if (int64_t(getOffset()) < 0 || getOffset() % kSectionAlignment != 0)
    return emitOpError("expects a non-negative offset that is a multiple of 64 (C1), but got ")
           << int64_t(getOffset());
  WeightType type = getWeightType();
  Layout layout = type.getLayout().getLayout();
  if (int64_t(getBytes()) <= 0)
    return emitOpError("expects positive bytes (C2), but got ") << int64_t(getBytes());
  if (!layout.hasTable()) {
    auto bytes = packedBytes(layout, type.getRows(), type.getColumns());
    if (!bytes.ok() || *bytes != int64_t(getBytes()))
      return emitOpError("expects ")
             << (bytes.ok() ? *bytes : -1) << " bytes (C2), but got " << getBytes();
  }
  double density = getDensity().convertToDouble();
  if (!(density >= 0 && density <= 1))
    return emitOpError("expects a density in [0, 1] (C3), but got ") << density;
  return success();
}

LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError("expects the name of a packed.weight (C1), but got ") << getWeightAttr();
  if (weight.getType() != getType())
    return emitOpError("expects a result of type ")
           << weight.getType() << " (C2), but got " << getType();
  return success();
}

LogicalResult VectorOp::verify() {
  auto type = cast<WeightType>(getWeight().getType());
  Layout layout = type.getLayout().getLayout();
  if (layout.kind != LayoutKind::Rows || layout.element != ElementKind::F32)
    return emitOpError("expects a weight with the layout rows, f32 (C1), but got ") << type;
  int64_t elements = type.getRows() * type.getColumns();
  if (columnsOf(getResult()) != elements)
    return emitOpError("expects ")
           << elements << " elements (C2), but got " << columnsOf(getResult());
  return success();
}

LogicalResult WeightRowOp::verify() {
  if (getWeights().empty())
    return emitOpError("expects at least one row of weights (C1)");
  for (Attribute row : getWeights()) {
    auto symbols = dyn_cast<ArrayAttr>(row);
    if (!symbols || !llvm::all_of(symbols, llvm::IsaPred<FlatSymbolRefAttr>) ||
        symbols.size() != getNumResults())
      return emitOpError("expects rows of ") << getNumResults() << " symbols (C2), but got " << row;
  }
  return success();
}

LogicalResult WeightRowOp::verifySymbolUses(SymbolTableCollection &symbols) {
  for (Attribute row : getWeights()) {
    for (auto [symbol, type] : llvm::zip_equal(cast<ArrayAttr>(row), getResultTypes())) {
      auto weight =
          symbols.lookupNearestSymbolFrom<WeightOp>(*this, cast<FlatSymbolRefAttr>(symbol));
      if (!weight || weight.getType() != type)
        return emitOpError("expects the name of a packed.weight of type ")
               << type << " (C3), but got " << symbol;
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Memory and threads
//===----------------------------------------------------------------------===//

LogicalResult ScratchOp::verify() {
  if (int64_t(getOffset()) < 0 || getOffset() % kSectionAlignment != 0)
    return emitOpError("expects a non-negative offset that is a multiple of 64 (C1), but got ")
           << int64_t(getOffset());
  auto type = cast<MemRefType>(getType());
  if (!type.getLayout().isIdentity() || !type.getElementType().isIntOrFloat())
    return emitOpError("expects numbers in the identity layout (C2), but got ") << type;
  if (getSizes().size() != static_cast<size_t>(type.getNumDynamicDims()))
    return emitOpError("expects ")
           << type.getNumDynamicDims() << " sizes (C3), but got " << getSizes().size();
  int64_t least = ceilDiv(type.getElementTypeBitWidth(), 8);
  for (int64_t size : type.getShape())
    least *= ShapedType::isDynamic(size) ? 1 : size;
  if (int64_t(getBytes()) < least)
    return emitOpError("expects at least ")
           << least << " bytes (C4), but got " << int64_t(getBytes());
  return success();
}

LogicalResult BufferOp::verify() {
  auto type = cast<MemRefType>(getType());
  if (!type.getLayout().isIdentity())
    return emitOpError("expects the identity layout (C1), but got ") << type;
  if (getSizes().size() != static_cast<size_t>(type.getNumDynamicDims()))
    return emitOpError("expects ")
           << type.getNumDynamicDims() << " sizes (C2), but got " << getSizes().size();
  return success();
}

//===----------------------------------------------------------------------===//
// Whole-tensor operations
//===----------------------------------------------------------------------===//

LogicalResult QuantizeActivationsOp::verify() {
  int64_t group = getGroup();
  bool holdsAll = group == int64_t(llvm::alignTo(getColumns(), stc::kRowScaleGroup));
  if (group != 16 && group != 32 && group != 64 && group != 128 && !holdsAll)
    return emitOpError("expects a group of 16, 32, 64 or 128, or of all columns in a multiple of ")
           << stc::kRowScaleGroup << " (C1), but got " << group;
  if (group > stc::kMostWholeColumns)
    return emitOpError("expects a group of at most ")
           << stc::kMostWholeColumns << " columns (C1), but got " << group;
  // A group's sum must fit into 32 bits.
  if (int64_t factor = getSumFactor(); factor < -255 || factor > 255)
    return emitOpError("expects sum_factor in [-255, 255] (C1), but got ") << factor;
  if (int64_t offset = getOffset(); offset != 0 && offset != 128)
    return emitOpError("expects an offset of 0 or 128 (C1), but got ") << offset;
  int64_t groups = ceilDiv(getColumns(), group);
  if (columnsOf(getCodes()) != groups * group || columnsOf(getScales()) != groups ||
      columnsOf(getSums()) != groups)
    return emitOpError("expects ")
           << groups * group << " code columns, " << groups << " scales and sums (C2), but got "
           << columnsOf(getCodes()) << ", " << columnsOf(getScales()) << ", "
           << columnsOf(getSums());
  for (Value out : {getCodes(), getScales(), getSums()})
    if (tokensOf(out) != tokensOf(getInput()))
      return emitOpError("expects the input's tokens in every output (C3)");
  return verifyDestination(*this);
}

LogicalResult PermuteFeaturesOp::verify() {
  if (columnsOf(getOrder()) != columnsOf(getOut()))
    return emitOpError("expects an order of ")
           << columnsOf(getOut()) << " numbers (C1), but got " << columnsOf(getOrder());
  if (tokensOf(getOut()) != tokensOf(getInput()))
    return emitOpError("expects outs of the input's tokens (C2), but got ") << getOut().getType();
  return verifyDestination(*this);
}

/// How many numbers of 16 bits stand for each of `columns` activations: 1, or 2 of bf16; 0 where
/// their matrix has the columns of neither.
static int64_t halvesOf(Value halves, int64_t columns) {
  int64_t half = stc::splitHalfColumns(columns), own = columnsOf(halves);
  bool isBF16 = cast<ShapedType>(halves.getType()).getElementType().isBF16();
  return own == half ? 1 : own == 2 * half && isBF16 ? 2 : 0;
}

LogicalResult SplitActivationsOp::verify() {
  int64_t columns = stc::splitHalfColumns(columnsOf(getInput()));
  if (halvesOf(getOut(), columnsOf(getInput())) == 0)
    return emitOpError("expects outs of ")
           << columns << " columns, or twice as many of bf16 (C1), but got " << getOut().getType();
  if (tokensOf(getOut()) != tokensOf(getInput()))
    return emitOpError("expects the input's tokens in outs (C2), but got ") << getOut().getType();
  return verifyDestination(*this);
}

/// What a matmul does to its sums before it adds the residual: (C7) and (C8).
template <typename Op> static LogicalResult verifyEpilogue(Op op) {
  Value out = op.getOut(), gate = op.getGate(), cos = op.getCos(), sin = op.getSin();
  if (bool(gate) != bool(op.getActivationAttr()))
    return op.emitOpError("expects a gate and an activation together (C7)");
  if (gate && (columnsOf(gate) != columnsOf(out) || tokensOf(gate) != tokensOf(out)))
    return op.emitOpError("expects a gate of outs' shape (C7), but got ") << gate.getType();
  if (!cos && !sin)
    return success();
  if (!cos || !sin || cos.getType() != sin.getType())
    return op.emitOpError("expects cos and sin of equal types (C8)");
  int64_t pairs = columnsOf(cos);
  if (tokensOf(cos) != tokensOf(out) || pairs <= 0 || pairs % stc::kTileRows != 0 ||
      columnsOf(out) % (2 * pairs) != 0)
    return op.emitOpError("expects cos with outs' tokens and a multiple of ")
           << stc::kTileRows << " columns, twice of which divide outs' (C8), but got "
           << cos.getType();
  return success();
}

/// The operand constraints shared by packed.matmul and packed.matmul_tile.
template <typename Op> static LogicalResult verifyMatmul(Op op) {
  OperandRange inputs = op.getInputs();
  auto weight = cast<WeightType>(op.getWeight().getType());
  Value bias = op.getBias(), residual = op.getResidual(), out = op.getOut();
  Layout layout = weight.getLayout().getLayout();
  bool maySplit =
      (layout.kind == LayoutKind::Dense || layout.isSparseFloat()) && layout.floatBytes() == 2;
  bool isSplit = maySplit && inputs.size() == 2;
  auto elementOf = [](Value value) { return cast<ShapedType>(value.getType()).getElementType(); };
  bool isRounded = layout.isQuantized() && layout.kind == LayoutKind::Dense && inputs.size() == 1 &&
                   elementOf(inputs[0]).isF16();
  size_t expected = layout.isQuantized() && !isRounded ? 3 : 1;
  if (inputs.size() != expected && !isSplit)
    return op.emitOpError("expects ") << expected << (maySplit ? " or 2" : "")
                                      << " inputs for this layout (C1), but got " << inputs.size();
  bool elementsFit = isRounded || (layout.isQuantized() ? elementOf(inputs[0]).isInteger(8) &&
                                                              elementOf(inputs[1]).isF32() &&
                                                              elementOf(inputs[2]).isInteger(32)
                                                        : elementOf(inputs[0]).isF32());
  if (!elementsFit)
    return op.emitOpError("expects inputs of ")
           << (layout.isQuantized() ? "i8, f32 and i32" : "f32") << " (C1)";
  // Weights of f16 with masks also take sums of two bf16.
  bool isSum = isSplit && layout.isSparse() && elementOf(inputs[1]).isBF16() &&
               halvesOf(inputs[1], weight.getColumns()) == 2;
  if (isSplit && elementOf(inputs[1]) != weight.getLayout().getElement() && !isSum)
    return op.emitOpError("expects split activations of the weights' type (C1), but got ")
           << inputs[1].getType();
  TileGeometry geometry = tileGeometry(layout, weight.getRows(), weight.getColumns());
  // Only codes of activations are padded as weights are.
  int64_t columns = isRounded              ? stc::splitHalfColumns(weight.getColumns())
                    : layout.isQuantized() ? geometry.paddedColumns
                                           : weight.getColumns();
  if (columnsOf(inputs[0]) != columns)
    return op.emitOpError("expects ")
           << columns << " input columns (C2), but got " << columnsOf(inputs[0]);
  if (isSplit && halvesOf(inputs[1], weight.getColumns()) == 0)
    return op.emitOpError("expects ")
           << stc::splitHalfColumns(weight.getColumns())
           << " columns of split activations, or twice as many of bf16 (C2), but got "
           << inputs[1].getType();
  if (isSplit && tokensOf(inputs[1]) != tokensOf(inputs[0]))
    return op->emitOpError("expects the input's tokens in split activations (C2), but got ")
           << inputs[1].getType();
  // Scales and sums of activations may be those of all columns.
  bool isWhole =
      layout.perRow && inputs.size() == 3 && columnsOf(inputs[1]) == 1 && columnsOf(inputs[2]) == 1;
  for (Value perGroup : isSplit ? ValueRange() : ValueRange(inputs.drop_front()))
    if (columnsOf(perGroup) != geometry.groups && !isWhole)
      return op.emitOpError("expects ")
             << geometry.groups << " groups" << (layout.perRow ? ", or one for all columns" : "")
             << " (C2), but got " << columnsOf(perGroup);
  if (columnsOf(out) != weight.getRows() || tokensOf(out) != tokensOf(inputs[0]))
    return op.emitOpError("expects outs of tokens x ")
           << weight.getRows() << " (C3), but got " << out.getType();
  if (bias && columnsOf(bias) != weight.getRows())
    return op.emitOpError("expects ")
           << weight.getRows() << " bias values (C4), but got " << columnsOf(bias);
  if (residual && (columnsOf(residual) != columnsOf(out) || tokensOf(residual) != tokensOf(out)))
    return op.emitOpError("expects a residual of outs' shape (C5), but got ") << residual.getType();
  if (layout.kind == LayoutKind::Rows)
    return op.emitOpError("expects a tiled layout (C6), but got rows");
  return verifyEpilogue(op);
}

LogicalResult MatmulOp::verify() {
  if (failed(verifyMatmul(*this)))
    return failure();
  return verifyDestination(*this);
}

LogicalResult MatmulTileOp::verify() {
  for (Value input : getInputs())
    if (auto type = cast<MemRefType>(input.getType()); !type.getLayout().isIdentity())
      return emitOpError("expects contiguous inputs (C2), but got ") << type;
  if (bool(getToken()) != (getConfig().getPieceTokens() != 0))
    return emitOpError("expects a first token and piece_tokens together (C3)");
  return verifyMatmul(*this);
}

LogicalResult GatherOp::verify() {
  auto type = cast<WeightType>(getTable().getType());
  Layout layout = type.getLayout().getLayout();
  if (layout.isQuantized() || layout.isSparse())
    return emitOpError("expects a rows or dense float layout (C1), but got ") << type.getLayout();
  if (columnsOf(getOut()) != type.getColumns() || tokensOf(getOut()) != tokensOf(getTokens()))
    return emitOpError("expects outs of tokens x ")
           << type.getColumns() << " (C2), but got " << getOut().getType();
  return verifyDestination(*this);
}

LogicalResult TopKGateOp::verify() {
  auto k = static_cast<int64_t>(getK());
  if (k < 1 || k > columnsOf(getLogits()))
    return emitOpError("expects k from 1 to ") << columnsOf(getLogits()) << " (C1), but got " << k;
  if (cast<ShapedType>(getOut().getType()).getShape() !=
      cast<ShapedType>(getLogits().getType()).getShape())
    return emitOpError("expects out of the logits' shape (C2), but got ") << getOut().getType();
  return verifyDestination(*this);
}

LogicalResult SelectTokensOp::verify() {
  if (tokensOf(getOut()) != tokensOf(getGates()))
    return emitOpError("expects out with as many elements as tokens (C1), but got ")
           << getOut().getType() << " for " << getGates().getType();
  return verifyDestination(*this);
}

LogicalResult GatherTokensOp::verify() {
  if (columnsOf(getOut()) != columnsOf(getInput()))
    return emitOpError("expects out with ")
           << columnsOf(getInput()) << " columns (C1), but got " << columnsOf(getOut());
  return verifyDestination(*this);
}

LogicalResult ScatterAddOp::verify() {
  if (columnsOf(getOut()) != columnsOf(getInput()))
    return emitOpError("expects out with ")
           << columnsOf(getInput()) << " columns (C1), but got " << columnsOf(getOut());
  if (tokensOf(getOut()) != tokensOf(getGates()))
    return emitOpError("expects out with the gates' tokens (C2), but got ")
           << getOut().getType() << " for " << getGates().getType();
  return verifyDestination(*this);
}

LogicalResult RotaryOp::verify() {
  int64_t headDim = getHeadColumns();
  if (headDim < 2 * columnsOf(getCos()))
    return emitOpError("expects a head_dim of 0 or at least ")
           << 2 * columnsOf(getCos()) << " (C4), but got " << headDim;
  if (headDim <= 0 || columnsOf(getInput()) % headDim != 0)
    return emitOpError("expects input columns that are a multiple of ")
           << headDim << " (C1), but got " << columnsOf(getInput());
  if (columnsOf(getSin()) != columnsOf(getCos()) || tokensOf(getSin()) != tokensOf(getCos()) ||
      tokensOf(getCos()) != tokensOf(getInput()))
    return emitOpError("expects cos and sin of equal shape with the input's tokens (C2)");
  if (columnsOf(getOut()) != columnsOf(getInput()) || tokensOf(getOut()) != tokensOf(getInput()))
    return emitOpError("expects outs of the input's shape (C3), but got ") << getOut().getType();
  return verifyDestination(*this);
}

LogicalResult RMSNormOp::verify() {
  auto groups = int64_t(getGroups());
  int64_t size = cast<ShapedType>(getWeight().getType()).getDimSize(0);
  if (groups < 1 || columnsOf(getInput()) % groups != 0 ||
      (columnsOf(getInput()) != groups * size && columnsOf(getInput()) != size))
    return emitOpError("expects positive groups and one weight value per column of a group, or of "
                       "all (C1), but got ")
           << groups << " groups and " << size << " values for " << columnsOf(getInput())
           << " columns";
  double epsilon = getEpsilon().convertToDouble();
  if (!std::isfinite(epsilon) || epsilon < 0)
    return emitOpError("expects a finite, non-negative epsilon (C2), but got ") << epsilon;
  if (columnsOf(getOut()) != columnsOf(getInput()) || tokensOf(getOut()) != tokensOf(getInput()))
    return emitOpError("expects outs of the input's shape (C3), but got ") << getOut().getType();
  return verifyDestination(*this);
}

/// What packed.attention and packed.attention_tile share: C1 to C10 of the former.
template <typename Op> static LogicalResult verifyAttention(Op op) {
  if (failed(stc::verifyHeads(op)))
    return failure();
  int64_t heads = op.getHeads();
  int64_t columns = heads * cast<KVCacheType>(op.getCache().getType()).getHeadDim();
  if (columnsOf(op.getQueries()) != columns || columnsOf(op.getOut()) != columns)
    return op.emitOpError("expects ")
           << columns << " query and outs columns (C2), but got " << columnsOf(op.getQueries())
           << " and " << columnsOf(op.getOut());
  int64_t numbers = op.getBias() ? columnsOf(op.getBias()) : 0;
  if (numbers % heads != 0)
    return op.emitOpError("expects a bias of a multiple of ")
           << heads << " numbers (C7), but got " << numbers;
  return stc::verifyScores(op, numbers / heads);
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  return verifyDestination(*this);
}

/// Rows of one partial result per query head and piece.
static LogicalResult verifyPartials(Operation *op, int64_t heads, Value cache, Value partials,
                                    StringRef constraint) {
  int64_t columns = cast<KVCacheType>(cache.getType()).getLayout().paddedDim() + 16;
  int64_t rows = tokensOf(partials);
  if (columnsOf(partials) != columns || rows <= 0 || rows % heads != 0)
    return op->emitOpError("expects partials of a multiple of ")
           << heads << " rows and " << columns << " columns (" << constraint << "), but got "
           << partials.getType();
  return success();
}

LogicalResult AttentionTileOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  if (int64_t(getTokens()) <= 0)
    return emitOpError("expects positive tokens (C2), but got ") << int64_t(getTokens());
  Value partials = getPartials();
  if (bool(getPiece()) != bool(partials) || bool(partials) != (getPieceKeys() != 0))
    return emitOpError("expects a piece, piece_keys and partials together (C3)");
  if (!partials)
    return success();
  if (int64_t(getPieceKeys()) < 0 || getPieceKeys() % kKVBlock != 0)
    return emitOpError("expects piece_keys that are a positive multiple of ")
           << kKVBlock << " (C4), but got " << int64_t(getPieceKeys());
  if (getTokens() != 1)
    return emitOpError("expects one token with partials (C4), but got ") << int64_t(getTokens());
  return verifyPartials(*this, getHeads(), getCache(), partials, "C5");
}

LogicalResult AttentionCombineOp::verify() {
  auto cache = cast<KVCacheType>(getCache().getType());
  if (int64_t(getHeads()) <= 0 || getHeads() % cache.getKvHeads() != 0 ||
      columnsOf(getOut()) != int64_t(getHeads()) * cache.getHeadDim())
    return emitOpError("expects outs with the columns of heads, a positive multiple of ")
           << cache.getKvHeads() << " (C1), but got " << getOut().getType();
  return verifyPartials(*this, getHeads(), getCache(), getPartials(), "C2");
}

//===----------------------------------------------------------------------===//
// Micro-operations
//===----------------------------------------------------------------------===//

LogicalResult PrefetchOp::verify() {
  if (int64_t(getLevel()) < 1 || getLevel() > 3)
    return emitOpError("expects cache level 1, 2 or 3 (C1), but got ") << int64_t(getLevel());
  return success();
}

LogicalResult TileDotOp::verify() {
  int64_t tokens = getTokens(), columns = getColumns(), stride = getStride();
  if (tokens < 1 || tokens > 16)
    return emitOpError("expects tokens in [1, 16] (C1), but got ") << tokens;
  if (columns < 4 || columns > 128 || columns % 4 != 0)
    return emitOpError("expects columns that are a multiple of 4 in [4, 128] (C2), but got ")
           << columns;
  if (stride < columns)
    return emitOpError("expects a stride of at least ") << columns << " (C3), but got " << stride;
  return success();
}

LogicalResult TileDotBF16Op::verify() {
  int64_t rows = getRows(), columns = getColumns(), stride = getStride();
  if (rows < 1 || rows > kMostRows)
    return emitOpError("expects rows in [1, 64] (C1), but got ") << rows;
  if (columns < 1 || columns > kMostColumns)
    return emitOpError("expects columns in [1, 256] (C2), but got ") << columns;
  int64_t least = 2 * stc::kSplitColumns * ceilDiv(columns, stc::kSplitColumns);
  if (stride < least)
    return emitOpError("expects a stride of at least ") << least << " (C3), but got " << stride;
  return success();
}

LogicalResult Dot8x2Op::verify() {
  int64_t lanes = cast<VectorType>(getAccumulator().getType()).getNumElements();
  int64_t bytes = cast<VectorType>(getUnsignedBytes().getType()).getNumElements();
  if (bytes != 4 * lanes)
    return emitOpError("expects four unsigned bytes per accumulator lane (C1), but got ")
           << bytes << " bytes for " << lanes << " lanes";
  if (lanes % 4 != 0)
    return emitOpError("expects accumulator lanes that are a multiple of 4 (C2), but got ")
           << lanes;
  if (int64_t(getBits()) < 1 || getBits() > 8)
    return emitOpError("expects bits in [1, 8] (C3), but got ") << int64_t(getBits());
  return success();
}

LogicalResult Dot4Op::verify() {
  int64_t lanes = cast<VectorType>(getAccumulator().getType()).getNumElements();
  int64_t bytes = cast<VectorType>(getUnsignedBytes().getType()).getNumElements();
  if (bytes != 4 * lanes)
    return emitOpError("expects four bytes per accumulator lane (C1), but got ")
           << bytes << " bytes for " << lanes << " lanes";
  if (int64_t(getBits()) < 1 || getBits() > 8)
    return emitOpError("expects bits in [1, 8] (C2), but got ") << int64_t(getBits());
  if (int64_t(getSignedBits()) < 1 || getSignedBits() > 8)
    return emitOpError("expects signed_bits in [1, 8] (C3), but got ") << int64_t(getSignedBits());
  return success();
}
