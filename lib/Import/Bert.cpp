// BERT and its descendants, as tables.
#include "Architecture.h"

using namespace stc;

// BERT, RoBERTa and their relatives. The first checkpoints call gains and shifts of norms gamma and
// beta.
static constexpr WeightRow kBertEmbedding[] = {
    {"embed", "embeddings.word_embeddings.weight", "token_embd.weight", Dim::Vocabulary,
     Dim::Hidden, Group::Required},
    {"position_embed",
     "embeddings.position_embeddings.weight",
     "position_embd.weight",
     Dim::Positions,
     Dim::Hidden,
     Group::Required,
     {Part::AfterPadding}},
    {"type_embed", "embeddings.token_type_embeddings.weight", "token_types.weight", Dim::TokenTypes,
     Dim::Hidden, Group::TokenTypes},
    {"embed_norm", "embeddings.LayerNorm.weight|embeddings.LayerNorm.gamma",
     "token_embd_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"embed_norm_bias", "embeddings.LayerNorm.bias|embeddings.LayerNorm.beta",
     "token_embd_norm.bias", Dim::Hidden, Dim::None, Group::Required},
};

static constexpr WeightRow kBertLayers[] = {
    {"layers.{layer}.q", "encoder.layer.{layer}.attention.self.query.weight",
     "blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.q_bias", "encoder.layer.{layer}.attention.self.query.bias",
     "blk.{layer}.attn_q.bias", Dim::Queries, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.k", "encoder.layer.{layer}.attention.self.key.weight",
     "blk.{layer}.attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.k_bias", "encoder.layer.{layer}.attention.self.key.bias",
     "blk.{layer}.attn_k.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.v", "encoder.layer.{layer}.attention.self.value.weight",
     "blk.{layer}.attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.v_bias", "encoder.layer.{layer}.attention.self.value.bias",
     "blk.{layer}.attn_v.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.o", "encoder.layer.{layer}.attention.output.dense.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.o_bias", "encoder.layer.{layer}.attention.output.dense.bias",
     "blk.{layer}.attn_output.bias", Dim::Hidden, Dim::None, Group::OutputBias},
    {"layers.{layer}.attn_output_norm",
     "encoder.layer.{layer}.attention.output.LayerNorm.weight|encoder.layer.{layer}.attention."
     "output.LayerNorm.gamma",
     "blk.{layer}.attn_output_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.attn_output_norm_bias",
     "encoder.layer.{layer}.attention.output.LayerNorm.bias|encoder.layer.{layer}.attention.output."
     "LayerNorm.beta",
     "blk.{layer}.attn_output_norm.bias", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.up", "encoder.layer.{layer}.intermediate.dense.weight",
     "blk.{layer}.ffn_up.weight", Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.up_bias", "encoder.layer.{layer}.intermediate.dense.bias",
     "blk.{layer}.ffn_up.bias", Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down", "encoder.layer.{layer}.output.dense.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.down_bias", "encoder.layer.{layer}.output.dense.bias",
     "blk.{layer}.ffn_down.bias", Dim::Hidden, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.ffn_output_norm",
     "encoder.layer.{layer}.output.LayerNorm.weight|encoder.layer.{layer}.output.LayerNorm.gamma",
     "blk.{layer}.layer_output_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_output_norm_bias",
     "encoder.layer.{layer}.output.LayerNorm.bias|encoder.layer.{layer}.output.LayerNorm.beta",
     "blk.{layer}.layer_output_norm.bias", Dim::Hidden, Dim::None, Group::Required},
};

// DistilBERT, whose GGUF files say bert.
static constexpr WeightRow kDistilBertEmbedding[] = {
    {"embed", "embeddings.word_embeddings.weight", "token_embd.weight", Dim::Vocabulary,
     Dim::Hidden, Group::Required},
    {"position_embed", "embeddings.position_embeddings.weight", "position_embd.weight",
     Dim::Positions, Dim::Hidden, Group::Required},
    {"embed_norm", "embeddings.LayerNorm.weight|embeddings.LayerNorm.gamma",
     "token_embd_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"embed_norm_bias", "embeddings.LayerNorm.bias|embeddings.LayerNorm.beta",
     "token_embd_norm.bias", Dim::Hidden, Dim::None, Group::Required},
};

