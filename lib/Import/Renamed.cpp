// Families with blocks like Llama's, some of them fused, under names of their own, as tables:
// GLM-4, InternLM2 and EXAONE.
#include "LlamaParts.h"

using namespace stc;
using namespace stc::llama;

// GLM-4 fuses gate and up, and since its second edition normalizes what a part adds, too.
static constexpr WeightRow kGlmFeedForward[] = {
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

static constexpr WeightRow kGlm4PostNorms[] = {
    {"layers.{layer}.attn_post_norm", "model.layers.{layer}.post_self_attn_layernorm.weight",
     "blk.{layer}.post_attention_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_post_norm", "model.layers.{layer}.post_mlp_layernorm.weight",
     "blk.{layer}.post_ffw_norm.weight", Dim::Hidden, Dim::None, Group::Required},
};

// InternLM2: groups of query heads with the key and the value that they share, which GGUF
// converters part.
static constexpr WeightRow kInternLm2Embedding[] = {
    {"embed", "model.tok_embeddings.weight", "token_embd.weight", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
};

static constexpr WeightRow kInternLm2Layers[] = {
    {"layers.{layer}.attn_norm", "model.layers.{layer}.attention_norm.weight",
     "blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm", "model.layers.{layer}.ffn_norm.weight",
     "blk.{layer}.ffn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q",
     "model.layers.{layer}.attention.wqkv.weight",
     "blk.{layer}.attn_q.weight",
     Dim::Queries,
     Dim::Hidden,
     Group::Required,
     {Part::GroupedQueries}},
    {"layers.{layer}.k",
     "model.layers.{layer}.attention.wqkv.weight",
     "blk.{layer}.attn_k.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::GroupedKeys}},
    {"layers.{layer}.v",
     "model.layers.{layer}.attention.wqkv.weight",
     "blk.{layer}.attn_v.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::GroupedValues}},
    {"layers.{layer}.o", "model.layers.{layer}.attention.wo.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.q_bias",
     "model.layers.{layer}.attention.wqkv.bias",
     "blk.{layer}.attn_q.bias",
     Dim::Queries,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::GroupedQueries}},
    {"layers.{layer}.k_bias",
     "model.layers.{layer}.attention.wqkv.bias",
     "blk.{layer}.attn_k.bias",
     Dim::KeyValues,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::GroupedKeys}},
    {"layers.{layer}.v_bias",
     "model.layers.{layer}.attention.wqkv.bias",
     "blk.{layer}.attn_v.bias",
     Dim::KeyValues,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::GroupedValues}},
    {"layers.{layer}.o_bias", "model.layers.{layer}.attention.wo.bias",
     "blk.{layer}.attn_output.bias", Dim::Hidden, Dim::None, Group::OutputBias},
    {"layers.{layer}.gate", "model.layers.{layer}.feed_forward.w1.weight",
     "blk.{layer}.ffn_gate.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.up", "model.layers.{layer}.feed_forward.w3.weight",
     "blk.{layer}.ffn_up.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "model.layers.{layer}.feed_forward.w2.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
};

static constexpr WeightRow kInternLm2Final[] = {
    {"final_norm", "model.norm.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "output.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

static constexpr WeightRow kExaoneEmbedding[] = {
    {"embed", "transformer.wte.weight", "token_embd.weight", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
};

static constexpr WeightRow kExaoneLayers[] = {
    {"layers.{layer}.attn_norm", "transformer.h.{layer}.ln_1.weight",
     "blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm", "transformer.h.{layer}.ln_2.weight", "blk.{layer}.ffn_norm.weight",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q", "transformer.h.{layer}.attn.attention.q_proj.weight",
     "blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.k", "transformer.h.{layer}.attn.attention.k_proj.weight",
     "blk.{layer}.attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.v", "transformer.h.{layer}.attn.attention.v_proj.weight",
     "blk.{layer}.attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.o", "transformer.h.{layer}.attn.attention.out_proj.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.gate", "transformer.h.{layer}.mlp.c_fc_0.weight",
     "blk.{layer}.ffn_gate.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.up", "transformer.h.{layer}.mlp.c_fc_1.weight", "blk.{layer}.ffn_up.weight",
     Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "transformer.h.{layer}.mlp.c_proj.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
};

static constexpr WeightRow kExaoneFinal[] = {
    {"final_norm", "transformer.ln_f.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

static constexpr llvm::ArrayRef<WeightRow> kGlm[] = {kEmbedding,       kAttentionNorm,  kAttention,
                                                     kFeedForwardNorm, kGlmFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kGlm4[] = {
    kEmbedding,       kAttentionNorm,  kAttention, kGlm4PostNorms,
    kFeedForwardNorm, kGlmFeedForward, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kInternLm2[] = {kInternLm2Embedding, kInternLm2Layers,
                                                           kInternLm2Final};
static constexpr llvm::ArrayRef<WeightRow> kExaone[] = {kExaoneEmbedding, kExaoneLayers,
                                                        kExaoneFinal};

static constexpr llvm::StringLiteral kExaoneBuffers[] = {
    "transformer.h.{layer}.attn.attention.rotary.inv_freq",
    "transformer.rotary.inv_freq",
};

static constexpr Architecture kArchitectures[] = {
    {"glm", kGlm, BiasRule::AttentionFlag, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"glm4", kGlm4, BiasRule::AttentionFlag, BiasRule::Never, BiasRule::Never, kRotaryBuffers},
    {"internlm2", kInternLm2, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"exaone", kExaone, BiasRule::Never, BiasRule::Never, BiasRule::Never, kExaoneBuffers},
};

llvm::ArrayRef<Architecture> stc::renamedArchitectures() { return kArchitectures; }
