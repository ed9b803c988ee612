// Builds the graph of a decoder from its configuration and its declared weights.
#include "Decoder.h"

#include <cmath>

using namespace mlir;
using namespace stc;

namespace {

/// One run over the model, top to bottom. Locations name the part of the model an op belongs to.
class DecoderBuilder {
public:
  DecoderBuilder(OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                 const DecoderSettings &settings)
      : builder(builder), config(config), weights(weights), settings(settings) {}

  void buildForward();
  void buildHead();

private:
  Location at(const llvm::Twine &part) { return NameLoc::get(builder.getStringAttr(part)); }
  /// The value of a weight, or null for one the model lacks.
  Value weight(Location loc, const llvm::Twine &symbol);
  Value linear(const llvm::Twine &symbol, Value input);
  Value norm(const llvm::Twine &symbol, Value input);
  Value scale(Location loc, Value input, double factor);
  Value rotate(Location loc, int64_t layer, Value input);
  /// The norm of queries or keys, where the model has one.
  Value normHeads(const llvm::Twine &symbol, Value input, int64_t heads);
  RotaryTableOp rotaryTable(const llvm::Twine &part, Value tokens, const Rotation &rotation);
  Value embed(Value tokens);
  /// What attention and feed-forward add to the hidden state, from their normalized input.
  Value attention(const std::string &layer, int64_t index, Value input);
  Value feedForward(const std::string &layer, Value input);
  /// The weights are those whose names begin with `part`.
  Value gatedUnit(const std::string &part, Value input);
  /// The sum of `hidden` and what a mixture of experts adds to it.
  Value mixture(const std::string &layer, Value hidden, Value input);
  Value expert(const std::string &part, Value sum, Value input, Value gates, int64_t index);
  Value addTo(const llvm::Twine &part, Value hidden, Value output);
  Value decoderLayer(const std::string &layer, int64_t index, Value hidden);
  RankedTensorType activations(int64_t columns) {
    return RankedTensorType::get({ShapedType::kDynamic, columns}, builder.getF32Type());
  }

