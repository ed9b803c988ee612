// convert-stc-to-packed: packs weights and makes operations read them.
#include "MaterializeWeights.h"

#include "stc/Conversion/Passes.h"
#include "stc/Dialect/Packed/IR/PackedRouting.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Packing/Pack.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_CONVERTSTCTOPACKEDPASS
#include "stc/Conversion/Passes.h.inc"

namespace {

/// A value with as many tokens as `value`, as early in the function as can be told. Destination
/// tensors take their size from there, so that they do not depend on each other.
Value tokenSource(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    bool keepsTokens =
        isa<EmbeddingOp, PositionsOp, LinearOp, PermuteFeaturesOp, RMSNormOp, LayerNormOp, ScaleOp,
            ClampOp, SoftCapOp, ActivationOp, GatedActivationOp, RotaryTableOp, RotaryEmbeddingOp,
            AttentionOp, LayerOp, ExpertOp, TopKGateOp, GroupedGateOp,
            packed::QuantizeActivationsOp, packed::MatmulOp, packed::GatherOp,
            packed::PermuteFeaturesOp, packed::RMSNormOp, packed::RotaryOp, packed::AttentionOp,
            packed::TopKGateOp, packed::GroupedGateOp>(op) ||
        op->hasTrait<OpTrait::SameOperandsAndResultType>();
    if (!keepsTokens)
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// An uninitialized tensor of tokens x columns with the tokens of `like`.
Value emptyTensor(OpBuilder &builder, Location loc, Value like, int64_t columns, Type element) {
  int64_t tokens = cast<RankedTensorType>(like.getType()).getDimSize(0);
  SmallVector<Value> sizes;
  if (ShapedType::isDynamic(tokens))
    sizes.push_back(tensor::DimOp::create(builder, loc, tokenSource(like), 0));
  return tensor::EmptyOp::create(builder, loc, ArrayRef<int64_t>{tokens, columns}, element, sizes);
}

Value emptyLike(OpBuilder &builder, Location loc, Value like) {
  auto type = cast<RankedTensorType>(like.getType());
  return emptyTensor(builder, loc, like, type.getDimSize(1), type.getElementType());
}

class ConvertSTCToPacked final : public impl::ConvertSTCToPackedPassBase<ConvertSTCToPacked> {
public:
  ConvertSTCToPacked() = default;
  ConvertSTCToPacked(ConvertSTCToPackedPassOptions options, BundleWriter *bundle = nullptr)
      : ConvertSTCToPackedPassBase(std::move(options)), bundle(bundle) {}

  void runOnOperation() override {
    // Operations first: they fail fast, and packing takes long.
    if (failed(convertOperations()))
      return signalPassFailure();
    MaterializeOptions options;
    options.bundle = bundle;
    options.quiet = quiet;
    options.verbose = verbose;
    FailureOr<uint64_t> bytes = materializeWeights(getOperation(), options);
    if (failed(bytes))
      return signalPassFailure();
    bytesPacked += *bytes;
  }

private:
  LogicalResult convertOperations();
  LogicalResult convert(EmbeddingOp op);
  LogicalResult convert(LinearOp op);
  LogicalResult convert(GatedActivationOp op);
  LogicalResult convert(PermuteFeaturesOp op);
  LogicalResult convert(RMSNormOp op);
  LogicalResult convert(LayerNormOp op);
  LogicalResult convert(RotaryEmbeddingOp op);
  LogicalResult convert(AttentionOp op);
  LogicalResult convert(TopKGateOp op);
  LogicalResult convert(GroupedGateOp op);

  /// The packed weight of an operand that `stc.get_weight` reads, or null after an error.
  Value packedWeight(OpBuilder &builder, Operation *user, Value operand);
  /// The same as an f32 vector, of a matrix row after row.
  Value packedVector(OpBuilder &builder, Operation *user, Value operand);
  /// Errors unless the numbers of an order are columns.
  LogicalResult checkOrder(PermuteFeaturesOp op);
  /// The operands of a matmul: the input itself, or its codes, scales and sums.
  SmallVector<Value> matmulInputs(OpBuilder &builder, Value input, packed::WeightType weight);

  BundleWriter *bundle = nullptr;
  llvm::DenseMap<StringAttr, packed::WeightType> types;
};

} // namespace

LogicalResult ConvertSTCToPacked::convertOperations() {
  ModuleOp module = getOperation();
  types.clear();
  for (auto weight : module.getOps<WeightOp>())
    types[weight.getSymNameAttr()] = packedType(weight);

  SmallVector<Operation *> work;
  SmallVector<GetWeightOp> reads;
  WalkResult walked = module.walk([&](Operation *op) {
    if (auto repeat = dyn_cast<RepeatOp>(op)) {
      emitError(repeat.getLoc(),
                "expected layers that are not shared yet (stc-share-layers runs after "
                "convert-stc-to-packed), got stc.repeat");
      return WalkResult::interrupt();
    }
    if (auto read = dyn_cast<GetWeightOp>(op))
      reads.push_back(read);
    if (isa<EmbeddingOp, LinearOp, PermuteFeaturesOp, RMSNormOp, LayerNormOp, GatedActivationOp,
            RotaryEmbeddingOp, AttentionOp, TopKGateOp, GroupedGateOp>(op))
      work.push_back(op);
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  for (Operation *op : work) {
    LogicalResult converted =
        llvm::TypeSwitch<Operation *, LogicalResult>(op)
            .Case<EmbeddingOp, LinearOp, PermuteFeaturesOp, RMSNormOp, LayerNormOp,
                  GatedActivationOp, RotaryEmbeddingOp, AttentionOp, TopKGateOp, GroupedGateOp>(
                [&](auto concrete) { return convert(concrete); });
    if (failed(converted))
      return failure();
  }
  for (GetWeightOp read : reads) {
    if (!read->use_empty())
      return emitError(read.getLoc(), "expected the weight ")
             << read.getWeightAttr() << " to be read by operations that have a packed form, got "
             << (*read->user_begin())->getName();
    read.erase();
  }
  return success();
}

Value ConvertSTCToPacked::packedWeight(OpBuilder &builder, Operation *user, Value operand) {
  auto read = operand.getDefiningOp<GetWeightOp>();
  if (!read) {
    emitError(user->getLoc(), "expected weights to come from stc.get_weight, got another value");
    return {};
  }
  packed::WeightType type = types.lookup(read.getWeightAttr().getAttr());
  if (!type) {
    emitError(user->getLoc(), "expected the weight ")
        << read.getWeightAttr() << " to have a layout (stc-select-layouts chooses it), got none";
    return {};
  }
  return packed::GetWeightOp::create(builder, read.getLoc(), type, read.getWeightAttr());
}

Value ConvertSTCToPacked::packedVector(OpBuilder &builder, Operation *user, Value operand) {
  Value weight = packedWeight(builder, user, operand);
  if (!weight)
    return {};
  auto stored = cast<packed::WeightType>(weight.getType());
  auto type = RankedTensorType::get({stored.getRows() * stored.getColumns()}, builder.getF32Type());
  return packed::VectorOp::create(builder, operand.getLoc(), type, weight);
}

LogicalResult ConvertSTCToPacked::convert(EmbeddingOp op) {
  OpBuilder builder(op);
  Value table = packedWeight(builder, op, op.getTable());
  if (!table)
    return failure();
  Value out = emptyLike(builder, op.getLoc(), op.getResult());
  auto gather =
      packed::GatherOp::create(builder, op.getLoc(), out.getType(), op.getTokens(), table, out);
  op.getResult().replaceAllUsesWith(gather.getResult());
  op.erase();
  return success();
}

/// Kernels read the columns that an order names without asking.
LogicalResult ConvertSTCToPacked::checkOrder(PermuteFeaturesOp op) {
  auto symbol = op.getOrder().getDefiningOp<GetWeightOp>().getWeightAttr();
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, symbol);
  absl::StatusOr<WeightStore *> store = WeightStore::get(getOperation());
  if (!store.ok())
    return emitStatus(op, store.status());
  absl::StatusOr<std::vector<float>> order = (*store)->load(weight);
  if (!order.ok())
    return emitStatus(op, order.status());
  int64_t columns = cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
  int64_t least = int64_t(order->size()) == columns ? 0 : -1; // which is a zero
  for (float column : *order)
    if (!(column >= float(least) && column < float(columns)) || column != std::floor(column))
      return emitError(op.getLoc(), "expected ")
             << symbol << " to hold whole numbers from " << least << " to " << columns - 1
             << ", got " << column;
  return success();
}

SmallVector<Value> ConvertSTCToPacked::matmulInputs(OpBuilder &builder, Value input,
                                                    packed::WeightType weight) {
  Layout layout = weight.getLayout().getLayout();
  if (!layout.isQuantized())
    return {input};
  Location loc = input.getLoc();
  // Quantization reads columns in any order; what permutes them has no other use then.
  Value order;
  auto permute = input.getDefiningOp<packed::PermuteFeaturesOp>();
  if (permute && permute.getInput().getType() == permute.getOut().getType()) {
    input = permute.getInput();
    order = permute.getOrder();
  }
  TileGeometry geometry = tileGeometry(layout, weight.getRows(), weight.getColumns());
  SmallVector<Value> outs{
      emptyTensor(builder, loc, input, geometry.paddedColumns, builder.getI8Type()),
      emptyTensor(builder, loc, input, geometry.groups, builder.getF32Type()),
      emptyTensor(builder, loc, input, geometry.groups, builder.getI32Type())};
  auto quantize = packed::QuantizeActivationsOp::create(
      builder, loc, ValueRange(outs).getTypes(), input, outs[0], outs[1], outs[2], order,
      builder.getI64IntegerAttr(layout.group), builder.getI64IntegerAttr(layout.sumFactor()),
      builder.getI64IntegerAttr(layout.activationOffset()));
  return SmallVector<Value>(quantize.getResults());
}

LogicalResult ConvertSTCToPacked::convert(LinearOp op) {
  OpBuilder builder(op);
  Value weight = packedWeight(builder, op, op.getWeight());
  if (!weight)
    return failure();
  Value bias;
  if (op.getBias() && !(bias = packedVector(builder, op, op.getBias())))
    return failure();
  SmallVector<Value> inputs =
      matmulInputs(builder, op.getInput(), cast<packed::WeightType>(weight.getType()));

  // An addition that is the only use becomes part of the matmul, which then takes its place.
  Value result = op.getResult(), residual;
  if (result.hasOneUse()) {
    auto add = dyn_cast<arith::AddFOp>(*result.user_begin());
    if (add && add->getBlock() == op->getBlock()) {
      residual = add.getLhs() == result ? add.getRhs() : add.getLhs();
      result = add.getResult();
      builder.setInsertionPoint(add);
      ++residualsFused;
    }
  }
  Value out = emptyLike(builder, op.getLoc(), op.getResult());
  auto matmul =
      packed::MatmulOp::create(builder, op.getLoc(), out.getType(), inputs, weight, bias,
                               /*gate=*/Value(), /*cos=*/Value(), /*sin=*/Value(), residual, out,
                               ActivationKindAttr(), packed::LoweringConfigAttr());
  result.replaceAllUsesWith(matmul.getResult());
  if (result != op.getResult())
    result.getDefiningOp()->erase();
  op.erase();
  return success();
}

LogicalResult ConvertSTCToPacked::convert(PermuteFeaturesOp op) {
  OpBuilder builder(op);
  Value order = packedVector(builder, op, op.getOrder());
  if (!order || failed(checkOrder(op)))
    return failure();
  Value out = emptyLike(builder, op.getLoc(), op.getResult());
  auto permute = packed::PermuteFeaturesOp::create(builder, op.getLoc(), out.getType(),
                                                   op.getInput(), order, out);
  op.getResult().replaceAllUsesWith(permute.getResult());
  op.erase();
  return success();
}

/// A norm of groups, without bias, whose weight is `vector`.
template <typename Op>
static void normalizeGroups(OpBuilder &builder, Op op, Value vector, UnitAttr centred) {
  // Not in place: another reader may see the input.
  Value out = emptyLike(builder, op.getLoc(), op.getResult());
  auto norm = packed::RMSNormOp::create(builder, op.getLoc(), out.getType(), op.getInput(), vector,
                                        out, op.getGroupsAttr(), op.getEpsilonAttr(), centred);
  op.getResult().replaceAllUsesWith(norm.getResult());
  op.erase();
}

LogicalResult ConvertSTCToPacked::convert(RMSNormOp op) {
  OpBuilder builder(op);
  Value vector = packedVector(builder, op, op.getWeight());
  if (!vector)
    return failure();
  if (op.getGroups() == 1)
    op.getWeightMutable().assign(vector);
  else
    normalizeGroups(builder, op, vector, UnitAttr());
  return success();
}

LogicalResult ConvertSTCToPacked::convert(LayerNormOp op) {
  if (op.getGroups() != 1) {
    OpBuilder builder(op);
    Value vector = packedVector(builder, op, op.getWeight());
    if (!vector)
      return failure();
    normalizeGroups(builder, op, vector, builder.getUnitAttr());
    return success();
  }
  OpBuilder builder(op);
  for (OpOperand &operand : op->getOpOperands().drop_front()) {
    Value vector = packedVector(builder, op, operand.get());
    if (!vector)
      return failure();
    operand.set(vector);
  }
  return success();
}

/// The matmul that computes `value` for `user` alone, moved there so that what else `user` takes is
/// at hand, or null. Nothing else may have been done to its sums yet.
static packed::MatmulOp matmulToExtend(Value value, Operation *user) {
  auto matmul = value.getDefiningOp<packed::MatmulOp>();
  if (!matmul || !value.hasOneUse() || matmul->getBlock() != user->getBlock() || matmul.getGate() ||
      matmul.getCos() || matmul.getResidual())
    return {};
  matmul->moveBefore(user);
  return matmul;
}

/// The product with the activated gate becomes part of the matmul that computes the other factor.
LogicalResult ConvertSTCToPacked::convert(GatedActivationOp op) {
  // Limits and offsets are not for a matmul's last step to apply.
  bool canFuse = op.isPlain() && op.getGate() != op.getUp();
  packed::MatmulOp matmul = canFuse ? matmulToExtend(op.getUp(), op) : packed::MatmulOp();
  if (!matmul)
    return success(); // of any operands: convert-stc-to-linalg
  matmul.getGateMutable().assign(op.getGate());
  matmul.setActivationAttr(op.getKindAttr());
  op.getResult().replaceAllUsesWith(matmul.getResult());
  op.erase();
  ++gatesFused;
  return success();
}

LogicalResult ConvertSTCToPacked::convert(RotaryEmbeddingOp op) {
  OpBuilder builder(op);
  // Row tiles that are turned together must be whole.
  int64_t pairs = cast<RankedTensorType>(op.getCos().getType()).getDimSize(1);
  bool isWhole = op.getHeadColumns() == 2 * pairs;
  if (!op.getInterleaved() && isWhole && pairs % kTileRows == 0)
    if (packed::MatmulOp matmul = matmulToExtend(op.getInput(), op)) {
      matmul.getCosMutable().assign(op.getCos());
      matmul.getSinMutable().assign(op.getSin());
      op.getResult().replaceAllUsesWith(matmul.getResult());
      op.erase();
      ++rotariesFused;
      return success();
    }
  // In place where nothing else reads the input.
  Value input = op.getInput();
  Value out = input.hasOneUse() ? input : emptyLike(builder, op.getLoc(), op.getResult());
  auto rotary =
      packed::RotaryOp::create(builder, op.getLoc(), out.getType(), input, op.getCos(), op.getSin(),
                               out, op.getInterleavedAttr(), op.getHeadDimAttr());
  op.getResult().replaceAllUsesWith(rotary.getResult());
  op.erase();
  return success();
}

LogicalResult ConvertSTCToPacked::convert(AttentionOp op) {
  OpBuilder builder(op);
  Value bias, sinkLogits;
  if (op.getBias() && !(bias = packedVector(builder, op, op.getBias())))
    return failure();
  if (op.getSinkLogits() && !(sinkLogits = packedVector(builder, op, op.getSinkLogits())))
    return failure();
  Value out = emptyLike(builder, op.getLoc(), op.getResult());
  auto attention = packed::AttentionOp::create(
      builder, op.getLoc(), out.getType(), op.getQueries(), op.getCache(), op.getLayer(),
      op.getPosition(), op.getEnd(), bias, sinkLogits, out, op.getHeadsAttr(), op.getScaleAttr(),
      op.getWindowAttr(), op.getSinksAttr(), op.getSoftCapAttr(), op.getBiasDistanceAttr(),
      op.getSlopesAttr(), op.getPatternAttr());
  op.getResult().replaceAllUsesWith(attention.getResult());
  op.erase();
  return success();
}

LogicalResult ConvertSTCToPacked::convert(TopKGateOp op) {
  OpBuilder builder(op);
  Value out = emptyLike(builder, op.getLoc(), op.getResult());
  auto gate = packed::TopKGateOp::create(builder, op.getLoc(), out.getType(), op.getLogits(), out,
                                         op.getKAttr(), op.getNormalizedAttr());
  op.getResult().replaceAllUsesWith(gate.getResult());
  op.erase();
  return success();
}

LogicalResult ConvertSTCToPacked::convert(GroupedGateOp op) {
  OpBuilder builder(op);
  Value correction;
  if (op.getCorrection() && !(correction = packedVector(builder, op, op.getCorrection())))
    return failure();
  Value out = emptyLike(builder, op.getLoc(), op.getResult());
  auto gate =
      packed::GroupedGateOp::create(builder, op.getLoc(), out.getType(), op.getScores(), correction,
                                    out, op.getKAttr(), op.getGroupsAttr(), op.getKeptAttr(),
                                    op.getBestAttr(), op.getScaleAttr(), op.getNormalizedAttr());
  op.getResult().replaceAllUsesWith(gate.getResult());
  op.erase();
  return success();
}

std::unique_ptr<Pass> createConvertSTCToPackedPass(ConvertSTCToPackedPassOptions options,
                                                   BundleWriter *bundle) {
  return std::make_unique<ConvertSTCToPacked>(std::move(options), bundle);
}

} // namespace stc
