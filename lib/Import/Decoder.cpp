// Builds the graph of a decoder from its configuration and its declared weights.
#include "Decoder.h"

#include "stc/Dialect/STC/IR/STCRouting.h"

using namespace mlir;
using namespace stc;

namespace {

/// One run over the model, top to bottom.
class DecoderBuilder : public GraphBuilder {
public:
  using GraphBuilder::GraphBuilder;

  using GraphBuilder::buildHead;
  void buildForward();

private:
  Value embed(Value tokens);
  /// The gates of a mixture's experts.
  Value gates(const std::string &layer, Value input);
  /// The sum of `hidden` and what a mixture of experts adds to it.
  Value mixture(const std::string &layer, Value hidden, Value input);
  Value expert(const std::string &part, Value sum, Value input, Value gates, int64_t index);
  Value decoderLayer(const std::string &layer, int64_t index, Value hidden);
};

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

Value DecoderBuilder::gates(const std::string &layer, Value input) {
  Location loc = at(layer + ".router");
  Value logits = linear(layer + ".router", input), scores;
  const ExpertRouting &routing = config.routing;
  if (!routing.isGrouped())
    return TopKGateOp::create(builder, loc, logits, config.expertsPerToken, config.normalizedGates);
  if (routing.sigmoid)
    scores = ActivationOp::create(builder, loc, logits, ActivationKind::Sigmoid);
  else // the softmax over all of them
    scores = TopKGateOp::create(builder, loc, logits, config.experts, /*normalized=*/false);
  Value correction;
  if (routing.corrected)
    correction = weight(loc, layer + ".router_correction");
  return GroupedGateOp::create(builder, loc, scores, correction, config.expertsPerToken,
                               routing.groups, routing.keptGroups,
                               routing.groups == 1 ? 1 : routing.bestOfGroup,
                               llvm::APFloat(routing.scale), config.normalizedGates);
}

/// One expert that all tokens go through may have a gate of its own.
Value DecoderBuilder::mixture(const std::string &layer, Value hidden, Value input) {
  Value chosen = gates(layer, input);
  // Experts add to what there is. What they add times s is s times the sum of it and hidden / s.
  Location loc = at(layer + ".experts");
  Value sum = scale(loc, hidden, 1 / config.residualScale);
  if (config.sharedExpertSize > 0 && !config.routing.sharedGate) {
    sum = arith::AddFOp::create(builder, loc, sum, gatedUnit(layer + ".shared_expert", input));
  } else if (config.sharedExpertSize > 0) {
    Value gate =
        ActivationOp::create(builder, at(layer + ".shared_router"),
                             linear(layer + ".shared_router", input), ActivationKind::Sigmoid);
    sum = expert(layer + ".shared_expert", sum, input, gate, 0);
  }
  for (int64_t index = 0; index < config.experts; ++index)
    sum = expert(layer + ".experts." + std::to_string(index), sum, input, chosen, index);
  return scale(loc, sum, config.residualScale);
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
  if (config.hasExperts(index))
    return mixture(layer, state, before(".ffn_norm", state));
  Value fed = after(".ffn_post_norm", feedForward(layer, before(".ffn_norm", state)));
  return addTo(layer + ".feed_forward", state, fed);
}

Value DecoderBuilder::embed(Value tokens) {
  Location loc = at("embed");
  Value hidden = EmbeddingOp::create(builder, loc, tokens, weight(loc, "embed"));
  hidden = scale(loc, hidden, settings.embeddingScale);
  if (config.block.learnedPositions)
    hidden = addPositions("position_embed", tokens, hidden);
  return config.block.embeddingNorm ? norm("embed_norm", hidden) : hidden;
}

void DecoderBuilder::buildForward() {
  OpBuilder::InsertionGuard guard(builder);
  auto function = beginFunction(
      "forward",
      {tokensType(), builder.getIndexType(), cacheType(config.layers, settings.capacity)},
      activations(config.hiddenSize));
  Value tokens = function.getArgument(0);
  position = function.getArgument(1);
  cache = function.getArgument(2);

  Value hidden = embed(tokens);
  makeRotaryTables(tokens);
  hidden = buildLayers(hidden, [&](const std::string &layer, int64_t index, Value state) {
    return decoderLayer(layer, index, state);
  });
  hidden = norm("final_norm", hidden);
  func::ReturnOp::create(builder, at("forward"), hidden);
}

} // namespace

void stc::buildDecoder(OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                       const GraphSettings &settings) {
  DecoderBuilder decoder(builder, config, weights, settings);
  decoder.buildForward();
  decoder.buildHead();
}
