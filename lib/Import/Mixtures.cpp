// Mixtures of experts that are chosen with corrections or in groups, as tables: DeepSeek's, with
// latent attention, and those that share their feed-forward blocks.
#include "LlamaParts.h"

using namespace stc;
using namespace stc::llama;

// Queries directly or from a shorter vector; keys and values from one, with a key for all heads.
static constexpr WeightRow kLatentAttention[] = {
    {"layers.{layer}.q", "model.layers.{layer}.self_attn.q_proj.weight",
     "blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::DirectQueries},
    {"layers.{layer}.q_a", "model.layers.{layer}.self_attn.q_a_proj.weight",
     "blk.{layer}.attn_q_a.weight", Dim::QueryRank, Dim::Hidden, Group::LatentQueries},
    {"layers.{layer}.q_a_norm", "model.layers.{layer}.self_attn.q_a_layernorm.weight",
     "blk.{layer}.attn_q_a_norm.weight", Dim::QueryRank, Dim::None, Group::LatentQueries},
    {"layers.{layer}.q_b", "model.layers.{layer}.self_attn.q_b_proj.weight",
     "blk.{layer}.attn_q_b.weight", Dim::Queries, Dim::QueryRank, Group::LatentQueries},
    {"layers.{layer}.kv_a",
     "model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight",
     "blk.{layer}.attn_kv_a_mqa.weight",
     Dim::LatentRank,
     Dim::Hidden,
     Group::Required,
     {Part::LatentVector},
     {Part::LatentVector}},
    {"layers.{layer}.shared_key",
     "model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight",
     "blk.{layer}.attn_kv_a_mqa.weight",
     Dim::SharedKey,
     Dim::Hidden,
     Group::Required,
     {Part::SharedKey},
     {Part::SharedKey}},
    {"layers.{layer}.kv_a_norm", "model.layers.{layer}.self_attn.kv_a_layernorm.weight",
     "blk.{layer}.attn_kv_a_norm.weight", Dim::LatentRank, Dim::None, Group::Required},
    {"layers.{layer}.k_b",
     "model.layers.{layer}.self_attn.kv_b_proj.weight",
     "blk.{layer}.attn_kv_b.weight",
     Dim::LatentKeys,
     Dim::LatentRank,
     Group::Required,
     {Part::HeadKeys},
     {Part::HeadKeys}},
    {"layers.{layer}.v_b",
     "model.layers.{layer}.self_attn.kv_b_proj.weight",
     "blk.{layer}.attn_kv_b.weight",
     Dim::HeadValues,
     Dim::LatentRank,
     Group::Required,
     {Part::HeadValues},
     {Part::HeadValues}},
    {"layers.{layer}.o", "model.layers.{layer}.self_attn.o_proj.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::HeadValues, Group::Required},
};

// What is added to the scores that experts are chosen by.
static constexpr WeightRow kCorrection[] = {
    {"layers.{layer}.router_correction", "model.layers.{layer}.mlp.gate.e_score_correction_bias",
     "blk.{layer}.exp_probs_b.bias", Dim::Experts, Dim::None, Group::Experts},
};

static constexpr WeightRow kErnieCorrection[] = {
    {"layers.{layer}.router_correction",
     "model.layers.{layer}.mlp.moe_statics.e_score_correction_bias[0]",
     "blk.{layer}.exp_probs_b.bias", Dim::Experts, Dim::None, Group::Experts},
};

// Several experts that all tokens go through, as one.
static constexpr WeightRow kSharedExperts[] = {
    {"layers.{layer}.shared_expert.gate",
     "model.layers.{layer}.mlp.shared_experts.gate_proj.weight",
     "blk.{layer}.ffn_gate_shexp.weight", Dim::SharedExpert, Dim::Hidden, Group::SharedExpert},
    {"layers.{layer}.shared_expert.up", "model.layers.{layer}.mlp.shared_experts.up_proj.weight",
     "blk.{layer}.ffn_up_shexp.weight", Dim::SharedExpert, Dim::Hidden, Group::SharedExpert},
    {"layers.{layer}.shared_expert.down",
     "model.layers.{layer}.mlp.shared_experts.down_proj.weight",
     "blk.{layer}.ffn_down_shexp.weight", Dim::Hidden, Dim::SharedExpert, Group::SharedExpert},
};

static constexpr WeightRow kGlmNorms[] = {
    {"layers.{layer}.q_norm", "model.layers.{layer}.self_attn.q_norm.weight",
     "blk.{layer}.attn_q_norm.weight", Dim::QueryNorm, Dim::None, Group::QueryKeyNorm},
    {"layers.{layer}.k_norm", "model.layers.{layer}.self_attn.k_norm.weight",
     "blk.{layer}.attn_k_norm.weight", Dim::KeyNorm, Dim::None, Group::QueryKeyNorm},
    {"layers.{layer}.ffn_norm", "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.post_attention_norm.weight", Dim::Hidden, Dim::None, Group::Required},
};

// Ling keeps queries, keys and values as one matrix; GGUF converters part them.
static constexpr WeightRow kBailingEmbedding[] = {
    {"embed", "model.word_embeddings.weight", "token_embd.weight", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
};

static constexpr WeightRow kBailingAttention[] = {
    {"layers.{layer}.q",
     "model.layers.{layer}.attention.query_key_value.weight",
     "blk.{layer}.attn_q.weight",
     Dim::Queries,
     Dim::Hidden,
     Group::Required,
     {Part::Queries}},
    {"layers.{layer}.k",
     "model.layers.{layer}.attention.query_key_value.weight",
     "blk.{layer}.attn_k.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Keys}},
    {"layers.{layer}.v",
     "model.layers.{layer}.attention.query_key_value.weight",
     "blk.{layer}.attn_v.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Values}},
    {"layers.{layer}.o", "model.layers.{layer}.attention.dense.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
};

static constexpr llvm::ArrayRef<WeightRow> kDeepSeekV2[] = {
    kEmbedding, kAttentionNorm, kLatentAttention,  kFeedForwardNorm,
    kExperts,   kSharedExperts, kDenseFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kDeepSeekV3[] = {
    kEmbedding,       kAttentionNorm,    kLatentAttention,
    kFeedForwardNorm, kExperts,          kCorrection,
    kSharedExperts,   kDenseFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kDots1[] = {
    kEmbedding, kAttentionNorm, kAttention,     kQueryKeyNorms,    kFeedForwardNorm,
    kExperts,   kCorrection,    kSharedExperts, kDenseFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kGlm4Moe[] = {
    kEmbedding,  kAttentionNorm, kAttention,        kGlmNorms, kExperts,
    kCorrection, kSharedExperts, kDenseFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kErnie45Moe[] = {
    kEmbedding,     kAttentionNorm,    kAttention, kFeedForwardNorm, kExperts, kErnieCorrection,
    kSharedExperts, kDenseFeedForward, kFinal};

static constexpr llvm::ArrayRef<WeightRow> kBailing[] = {
    kBailingEmbedding, kAttentionNorm, kBailingAttention, kFeedForwardNorm,
    kExperts,          kSharedExperts, kDenseFeedForward, kFinal};

// Newer GGUF files hold the two halves of attn_kv_b apart (Checkpoint joins them).
static constexpr llvm::StringLiteral kDeepSeekIgnorable[] = {
    "model.layers.{layer}.self_attn.rotary_emb.inv_freq",
    "blk.{layer}.attn_k_b.weight",
    "blk.{layer}.attn_v_b.weight",
};

static constexpr Architecture kArchitectures[] = {
    {"deepseek_v2", kDeepSeekV2, BiasRule::Never, BiasRule::Never, BiasRule::Never,
     kDeepSeekIgnorable},
    {"deepseek_v3", kDeepSeekV3, BiasRule::Never, BiasRule::Never, BiasRule::Never,
     kDeepSeekIgnorable},
    {"kimi_k2", kDeepSeekV3, BiasRule::Never, BiasRule::Never, BiasRule::Never, kDeepSeekIgnorable},
    {"dots1", kDots1, BiasRule::Never, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"glm4_moe", kGlm4Moe, BiasRule::AttentionFlag, BiasRule::Never, BiasRule::Never,
     kRotaryBuffers},
    {"ernie4_5_moe", kErnie45Moe, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"bailing_moe", kBailing, BiasRule::Never, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
};

llvm::ArrayRef<Architecture> stc::mixtureArchitectures() { return kArchitectures; }
