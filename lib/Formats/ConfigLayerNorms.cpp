// The architectures with layer norms whose blocks are mostly without gate, GPT-2's descendants, as
// data: see ConfigArchitectures.cpp.
#include "ConfigRules.h"

namespace stc {

namespace {

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

// Nijkamp et al. 2022, "CodeGen: An Open Large Language Model for Code".
constexpr ArchitectureRow codeGen() {
  ArchitectureRow row = gptj();
  row.name = "codegen";
  row.models = "CodeGen 1 and 2";
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
  row.ggufWritable = true;
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
constexpr NumberKey kMptNumbers[] = {
    {"attn_config.clip_qkv", "attention.clamp_kqv", &ModelConfig::clipLimit, 0},
    {"", "attention.max_alibi_bias", &ModelConfig::alibiBias, 8},
};

constexpr ArchitectureRow mpt() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "mpt";
  row.models = "MPT 7B, 30B";
  row.ggufWritable = true;
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
  row.numbers = kMptNumbers;
  row.fixed = kMptFixed;
  return row;
}

// Bellagente et al. 2024, "Stable LM 2 1.6B Technical Report".
constexpr ArchitectureRow stableLm() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "stablelm";
  row.models = "StableLM 3B, StableLM 2 1.6B, 12B";
  row.block.gated = true;
  row.maxPositions = 4096;
  row.rotaryFraction = 0.25;
  row.keys.normEpsilon = "layer_norm_eps";
  row.keys.attentionBias = "use_qkv_bias";
  row.keys.feedForwardBias = "";
  row.headNormKey = "qk_layernorm";
  row.ggufWritable = true;
  return row;
}

// Zhang et al. 2022, "OPT: Open Pre-trained Transformer Language Models". Its table of positions
// begins with two rows of its own. llama.cpp does not run it.
constexpr FixedKey kOptFixed[] = {{"do_layer_norm_before", true},
                                  {"_remove_final_layer_norm", false},
                                  {"layer_norm_elementwise_affine", true},
                                  {"enable_bias", true}};

constexpr ArchitectureRow opt() {
  ArchitectureRow row = plainDecoder();
  row.name = "opt";
  row.models = "OPT but 350M";
  row.activation = "relu";
  row.tiedEmbeddings = true;
  row.block.learnedPositions = true;
  row.positionOffset = 2;
  row.attentionBias = true;
  row.keys.intermediateSize = "ffn_dim";
  row.keys.kvHeads = row.keys.headDim = "";
  row.keys.normEpsilon = "";
  row.keys.activation = "activation_function";
  row.fixed = kOptFixed;
  return row;
}

// Li et al. 2023, "StarCoder: may the source be with you!": GPT-2 with one key/value head.
constexpr FixedKey kBigCodeFixed[] = {
    {"multi_query", true}, {"scale_attn_weights", true}, {"add_cross_attention", false}};

constexpr ArchitectureRow gptBigCode() {
  ArchitectureRow row = gpt2();
  row.name = "gpt_bigcode";
  row.models = "StarCoder, SantaCoder";
  row.gguf = "starcoder";
  row.kvHeads = 1;
  row.activation = "gelu_pytorch_tanh";
  row.fixed = kBigCodeFixed;
  return row;
}

// Parmar et al. 2024, "Nemotron-4 15B Technical Report": gains are kept minus one.
constexpr ArchitectureRow nemotron() {
  ArchitectureRow row = plainDecoder();
  row.name = row.gguf = "nemotron";
  row.models = "Nemotron-4, Minitron";
  row.maxPositions = 4096;
  row.rotaryFraction = 0.5;
  row.activation = "relu2";
  row.keys.normEpsilon = "norm_eps";
  row.ggufWritable = true;
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
    starcoder2(), phi(),     stableLm(), nemotron(), gpt2(),  gptBigCode(), gptj(),
    codeGen(),    gptNeoX(), opt(),      falcon(),   bloom(), mpt(),        whisper(),
};

} // namespace

absl::Span<const ArchitectureRow> layerNormRows() { return kRows; }

} // namespace stc
