// Mixtures of experts whose experts are chosen by scores with corrections or in groups, and what
// shares their parts. As in ConfigArchitectures.cpp, defaults are those of transformers and names
// those of llama.cpp.
#include "ConfigRules.h"

namespace stc {

namespace {

constexpr FixedKey kDeepSeekV2Fixed[] = {
    {"attention_bias", false}, {"mlp_bias", false}, {"norm_topk_prob", false}};
constexpr FixedKey kDeepSeekV3Fixed[] = {
    {"attention_bias", false}, {"mlp_bias", false}, {"rope_interleave", true}};

// DeepSeek-AI 2024, "DeepSeek-V2: A Strong, Economical, and Efficient Mixture-of-Experts Language
// Model".
constexpr ArchitectureRow deepSeekV2() {
  ArchitectureRow row;
  row.name = "deepseek_v2";
  row.models = "DeepSeek-V2, V2-Lite, V2.5, Coder-V2";
  row.gguf = "deepseek2";
  row.publishedCode = "deepseek";
  row.latent = true;
  row.keys.rotaryDim = "qk_rope_head_dim";
  row.keys.headDim = row.keys.attentionBias = row.keys.feedForwardBias = "";
  row.interleavedRope = row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  MixtureDefaults &mixture = row.mixture;
  mixture.expertsKey = "n_routed_experts";
  mixture.experts = 64;
  mixture.expertsPerToken = 6;
  mixture.expertSize = 1407;
  mixture.hasGatesKey = false;
  mixture.denseCountKey = "first_k_dense_replace";
  mixture.sharedCountKey = "n_shared_experts";
  mixture.sharedCount = 2;
  mixture.hasRoutingKeys = true;
  mixture.scoring = "softmax";
  mixture.routing.sharedGate = false;
  row.fixed = kDeepSeekV2Fixed;
  return row;
}

// DeepSeek-AI 2024, "DeepSeek-V3 Technical Report". GGUF files call themselves deepseek2, and say
// that scores are sigmoids.
constexpr ArchitectureRow deepSeekV3() {
  ArchitectureRow row = deepSeekV2();
  row.name = "deepseek_v3";
  row.models = "DeepSeek-V3, R1; Moonlight";
  row.maxPositions = 4096;
  MixtureDefaults &mixture = row.mixture;
  mixture.experts = 256;
  mixture.expertsPerToken = 8;
  mixture.expertSize = 2048;
  mixture.normalizedGates = mixture.hasGatesKey = true;
  mixture.denseCount = 3;
  mixture.sharedCount = 1;
  mixture.scoring = "sigmoid";
  mixture.routing.sigmoid = mixture.routing.corrected = true;
  mixture.routing.groups = 8;
  mixture.routing.keptGroups = 4;
  mixture.routing.bestOfGroup = 2;
  mixture.routing.scale = 2.5;
  row.fixed = kDeepSeekV3Fixed;
  return row;
}

constexpr ArchitectureRow kimiK2() {
  ArchitectureRow row = deepSeekV3();
  row.name = "kimi_k2";
  row.models = "Kimi K2";
  return row;
}

constexpr FixedKey kDots1Fixed[] = {{"attention_bias", false}};

// rednote-hilab 2025, "dots.llm1 Technical Report".
constexpr ArchitectureRow dots1() {
  ArchitectureRow row;
  row.name = row.gguf = "dots1";
  row.models = "dots.llm1";
  row.block.queryKeyNorm = QueryKeyNorm::PerHead;
  row.ggufWritable = true;
  row.mixture = deepSeekV3().mixture;
  row.mixture.experts = 128;
  row.mixture.expertsPerToken = 6;
  row.mixture.expertSize = 1408;
  row.mixture.denseCount = 1;
  row.mixture.sharedCount = 2;
  row.mixture.scoring = "noaux_tc|sigmoid";
  row.mixture.routing.groups = row.mixture.routing.keptGroups = 1;
  row.mixture.routing.scale = 1;
  row.fixed = kDots1Fixed;
  return row;
}

// GLM-4.5 Team 2025, "GLM-4.5: Agentic, Reasoning, and Coding (ARC) Foundation Models".
constexpr ArchitectureRow glm4Moe() {
  ArchitectureRow row;
  row.name = "glm4_moe";
  row.models = "GLM-4.5, GLM-4.5-Air, GLM-4.6";
  row.gguf = "glm4moe";
  row.kvHeads = 8;
  row.maxPositions = 131072;
  row.normEpsilon = 1e-5;
  row.rotaryFraction = 0.5;
  row.ggufWritable = true;
  row.mixture = dots1().mixture;
  row.mixture.expertsPerToken = 8;
  row.mixture.sharedCount = 1;
  row.mixture.scoring = "sigmoid";
  return row;
}

// Baidu ERNIE Team 2025, "ERNIE 4.5 Technical Report". Experts are chosen by probabilities with
// corrections.
constexpr ArchitectureRow ernie45Moe() {
  ArchitectureRow row;
  row.name = "ernie4_5_moe";
  row.models = "ERNIE 4.5 21B-A3B, 300B-A47B";
  row.gguf = "ernie4_5-moe";
  row.kvHeads = 4;
  row.maxPositions = 131072;
  row.normEpsilon = 1e-5;
  row.ropeTheta = 500000;
  row.tiedEmbeddings = true;
  row.keys.attentionBias = row.keys.feedForwardBias = "use_bias";
  row.interleavedRope = row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  MixtureDefaults &mixture = row.mixture;
  mixture.expertsKey = "moe_num_experts";
  mixture.experts = 64;
  mixture.perTokenKey = "moe_k";
  mixture.expertsPerToken = 6;
  mixture.sizeKey = "moe_intermediate_size";
  mixture.expertSize = 1536;
  mixture.normalizedGates = mixture.isGgufNormalized = true;
  mixture.hasGatesKey = false;
  mixture.denseCountKey = "moe_layer_start_index";
  mixture.denseCount = 1;
  mixture.sharedCountKey = "moe_num_shared_experts";
  mixture.sharedCount = 2;
  mixture.routing.corrected = true;
  mixture.routing.sharedGate = false;
  return row;
}

constexpr FixedKey kBailingFixed[] = {
    {"use_bias", false}, {"use_qkv_bias", false}, {"norm_head", false}};

// Ling Team 2025, "Every FLOP Counts: Scaling a 300B Mixture-of-Experts LING LLM without Premium
// GPUs".
constexpr ArchitectureRow bailingMoe() {
  ArchitectureRow row;
  row.name = "bailing_moe";
  row.models = "Ling-lite, Ling-plus";
  row.gguf = "bailingmoe";
  row.publishedCode = "bailing_moe";
  row.keys.attentionBias = row.keys.feedForwardBias = "";
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  MixtureDefaults &mixture = row.mixture;
  mixture.experts = 64;
  mixture.expertsPerToken = 6;
  mixture.expertSize = 1408;
  mixture.normalizedGates = true;
  mixture.denseCountKey = "first_k_dense_replace";
  mixture.sharedCountKey = "num_shared_experts";
  mixture.hasRoutingKeys = true;
  mixture.scoring = "softmax";
  mixture.routing.sharedGate = false;
  row.fixed = kBailingFixed;
  return row;
}

} // namespace

absl::Span<const ArchitectureRow> mixtureRows() {
  static const ArchitectureRow rows[] = {deepSeekV2(), deepSeekV3(), kimiK2(),    dots1(),
                                         glm4Moe(),    ernie45Moe(), bailingMoe()};
  return rows;
}

} // namespace stc
