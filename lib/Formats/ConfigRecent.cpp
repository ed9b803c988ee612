// Families of 2024 and 2025 that put Llama's pieces together in other ways. As in
// ConfigArchitectures.cpp, defaults are those of transformers and names those of llama.cpp.
#include "ConfigRules.h"

namespace stc {

namespace {

using Meaning = NumberKey::Meaning;

constexpr ArchitectureRow olmo2() {
  ArchitectureRow row;
  row.name = row.gguf = "olmo2";
  row.models = "OLMo 2";
  row.normEpsilon = 1e-5;
  row.block.preNorm = false;
  row.block.postNorm = true;
  row.block.queryKeyNorm = QueryKeyNorm::WholeRow;
  row.ggufWritable = true;
  return row;
}

// Team OLMo 2025, "Olmo 3". GGUF files call themselves olmo2, and have a window. Rotations of
// layers with a window are not scaled, as its authors' and llama.cpp's code have it.
constexpr ArchitectureRow olmo3() {
  ArchitectureRow row = olmo2();
  row.name = "olmo3";
  row.models = "Olmo 3";
  row.windowRule = WindowRule::Pattern;
  row.windowPattern = 4;
  row.slidingWindow = 4096;
  row.unscaledWindows = true;
  return row;
}

// LG AI Research 2025, "EXAONE 4.0: Unified Large Language Models Integrating Non-reasoning and
// Reasoning Modes".
constexpr ArchitectureRow exaone4() {
  ArchitectureRow row;
  row.name = row.gguf = "exaone4";
  row.models = "EXAONE 4.0";
  row.kvHeads = 32;
  row.normEpsilon = 1e-5;
  row.windowRule = WindowRule::Pattern;
  row.windowPattern = 4;
  row.slidingWindow = 4096;
  row.rotatesWindowsOnly = row.windowIsOptional = true;
  row.block.preNorm = false;
  row.block.postNorm = true;
  row.block.queryKeyNorm = QueryKeyNorm::PerHead;
  row.ggufWritable = true;
  return row;
}

// Baidu ERNIE Team 2025, "ERNIE 4.5 Technical Report": the dense models.
constexpr ArchitectureRow ernie45() {
  ArchitectureRow row;
  row.name = row.gguf = "ernie4_5";
  row.models = "ERNIE 4.5 0.3B";
  row.kvHeads = 2;
  row.headDim = 128;
  row.maxPositions = 131072;
  row.normEpsilon = 1e-5;
  row.ropeTheta = 500000;
  row.tiedEmbeddings = true;
  row.keys.attentionBias = row.keys.feedForwardBias = "use_bias";
  row.interleavedRope = row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  return row;
}

constexpr ArchitectureRow helium() {
  ArchitectureRow row;
  row.name = "helium";
  row.models = "Helium 1";
  row.kvHeads = 20;
  row.headDim = 128;
  row.maxPositions = 4096;
  row.normEpsilon = 1e-8;
  row.ropeTheta = 100000;
  row.interleavedRope = true;
  return row;
}

constexpr FixedKey kSeedOssFixed[] = {{"attention_bias", true}, {"attention_out_bias", false}};

constexpr ArchitectureRow seedOss() {
  ArchitectureRow row;
  row.name = row.gguf = "seed_oss";
  row.models = "Seed-OSS-36B";
  row.kvHeads = 8;
  row.headDim = 128;
  row.maxPositions = 524288;
  row.attentionBias = true;
  row.ggufWritable = true;
  row.fixed = kSeedOssFixed;
  return row;
}

constexpr ArchitectureRow arcee() {
  ArchitectureRow row;
  row.name = row.gguf = "arcee";
  row.models = "Arcee AFM-4.5B";
  row.maxPositions = 4096;
  row.normEpsilon = 1e-5;
  row.activation = "relu2";
  row.block.gated = false;
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  return row;
}

constexpr NumberKey kGraniteNumbers[] = {
    {"embedding_multiplier", "embedding_scale", &ModelConfig::embeddingScale, 1},
    {"residual_multiplier", "residual_scale", &ModelConfig::residualScale, 1},
    {"attention_multiplier", "attention.scale", &ModelConfig::attentionScale, 1},
    {"logits_scaling", "logit_scale", &ModelConfig::logitScale, 1, Meaning::Reciprocal},
};

constexpr ArchitectureRow granite() {
  ArchitectureRow row;
  row.name = row.gguf = "granite";
  row.models = "Granite 3.x";
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  row.numbers = kGraniteNumbers;
  return row;
}

// Gates are a softmax over the scores of the chosen experts, which is what normalized gates are.
constexpr ArchitectureRow graniteMoe() {
  ArchitectureRow row = granite();
  row.name = row.gguf = "granitemoe";
  row.models = "Granite 3.x MoE, PowerMoE";
  row.mixture.expertsKey = "num_local_experts";
  row.mixture.experts = 8;
  row.mixture.expertsPerToken = 2;
  row.mixture.normalizedGates = row.mixture.isGgufNormalized = true;
  row.mixture.hasGatesKey = false;
  return row;
}

// Where config.json says it, readMiniCpm finds what parts add is scaled by, and logits.
constexpr NumberKey kMiniCpmNumbers[] = {
    {"scale_emb", "embedding_scale", &ModelConfig::embeddingScale, 1},
    {"", "residual_scale", &ModelConfig::residualScale, 1},
    {"", "logit_scale", &ModelConfig::logitScale, 1, Meaning::Reciprocal},
};

// Hu et al. 2024, "MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training
// Strategies".
constexpr ArchitectureRow miniCpm() {
  ArchitectureRow row;
  row.name = row.gguf = "minicpm";
  row.models = "MiniCPM 1B, 2B";
  row.publishedCode = "minicpm";
  row.tiedEmbeddings = true;
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  row.numbers = kMiniCpmNumbers;
  return row;
}

constexpr FixedKey kHunyuanFixed[] = {{"attention_bias", false}, {"use_qk_norm", true}};

// Tencent 2025, the dense models of Hunyuan.
constexpr ArchitectureRow hunyuanDense() {
  ArchitectureRow row;
  row.name = "hunyuan_v1_dense";
  row.models = "Hunyuan 0.5B, 1.8B, 4B, 7B";
  row.gguf = "hunyuan-dense";
  row.normEpsilon = 1e-5;
  row.block.queryKeyNorm = QueryKeyNorm::PerHead;
  row.block.normAfterRotation = true;
  row.ggufWritable = true;
  row.fixed = kHunyuanFixed;
  return row;
}

} // namespace

absl::Span<const ArchitectureRow> recentRows() {
  static const ArchitectureRow rows[] = {olmo2(),      olmo3(),   exaone4(),     ernie45(),
                                         helium(),     seedOss(), arcee(),       granite(),
                                         graniteMoe(), miniCpm(), hunyuanDense()};
  return rows;
}

} // namespace stc
