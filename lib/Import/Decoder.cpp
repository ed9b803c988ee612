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
  Value rotate(Location loc, Value input);
  Value attention(const std::string &layer, int64_t index, Value hidden);
  Value feedForward(const std::string &layer, Value hidden);
  /// down(activation(gate) * up) of the weights whose names begin with `part`.
  Value gatedUnit(const std::string &part, Value input);
  Value mixture(const std::string &layer, Value hidden);
  Value expert(const std::string &part, Value sum, Value input, Value gates, int64_t index);
  RankedTensorType activations(int64_t columns) {
    return RankedTensorType::get({ShapedType::kDynamic, columns}, builder.getF32Type());
  }

  OpBuilder &builder;
  const ModelConfig &config;
  const WeightTable &weights;
  const DecoderSettings &settings;
  Value position, cache, cosines, sines;
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
  return RMSNormOp::create(builder, loc, input, weight(loc, symbol),
                           builder.getF64FloatAttr(config.normEpsilon));
}

Value DecoderBuilder::rotate(Location loc, Value input) {
  return RotaryEmbeddingOp::create(builder, loc, input, cosines, sines, config.ropeInterleaved);
}

Value DecoderBuilder::attention(const std::string &layer, int64_t index, Value hidden) {
  Location loc = at(layer + ".attention");
  Value input = norm(layer + ".attn_norm", hidden);
  Value queries = rotate(loc, linear(layer + ".q", input));
  Value keys = rotate(loc, linear(layer + ".k", input));
  Value values = linear(layer + ".v", input);
  Value layerIndex = arith::ConstantIndexOp::create(builder, loc, index);
  CacheUpdateOp::create(builder, loc, keys, values, cache, layerIndex, position);
  // A window as long as the cache hides nothing.
  int64_t window = config.slidingWindow < settings.capacity ? config.slidingWindow : 0;
  Value mixed = AttentionOp::create(
      builder, loc, queries, cache, layerIndex, position, builder.getI64IntegerAttr(config.heads),
      builder.getF64FloatAttr(1 / std::sqrt(static_cast<double>(config.headDim))),
      builder.getI64IntegerAttr(window), builder.getI64IntegerAttr(0));
  return arith::AddFOp::create(builder, loc, hidden, linear(layer + ".o", mixed));
}

Value DecoderBuilder::feedForward(const std::string &layer, Value hidden) {
  Location loc = at(layer + ".feed_forward");
  Value input = norm(layer + ".ffn_norm", hidden);
  return arith::AddFOp::create(builder, loc, hidden, gatedUnit(layer, input));
}

Value DecoderBuilder::gatedUnit(const std::string &part, Value input) {
  Value gate = linear(part + ".gate", input);
  Value up = linear(part + ".up", input);
  Value gated = GatedActivationOp::create(builder, at(part + ".feed_forward"), gate, up,
                                          settings.activation);
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

/// A mixture of experts. One that all tokens go through has a gate of its own.
Value DecoderBuilder::mixture(const std::string &layer, Value hidden) {
  Location loc = at(layer + ".router");
  Value input = norm(layer + ".ffn_norm", hidden);
  Value gates = TopKGateOp::create(builder, loc, linear(layer + ".router", input),
                                   config.expertsPerToken, config.normalizedGates);
  Value sum = hidden;
  if (config.sharedExpertSize > 0) {
    Value gate = ActivationOp::create(builder, at(layer + ".shared_router"),
                                      linear(layer + ".shared_router", input),
                                      ActivationKind::Sigmoid);
    sum = expert(layer + ".shared_expert", sum, input, gate, 0);
  }
  for (int64_t index = 0; index < config.experts; ++index)
    sum = expert(layer + ".experts." + std::to_string(index), sum, input, gates, index);
  return sum;
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

  Location loc = at("embed");
  Value hidden = EmbeddingOp::create(builder, loc, tokens, weight(loc, "embed"));
  auto table = RotaryTableOp::create(builder, at("rotary_table"), tokens, position,
                                     llvm::ArrayRef<double>(settings.inverseFrequencies));
  cosines = table.getCos();
  sines = table.getSin();
  for (int64_t index = 0; index < config.layers; ++index) {
    std::string layer = "layers." + std::to_string(index);
    auto op = LayerOp::create(builder, at(layer), hidden, index);
    OpBuilder::InsertionGuard layerGuard(builder);
    builder.setInsertionPointToStart(&op.getBody().front());
    Value inner = attention(layer, index, op.getBody().getArgument(0));
    inner = config.experts > 0 ? mixture(layer, inner) : feedForward(layer, inner);
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
  func::ReturnOp::create(builder, at("head"), logits);
}

} // namespace

void stc::buildDecoder(OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                       const DecoderSettings &settings) {
  DecoderBuilder decoder(builder, config, weights, settings);
  decoder.buildForward();
  decoder.buildHead();
}
