// T5 and its descendants, as tables.
#include "Architecture.h"

using namespace stc;

static constexpr WeightRow kEmbedding[] = {
    {"embed", "shared.weight|encoder.embed_tokens.weight", "token_embd.weight", Dim::Vocabulary,
     Dim::Hidden, Group::Required},
    {"encoder.relative_bias",
     "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
     "enc.blk.0.attn_rel_b.weight", Dim::Buckets, Dim::Heads, Group::Required},
};

static constexpr WeightRow kEncoderLayers[] = {
    {"encoder.layers.{layer}.attn_norm", "encoder.block.{layer}.layer.0.layer_norm.weight",
     "enc.blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"encoder.layers.{layer}.q", "encoder.block.{layer}.layer.0.SelfAttention.q.weight",
     "enc.blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.k", "encoder.block.{layer}.layer.0.SelfAttention.k.weight",
     "enc.blk.{layer}.attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.v", "encoder.block.{layer}.layer.0.SelfAttention.v.weight",
     "enc.blk.{layer}.attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.o", "encoder.block.{layer}.layer.0.SelfAttention.o.weight",
     "enc.blk.{layer}.attn_o.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"encoder.layers.{layer}.ffn_norm", "encoder.block.{layer}.layer.1.layer_norm.weight",
     "enc.blk.{layer}.ffn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"encoder.layers.{layer}.gate", "encoder.block.{layer}.layer.1.DenseReluDense.wi_0.weight",
     "enc.blk.{layer}.ffn_gate.weight", Dim::Intermediate, Dim::Hidden, Group::Gate},
    {"encoder.layers.{layer}.up",
     "encoder.block.{layer}.layer.1.DenseReluDense.wi.weight|encoder.block.{layer}.layer.1."
     "DenseReluDense.wi_1.weight",
     "enc.blk.{layer}.ffn_up.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.down", "encoder.block.{layer}.layer.1.DenseReluDense.wo.weight",
     "enc.blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
};

static constexpr WeightRow kBetweenStacks[] = {
    {"encoder.final_norm", "encoder.final_layer_norm.weight", "enc.output_norm.weight", Dim::Hidden,
     Dim::None, Group::Required},
    {"relative_bias", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
     "dec.blk.0.attn_rel_b.weight", Dim::Buckets, Dim::Heads, Group::Required},
};

static constexpr WeightRow kDecoderLayers[] = {
    {"layers.{layer}.attn_norm", "decoder.block.{layer}.layer.0.layer_norm.weight",
     "dec.blk.{layer}.attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q", "decoder.block.{layer}.layer.0.SelfAttention.q.weight",
     "dec.blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.k", "decoder.block.{layer}.layer.0.SelfAttention.k.weight",
     "dec.blk.{layer}.attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.v", "decoder.block.{layer}.layer.0.SelfAttention.v.weight",
     "dec.blk.{layer}.attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.o", "decoder.block.{layer}.layer.0.SelfAttention.o.weight",
     "dec.blk.{layer}.attn_o.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.cross_norm", "decoder.block.{layer}.layer.1.layer_norm.weight",
     "dec.blk.{layer}.cross_attn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.cross_q", "decoder.block.{layer}.layer.1.EncDecAttention.q.weight",
     "dec.blk.{layer}.cross_attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.cross_k", "decoder.block.{layer}.layer.1.EncDecAttention.k.weight",
     "dec.blk.{layer}.cross_attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.cross_v", "decoder.block.{layer}.layer.1.EncDecAttention.v.weight",
     "dec.blk.{layer}.cross_attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.cross_o", "decoder.block.{layer}.layer.1.EncDecAttention.o.weight",
     "dec.blk.{layer}.cross_attn_o.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.ffn_norm", "decoder.block.{layer}.layer.2.layer_norm.weight",
     "dec.blk.{layer}.ffn_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.gate", "decoder.block.{layer}.layer.2.DenseReluDense.wi_0.weight",
     "dec.blk.{layer}.ffn_gate.weight", Dim::Intermediate, Dim::Hidden, Group::Gate},
    {"layers.{layer}.up",
     "decoder.block.{layer}.layer.2.DenseReluDense.wi.weight|decoder.block.{layer}.layer.2."
     "DenseReluDense.wi_1.weight",
     "dec.blk.{layer}.ffn_up.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "decoder.block.{layer}.layer.2.DenseReluDense.wo.weight",
     "dec.blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
};

static constexpr WeightRow kFinal[] = {
    {"final_norm", "decoder.final_layer_norm.weight", "dec.output_norm.weight", Dim::Hidden,
     Dim::None, Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

static constexpr llvm::ArrayRef<WeightRow> kParts[] = {kEmbedding, kEncoderLayers, kBetweenStacks,
                                                       kDecoderLayers, kFinal};

// Both stacks share one table of embeddings, which some checkpoints store again. The first T5s hold
// a bias of cross attention that no forward pass reads.
static constexpr llvm::StringLiteral kIgnorable[] = {
    "encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
    "dec.blk.0.cross_attn_rel_b.weight"};

static constexpr Architecture kArchitectures[] = {
    {"t5", kParts, BiasRule::Never, BiasRule::Never, BiasRule::Never, kIgnorable},
    {"mt5", kParts, BiasRule::Never, BiasRule::Never, BiasRule::Never, kIgnorable},
};

llvm::ArrayRef<Architecture> stc::t5Architectures() { return kArchitectures; }
