// Families whose positions are slopes of scores (ALiBi), as tables.
#include "Architecture.h"

using namespace stc;

// BLOOM. Each head has its query, key and value rows together, which GGUF converters part. The
// first checkpoints lack the prefix of later ones.
static constexpr WeightRow kBloomEmbedding[] = {
    {"embed", "transformer.word_embeddings.weight", "token_embd.weight", Dim::Vocabulary,
     Dim::Hidden, Group::Required},
    {"embed_norm", "transformer.word_embeddings_layernorm.weight", "token_embd_norm.weight",
     Dim::Hidden, Dim::None, Group::Required},
    {"embed_norm_bias", "transformer.word_embeddings_layernorm.bias", "token_embd_norm.bias",
     Dim::Hidden, Dim::None, Group::Required},
};

static constexpr WeightRow kBloomLayers[] = {
    {"layers.{layer}.attn_norm", "transformer.h.{layer}.input_layernorm.weight",
     "blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.attn_norm_bias", "transformer.h.{layer}.input_layernorm.bias",
     "blk.{layer}.attn_norm.bias", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm", "transformer.h.{layer}.post_attention_layernorm.weight",
     "blk.{layer}.ffn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm_bias", "transformer.h.{layer}.post_attention_layernorm.bias",
     "blk.{layer}.ffn_norm.bias", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q",
     "transformer.h.{layer}.self_attention.query_key_value.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::Queries,
     Dim::Hidden,
     Group::Required,
     {Part::GroupedQueries},
     {Part::Queries}},
    {"layers.{layer}.k",
     "transformer.h.{layer}.self_attention.query_key_value.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::GroupedKeys},
     {Part::Keys}},
    {"layers.{layer}.v",
     "transformer.h.{layer}.self_attention.query_key_value.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::GroupedValues},
     {Part::Values}},
    {"layers.{layer}.q_bias",
     "transformer.h.{layer}.self_attention.query_key_value.bias",
     "blk.{layer}.attn_qkv.bias",
     Dim::Queries,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::GroupedQueries},
     {Part::Queries}},
    {"layers.{layer}.k_bias",
     "transformer.h.{layer}.self_attention.query_key_value.bias",
     "blk.{layer}.attn_qkv.bias",
     Dim::KeyValues,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::GroupedKeys},
     {Part::Keys}},
    {"layers.{layer}.v_bias",
     "transformer.h.{layer}.self_attention.query_key_value.bias",
     "blk.{layer}.attn_qkv.bias",
     Dim::KeyValues,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::GroupedValues},
     {Part::Values}},
    {"layers.{layer}.o", "transformer.h.{layer}.self_attention.dense.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.o_bias", "transformer.h.{layer}.self_attention.dense.bias",
     "blk.{layer}.attn_output.bias", Dim::Hidden, Dim::None, Group::OutputBias},
    {"layers.{layer}.up", "transformer.h.{layer}.mlp.dense_h_to_4h.weight",
     "blk.{layer}.ffn_up.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "transformer.h.{layer}.mlp.dense_4h_to_h.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.up_bias", "transformer.h.{layer}.mlp.dense_h_to_4h.bias",
     "blk.{layer}.ffn_up.bias", Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down_bias", "transformer.h.{layer}.mlp.dense_4h_to_h.bias",
     "blk.{layer}.ffn_down.bias", Dim::Hidden, Dim::None, Group::FeedForwardBias},
};

static constexpr WeightRow kBloomFinal[] = {
    {"final_norm", "transformer.ln_f.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"final_norm_bias", "transformer.ln_f.bias", "output_norm.bias", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

// MPT: no biases anywhere, not in norms either.
static constexpr WeightRow kMptEmbedding[] = {
    {"embed", "transformer.wte.weight", "token_embd.weight", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
};

static constexpr WeightRow kMptLayers[] = {
    {"layers.{layer}.attn_norm", "transformer.blocks.{layer}.norm_1.weight",
     "blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm", "transformer.blocks.{layer}.norm_2.weight",
     "blk.{layer}.ffn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q",
     "transformer.blocks.{layer}.attn.Wqkv.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::Queries,
     Dim::Hidden,
     Group::Required,
     {Part::Queries},
     {Part::Queries}},
    {"layers.{layer}.k",
     "transformer.blocks.{layer}.attn.Wqkv.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Keys},
     {Part::Keys}},
    {"layers.{layer}.v",
     "transformer.blocks.{layer}.attn.Wqkv.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Values},
     {Part::Values}},
    {"layers.{layer}.o", "transformer.blocks.{layer}.attn.out_proj.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.up", "transformer.blocks.{layer}.ffn.up_proj.weight",
     "blk.{layer}.ffn_up.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "transformer.blocks.{layer}.ffn.down_proj.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
};

static constexpr WeightRow kMptFinal[] = {
    {"final_norm", "transformer.norm_f.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

static constexpr llvm::ArrayRef<WeightRow> kBloom[] = {kBloomEmbedding, kBloomLayers, kBloomFinal};
static constexpr llvm::ArrayRef<WeightRow> kMpt[] = {kMptEmbedding, kMptLayers, kMptFinal};

static constexpr llvm::StringLiteral kBloomBeginnings[] = {"transformer.", ""};

static constexpr Architecture kArchitectures[] = {
    {"bloom", kBloom, BiasRule::Always, BiasRule::Always, BiasRule::Always, {}, kBloomBeginnings},
    {"mpt", kMpt, BiasRule::Never, BiasRule::Never, BiasRule::Never, {}},
};

llvm::ArrayRef<Architecture> stc::alibiArchitectures() { return kArchitectures; }
