// The weights of Llama, part by part, which other families share.
#ifndef STC_LIB_IMPORT_LLAMAPARTS_H
#define STC_LIB_IMPORT_LLAMAPARTS_H

#include "Architecture.h"

namespace stc::llama {

inline constexpr WeightRow kEmbedding[] = {
    {"embed", "model.embed_tokens.weight", "token_embd.weight", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
};

inline constexpr WeightRow kAttentionNorm[] = {
    {"layers.{layer}.attn_norm", "model.layers.{layer}.input_layernorm.weight",
     "blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
};

inline constexpr WeightRow kFeedForwardNorm[] = {
    {"layers.{layer}.ffn_norm", "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.ffn_norm.weight", Dim::Hidden, Dim::None, Group::FeedForwardNorm},
};

inline constexpr WeightRow kNormBiases[] = {
    {"layers.{layer}.attn_norm_bias", "model.layers.{layer}.input_layernorm.bias",
     "blk.{layer}.attn_norm.bias", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm_bias", "model.layers.{layer}.post_attention_layernorm.bias",
     "blk.{layer}.ffn_norm.bias", Dim::Hidden, Dim::None, Group::FeedForwardNorm},
};

/// Norms that multiply by 1 + weight, as Gemma's do; GGUF files hold the sum.
inline constexpr WeightRow kGainNorms[] = {
    {"layers.{layer}.attn_norm",
     "model.layers.{layer}.input_layernorm.weight",
     "blk.{layer}.attn_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
    {"layers.{layer}.ffn_norm",
     "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.ffn_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
};

inline constexpr WeightRow kAttention[] = {
    {"layers.{layer}.q", "model.layers.{layer}.self_attn.q_proj.weight",
     "blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.k", "model.layers.{layer}.self_attn.k_proj.weight",
     "blk.{layer}.attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.v", "model.layers.{layer}.self_attn.v_proj.weight",
     "blk.{layer}.attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.o", "model.layers.{layer}.self_attn.o_proj.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.q_bias", "model.layers.{layer}.self_attn.q_proj.bias",
     "blk.{layer}.attn_q.bias", Dim::Queries, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.k_bias", "model.layers.{layer}.self_attn.k_proj.bias",
     "blk.{layer}.attn_k.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.v_bias", "model.layers.{layer}.self_attn.v_proj.bias",
     "blk.{layer}.attn_v.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.o_bias", "model.layers.{layer}.self_attn.o_proj.bias",
     "blk.{layer}.attn_output.bias", Dim::Hidden, Dim::None, Group::OutputBias},
};

inline constexpr WeightRow kGatedFeedForward[] = {
    {"layers.{layer}.gate", "model.layers.{layer}.mlp.gate_proj.weight",
     "blk.{layer}.ffn_gate.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.up", "model.layers.{layer}.mlp.up_proj.weight", "blk.{layer}.ffn_up.weight",
     Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "model.layers.{layer}.mlp.down_proj.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.gate_bias", "model.layers.{layer}.mlp.gate_proj.bias",
     "blk.{layer}.ffn_gate.bias", Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.up_bias", "model.layers.{layer}.mlp.up_proj.bias", "blk.{layer}.ffn_up.bias",
     Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down_bias", "model.layers.{layer}.mlp.down_proj.bias",
     "blk.{layer}.ffn_down.bias", Dim::Hidden, Dim::None, Group::FeedForwardBias},
};

/// Without a gate.
inline constexpr WeightRow kPlainFeedForward[] = {
    {"layers.{layer}.up", "model.layers.{layer}.mlp.up_proj.weight", "blk.{layer}.ffn_up.weight",
     Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "model.layers.{layer}.mlp.down_proj.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.up_bias", "model.layers.{layer}.mlp.up_proj.bias", "blk.{layer}.ffn_up.bias",
     Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down_bias", "model.layers.{layer}.mlp.down_proj.bias",
     "blk.{layer}.ffn_down.bias", Dim::Hidden, Dim::None, Group::FeedForwardBias},
};

inline constexpr WeightRow kQueryKeyNorms[] = {
    {"layers.{layer}.q_norm", "model.layers.{layer}.self_attn.q_norm.weight",
     "blk.{layer}.attn_q_norm.weight", Dim::QueryNorm, Dim::None, Group::Required},
    {"layers.{layer}.k_norm", "model.layers.{layer}.self_attn.k_norm.weight",
     "blk.{layer}.attn_k_norm.weight", Dim::KeyNorm, Dim::None, Group::Required},
};

/// Of the layers of a mixture that have no experts.
inline constexpr WeightRow kDenseFeedForward[] = {
    {"layers.{layer}.gate", "model.layers.{layer}.mlp.gate_proj.weight",
     "blk.{layer}.ffn_gate.weight", Dim::Intermediate, Dim::Hidden, Group::DenseFeedForward},
    {"layers.{layer}.up", "model.layers.{layer}.mlp.up_proj.weight", "blk.{layer}.ffn_up.weight",
     Dim::Intermediate, Dim::Hidden, Group::DenseFeedForward},
    {"layers.{layer}.down", "model.layers.{layer}.mlp.down_proj.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::DenseFeedForward},
};

inline constexpr WeightRow kExperts[] = {
    {"layers.{layer}.router", "model.layers.{layer}.mlp.gate.weight",
     "blk.{layer}.ffn_gate_inp.weight", Dim::Experts, Dim::Hidden, Group::Experts},
    {"layers.{layer}.experts.{expert}.gate",
     "model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight",
     "blk.{layer}.ffn_gate_exps.weight[{expert}]", Dim::Expert, Dim::Hidden, Group::Experts},
    {"layers.{layer}.experts.{expert}.up",
     "model.layers.{layer}.mlp.experts.{expert}.up_proj.weight",
     "blk.{layer}.ffn_up_exps.weight[{expert}]", Dim::Expert, Dim::Hidden, Group::Experts},
    {"layers.{layer}.experts.{expert}.down",
     "model.layers.{layer}.mlp.experts.{expert}.down_proj.weight",
     "blk.{layer}.ffn_down_exps.weight[{expert}]", Dim::Hidden, Dim::Expert, Group::Experts},
};

inline constexpr WeightRow kFinal[] = {
    {"final_norm", "model.norm.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

inline constexpr WeightRow kBiasedFinal[] = {
    {"final_norm", "model.norm.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"final_norm_bias", "model.norm.bias", "output_norm.bias", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

// Rotary frequencies that old converters stored; the graph computes its own.
inline constexpr llvm::StringLiteral kRotaryBuffers[] = {
    "model.layers.{layer}.self_attn.rotary_emb.inv_freq",
    "blk.{layer}.attn_rot_embd.weight",
};

} // namespace stc::llama

#endif // STC_LIB_IMPORT_LLAMAPARTS_H