  OpBuilder &builder;
  const ModelConfig &config;
  const WeightTable &weights;
  const DecoderSettings &settings;
  Value position, cache;
  RotaryTableOp table, localTable; // null where no layer is rotated so
};

Value DecoderBuilder::weight(Location loc, const llvm::Twine &symbol) {
  WeightOp op = weights.find(symbol.str());
  if (!op)
    return {};
  return GetWeightOp::create(builder, loc, op.getType(), FlatSymbolRefAttr::get(op));
}

Value DecoderBuilder::linear(const llvm::Twine &symbol, Value input) {
  Location loc = at(symbol);
  Value matrix = weight(loc, symbol);
  return LinearOp::create(builder, loc, input, matrix, weight(loc, symbol + "_bias"));
}

Value DecoderBuilder::norm(const llvm::Twine &symbol, Value input) {
  Location loc = at(symbol);
  Value gains = weight(loc, symbol);
  FloatAttr epsilon = builder.getF64FloatAttr(config.normEpsilon);
  if (config.block.norm == NormKind::RootMeanSquare)
    return RMSNormOp::create(builder, loc, input, gains, epsilon, builder.getI64IntegerAttr(1));
  return LayerNormOp::create(builder, loc, input, gains, weight(loc, symbol + "_bias"), epsilon);
}

Value DecoderBuilder::normHeads(const llvm::Twine &symbol, Value input, int64_t heads) {
  if (config.block.queryKeyNorm == QueryKeyNorm::None)
    return input;
  Location loc = at(symbol);
  int64_t groups = config.block.queryKeyNorm == QueryKeyNorm::PerHead ? heads : 1;
  return RMSNormOp::create(builder, loc, input, weight(loc, symbol),
                           builder.getF64FloatAttr(config.normEpsilon),
                           builder.getI64IntegerAttr(groups));
}

Value DecoderBuilder::scale(Location loc, Value input, double factor) {
  if (factor == 1)
    return input;
  return ScaleOp::create(builder, loc, input, builder.getF64FloatAttr(factor));
}

Value DecoderBuilder::rotate(Location loc, int64_t layer, Value input) {
  if (!config.isRotated(layer))
    return input;
  RotaryTableOp angles = localTable && config.isWindowed(layer) ? localTable : table;
  int64_t headDim = config.rotaryDim == config.headDim ? 0 : config.headDim;
  return RotaryEmbeddingOp::create(builder, loc, input, angles.getCos(), angles.getSin(),
                                   config.ropeInterleaved ? builder.getUnitAttr() : UnitAttr(),
                                   builder.getI64IntegerAttr(headDim));
}

Value DecoderBuilder::attention(const std::string &layer, int64_t index, Value input) {
  Location loc = at(layer + ".attention");
  Value queries = normHeads(layer + ".q_norm", linear(layer + ".q", input), config.heads);
  queries = rotate(loc, index, queries);
  Value keys = normHeads(layer + ".k_norm", linear(layer + ".k", input), config.kvHeads);
  keys = rotate(loc, index, keys);
  Value values = linear(layer + ".v", input);
  Value layerIndex = arith::ConstantIndexOp::create(builder, loc, index);
  CacheUpdateOp::create(builder, loc, keys, values, cache, layerIndex, position);
  // A window as long as the cache hides nothing.
  bool hidesKeys = config.isWindowed(index) && config.slidingWindow < settings.capacity;
  double scores = config.attentionScale != 0 ? config.attentionScale
                                             : 1 / std::sqrt(static_cast<double>(config.headDim));
  auto mixed =
      AttentionOp::create(builder, loc, queries, cache, layerIndex, position, config.heads, scores);
  mixed.setWindow(hidesKeys ? config.slidingWindow : 0);
  mixed.setSoftCap(llvm::APFloat(config.attentionSoftCap));
  return linear(layer + ".o", mixed);
}

Value DecoderBuilder::feedForward(const std::string &layer, Value input) {
  Location loc = at(layer + ".feed_forward");
  if (!config.block.gated) {
    Value up = linear(layer + ".up", input);
    return linear(layer + ".down", ActivationOp::create(builder, loc, up, settings.activation));
  }
  return gatedUnit(layer, input);
}

Value DecoderBuilder::gatedUnit(const std::string &part, Value input) {
  Value gate = linear(part + ".gate", input);
  Value up = linear(part + ".up", input);
  Value gated =
      GatedActivationOp::create(builder, at(part + ".feed_forward"), gate, up, settings.activation);
  return linear(part + ".down", gated);
}

/// What the expert adds to `sum` for the tokens that chose it.
Value DecoderBuilder::expert(const std::string &part, Value sum, Value input, Value gates,
                             int64_t index) {
  Location loc = at(part);
  Value number = arith::ConstantIndexOp::create(builder, loc, index);
  auto op = ExpertOp::create(builder, loc, sum, input, gates, number);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&op.getBody().front());
  YieldOp::create(builder, loc, gatedUnit(part, op.getBody().getArgument(0)));
  return op.getResult();
}

/// One expert that all tokens go through has a gate of its own.
Value DecoderBuilder::mixture(const std::string &layer, Value hidden, Value input) {
  Value gates = TopKGateOp::create(builder, at(layer + ".router"), linear(layer + ".router", input),
                                   config.expertsPerToken, config.normalizedGates);
  Value sum = hidden;
  if (config.sharedExpertSize > 0) {
    Value gate =
        ActivationOp::create(builder, at(layer + ".shared_router"),
                             linear(layer + ".shared_router", input), ActivationKind::Sigmoid);
    sum = expert(layer + ".shared_expert", sum, input, gate, 0);
  }
  for (int64_t index = 0; index < config.experts; ++index)
    sum = expert(layer + ".experts." + std::to_string(index), sum, input, gates, index);
  return sum;
}

Value DecoderBuilder::addTo(const llvm::Twine &part, Value hidden, Value output) {
  Location loc = at(part);
  return arith::AddFOp::create(builder, loc, hidden, scale(loc, output, config.residualScale));
}

