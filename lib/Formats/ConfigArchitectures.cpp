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

constexpr ArchitectureRow olmo2() {
  ArchitectureRow row;
  row.name = row.gguf = "olmo2";
  row.models = "OLMo 2";
  row.normEpsilon = 1e-5;
  row.block.preNorm = false;
  row.block.postNorm = true;
  row.block.queryKeyNorm = QueryKeyNorm::WholeRow;
  return row;
}

constexpr ArchitectureRow olmoe() {
  ArchitectureRow row;
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
  row.numbers = kGraniteNumbers;
  return row;
}

constexpr NumberKey kCohereNumbers[] = {
    {"logit_scale", "logit_scale", &ModelConfig::logitScale, 0.0625},
};
constexpr FixedKey kCohereFixed[] = {{"use_qk_norm", false}};

constexpr ArchitectureRow cohere() {
  ArchitectureRow row;
  row.name = "cohere";
  row.models = "Command R, Aya 23";
  row.gguf = "command-r";
  row.maxPositions = 8192;
  row.normEpsilon = 1e-5;
  row.tiedEmbeddings = true;
  row.block.norm = NormKind::Layer;
  row.block.parallel = row.block.sharedNorm = true;
  row.keys.normEpsilon = "layer_norm_eps";
  row.interleavedRope = row.ggufInterleavedRope = true;
  row.ggufLayerNormKey = true;
  row.numbers = kCohereNumbers;
  row.fixed = kCohereFixed;
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
  row.fixed = {};
  return row;
}

/// Layer norms and a feed-forward without gate, which many families have.
constexpr ArchitectureRow plainDecoder() {
  ArchitectureRow row;
  row.normEpsilon = 1e-5;
  row.block.norm = NormKind::Layer;
  row.block.gated = false;
  row.ggufLayerNormKey = true;
  return row;
}

constexpr ArchitectureRow starcoder2() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "starcoder2";
  row.models = "StarCoder2";
  row.ggufWritable = true;
  row.kvHeads = 2;
  row.maxPositions = 4096;
  row.activation = "gelu_pytorch_tanh";
  row.tiedEmbeddings = true;
  row.windowRule = WindowRule::Always;
  row.keys.normEpsilon = "norm_epsilon";
  row.keys.attentionBias = row.keys.feedForwardBias = "use_bias";
  return row;
}

constexpr FixedKey kPhiFixed[] = {{"qk_layernorm", false}};

constexpr ArchitectureRow phi() {
  ArchitectureRow row = plainDecoder();
  row.name = "phi";
  row.models = "Phi-1, Phi-1.5, Phi-2";
  row.ggufWritable = true;
  row.gguf = "phi2";
  row.activation = "gelu_new";
  row.rotaryFraction = 0.5;
  row.block.parallel = row.block.sharedNorm = true;
  row.keys.normEpsilon = "layer_norm_eps";
  row.attentionBias = true;
  row.fixed = kPhiFixed;
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

constexpr FixedKey kGpt2Fixed[] = {{"scale_attn_by_inverse_layer_idx", false},
                                   {"scale_attn_weights", true},
                                   {"add_cross_attention", false}};

constexpr ArchitectureRow gpt2() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "gpt2";
  row.models = "GPT-2";
  row.ggufWritable = true;
  row.maxPositions = 1024;
  row.intermediateFactor = 4;
  row.activation = "gelu_new";
  row.tiedEmbeddings = true;
  row.block.learnedPositions = true;
  row.attentionBias = true;
  row.keys.hiddenSize = "n_embd";
  row.keys.intermediateSize = "n_inner";
  row.keys.layers = "n_layer";
  row.keys.heads = "n_head";
  row.keys.kvHeads = "";
  row.keys.maxPositions = "n_positions";
  row.keys.normEpsilon = "layer_norm_epsilon";
  row.keys.activation = "activation_function";
  row.fixed = kGpt2Fixed;
  return row;
}

// llama.cpp does not run GPT-J.
constexpr ArchitectureRow gptj() {
  ArchitectureRow row = gpt2();
  row.name = "gptj";
  row.models = "GPT-J";
  row.ggufWritable = false;
  row.gguf = "";
  row.maxPositions = 2048;
  row.rotaryFraction = 1;
  row.keys.rotaryDim = "rotary_dim";
  row.tiedEmbeddings = false;
  row.block.learnedPositions = false;
  row.block.parallel = row.block.sharedNorm = true;
  row.attentionBias = false;
  row.keys.attentionBias = "";
  row.interleavedRope = true;
  row.fixed = {};
  return row;
}

constexpr ArchitectureRow gptNeoX() {
  ArchitectureRow row = plainDecoder();
  row.name = "gpt_neox";
  row.models = "GPT-NeoX, Pythia";
  row.ggufWritable = true;
  row.gguf = "gptneox";
  row.activation = "gelu";
  row.rotaryFraction = 0.25;
  row.block.parallel = true;
  row.keys.normEpsilon = "layer_norm_eps";
  row.keys.rotaryFraction = "rotary_pct";
  row.keys.ropeTheta = "rotary_emb_base";
  row.keys.kvHeads = "";
  return row;
}

