// What the builders of all graphs share: weights, projections, norms, attention, feed-forward.
#include "GraphBuilder.h"

#include "stc/Dialect/STC/Utils/AttentionBias.h"

#include <cmath>

using namespace mlir;
using namespace stc;

KVCacheType GraphBuilder::cacheType(int64_t layers, int64_t capacity) {
  return KVCacheType::get(builder.getContext(), layers, config.kvHeads, config.headDim, capacity,
                          KVCacheType::elementType(builder.getContext(), settings.kvCache));
}

func::FuncOp GraphBuilder::beginFunction(llvm::StringRef name, TypeRange inputs,
                                         TypeRange results) {
  auto function =
      func::FuncOp::create(builder, at(name), name, builder.getFunctionType(inputs, results));
  builder.setInsertionPointToStart(function.addEntryBlock());
  return function;
}

Value GraphBuilder::weight(Location loc, const llvm::Twine &symbol) {
  WeightOp op = weights.find(symbol.str());
  if (!op)
    return {};
  return GetWeightOp::create(builder, loc, op.getType(), FlatSymbolRefAttr::get(op));
}

Value GraphBuilder::linear(const llvm::Twine &symbol, Value input) {
  Location loc = at(symbol);
  Value matrix = weight(loc, symbol);
  return LinearOp::create(builder, loc, input, matrix, weight(loc, symbol + "_bias"));
}

Value GraphBuilder::norm(const llvm::Twine &symbol, Value input) {
  Location loc = at(symbol);
  Value gains = weight(loc, symbol);
  FloatAttr epsilon = builder.getF64FloatAttr(config.normEpsilon);
  if (config.block.norm == NormKind::RootMeanSquare)
    return RMSNormOp::create(builder, loc, input, gains, epsilon, builder.getI64IntegerAttr(1));
  return LayerNormOp::create(builder, loc, input, gains, weight(loc, symbol + "_bias"), epsilon,
                             builder.getI64IntegerAttr(1));
}

Value GraphBuilder::scale(Location loc, Value input, double factor) {
  if (factor == 1)
    return input;
  return ScaleOp::create(builder, loc, input, builder.getF64FloatAttr(factor));
}

Value GraphBuilder::addTo(const llvm::Twine &part, Value hidden, Value output) {
  Location loc = at(part);
  return arith::AddFOp::create(builder, loc, hidden, scale(loc, output, config.residualScale));
}

Value GraphBuilder::buildLayers(
    Value hidden, llvm::function_ref<Value(const std::string &, int64_t, Value)> build) {
  for (int64_t index = 0; index < config.layers; ++index) {
    std::string layer = "layers." + std::to_string(index);
    auto op = LayerOp::create(builder, at(layer), hidden, index);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&op.getBody().front());
    YieldOp::create(builder, at(layer), build(layer, index, op.getBody().getArgument(0)));
    hidden = op.getResult();
  }
  return hidden;
}

Value GraphBuilder::addPositions(const llvm::Twine &symbol, Value tokens, Value hidden) {
  Location loc = at(symbol);
  Value positions = PositionsOp::create(builder, loc, tokens, position);
  Value learned = EmbeddingOp::create(builder, loc, positions, weight(loc, symbol));
  return arith::AddFOp::create(builder, loc, hidden, learned);
}

void GraphBuilder::makeRotaryTables(Value tokens) {
  auto create = [&](const llvm::Twine &part, const Rotation &rotation) {
    return RotaryTableOp::create(builder, at(part), tokens, position,
                                 builder.getDenseF64ArrayAttr(rotation.inverseFrequencies),
                                 builder.getF64FloatAttr(rotation.scale));
  };
  if (config.usesRotation())
    table = create("rotary_table", settings.rotation);
  if (!settings.localRotation.inverseFrequencies.empty())
    localTable = create("local_rotary_table", settings.localRotation);
}

Value GraphBuilder::rotate(Location loc, int64_t layer, Value input) {
  if (!config.isRotated(layer))
    return input;
  RotaryTableOp angles = localTable && config.isWindowed(layer) ? localTable : table;
  int64_t headDim = config.rotaryDim == config.headDim ? 0 : config.headDim;
  return RotaryEmbeddingOp::create(builder, loc, input, angles.getCos(), angles.getSin(),
                                   config.ropeInterleaved ? builder.getUnitAttr() : UnitAttr(),
                                   builder.getI64IntegerAttr(headDim));
}

Value GraphBuilder::normHeads(const llvm::Twine &symbol, Value input, int64_t heads) {
  if (config.block.queryKeyNorm == QueryKeyNorm::None)
    return input;
  Location loc = at(symbol);
  IntegerAttr groups =
      builder.getI64IntegerAttr(config.block.queryKeyNorm == QueryKeyNorm::WholeRow ? 1 : heads);
  FloatAttr epsilon = builder.getF64FloatAttr(config.normEpsilon);
  if (config.block.norm == NormKind::RootMeanSquare)
    return RMSNormOp::create(builder, loc, input, weight(loc, symbol), epsilon, groups);
  return LayerNormOp::create(builder, loc, input, weight(loc, symbol), Value(), epsilon, groups);
}