Value DecoderBuilder::decoderLayer(const std::string &layer, int64_t index, Value hidden) {
  const BlockTraits &block = config.block;
  auto before = [&](const char *symbol, Value state) {
    return block.preNorm ? norm(layer + symbol, state) : state;
  };
  auto after = [&](const char *symbol, Value output) {
    return block.postNorm ? norm(layer + symbol, output) : output;
  };
  Value input = before(".attn_norm", hidden);
  if (block.parallel) {
    Value other = block.sharedNorm ? input : before(".ffn_norm", hidden);
    Value mixed = after(".attn_post_norm", attention(layer, index, input));
    Value state = addTo(layer + ".attention", hidden, mixed);
    Value fed = after(".ffn_post_norm", feedForward(layer, other));
    return addTo(layer + ".feed_forward", state, fed);
  }
  Value mixed = after(".attn_post_norm", attention(layer, index, input));
  Value state = addTo(layer + ".attention", hidden, mixed);
  if (config.experts > 0)
    return mixture(layer, state, before(".ffn_norm", state));
  Value fed = after(".ffn_post_norm", feedForward(layer, before(".ffn_norm", state)));
  return addTo(layer + ".feed_forward", state, fed);
}

RotaryTableOp DecoderBuilder::rotaryTable(const llvm::Twine &part, Value tokens,
                                          const Rotation &rotation) {
  return RotaryTableOp::create(builder, at(part), tokens, position,
                               builder.getDenseF64ArrayAttr(rotation.inverseFrequencies),
                               builder.getF64FloatAttr(rotation.scale));
}

Value DecoderBuilder::embed(Value tokens) {
  Location loc = at("embed");
  Value hidden = EmbeddingOp::create(builder, loc, tokens, weight(loc, "embed"));
  hidden = scale(loc, hidden, settings.embeddingScale);
  if (!config.block.learnedPositions)
    return hidden;
  loc = at("position_embed");
  Value positions = PositionsOp::create(builder, loc, tokens, position);
  Value learned = EmbeddingOp::create(builder, loc, positions, weight(loc, "position_embed"));
  return arith::AddFOp::create(builder, loc, hidden, learned);
}

void DecoderBuilder::buildForward() {
  OpBuilder::InsertionGuard guard(builder);
  auto cacheType = KVCacheType::get(
      builder.getContext(), config.layers, config.kvHeads, config.headDim, settings.capacity,
      KVCacheType::elementType(builder.getContext(), settings.kvCache));
  auto tokensType = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  auto type = builder.getFunctionType({tokensType, builder.getIndexType(), cacheType},
                                      activations(config.hiddenSize));
  auto function = func::FuncOp::create(builder, at("forward"), "forward", type);
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  Value tokens = entry->getArgument(0);
  position = entry->getArgument(1);
  cache = entry->getArgument(2);

  Value hidden = embed(tokens);
  if (!config.block.learnedPositions)
    table = rotaryTable("rotary_table", tokens, settings.rotation);
  if (!settings.localRotation.inverseFrequencies.empty())
    localTable = rotaryTable("local_rotary_table", tokens, settings.localRotation);
  for (int64_t index = 0; index < config.layers; ++index) {
    std::string layer = "layers." + std::to_string(index);
    auto op = LayerOp::create(builder, at(layer), hidden, index);
    OpBuilder::InsertionGuard layerGuard(builder);
    builder.setInsertionPointToStart(&op.getBody().front());
    Value inner = decoderLayer(layer, index, op.getBody().getArgument(0));
    YieldOp::create(builder, at(layer), inner);
    hidden = op.getResult();
  }
  hidden = norm("final_norm", hidden);
  func::ReturnOp::create(builder, at("forward"), hidden);
}

void DecoderBuilder::buildHead() {
  OpBuilder::InsertionGuard guard(builder);
  auto type =
      builder.getFunctionType({activations(config.hiddenSize)}, {activations(config.vocabSize)});
  auto function = func::FuncOp::create(builder, at("head"), "head", type);
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  // A tied head multiplies by the embedding table.
  Value logits = linear(weights.find("lm_head") ? "lm_head" : "embed", entry->getArgument(0));
  logits = scale(at("head"), logits, config.logitScale);
  if (config.logitSoftCap != 0)
    logits = SoftCapOp::create(builder, at("head"), logits,
                               builder.getF64FloatAttr(config.logitSoftCap));
  func::ReturnOp::create(builder, at("head"), logits);
}

} // namespace

void stc::buildDecoder(OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                       const DecoderSettings &settings) {
  DecoderBuilder decoder(builder, config, weights, settings);
  decoder.buildForward();
  decoder.buildHead();
}