static constexpr WeightRow kDistilBertLayers[] = {
    {"layers.{layer}.q", "transformer.layer.{layer}.attention.q_lin.weight",
     "blk.{layer}.attn_q.weight", Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.q_bias", "transformer.layer.{layer}.attention.q_lin.bias",
     "blk.{layer}.attn_q.bias", Dim::Queries, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.k", "transformer.layer.{layer}.attention.k_lin.weight",
     "blk.{layer}.attn_k.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.k_bias", "transformer.layer.{layer}.attention.k_lin.bias",
     "blk.{layer}.attn_k.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.v", "transformer.layer.{layer}.attention.v_lin.weight",
     "blk.{layer}.attn_v.weight", Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.v_bias", "transformer.layer.{layer}.attention.v_lin.bias",
     "blk.{layer}.attn_v.bias", Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.o", "transformer.layer.{layer}.attention.out_lin.weight",
     "blk.{layer}.attn_output.weight", Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.o_bias", "transformer.layer.{layer}.attention.out_lin.bias",
     "blk.{layer}.attn_output.bias", Dim::Hidden, Dim::None, Group::OutputBias},
    {"layers.{layer}.attn_output_norm", "transformer.layer.{layer}.sa_layer_norm.weight",
     "blk.{layer}.attn_output_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.attn_output_norm_bias", "transformer.layer.{layer}.sa_layer_norm.bias",
     "blk.{layer}.attn_output_norm.bias", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.up", "transformer.layer.{layer}.ffn.lin1.weight", "blk.{layer}.ffn_up.weight",
     Dim::Intermediate, Dim::Hidden, Group::Required},
    {"layers.{layer}.up_bias", "transformer.layer.{layer}.ffn.lin1.bias", "blk.{layer}.ffn_up.bias",
     Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down", "transformer.layer.{layer}.ffn.lin2.weight",
     "blk.{layer}.ffn_down.weight", Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.down_bias", "transformer.layer.{layer}.ffn.lin2.bias",
     "blk.{layer}.ffn_down.bias", Dim::Hidden, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.ffn_output_norm", "transformer.layer.{layer}.output_layer_norm.weight",
     "blk.{layer}.layer_output_norm.weight", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_output_norm_bias", "transformer.layer.{layer}.output_layer_norm.bias",
     "blk.{layer}.layer_output_norm.bias", Dim::Hidden, Dim::None, Group::Required},
};

