// Families with layer norms in blocks like Llama's, as tables: OLMo, StableLM, Nemotron and OPT.
#include "LlamaParts.h"

using namespace stc;
using namespace stc::llama;

// OLMo: norms without weights.
static constexpr WeightRow kOnes[] = {
    {"layers.{layer}.attn_norm",
     "",
     "",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::Ones},
    {"layers.{layer}.ffn_norm",
     "",
     "",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::Ones},
};

static constexpr WeightRow kOlmoFinal[] = {
    {"final_norm", "", "", Dim::Hidden, Dim::None, Group::Required, {}, {}, Gain::Ones},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

// StableLM keeps the gains of every head as a tensor of its own, which GGUF converters stack.
static constexpr WeightRow kStableLmHeadNorms[] = {
    {"layers.{layer}.q_norm", "model.layers.{layer}.self_attn.q_layernorm.norms.[:].weight",
     "blk.{layer}.attn_q_norm.weight", Dim::Heads, Dim::Head, Group::QueryKeyNorm},
    {"layers.{layer}.k_norm", "model.layers.{layer}.self_attn.k_layernorm.norms.[:].weight",
     "blk.{layer}.attn_k_norm.weight", Dim::KeyValueHeads, Dim::Head, Group::QueryKeyNorm},
};

static constexpr WeightRow kNemotronFinal[] = {
    {"final_norm",
     "model.norm.weight",
     "output_norm.weight",
     Dim::Hidden,
     Dim::None,
     Group::Required,
     {},
     {},
     Gain::MinusOne},
    {"final_norm_bias", "model.norm.bias", "output_norm.bias", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "output.weight", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

// OPT, which GGUF files do not hold. The first checkpoints lack the prefix of later ones.
static constexpr WeightRow kOptEmbedding[] = {
    {"embed", "model.decoder.embed_tokens.weight", "", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
    {"position_embed",
     "model.decoder.embed_positions.weight",
     "",
     Dim::Positions,
     Dim::Hidden,
     Group::Required,
     {Part::AfterPadding}},
};

static constexpr WeightRow kOptLayers[] = {
    {"layers.{layer}.attn_norm", "model.decoder.layers.{layer}.self_attn_layer_norm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.attn_norm_bias", "model.decoder.layers.{layer}.self_attn_layer_norm.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm", "model.decoder.layers.{layer}.final_layer_norm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm_bias", "model.decoder.layers.{layer}.final_layer_norm.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q", "model.decoder.layers.{layer}.self_attn.q_proj.weight", "", Dim::Queries,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.k", "model.decoder.layers.{layer}.self_attn.k_proj.weight", "", Dim::KeyValues,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.v", "model.decoder.layers.{layer}.self_attn.v_proj.weight", "", Dim::KeyValues,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.o", "model.decoder.layers.{layer}.self_attn.out_proj.weight", "", Dim::Hidden,
     Dim::Queries, Group::Required},
    {"layers.{layer}.q_bias", "model.decoder.layers.{layer}.self_attn.q_proj.bias", "",
     Dim::Queries, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.k_bias", "model.decoder.layers.{layer}.self_attn.k_proj.bias", "",
     Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.v_bias", "model.decoder.layers.{layer}.self_attn.v_proj.bias", "",
     Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.o_bias", "model.decoder.layers.{layer}.self_attn.out_proj.bias", "",
     Dim::Hidden, Dim::None, Group::OutputBias},
    {"layers.{layer}.up", "model.decoder.layers.{layer}.fc1.weight", "", Dim::Intermediate,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.down", "model.decoder.layers.{layer}.fc2.weight", "", Dim::Hidden,
     Dim::Intermediate, Group::Required},
    {"layers.{layer}.up_bias", "model.decoder.layers.{layer}.fc1.bias", "", Dim::Intermediate,
     Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down_bias", "model.decoder.layers.{layer}.fc2.bias", "", Dim::Hidden,
     Dim::None, Group::FeedForwardBias},
};

static constexpr WeightRow kOptFinal[] = {
    {"final_norm", "model.decoder.final_layer_norm.weight", "", Dim::Hidden, Dim::None,
     Group::Required},
    {"final_norm_bias", "model.decoder.final_layer_norm.bias", "", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "lm_head.weight", "", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

static constexpr llvm::ArrayRef<WeightRow> kOlmo[] = {kEmbedding, kOnes, kAttention,
                                                      kGatedFeedForward, kOlmoFinal};
static constexpr llvm::ArrayRef<WeightRow> kStableLm[] = {
    kEmbedding,       kAttentionNorm, kAttention,        kStableLmHeadNorms,
    kFeedForwardNorm, kNormBiases,    kGatedFeedForward, kBiasedFinal};
static constexpr llvm::ArrayRef<WeightRow> kNemotron[] = {
    kEmbedding, kGainNorms, kNormBiases, kAttention, kPlainFeedForward, kNemotronFinal};
static constexpr llvm::ArrayRef<WeightRow> kOpt[] = {kOptEmbedding, kOptLayers, kOptFinal};

static constexpr llvm::StringLiteral kOptBeginnings[] = {"model.decoder.", "decoder."};

static constexpr Architecture kArchitectures[] = {
    {"olmo", kOlmo, BiasRule::AttentionFlag, BiasRule::AttentionFlag, BiasRule::Never,
     kRotaryBuffers},
    {"stablelm", kStableLm, BiasRule::AttentionFlag, BiasRule::Never, BiasRule::Never,
     kRotaryBuffers},
    {"nemotron", kNemotron, BiasRule::AttentionFlag, BiasRule::AttentionFlag,
     BiasRule::FeedForwardFlag, kRotaryBuffers},
    {"opt", kOpt, BiasRule::Always, BiasRule::Always, BiasRule::Always, {}, kOptBeginnings},
};

llvm::ArrayRef<Architecture> stc::layerNormArchitectures() { return kArchitectures; }
