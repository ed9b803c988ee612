// Builds the graph of an encoder from its configuration and its declared weights.
#include "Encoder.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace stc;

namespace {

/// One run over the model, top to bottom.
class EncoderBuilder : public GraphBuilder {
public:
  using GraphBuilder::GraphBuilder;

  using GraphBuilder::buildHead;
  void buildForward();

private:
  /// Patches of an image, `rows` of pixels, behind class tokens, whose rows are zeros: a
  /// convolution without overlap (Dosovitskiy et al. 2021, equation 1). `tokens` tell which rows
  /// are which.
  Value embedPatches(Value tokens, Value rows);
  Value embed(Value tokens);
  Value encoderLayer(const std::string &layer, int64_t index, Value hidden);
  /// The norm of `input`, or itself where the model has none there.
  Value normIfAny(const llvm::Twine &symbol, Value input) {
    return weights.find(symbol.str()) ? norm(symbol, input) : input;
  }
};

Value EncoderBuilder::embed(Value tokens) {
  auto look = [&](const llvm::Twine &symbol, Value indices) -> Value {
    Location loc = at(symbol);
    return EmbeddingOp::create(builder, loc, indices, weight(loc, symbol));
  };
  Value hidden = look("embed", tokens);
  Location loc = at("position_embed");
  Value positions;
  if (config.block.learnedPositions || config.tokenTypes > 0)
    positions = PositionsOp::create(builder, loc, tokens, position);
  if (config.block.learnedPositions)
    hidden = arith::AddFOp::create(builder, loc, hidden, look("position_embed", positions));
  if (config.tokenTypes > 0) {
    // One text is all of the first type, 0.
    loc = at("type_embed");
    Value types = arith::SubIOp::create(builder, loc, positions, positions);
    hidden = arith::AddFOp::create(builder, loc, hidden, look("type_embed", types));
  }
  return normIfAny("embed_norm", hidden);
}

Value EncoderBuilder::embedPatches(Value tokens, Value rows) {
  Location loc = at("embed");
  // Class tokens themselves, and the bias of the convolution for every patch.
  Value own = EmbeddingOp::create(builder, loc, tokens, weight(loc, "embed"));
  Value hidden =
      arith::AddFOp::create(builder, at("patch_embed"), linear("patch_embed", rows), own);
  return addPositions("position_embed", tokens, hidden);
}

Value EncoderBuilder::encoderLayer(const std::string &layer, int64_t index, Value hidden) {
  Value mixed = attention(layer, index, normIfAny(layer + ".attn_norm", hidden));
  Value state = addTo(layer + ".attention", hidden, mixed);
  state = normIfAny(layer + ".attn_output_norm", state);
  Value fed = feedForward(layer, normIfAny(layer + ".ffn_norm", state));
  return normIfAny(layer + ".ffn_output_norm", addTo(layer + ".feed_forward", state, fed));
}

void EncoderBuilder::buildForward() {
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> inputs{tokensType()};
  if (config.readsImages())
    inputs.push_back(activations(config.image.patchNumbers()));
  inputs.append({builder.getIndexType(), cacheType(config.layers, settings.capacity)});
  auto function = beginFunction("forward", inputs, activations(config.hiddenSize));
  ValueRange arguments = function.getArguments();
  Value tokens = arguments.front();
  position = arguments.drop_back().back();
  cache = arguments.back();
  end = tensor::DimOp::create(builder, at("forward"), tokens, 0);

  if (config.block.relativeBias)
    biasSymbol = "relative_bias";
  Value hidden = config.readsImages() ? embedPatches(tokens, arguments[1]) : embed(tokens);
  makeRotaryTables(tokens);
  hidden = buildLayers(hidden, [&](const std::string &layer, int64_t index, Value state) {
    return encoderLayer(layer, index, state);
  });
  func::ReturnOp::create(builder, at("forward"), normIfAny("final_norm", hidden));
}

} // namespace

void stc::buildEncoder(OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                       const GraphSettings &settings) {
  EncoderBuilder encoder(builder, config, weights, settings);
  encoder.buildForward();
  if (weights.find("classifier"))
    encoder.buildHead();
}