// MPNet.
static constexpr WeightRow kMPNetEmbedding[] = {
    {"embed", "embeddings.word_embeddings.weight", "", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
    {"position_embed",
     "embeddings.position_embeddings.weight",
     "",
     Dim::Positions,
     Dim::Hidden,
     Group::Required,
     {Part::AfterPadding}},
    {"embed_norm", "embeddings.LayerNorm.weight", "", Dim::Hidden, Dim::None, Group::Required},
    {"embed_norm_bias", "embeddings.LayerNorm.bias", "", Dim::Hidden, Dim::None, Group::Required},
    {"relative_bias", "encoder.relative_attention_bias.weight", "", Dim::Buckets, Dim::Heads,
     Group::Required},
};

static constexpr WeightRow kMPNetLayers[] = {
    {"layers.{layer}.q", "encoder.layer.{layer}.attention.attn.q.weight", "", Dim::Queries,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.q_bias", "encoder.layer.{layer}.attention.attn.q.bias", "", Dim::Queries,
     Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.k", "encoder.layer.{layer}.attention.attn.k.weight", "", Dim::KeyValues,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.k_bias", "encoder.layer.{layer}.attention.attn.k.bias", "", Dim::KeyValues,
     Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.v", "encoder.layer.{layer}.attention.attn.v.weight", "", Dim::KeyValues,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.v_bias", "encoder.layer.{layer}.attention.attn.v.bias", "", Dim::KeyValues,
     Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.o", "encoder.layer.{layer}.attention.attn.o.weight", "", Dim::Hidden,
     Dim::Queries, Group::Required},
    {"layers.{layer}.o_bias", "encoder.layer.{layer}.attention.attn.o.bias", "", Dim::Hidden,
     Dim::None, Group::OutputBias},
    {"layers.{layer}.attn_output_norm", "encoder.layer.{layer}.attention.LayerNorm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.attn_output_norm_bias", "encoder.layer.{layer}.attention.LayerNorm.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.up", "encoder.layer.{layer}.intermediate.dense.weight", "", Dim::Intermediate,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.up_bias", "encoder.layer.{layer}.intermediate.dense.bias", "",
     Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down", "encoder.layer.{layer}.output.dense.weight", "", Dim::Hidden,
     Dim::Intermediate, Group::Required},
    {"layers.{layer}.down_bias", "encoder.layer.{layer}.output.dense.bias", "", Dim::Hidden,
     Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.ffn_output_norm", "encoder.layer.{layer}.output.LayerNorm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_output_norm_bias", "encoder.layer.{layer}.output.LayerNorm.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
};

// ModernBERT: queries, keys and values as one matrix, gate and up as another.
static constexpr WeightRow kModernBertEmbedding[] = {
    {"embed", "embeddings.tok_embeddings.weight", "token_embd.weight", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
    {"embed_norm", "embeddings.norm.weight", "token_embd_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
};

static constexpr WeightRow kModernBertLayers[] = {
    {"layers.{layer}.attn_norm", "layers.{layer}.attn_norm.weight", "blk.{layer}.attn_norm.weight",
     Dim::Hidden, Dim::None, Group::AttentionNorm},
    {"layers.{layer}.q",
     "layers.{layer}.attn.Wqkv.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::Queries,
     Dim::Hidden,
     Group::Required,
     {Part::Queries},
     {Part::Queries}},
    {"layers.{layer}.q_bias",
     "layers.{layer}.attn.Wqkv.bias",
     "blk.{layer}.attn_qkv.bias",
     Dim::Queries,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::Queries},
     {Part::Queries}},
    {"layers.{layer}.k",
     "layers.{layer}.attn.Wqkv.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Keys},
     {Part::Keys}},
    {"layers.{layer}.k_bias",
     "layers.{layer}.attn.Wqkv.bias",
     "blk.{layer}.attn_qkv.bias",
     Dim::KeyValues,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::Keys},
     {Part::Keys}},
    {"layers.{layer}.v",
     "layers.{layer}.attn.Wqkv.weight",
     "blk.{layer}.attn_qkv.weight",
     Dim::KeyValues,
     Dim::Hidden,
     Group::Required,
     {Part::Values},
     {Part::Values}},
    {"layers.{layer}.v_bias",
     "layers.{layer}.attn.Wqkv.bias",
     "blk.{layer}.attn_qkv.bias",
     Dim::KeyValues,
     Dim::None,
     Group::QueryKeyValueBias,
     {Part::Values},
     {Part::Values}},
    {"layers.{layer}.o", "layers.{layer}.attn.Wo.weight", "blk.{layer}.attn_output.weight",
     Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.o_bias", "layers.{layer}.attn.Wo.bias", "blk.{layer}.attn_output.bias",
     Dim::Hidden, Dim::None, Group::OutputBias},
    {"layers.{layer}.ffn_norm", "layers.{layer}.mlp_norm.weight", "blk.{layer}.ffn_norm.weight",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.gate",
     "layers.{layer}.mlp.Wi.weight",
     "blk.{layer}.ffn_up.weight",
     Dim::Intermediate,
     Dim::Hidden,
     Group::Required,
     {Part::FirstHalf},
     {Part::FirstHalf}},
    {"layers.{layer}.gate_bias",
     "layers.{layer}.mlp.Wi.bias",
     "blk.{layer}.ffn_up.bias",
     Dim::Intermediate,
     Dim::None,
     Group::FeedForwardBias,
     {Part::FirstHalf},
     {Part::FirstHalf}},
    {"layers.{layer}.up",
     "layers.{layer}.mlp.Wi.weight",
     "blk.{layer}.ffn_up.weight",
     Dim::Intermediate,
     Dim::Hidden,
     Group::Required,
     {Part::SecondHalf},
     {Part::SecondHalf}},
    {"layers.{layer}.up_bias",
     "layers.{layer}.mlp.Wi.bias",
     "blk.{layer}.ffn_up.bias",
     Dim::Intermediate,
     Dim::None,
     Group::FeedForwardBias,
     {Part::SecondHalf},
     {Part::SecondHalf}},
    {"layers.{layer}.down", "layers.{layer}.mlp.Wo.weight", "blk.{layer}.ffn_down.weight",
     Dim::Hidden, Dim::Intermediate, Group::Required},
    {"layers.{layer}.down_bias", "layers.{layer}.mlp.Wo.bias", "blk.{layer}.ffn_down.bias",
     Dim::Hidden, Dim::None, Group::FeedForwardBias},
};

static constexpr WeightRow kModernBertFinal[] = {
    {"final_norm", "final_norm.weight", "output_norm.weight", Dim::Hidden, Dim::None,
     Group::Required},
};

static constexpr llvm::ArrayRef<WeightRow> kBert[] = {kBertEmbedding, kBertLayers};
static constexpr llvm::ArrayRef<WeightRow> kDistilBert[] = {kDistilBertEmbedding,
                                                            kDistilBertLayers};
static constexpr llvm::ArrayRef<WeightRow> kMPNet[] = {kMPNetEmbedding, kMPNetLayers};
static constexpr llvm::ArrayRef<WeightRow> kModernBert[] = {kModernBertEmbedding, kModernBertLayers,
                                                            kModernBertFinal};

// Numbers from 0 on, which old checkpoints carry.
static constexpr llvm::StringLiteral kIgnorable[] = {
    "embeddings.position_ids", "bert.embeddings.position_ids", "roberta.embeddings.position_ids",
    "mpnet.embeddings.position_ids", "distilbert.embeddings.position_ids"};

// A checkpoint with a head has its encoder under a name.
static constexpr llvm::StringLiteral kBertNames[] = {"", "bert."},
                                     kRobertaNames[] = {"", "roberta."},
                                     kMPNetNames[] = {"", "mpnet."},
                                     kDistilBertNames[] = {"", "distilbert."},
                                     kModernBertNames[] = {"", "model."};

// Heads, and the pooler that only BERT's next-sentence head was trained with.
static constexpr llvm::StringLiteral kHeads[] = {
    "cls.",          "pooler.",          "bert.pooler.",      "roberta.pooler.",
    "mpnet.pooler.", "classifier.",      "pre_classifier.",   "lm_head",
    "qa_outputs.",   "vocab_transform.", "vocab_layer_norm.", "vocab_projector.",
    "head.",         "decoder."};

static constexpr Architecture encoder(llvm::StringLiteral name,
                                      llvm::ArrayRef<llvm::ArrayRef<WeightRow>> parts,
                                      llvm::ArrayRef<llvm::StringLiteral> names) {
  return {name,  parts, BiasRule::Always, BiasRule::Always, BiasRule::Always, kIgnorable,
          names, kHeads};
}

static constexpr Architecture kArchitectures[] = {
    encoder("bert", kBert, kBertNames),
    encoder("roberta", kBert, kRobertaNames),
    encoder("xlm-roberta", kBert, kRobertaNames),
    encoder("camembert", kBert, kRobertaNames),
    encoder("mpnet", kMPNet, kMPNetNames),
    encoder("distilbert", kDistilBert, kDistilBertNames),
    {"modernbert", kModernBert, BiasRule::AttentionFlag, BiasRule::AttentionFlag,
     BiasRule::FeedForwardFlag, kIgnorable, kModernBertNames, kHeads},
};

llvm::ArrayRef<Architecture> stc::bertArchitectures() { return kArchitectures; }
