// Families whose Hugging Face checkpoints name tensors as Llama's do, as tables.
#include "LlamaParts.h"

using namespace stc;
using namespace stc::llama;

static constexpr WeightRow kFourNorms[] = {
    {"layers.{layer}.attn_norm",
     "model.layers.{layer}.input_layernorm.weight",
     "blk.{layer}.attn_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
    {"layers.{layer}.attn_post_norm",
     "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.post_attention_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
    {"layers.{layer}.ffn_norm",
     "model.layers.{layer}.pre_feedforward_layernorm.weight",
     "blk.{layer}.ffn_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
    {"layers.{layer}.ffn_post_norm",
     "model.layers.{layer}.post_feedforward_layernorm.weight",
     "blk.{layer}.post_ffw_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
};

static constexpr WeightRow kPostNorms[] = {
    {"layers.{layer}.attn_post_norm", "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.post_attention_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_post_norm", "model.layers.{layer}.post_feedforward_layernorm.weight",
     "blk.{layer}.post_ffw_norm.weight", Dim::Hidden, Dim::None, Group::Required},
};

// Every head has gains of its own.
static constexpr WeightRow kOwnHeadNorms[] = {
    {"layers.{layer}.q_norm", "model.layers.{layer}.self_attn.q_norm.weight",
     "blk.{layer}.attn_q_norm.weight", Dim::Heads, Dim::Head, Group::QueryKeyNorm},
    {"layers.{layer}.k_norm", "model.layers.{layer}.self_attn.k_norm.weight",
     "blk.{layer}.attn_k_norm.weight", Dim::KeyValueHeads, Dim::Head, Group::QueryKeyNorm},
};

static constexpr WeightRow kQueryKeyGainNorms[] = {
    {"layers.{layer}.q_norm",
     "model.layers.{layer}.self_attn.q_norm.weight",
     "blk.{layer}.attn_q_norm.weight",
     Dim::QueryNorm,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
    {"layers.{layer}.k_norm",
     "model.layers.{layer}.self_attn.k_norm.weight",
     "blk.{layer}.attn_k_norm.weight",
     Dim::KeyNorm,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
};

static constexpr WeightRow kMixtralExperts[] = {
    {"layers.{layer}.router", "model.layers.{layer}.block_sparse_moe.gate.weight",
     "blk.{layer}.ffn_gate_inp.weight", Dim::Experts, Dim::Hidden, Group::Experts},
    {"layers.{layer}.experts.{expert}.gate",
     "model.layers.{layer}.block_sparse_moe.experts.{expert}.w1.weight",
     "blk.{layer}.ffn_gate_exps.weight[{expert}]", Dim::Expert, Dim::Hidden, Group::Experts},
    {"layers.{layer}.experts.{expert}.up",
     "model.layers.{layer}.block_sparse_moe.experts.{expert}.w3.weight",
     "blk.{layer}.ffn_up_exps.weight[{expert}]", Dim::Expert, Dim::Hidden, Group::Experts},
    {"layers.{layer}.experts.{expert}.down",
     "model.layers.{layer}.block_sparse_moe.experts.{expert}.w2.weight",
     "blk.{layer}.ffn_down_exps.weight[{expert}]", Dim::Hidden, Dim::Expert, Group::Experts},
};

static constexpr WeightRow kSharedExpert[] = {
    {"layers.{layer}.shared_router", "model.layers.{layer}.mlp.shared_expert_gate.weight",
     "blk.{layer}.ffn_gate_inp_shexp.weight", Dim::One, Dim::Hidden, Group::SharedExpert},
    {"layers.{layer}.shared_expert.gate", "model.layers.{layer}.mlp.shared_expert.gate_proj.weight",
     "blk.{layer}.ffn_gate_shexp.weight", Dim::SharedExpert, Dim::Hidden, Group::SharedExpert},
    {"layers.{layer}.shared_expert.up", "model.layers.{layer}.mlp.shared_expert.up_proj.weight",
     "blk.{layer}.ffn_up_shexp.weight", Dim::SharedExpert, Dim::Hidden, Group::SharedExpert},
    {"layers.{layer}.shared_expert.down", "model.layers.{layer}.mlp.shared_expert.down_proj.weight",
     "blk.{layer}.ffn_down_shexp.weight", Dim::Hidden, Dim::SharedExpert, Group::SharedExpert},
};

// gpt-oss keeps gate and up of all experts as one tensor whose rows alternate, as blocks of MXFP4
// [experts, rows, columns / 32, 16] or as plain numbers [experts, inputs, outputs].
static constexpr WeightRow kGptOssFeedForward[] = {
    {"layers.{layer}.ffn_norm", "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.post_attention_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.router", "model.layers.{layer}.mlp.router.weight",
     "blk.{layer}.ffn_gate_inp.weight", Dim::Experts, Dim::Hidden, Group::Required},
    {"layers.{layer}.router_bias", "model.layers.{layer}.mlp.router.bias",
     "blk.{layer}.ffn_gate_inp.bias", Dim::Experts, Dim::None, Group::Required},
    {"layers.{layer}.experts.{expert}.gate",
     "model.layers.{layer}.mlp.experts.gate_up_proj[{expert}]",
     "blk.{layer}.ffn_gate_exps.weight[{expert}]",
     Dim::Expert,
     Dim::Hidden,
     Group::Required,
     {Part::EvenRows, /*transposed=*/true}},
    {"layers.{layer}.experts.{expert}.up",
     "model.layers.{layer}.mlp.experts.gate_up_proj[{expert}]",
     "blk.{layer}.ffn_up_exps.weight[{expert}]",
     Dim::Expert,
     Dim::Hidden,
     Group::Required,
     {Part::OddRows, /*transposed=*/true}},
    {"layers.{layer}.experts.{expert}.down",
     "model.layers.{layer}.mlp.experts.down_proj[{expert}]",
     "blk.{layer}.ffn_down_exps.weight[{expert}]",
     Dim::Hidden,
     Dim::Expert,
     Group::Required,
     {Part::Whole, /*transposed=*/true}},
    {"layers.{layer}.experts.{expert}.gate_bias",
     "model.layers.{layer}.mlp.experts.gate_up_proj_bias[{expert}]",
     "blk.{layer}.ffn_gate_exps.bias[{expert}]",
     Dim::Expert,
     Dim::None,
     Group::Required,
     {Part::EvenRows}},
    {"layers.{layer}.experts.{expert}.up_bias",
     "model.layers.{layer}.mlp.experts.gate_up_proj_bias[{expert}]",
     "blk.{layer}.ffn_up_exps.bias[{expert}]",
     Dim::Expert,
     Dim::None,
     Group::Required,
     {Part::OddRows}},
    {"layers.{layer}.experts.{expert}.down_bias",
     "model.layers.{layer}.mlp.experts.down_proj_bias[{expert}]",
     "blk.{layer}.ffn_down_exps.bias[{expert}]", Dim::Hidden, Dim::None, Group::Required},
};

static constexpr WeightRow kSinkLogits[] = {
    {"layers.{layer}.sinks", "model.layers.{layer}.self_attn.sinks",
     "blk.{layer}.attn_sinks.weight", Dim::Heads, Dim::None, Group::Required},
};

static constexpr WeightRow kStarCoderFeedForward[] = {
    {"layers.{layer}.up", "model.layers.{layer}.mlp.c_fc.weight", "blk.{layer}.ffn_up.weight",
     Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "model.layers.{layer}.mlp.c_proj.weight", "blk.{layer}.ffn_down.weight",
     Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.up_bias", "model.layers.{layer}.mlp.c_fc.bias", "blk.{layer}.ffn_up.bias",
     Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down_bias", "model.layers.{layer}.mlp.c_proj.bias",
     "blk.{layer}.ffn_down.bias", Dim::Hidden, Dim::None, Group::FeedForwardBias},
};

static constexpr WeightRow kGainFinal[] = {
    {"final_norm",
     "model.norm.weight",
     "output_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

// Phi-3 stores queries, keys and values as one matrix, and gate and up as another.
static constexpr WeightRow kPhi3Attention[] = {
    {"layers.{layer}.q",
     "model.layers.{layer}.self_attn.qkv_proj.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::Queries,
     Dim::Hidden,
     Group::Required,
     {Part::Queries},
     {Part::Queries}},
    {"layers.{layer}.k",
     "model.layers.{layer}.self_attn.qkv_proj.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Keys},
     {Part::Keys}},
    {"layers.{layer}.v",
     "model.layers.{layer}.self_attn.qkv_proj.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Values},
     {Part::Values}},
    {"layers.{layer}.o", "model.layers.{layer}.self_attn.o_proj.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
};

static constexpr WeightRow kPhi3FeedForward[] = {
    {"layers.{layer}.gate",
     "model.layers.{layer}.mlp.gate_up_proj.weight",
     "blk.{layer}.ffn_up.weight",
     Dim::Intermediate,
     Dim::Hidden,
     Group::Required,
     {Part::FirstHalf},
     {Part::FirstHalf}},
    {"layers.{layer}.up",
     "model.layers.{layer}.mlp.gate_up_proj.weight",
     "blk.{layer}.ffn_up.weight",
     Dim::Intermediate,
     Dim::Hidden,
     Group::Required,
     {Part::SecondHalf},
     {Part::SecondHalf}},
    {"layers.{layer}.down", "model.layers.{layer}.mlp.down_proj.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
};

static constexpr WeightRow kPhiNorms[] = {
    {"layers.{layer}.attn_norm", "model.layers.{layer}.input_layernorm.weight",
     "blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.attn_norm_bias", "model.layers.{layer}.input_layernorm.bias",
     "blk.{layer}.attn_norm.bias", Dim::Hidden, Dim::None, Group::Required},
};

static constexpr WeightRow kPhiAttention[] = {
    {"layers.{layer}.q", "model.layers.{layer}.self_attn.q_proj.weight",
     "blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.k", "model.layers.{layer}.self_attn.k_proj.weight",
     "blk.{layer}.attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.v", "model.layers.{layer}.self_attn.v_proj.weight",
     "blk.{layer}.attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.o", "model.layers.{layer}.self_attn.dense.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.q_bias", "model.layers.{layer}.self_attn.q_proj.bias",
     "blk.{layer}.attn_q.bias", Dim::Queries, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.k_bias", "model.layers.{layer}.self_attn.k_proj.bias",
     "blk.{layer}.attn_k.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.v_bias", "model.layers.{layer}.self_attn.v_proj.bias",
     "blk.{layer}.attn_v.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.o_bias", "model.layers.{layer}.self_attn.dense.bias",
     "blk.{layer}.attn_output.bias", Dim::Hidden, Dim::None, Group::OutputBias},
};

static constexpr WeightRow kPhiFeedForward[] = {
    {"layers.{layer}.up", "model.layers.{layer}.mlp.fc1.weight", "blk.{layer}.ffn_up.weight",
     Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "model.layers.{layer}.mlp.fc2.weight", "blk.{layer}.ffn_down.weight",
     Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.up_bias", "model.layers.{layer}.mlp.fc1.bias", "blk.{layer}.ffn_up.bias",
     Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down_bias", "model.layers.{layer}.mlp.fc2.bias", "blk.{layer}.ffn_down.bias",
     Dim::Hidden, Dim::None, Group::FeedForwardBias},
};

static constexpr WeightRow kPhiFinal[] = {
    {"final_norm", "model.final_layernorm.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"final_norm_bias", "model.final_layernorm.bias", "output_norm.bias", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
    {"lm_head_bias", "lm_head.bias", "output.bias", Dim::Vocabulary, Dim::None, Group::Head},
};

static constexpr llvm::ArrayRef<WeightRow> kLlama[] = {
    kEmbedding, kAttentionNorm, kAttention, kFeedForwardNorm, kGatedFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kQwen3[] = {
    kEmbedding,       kAttentionNorm,    kAttention, kQueryKeyNorms,
    kFeedForwardNorm, kGatedFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kMixtral[] = {
    kEmbedding, kAttentionNorm, kAttention, kFeedForwardNorm, kMixtralExperts, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kQwen2Moe[] = {
    kEmbedding, kAttentionNorm, kAttention,        kFeedForwardNorm,
    kExperts,   kSharedExpert,  kDenseFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kQwen3Moe[] = {
    kEmbedding,       kAttentionNorm, kAttention,        kQueryKeyNorms,
    kFeedForwardNorm, kExperts,       kDenseFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kGptOss[] = {kEmbedding,  kAttentionNorm,     kAttention,
                                                        kSinkLogits, kGptOssFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kGemma[] = {kEmbedding, kGainNorms, kAttention,
                                                       kGatedFeedForward, kGainFinal};
static constexpr llvm::ArrayRef<WeightRow> kGemma2[] = {kEmbedding, kFourNorms, kAttention,
                                                        kGatedFeedForward, kGainFinal};
static constexpr llvm::ArrayRef<WeightRow> kGemma3[] = {
    kEmbedding, kFourNorms, kAttention, kQueryKeyGainNorms, kGatedFeedForward, kGainFinal};
static constexpr llvm::ArrayRef<WeightRow> kOlmo2[] = {
    kEmbedding, kAttention, kQueryKeyNorms, kPostNorms, kGatedFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kCohere[] = {
    kEmbedding, kAttentionNorm, kAttention, kOwnHeadNorms, kGatedFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kStarCoder2[] = {
    kEmbedding,  kAttentionNorm,        kAttention,  kFeedForwardNorm,
    kNormBiases, kStarCoderFeedForward, kBiasedFinal};
static constexpr llvm::ArrayRef<WeightRow> kPhi3[] = {
    kEmbedding, kAttentionNorm, kPhi3Attention, kFeedForwardNorm, kPhi3FeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kPhi[] = {kEmbedding, kPhiNorms, kPhiAttention,
                                                     kPhiFeedForward, kPhiFinal};

// Checkpoints that see images too, as they were published and as transformers writes them now.
static constexpr llvm::StringLiteral kTextBeginnings[] = {"model.", "language_model.model.",
                                                          "model.language_model."};
static constexpr llvm::StringLiteral kImageParts[] = {"vision_tower.", "multi_modal_projector.",
                                                      "model.vision_tower.",
                                                      "model.multi_modal_projector."};

static constexpr Architecture kArchitectures[] = {
    {"llama", kLlama, BiasRule::AttentionFlag, BiasRule::AttentionFlagWherePresent,
     BiasRule::FeedForwardFlag, kRotaryBuffers},
    {"mistral", kLlama, BiasRule::Never, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"qwen2", kLlama, BiasRule::Always, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"qwen3", kQwen3, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"mixtral", kMixtral, BiasRule::Never, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"qwen2_moe", kQwen2Moe, BiasRule::Always, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"qwen3_moe", kQwen3Moe, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"olmoe", kQwen3Moe, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"gpt_oss", kGptOss, BiasRule::Always, BiasRule::Always, BiasRule::Never, kRotaryBuffers},
    {"smollm3", kLlama, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::FeedForwardFlag,
     kRotaryBuffers},
    {"gemma", kGemma, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"gemma2", kGemma2, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"gemma3_text", kGemma3, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers, kTextBeginnings, kImageParts},
    {"olmo2", kOlmo2, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"olmo3", kOlmo2, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"exaone4", kOlmo2, BiasRule::Never, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"ernie4_5", kLlama, BiasRule::AttentionFlag, BiasRule::AttentionFlag,
     BiasRule::FeedForwardFlag, kRotaryBuffers},
    {"helium", kLlama, BiasRule::AttentionFlag, BiasRule::Never, BiasRule::FeedForwardFlag,
     kRotaryBuffers},
    {"granite", kLlama, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::FeedForwardFlag,
     kRotaryBuffers},
    {"cohere", kCohere, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"cohere2", kLlama, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"minicpm", kLlama, BiasRule::Never, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"starcoder2", kStarCoder2, BiasRule::AttentionFlag, BiasRule::AttentionFlag,
     BiasRule::FeedForwardFlag, kRotaryBuffers},
    {"phi3", kPhi3, BiasRule::Never, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"phi", kPhi, BiasRule::Always, BiasRule::Always, BiasRule::Always, kRotaryBuffers},
};

llvm::ArrayRef<Architecture> stc::llamaArchitectures() { return kArchitectures; }
