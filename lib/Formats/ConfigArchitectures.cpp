// The known architectures, as data. Defaults are those of the configuration classes of Hugging Face
// transformers (src/transformers/models/*/configuration_*.py); names in GGUF files are those of
// llama.cpp (gguf-py/gguf/constants.py, src/llama-arch.cpp).
#include "ConfigRules.h"

namespace stc {

namespace {

using Meaning = NumberKey::Meaning;

constexpr ArchitectureRow llama() {
  ArchitectureRow row;
  row.name = row.gguf = "llama";
  row.models = "Llama 1, 2, 3.x; TinyLlama; SmolLM 1 and 2";
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  return row;
}

// GGUF files of Mistral call themselves llama.
constexpr ArchitectureRow mistral() {
  ArchitectureRow row;
  row.name = "mistral";
  row.models = "Mistral 7B, Mistral Nemo";
  row.kvHeads = 8;
  row.maxPositions = 131072;
  row.windowRule = WindowRule::Always;
  row.slidingWindow = 4096;
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  return row;
}

constexpr ArchitectureRow qwen2() {
  ArchitectureRow row;
  row.name = row.gguf = "qwen2";
  row.models = "Qwen2, Qwen2.5";
  row.kvHeads = 32;
  row.maxPositions = 32768;
  row.windowRule = WindowRule::Switched;
  row.slidingWindow = 4096;
  row.attentionBias = true;
  row.ggufWritable = true;
  return row;
}

constexpr ArchitectureRow qwen3() {
  ArchitectureRow row = qwen2();
  row.name = row.gguf = "qwen3";
  row.models = "Qwen3";
  row.headDim = 128;
  row.attentionBias = false;
  row.block.queryKeyNorm = QueryKeyNorm::PerHead;
  return row;
}

// GGUF files of Mixtral call themselves llama, too; that they count experts tells them apart.
constexpr ArchitectureRow mixtral() {
  ArchitectureRow row;
  row.name = "mixtral";
  row.models = "Mixtral 8x7B, 8x22B";
  row.kvHeads = 8;
  row.maxPositions = 131072;
  row.normEpsilon = 1e-5;
  row.ropeTheta = 1000000;
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  row.mixture.expertsKey = "num_local_experts";
  row.mixture.experts = 8;
  row.mixture.expertsPerToken = 2;
  row.mixture.normalizedGates = row.mixture.isGgufNormalized = true;
  row.mixture.hasGatesKey = false;
  return row;
}

constexpr ArchitectureRow qwen2Moe() {
  ArchitectureRow row = qwen2();
  row.name = "qwen2_moe";
  row.models = "Qwen1.5-MoE, Qwen2-57B-A14B";
  row.gguf = "qwen2moe";
  row.kvHeads = 16;
  row.mixture.experts = 60;
  row.mixture.expertsPerToken = 4;
  row.mixture.expertSize = 1408;
  row.mixture.sharedExpertSize = 5632;
  row.mixture.hasDenseLayers = true;
  return row;
}

// Released checkpoints all normalize gates, which their configurations say and GGUF files do not.
constexpr ArchitectureRow qwen3Moe() {
  ArchitectureRow row = qwen3();
  row.name = "qwen3_moe";
  row.models = "Qwen3-30B-A3B, Qwen3-235B-A22B";
  row.gguf = "qwen3moe";
  row.kvHeads = 4;
  row.mixture.experts = 128;
  row.mixture.expertsPerToken = 8;
  row.mixture.expertSize = 768;
  row.mixture.isGgufNormalized = true;
  row.mixture.hasDenseLayers = true;
  return row;
}

constexpr double kGptOssGateLimit = 7;
constexpr NumberKey kGptOssNumbers[] = {
    {"swiglu_limit", "", &ModelConfig::gateLimit, kGptOssGateLimit},
};
constexpr FixedKey kGptOssFixed[] = {{"attention_bias", true}};

// OpenAI 2025, "gpt-oss-120b & gpt-oss-20b Model Card", and the model.py published with it.
constexpr ArchitectureRow gptOss() {
  ArchitectureRow row;
  row.name = "gpt_oss";
  row.models = "gpt-oss-20b, gpt-oss-120b";
  row.gguf = "gpt-oss";
  row.kvHeads = 8;
  row.headDim = 64;
  row.maxPositions = 131072;
  row.normEpsilon = 1e-5;
  row.ropeTheta = 150000;
  row.windowRule = WindowRule::Pattern;
  row.windowPattern = 2;
  row.slidingWindow = 128;
  row.attentionBias = true;
  row.block.sinkLogits = row.block.clampedGate = true;
  row.ggufWritable = true;
  row.ggufTruncatesYarn = false;
  row.ggufGateLimit = kGptOssGateLimit;
  row.mixture.expertsKey = "num_local_experts";
  row.mixture.experts = 128;
  row.mixture.expertsPerToken = 4;
  row.mixture.normalizedGates = row.mixture.isGgufNormalized = true;
  row.mixture.hasGatesKey = false;
  row.numbers = kGptOssNumbers;
  row.fixed = kGptOssFixed;
  return row;
}

constexpr FixedKey kSmolLM3Fixed[] = {{"use_sliding_window", false}};

constexpr ArchitectureRow smollm3() {
  ArchitectureRow row;
  row.name = row.gguf = "smollm3";
  row.models = "SmolLM3";
  row.kvHeads = 4;
  row.maxPositions = 32768;
  row.ropeTheta = 2000000;
  row.tiedEmbeddings = true;
  row.unrotatedPattern = 4;
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  row.fixed = kSmolLM3Fixed;
  return row;
}

constexpr ArchitectureRow gemma() {
  ArchitectureRow row;
  row.name = row.gguf = "gemma";
  row.models = "Gemma 1";
  row.kvHeads = 16;
  row.headDim = 256;
  row.maxPositions = 8192;
  row.activation = "gelu_pytorch_tanh";
  row.tiedEmbeddings = true;
  row.ggufWritable = true;
  row.block.normalizedEmbedding = true;
  return row;
}

constexpr NumberKey kGemma2Numbers[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", &ModelConfig::attentionSoftCap, 50},
    {"final_logit_softcapping", "final_logit_softcapping", &ModelConfig::logitSoftCap, 30},
    {"query_pre_attn_scalar", "", &ModelConfig::attentionScale, 256, Meaning::InverseRoot},
};

constexpr ArchitectureRow gemma2() {
  ArchitectureRow row = gemma();
  row.name = row.gguf = "gemma2";
  row.models = "Gemma 2";
  row.kvHeads = 4;
  row.block.postNorm = true;
  row.keys.activation = "hidden_activation";
  row.windowRule = WindowRule::Pattern;
  row.windowPattern = 2;
  row.slidingWindow = 4096;
  row.numbers = kGemma2Numbers;
  return row;
}

constexpr NumberKey kGemma3Numbers[] = {
    {"attn_logit_softcapping", "", &ModelConfig::attentionSoftCap, 0},
    {"final_logit_softcapping", "final_logit_softcapping", &ModelConfig::logitSoftCap, 0},
    {"query_pre_attn_scalar", "", &ModelConfig::attentionScale, 256, Meaning::InverseRoot},
};
constexpr FixedKey kGemma3Fixed[] = {{"use_bidirectional_attention", false}};

constexpr ArchitectureRow gemma3() {
  ArchitectureRow row = gemma2();
  row.name = "gemma3_text";
  row.models = "Gemma 3 (of `gemma3`: the text side)";
  row.multimodal = "gemma3";
  row.heads = 8;
  row.vocabSize = 262208;
  row.gguf = "gemma3";
  row.maxPositions = 131072;
  row.ropeTheta = 1000000;
  row.localRopeTheta = 10000;
  row.windowPattern = 6;
  row.block.queryKeyNorm = QueryKeyNorm::PerHead;
  row.numbers = kGemma3Numbers;
  row.fixed = kGemma3Fixed;
  return row;
}

constexpr NumberKey kOlmoNumbers[] = {
    {"clip_qkv", "attention.clamp_kqv", &ModelConfig::clipLimit, 0},
};

// Groeneveld et al. 2024, "OLMo: Accelerating the Science of Language Models". The epsilon of its
// norms, which have no weights, is no key.
constexpr ArchitectureRow olmo() {
  ArchitectureRow row;
  row.name = row.gguf = "olmo";
  row.models = "OLMo 1";
  row.normEpsilon = 1e-5;
  row.block.norm = NormKind::Layer;
  row.block.weightlessNorm = true;
  row.keys.normEpsilon = "";
  row.ggufInterleavedRope = true;
  row.ggufLayerNormKey = true;
  row.ggufWritable = true;
  row.numbers = kOlmoNumbers;
  return row;
}

// llama.cpp does not clip OLMoE's queries, keys and values.
constexpr NumberKey kOlmoeNumbers[] = {{"clip_qkv", "", &ModelConfig::clipLimit, 0}};

constexpr ArchitectureRow olmoe() {
  ArchitectureRow row;
  row.numbers = kOlmoeNumbers;
  row.name = row.gguf = "olmoe";
  row.models = "OLMoE";
  row.maxPositions = 4096;
  row.normEpsilon = 1e-5;
  row.block.queryKeyNorm = QueryKeyNorm::WholeRow;
  row.ggufWritable = true;
  row.mixture.experts = 64;
  row.mixture.expertsPerToken = 8;
  return row;
}

constexpr NumberKey kCohereNumbers[] = {
    {"logit_scale", "logit_scale", &ModelConfig::logitScale, 0.0625},
};
constexpr ArchitectureRow cohere() {
  ArchitectureRow row;
  row.name = "cohere";
  row.models = "Command R, Command R+, Aya 23";
  row.gguf = "command-r";
  row.maxPositions = 8192;
  row.normEpsilon = 1e-5;
  row.tiedEmbeddings = true;
  row.block.norm = NormKind::Layer;
  row.block.parallel = row.block.sharedNorm = true;
  row.keys.normEpsilon = "layer_norm_eps";
  row.interleavedRope = row.ggufInterleavedRope = true;
  row.ggufLayerNormKey = true;
  row.ggufWritable = true;
  row.headNormKey = "use_qk_norm";
  row.numbers = kCohereNumbers;
  return row;
}

// Layers with a window are rotated, and one in four sees everything and is not.
constexpr ArchitectureRow cohere2() {
  ArchitectureRow row = cohere();
  row.name = row.gguf = "cohere2";
  row.models = "Command R7B, Command A";
  row.ropeTheta = 10000;
  row.windowRule = WindowRule::Pattern;
  row.windowPattern = 4;
  row.slidingWindow = 4096;
  row.rotatesWindowsOnly = true;
  row.headNormKey = "";
  return row;
}

constexpr ArchitectureRow phi3() {
  ArchitectureRow row;
  row.name = row.gguf = "phi3";
  row.models = "Phi-3, Phi-3.5, Phi-4, Phi-4-mini";
  row.ggufWritable = true;
  row.publishedCode = "phi3";
  row.maxPositions = 4096;
  row.normEpsilon = 1e-5;
  row.rotaryFraction = 1;
  row.windowRule = WindowRule::Always;
  return row;
}

// Team GLM 2024, "ChatGLM: A Family of Large Language Models from GLM-130B to GLM-4".
constexpr ArchitectureRow glm() {
  ArchitectureRow row;
  row.name = "glm";
  row.models = "GLM-4-9B, GLM-Edge";
  row.kvHeads = 2;
  row.headDim = 128;
  row.maxPositions = 131072;
  row.normEpsilon = 1.5625e-7;
  row.rotaryFraction = 0.5;
  row.interleavedRope = true;
  return row;
}

constexpr ArchitectureRow glm4() {
  ArchitectureRow row = glm();
  row.ggufInterleavedRope = true;
  row.name = row.gguf = "glm4";
  row.models = "GLM-4-0414 9B, 32B";
  row.block.postNorm = true;
  row.ggufWritable = true;
  return row;
}

// Cai et al. 2024, "InternLM2 Technical Report".
constexpr ArchitectureRow internLm2() {
  ArchitectureRow row;
  row.name = row.gguf = "internlm2";
  row.models = "InternLM2, InternLM2.5";
  row.publishedCode = "internlm2";
  row.keys.attentionBias = "bias";
  row.ggufInterleavedRope = true;
  row.ggufWritable = true;
  return row;
}

// LG AI Research 2024, "EXAONE 3.5: Series of Large Language Models for Real-world Use Cases".
constexpr ArchitectureRow exaone() {
  ArchitectureRow row;
  row.name = row.gguf = "exaone";
  row.models = "EXAONE 3.0, 3.5";
  row.publishedCode = "exaone";
  row.normEpsilon = 1e-5;
  row.tiedEmbeddings = true;
  row.keys.layers = "num_layers|num_hidden_layers";
  row.keys.normEpsilon = "layer_norm_epsilon";
  row.keys.activation = "activation_function";
  row.keys.attentionBias = row.keys.feedForwardBias = "";
  row.ggufWritable = true;
  return row;
}

// Raffel et al. 2020. Scores are not scaled, and get a bias by distance.
constexpr ArchitectureRow t5() {
  ArchitectureRow row;
  row.name = row.gguf = "t5";
  row.ggufWritable = true;
  row.models = "T5, T5 1.1, Flan-T5";
  row.kind = ModelKind::EncoderDecoder;
  row.block.relativeBias = true;
  row.block.gated = false; // feed_forward_proj says
  row.headDim = 64;
  row.maxPositions = 512;
  row.activation = "relu";
  row.tiedEmbeddings = true;
  row.keys.hiddenSize = "d_model";
  row.keys.intermediateSize = "d_ff";
  row.keys.encoderLayers = "num_layers";
  row.keys.layers = "num_decoder_layers";
  row.keys.heads = "num_heads";
  row.keys.kvHeads = "";
  row.keys.headDim = "d_kv";
  row.keys.maxPositions = "n_positions";
  row.keys.normEpsilon = "layer_norm_epsilon";
  row.keys.attentionBias = row.keys.feedForwardBias = "";
  return row;
}

// GGUF files of mT5 call themselves t5.
constexpr ArchitectureRow mt5() {
  ArchitectureRow row = t5();
  row.name = "mt5";
  row.models = "mT5";
  row.gguf = "";
  row.activation = "gated-gelu";
  row.tiedEmbeddings = false;
  return row;
}

constexpr ArchitectureRow kRows[] = {
    llama(),   mistral(), mixtral(), qwen2(),     qwen2Moe(), qwen3(), qwen3Moe(), gptOss(),
    smollm3(), gemma(),   gemma2(),  gemma3(),    olmo(),     olmoe(), cohere(),   cohere2(),
    phi3(),    glm(),     glm4(),    internLm2(), exaone(),   t5(),    mt5(),
};

} // namespace

absl::Span<const ArchitectureRow> architectureRows() {
  static const std::vector<ArchitectureRow> all = [] {
    std::vector<ArchitectureRow> rows(std::begin(kRows), std::end(kRows));
    for (absl::Span<const ArchitectureRow> others :
         {mixtureRows(), recentRows(), layerNormRows(), encoderRows(), visionRows()})
      rows.insert(rows.end(), others.begin(), others.end());
    return rows;
  }();
  return all;
}

} // namespace stc