constexpr ArchitectureRow falcon() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "falcon";
  row.models = "Falcon 7B, 40B, 11B, RW";
  row.ggufWritable = true;
  row.publishedCode = "falcon";
  row.intermediateFactor = 4;
  row.activation = "gelu";
  row.tiedEmbeddings = true;
  row.block.parallel = row.block.sharedNorm = true;
  row.keys.intermediateSize = "ffn_hidden_size";
  row.keys.kvHeads = "num_kv_heads";
  row.keys.normEpsilon = "layer_norm_epsilon";
  row.keys.activation = "activation";
  row.keys.attentionBias = row.keys.feedForwardBias = "bias";
  row.alibiSwitch = true;
  return row;
}

constexpr FixedKey kBloomFixed[] = {{"apply_residual_connection_post_layernorm", false}};

constexpr ArchitectureRow bloom() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "bloom";
  row.models = "BLOOM, BLOOMZ";
  row.intermediateFactor = 4;
  row.activation = "gelu_pytorch_tanh";
  row.tiedEmbeddings = true;
  row.block.embeddingNorm = true;
  row.alibiBias = 8;
  row.attentionBias = true;
  row.keys.hiddenSize = "n_embed|hidden_size";
  row.keys.intermediateSize = "n_inner";
  row.keys.layers = "n_layer|num_hidden_layers";
  row.keys.heads = "n_head|num_attention_heads";
  row.keys.kvHeads = row.keys.activation = "";
  row.keys.maxPositions = "seq_length";
  row.keys.normEpsilon = "layer_norm_epsilon";
  row.fixed = kBloomFixed;
  return row;
}

constexpr FixedKey kMptFixed[] = {{"no_bias", true}};

constexpr ArchitectureRow mpt() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "mpt";
  row.models = "MPT 7B, 30B";
  row.publishedCode = "mpt";
  row.intermediateFactor = 4;
  row.activation = "gelu";
  row.tiedEmbeddings = true;
  row.alibiBias = 8;
  row.keys.hiddenSize = "d_model";
  row.keys.intermediateSize = row.keys.kvHeads = row.keys.activation = "";
  row.keys.layers = "n_layers";
  row.keys.heads = "n_heads";
  row.keys.maxPositions = "max_seq_len";
  row.keys.normEpsilon = "layer_norm_epsilon";
  row.keys.attentionBias = row.keys.feedForwardBias = "";
  row.fixed = kMptFixed;
  return row;
}

// Raffel et al. 2020. Scores are not scaled, and get a bias by distance.
constexpr ArchitectureRow t5() {
  ArchitectureRow row;
  row.name = row.gguf = "t5";
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

constexpr FixedKey kWhisperFixed[] = {{"scale_embedding", false}};

// Radford et al. 2022. llama.cpp does not run Whisper.
constexpr ArchitectureRow whisper() {
  ArchitectureRow row = plainDecoder();
  row.name = "whisper";
  row.models = "Whisper";
  row.kind = ModelKind::EncoderDecoder;
  row.readsSound = true;
  row.maxPositions = 448;
  row.activation = "gelu";
  row.tiedEmbeddings = true;
  row.block.learnedPositions = true;
  row.attentionBias = true;
  row.keys.hiddenSize = "d_model";
  row.keys.intermediateSize = "decoder_ffn_dim";
  row.keys.encoderLayers = "encoder_layers";
  row.keys.layers = "decoder_layers";
  row.keys.heads = "decoder_attention_heads";
  row.keys.kvHeads = row.keys.headDim = "";
  row.keys.maxPositions = "max_target_positions";
  row.keys.normEpsilon = "";
  row.keys.activation = "activation_function";
  row.fixed = kWhisperFixed;
  return row;
}

constexpr ArchitectureRow kRows[] = {
    llama(),   mistral(),    mixtral(), qwen2(),  qwen2Moe(), qwen3(), qwen3Moe(), gptOss(),
    smollm3(), gemma(),      gemma2(),  gemma3(), olmo2(),    olmoe(), granite(),  cohere(),
    cohere2(), starcoder2(), phi(),     phi3(),   gpt2(),     gptj(),  gptNeoX(),  falcon(),
    bloom(),   mpt(),        t5(),      mt5(),    whisper(),
};

} // namespace

absl::Span<const ArchitectureRow> architectureRows() {
  static const std::vector<ArchitectureRow> all = [] {
    std::vector<ArchitectureRow> rows(std::begin(kRows), std::end(kRows));
    rows.insert(rows.end(), encoderRows().begin(), encoderRows().end());
    return rows;
  }();
  return all;
}

} // namespace stc
