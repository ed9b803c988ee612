// The Llama family (Llama, Mistral, Qwen2) as a table.
#include "Architecture.h"

using namespace stc;

static constexpr WeightRow kWeights[] = {
    {"embed", "model.embed_tokens.weight", "token_embd.weight", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
    {"layers.{layer}.attn_norm", "model.layers.{layer}.input_layernorm.weight",
     "blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
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
    {"layers.{layer}.ffn_norm", "model.layers.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.ffn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
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
    {"final_norm", "model.norm.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

// Rotary frequencies that old converters stored; the graph computes its own.
static constexpr llvm::StringLiteral kIgnorable[] = {
    "model.layers.{layer}.self_attn.rotary_emb.inv_freq",
    "blk.{layer}.attn_rot_embd.weight",
};

static constexpr Architecture kArchitectures[] = {
    {"llama", kWeights, BiasRule::AttentionFlag, BiasRule::AttentionFlagWherePresent,
     BiasRule::FeedForwardFlag, kIgnorable},
    {"mistral", kWeights, BiasRule::Never, BiasRule::Never, BiasRule::Never, kIgnorable},
    {"qwen2", kWeights, BiasRule::Always, BiasRule::Never, BiasRule::Never, kIgnorable},
};

llvm::ArrayRef<Architecture> stc::llamaArchitectures() { return kArchitectures; }
