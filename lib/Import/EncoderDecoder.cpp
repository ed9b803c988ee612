// Builds the graph of an encoder and the decoder behind it (Vaswani et al. 2017, section 3.1).
#include "EncoderDecoder.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <algorithm>

using namespace mlir;
using namespace stc;

namespace {

/// One run over both stacks.
class EncoderDecoderBuilder : public GraphBuilder {
public:
  using GraphBuilder::GraphBuilder;

  using GraphBuilder::buildHead;
  void buildStem();
  void buildEncode();
  void buildForward();

private:
  /// Embeddings of tokens, with those of their positions where these are learned.
  Value embed(Value tokens);
  /// Where the layers of the cache begin that hold what the decoder reads of the encoder.
  int64_t crossLayers() const { return std::max(config.layers, config.encoderLayers); }
  KVCacheType sharedCacheType() {
    return cacheType(crossLayers() + config.layers, settings.capacity);
  }
  Value constant(Location loc, int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  /// Wraps what `body` makes of a hidden state in a stc.layer.
  Value layer(const std::string &name, int64_t index, Value hidden,
              llvm::function_ref<Value(Value)> body);
  /// Keys and values of the encoder's result, for the decoder's layer `index`.
  Value keepForDecoder(int64_t index, Value hidden);
  Value crossAttention(const std::string &name, int64_t index, Value input);
  Value selfAttentionBlock(const std::string &name, int64_t index, Value hidden);
  Value feedForwardBlock(const std::string &name, Value hidden);

  Value encoded; // how many positions the encoder left
};

Value EncoderDecoderBuilder::layer(const std::string &name, int64_t index, Value hidden,
                                   llvm::function_ref<Value(Value)> body) {
  auto op = LayerOp::create(builder, at(name), hidden, index);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&op.getBody().front());
  YieldOp::create(builder, at(name), body(op.getBody().getArgument(0)));
  return op.getResult();
}

Value EncoderDecoderBuilder::keepForDecoder(int64_t index, Value hidden) {
  std::string name = "layers." + std::to_string(index);
  return layer(name, index, hidden, [&](Value state) {
    Location loc = at(name + ".cross_attention");
    Value keys = linear(name + ".cross_k", state), values = linear(name + ".cross_v", state);
    CacheUpdateOp::create(builder, loc, keys, values, cache, constant(loc, crossLayers() + index),
                          position);
    return state;
  });
}

Value EncoderDecoderBuilder::crossAttention(const std::string &name, int64_t index, Value input) {
  Location loc = at(name + ".cross_attention");
  Value queries = linear(name + ".cross_q", input);
  auto mixed =
      AttentionOp::create(builder, loc, queries, cache, constant(loc, crossLayers() + index),
                          position, config.heads, scoreScale());
  mixed.setWindow(0);
  mixed.getEndMutable().assign(encoded);
  return linear(name + ".cross_o", mixed);
}

Value EncoderDecoderBuilder::selfAttentionBlock(const std::string &name, int64_t index,
                                                Value hidden) {
  return addTo(name + ".attention", hidden,
               attention(name, index, norm(name + ".attn_norm", hidden)));
}

Value EncoderDecoderBuilder::feedForwardBlock(const std::string &name, Value hidden) {
  return addTo(name + ".feed_forward", hidden, feedForward(name, norm(name + ".ffn_norm", hidden)));
}

Value EncoderDecoderBuilder::embed(Value tokens) {
  Location loc = at("embed");
  Value hidden = EmbeddingOp::create(builder, loc, tokens, weight(loc, "embed"));
  return config.block.learnedPositions ? addPositions("position_embed", tokens, hidden) : hidden;
}

void EncoderDecoderBuilder::buildStem() {
  OpBuilder::InsertionGuard guard(builder);
  auto function =
      beginFunction("stem", activations(3 * config.featureSize), activations(config.hiddenSize));
  Value rows = linear("stem.0", function.getArgument(0));
  func::ReturnOp::create(builder, at("stem"), activate("stem", rows));
}

void EncoderDecoderBuilder::buildEncode() {
  OpBuilder::InsertionGuard guard(builder);
  bool hasStem = config.featureSize > 0;
  SmallVector<Type> inputs{tokensType()};
  if (hasStem)
    inputs.push_back(activations(3 * config.hiddenSize));
  inputs.push_back(sharedCacheType());
  auto function = beginFunction("encode", inputs, TypeRange());
  Location loc = at("encode");
  Value tokens = function.getArgument(0);
  cache = function.getArguments().back();
  position = constant(loc, 0);
  end = tensor::DimOp::create(builder, loc, tokens, 0);
  biasSymbol = "encoder.relative_bias";
  Value hidden = hasStem ? addPositions("encoder.position_embed", tokens,
                                        activate("stem", linear("stem.1", function.getArgument(1))))
                         : embed(tokens);
  for (int64_t index = 0; index < config.encoderLayers; ++index) {
    std::string name = "encoder.layers." + std::to_string(index);
    hidden = layer(name, index, hidden, [&](Value state) {
      return feedForwardBlock(name, selfAttentionBlock(name, index, state));
    });
  }
  hidden = norm("encoder.final_norm", hidden);
  for (int64_t index = 0; index < config.layers; ++index)
    hidden = keepForDecoder(index, hidden);
  func::ReturnOp::create(builder, at("encode"));
}

void EncoderDecoderBuilder::buildForward() {
  OpBuilder::InsertionGuard guard(builder);
  Type index = builder.getIndexType();
  auto function = beginFunction("forward", {tokensType(), index, index, sharedCacheType()},
                                activations(config.hiddenSize));
  Value tokens = function.getArgument(0);
  position = function.getArgument(1);
  encoded = function.getArgument(2);
  cache = function.getArgument(3);
  end = {};
  biasSymbol = "relative_bias";
  Value hidden = embed(tokens);
  for (int64_t number = 0; number < config.layers; ++number) {
    std::string name = "layers." + std::to_string(number);
    hidden = layer(name, number, hidden, [&](Value state) {
      state = selfAttentionBlock(name, number, state);
      Value crossed = crossAttention(name, number, norm(name + ".cross_norm", state));
      return feedForwardBlock(name, addTo(name + ".cross_attention", state, crossed));
    });
  }
  func::ReturnOp::create(builder, at("forward"), norm("final_norm", hidden));
}

} // namespace

void stc::buildEncoderDecoder(OpBuilder &builder, const ModelConfig &config,
                              const WeightTable &weights, const GraphSettings &settings) {
  EncoderDecoderBuilder both(builder, config, weights, settings);
  if (config.featureSize > 0)
    both.buildStem();
  both.buildEncode();
  both.buildForward();
  both.buildHead();
}
