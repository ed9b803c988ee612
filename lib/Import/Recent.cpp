// Families of 2024 and 2025 with a part of their own, as tables.
#include "LlamaParts.h"

using namespace stc;
using namespace stc::llama;

static constexpr WeightRow kSeedOssFeedForwardNorm[] = {
    {"layers.{layer}.ffn_norm", "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.post_attention_norm.weight", Dim::Hidden, Dim::None, Group::Required},
};

// Gates and ups of all experts are one tensor [experts, 2 * intermediate, hidden].
static constexpr WeightRow kGraniteExperts[] = {
    {"layers.{layer}.router", "model.layers.{layer}.block_sparse_moe.router.layer.weight",
     "blk.{layer}.ffn_gate_inp.weight", Dim::Experts, Dim::Hidden, Group::Experts},
    {"layers.{layer}.experts.{expert}.gate",
     "model.layers.{layer}.block_sparse_moe.input_linear.weight[{expert}]",
     "blk.{layer}.ffn_gate_exps.weight[{expert}]",
     Dim::Expert,
     Dim::Hidden,
     Group::Experts,
     {Part::FirstHalf}},
    {"layers.{layer}.experts.{expert}.up",
     "model.layers.{layer}.block_sparse_moe.input_linear.weight[{expert}]",
     "blk.{layer}.ffn_up_exps.weight[{expert}]",
     Dim::Expert,
     Dim::Hidden,
     Group::Experts,
     {Part::SecondHalf}},
    {"layers.{layer}.experts.{expert}.down",
     "model.layers.{layer}.block_sparse_moe.output_linear.weight[{expert}]",
     "blk.{layer}.ffn_down_exps.weight[{expert}]", Dim::Hidden, Dim::Expert, Group::Experts},
};

// Hunyuan normalizes what is rotated already.
static constexpr WeightRow kHunyuanNorms[] = {
    {"layers.{layer}.q_norm", "model.layers.{layer}.self_attn.query_layernorm.weight",
     "blk.{layer}.attn_q_norm.weight", Dim::QueryNorm, Dim::None, Group::Required},
    {"layers.{layer}.k_norm", "model.layers.{layer}.self_attn.key_layernorm.weight",
     "blk.{layer}.attn_k_norm.weight", Dim::KeyNorm, Dim::None, Group::Required},
};

static constexpr llvm::ArrayRef<WeightRow> kSeedOss[] = {
    kEmbedding, kAttentionNorm, kAttention, kSeedOssFeedForwardNorm, kGatedFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kArcee[] = {
    kEmbedding, kAttentionNorm, kAttention, kFeedForwardNorm, kPlainFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kGraniteMoe[] = {
    kEmbedding, kAttentionNorm, kAttention, kFeedForwardNorm, kGraniteExperts, kFinal};

static constexpr llvm::ArrayRef<WeightRow> kHunyuan[] = {
    kEmbedding,       kAttentionNorm,    kAttention, kHunyuanNorms,
    kFeedForwardNorm, kGatedFeedForward, kFinal};

static constexpr Architecture kArchitectures[] = {
    {"hunyuan_v1_dense", kHunyuan, BiasRule::Never, BiasRule::Never, BiasRule::Never,
     kRotaryBuffers},
    {"seed_oss", kSeedOss, BiasRule::Always, BiasRule::Never, BiasRule::FeedForwardFlag,
     kRotaryBuffers},
    {"arcee", kArcee, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::FeedForwardFlag,
     kRotaryBuffers},
    {"granitemoe", kGraniteMoe, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
};

llvm::ArrayRef<Architecture> stc::recentArchitectures() { return kArchitectures; }