Value GraphBuilder::clip(Location loc, Value input) {
  if (config.clipLimit == 0)
    return input;
  return ClampOp::create(builder, loc, input, builder.getF64FloatAttr(config.clipLimit));
}

double GraphBuilder::scoreScale() const {
  return config.attentionScale != 0 ? config.attentionScale
                                    : 1 / std::sqrt(static_cast<double>(config.headDim));
}

Value GraphBuilder::headsOf(const std::string &layer, int64_t index, const std::string &name,
                            Value input, int64_t heads) {
  Location loc = at(layer + ".attention");
  std::string symbol = layer + "." + name, norm = symbol + "_norm";
  Value projected = linear(symbol, input);
  if (config.block.normAfterRotation)
    return normHeads(norm, rotate(loc, index, clip(loc, projected)), heads);
  return rotate(loc, index, clip(loc, normHeads(norm, projected, heads)));
}

Value GraphBuilder::attention(const std::string &layer, int64_t index, Value input) {
  if (config.isLatent())
    return latentAttention(layer, index, input);
  Value queries = headsOf(layer, index, "q", input, config.heads);
  Value keys = headsOf(layer, index, "k", input, config.kvHeads);
  Value values = clip(at(layer + ".attention"), linear(layer + ".v", input));
  return linear(layer + ".o", attend(layer, index, queries, keys, values));
}

Value GraphBuilder::attend(const std::string &layer, int64_t index, Value queries, Value keys,
                           Value values) {
  Location loc = at(layer + ".attention");
  Value layerIndex = arith::ConstantIndexOp::create(builder, loc, index);
  CacheUpdateOp::create(builder, loc, keys, values, cache, layerIndex, position);
  // A window as long as the cache hides nothing.
  bool hidesKeys = config.isWindowed(index) && config.slidingWindow < settings.capacity;
  double scores = scoreScale();
  Value sinks = config.block.sinkLogits ? weight(loc, layer + ".sinks") : Value();
  Value bias = biasSymbol.empty() ? Value() : weight(loc, biasSymbol);
  auto mixed =
      AttentionOp::create(builder, loc, queries, cache, layerIndex, position, config.heads, scores);
  mixed.setWindow(hidesKeys ? config.slidingWindow : 0);
  mixed.setSoftCap(llvm::APFloat(config.attentionSoftCap));
  if (config.alibiBias != 0) {
    std::vector<double> slopes = alibiSlopes(config.heads, config.alibiBias);
    for (double &slope : slopes)
      slope *= config.alibiIsScaled ? scores : 1;
    mixed.setSlopesAttr(builder.getDenseF64ArrayAttr(slopes));
  }
  if (sinks)
    mixed.getSinkLogitsMutable().assign(sinks);
  if (end)
    mixed.getEndMutable().assign(end);
  if (bias) {
    mixed.getBiasMutable().assign(bias);
    mixed.setBiasDistance(config.relativeDistance);
  }
  return mixed;
}

Value GraphBuilder::feedForward(const std::string &layer, Value input) {
  if (config.block.gated)
    return gatedUnit(layer, input);
  return linear(layer + ".down", activate(layer + ".feed_forward", linear(layer + ".up", input)));
}

Value GraphBuilder::gatedUnit(const std::string &part, Value input) {
  Value gate = linear(part + ".gate", input);
  Value up = linear(part + ".up", input);
  auto gated =
      GatedActivationOp::create(builder, at(part + ".feed_forward"), gate, up, settings.activation);
  if (config.block.clampedGate) {
    gated.setLimit(llvm::APFloat(config.gateLimit));
    gated.setOffset(llvm::APFloat(1.0));
  }
  return linear(part + ".down", gated);
}

void GraphBuilder::buildHead() {
  OpBuilder::InsertionGuard guard(builder);
  // A tied head multiplies by the embedding table.
  llvm::StringRef symbol = weights.find("classifier") ? "classifier"
                           : weights.find("lm_head")  ? "lm_head"
                                                      : "embed";
  int64_t columns = weights.find(symbol).getTensorType().getDimSize(0);
  auto function = beginFunction("head", activations(config.hiddenSize), activations(columns));
  Value logits = linear(symbol, function.getArgument(0));
  logits = scale(at("head"), logits, config.logitScale);
  if (config.logitSoftCap != 0)
    logits = SoftCapOp::create(builder, at("head"), logits,
                               builder.getF64FloatAttr(config.logitSoftCap));
  func::ReturnOp::create(builder, at("head"), logits);
}
