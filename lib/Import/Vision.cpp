// Vision transformers, as tables.
#include "Architecture.h"

using namespace stc;

// A table with a row for each class token, and the bias of the convolution as that of patches.
static constexpr WeightRow kViTTokens[] = {
    {"embed", "embeddings.cls_token+embeddings.patch_embeddings.projection.bias", "",
     Dim::Vocabulary, Dim::Hidden, Group::Required},
};
static constexpr WeightRow kDeiTTokens[] = {
    {"embed",
     "embeddings.cls_token+embeddings.distillation_token+embeddings.patch_embeddings.projection."
     "bias",
     "", Dim::Vocabulary, Dim::Hidden, Group::Required},
};

static constexpr WeightRow kEmbedding[] = {
    {"patch_embed", "embeddings.patch_embeddings.projection.weight[:]", "", Dim::Hidden, Dim::Patch,
     Group::Required},
    {"position_embed", "embeddings.position_embeddings[0]", "", Dim::Positions, Dim::Hidden,
     Group::Required},
};

static constexpr WeightRow kLayers[] = {
    {"layers.{layer}.attn_norm", "encoder.layer.{layer}.layernorm_before.weight", "", Dim::Hidden,
     Dim::None, Group::Required},
    {"layers.{layer}.attn_norm_bias", "encoder.layer.{layer}.layernorm_before.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q", "encoder.layer.{layer}.attention.attention.query.weight", "", Dim::Queries,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.q_bias", "encoder.layer.{layer}.attention.attention.query.bias", "",
     Dim::Queries, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.k", "encoder.layer.{layer}.attention.attention.key.weight", "", Dim::KeyValues,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.k_bias", "encoder.layer.{layer}.attention.attention.key.bias", "",
     Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.v", "encoder.layer.{layer}.attention.attention.value.weight", "",
     Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.v_bias", "encoder.layer.{layer}.attention.attention.value.bias", "",
     Dim::KeyValues, Dim::None, Group::QueryKeyValueBias},
    {"layers.{layer}.o", "encoder.layer.{layer}.attention.output.dense.weight", "", Dim::Hidden,
     Dim::Queries, Group::Required},
    {"layers.{layer}.o_bias", "encoder.layer.{layer}.attention.output.dense.bias", "", Dim::Hidden,
     Dim::None, Group::OutputBias},
    {"layers.{layer}.ffn_norm", "encoder.layer.{layer}.layernorm_after.weight", "", Dim::Hidden,
     Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm_bias", "encoder.layer.{layer}.layernorm_after.bias", "", Dim::Hidden,
     Dim::None, Group::Required},
    {"layers.{layer}.up", "encoder.layer.{layer}.intermediate.dense.weight", "", Dim::Intermediate,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.up_bias", "encoder.layer.{layer}.intermediate.dense.bias", "",
     Dim::Intermediate, Dim::None, Group::FeedForwardBias},
    {"layers.{layer}.down", "encoder.layer.{layer}.output.dense.weight", "", Dim::Hidden,
     Dim::Intermediate, Group::Required},
    {"layers.{layer}.down_bias", "encoder.layer.{layer}.output.dense.bias", "", Dim::Hidden,
     Dim::None, Group::FeedForwardBias},
};

// Two heads are one above the other.
static constexpr WeightRow kFinal[] = {
    {"final_norm", "layernorm.weight", "", Dim::Hidden, Dim::None, Group::Required},
    {"final_norm_bias", "layernorm.bias", "", Dim::Hidden, Dim::None, Group::Required},
    {"classifier", "classifier.weight|cls_classifier.weight+distillation_classifier.weight", "",
     Dim::Labels, Dim::Hidden, Group::Classifier},
    {"classifier_bias", "classifier.bias|cls_classifier.bias+distillation_classifier.bias", "",
     Dim::Labels, Dim::None, Group::Classifier},
};

static constexpr llvm::ArrayRef<WeightRow> kViT[] = {kViTTokens, kEmbedding, kLayers, kFinal};
static constexpr llvm::ArrayRef<WeightRow> kDeiT[] = {kDeiTTokens, kEmbedding, kLayers, kFinal};

// A checkpoint with a head has its encoder under a name.
static constexpr llvm::StringLiteral kViTNames[] = {"", "vit."}, kDeiTNames[] = {"", "deit."};

// The pooler in front of no head that is used, and what masked image modeling was trained with.
static constexpr llvm::StringLiteral kHeads[] = {"pooler.",
                                                 "vit.pooler.",
                                                 "deit.pooler.",
                                                 "decoder.",
                                                 "embeddings.mask_token",
                                                 "vit.embeddings.mask_token",
                                                 "deit.embeddings.mask_token"};

static constexpr Architecture kArchitectures[] = {
    {"vit",
     kViT,
     BiasRule::AttentionFlag,
     BiasRule::Always,
     BiasRule::Always,
     {},
     kViTNames,
     kHeads},
    {"deit",
     kDeiT,
     BiasRule::AttentionFlag,
     BiasRule::Always,
     BiasRule::Always,
     {},
     kDeiTNames,
     kHeads},
};

llvm::ArrayRef<Architecture> stc::visionArchitectures() { return kArchitectures; }
