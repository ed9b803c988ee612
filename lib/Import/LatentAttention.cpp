// Latent attention (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1): keys and values of all heads
// come from one short vector, and the rotated part of a key is the same for all heads.
//
// The cache keeps keys and values as attention reads them, head by head. A head is its rotated part
// and its own part behind it; values that are shorter than keys end with zeros.
#include "LatentAttention.h"

#include "GraphBuilder.h"

using namespace mlir;
using namespace stc;

static constexpr llvm::StringLiteral kQueryOrder = "query_order", kKeyOrder = "key_order",
                                     kSharedKeyOrder = "shared_key_order",
                                     kValueOrder = "value_order", kMixedOrder = "mixed_order";

/// Where stc.permute_features has zeros.
static constexpr float kZero = -1;

void stc::declareHeadOrders(OpBuilder &builder, const ModelConfig &config, WeightTable &weights) {
  if (!config.isLatent())
    return;
  int64_t head = config.headDim, rotated = config.rotaryDim, own = head - rotated;
  int64_t value = config.valueDim();
  std::vector<float> query, key, shared, values, mixed;
  for (int64_t h = 0; h < config.heads; ++h)
    for (int64_t c = 0; c < head; ++c) {
      bool isRotated = c < rotated;
      // Projections have the rotated part behind the other one.
      query.push_back(float(h * head + (isRotated ? own + c : c - rotated)));
      key.push_back(isRotated ? kZero : float(h * own + c - rotated));
      shared.push_back(isRotated ? float(c) : kZero);
      values.push_back(c < value ? float(h * value + c) : kZero);
      if (c < value)
        mixed.push_back(float(h * head + c));
    }
  weights.declareVector(builder, kQueryOrder, query);
  weights.declareVector(builder, kKeyOrder, key);
  weights.declareVector(builder, kSharedKeyOrder, shared);
  if (value == head)
    return;
  weights.declareVector(builder, kValueOrder, values);
  weights.declareVector(builder, kMixedOrder, mixed);
}

Value GraphBuilder::ordered(Location loc, const llvm::Twine &symbol, Value input) {
  Value order = weight(loc, symbol);
  return order ? PermuteFeaturesOp::create(builder, loc, input, order) : input;
}

Value GraphBuilder::latentAttention(const std::string &layer, int64_t index, Value input) {
  Location loc = at(layer + ".attention");
  Value queries;
  if (config.latent.queryRank == 0)
    queries = linear(layer + ".q", input);
  else
    queries = linear(layer + ".q_b", norm(layer + ".q_a_norm", linear(layer + ".q_a", input)));
  queries = rotate(loc, index, ordered(loc, kQueryOrder, queries));

  Value shared = linear(layer + ".shared_key", input);
  shared = RotaryEmbeddingOp::create(builder, loc, shared, table.getCos(), table.getSin(),
                                     config.ropeInterleaved ? builder.getUnitAttr() : UnitAttr(),
                                     builder.getI64IntegerAttr(0));
  Value latent = norm(layer + ".kv_a_norm", linear(layer + ".kv_a", input));
  Value keys = ordered(loc, kKeyOrder, linear(layer + ".k_b", latent));
  keys = arith::AddFOp::create(builder, loc, keys, ordered(loc, kSharedKeyOrder, shared));
  Value values = ordered(loc, kValueOrder, linear(layer + ".v_b", latent));
  Value mixed = ordered(loc, kMixedOrder, attend(layer, index, queries, keys, values));
  return linear(layer + ".o", mixed);
}
