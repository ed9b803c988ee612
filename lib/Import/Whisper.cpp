// Whisper, as tables.
#include "Architecture.h"

using namespace stc;

static constexpr WeightRow kStem[] = {
    {"stem.0", "model.encoder.conv1.weight[:]", "", Dim::Hidden, Dim::FeatureWindow,
     Group::Required},
    {"stem.0_bias", "model.encoder.conv1.bias", "", Dim::Hidden, Dim::None, Group::Required},
    {"stem.1", "model.encoder.conv2.weight[:]", "", Dim::Hidden, Dim::HiddenWindow,
     Group::Required},
    {"stem.1_bias", "model.encoder.conv2.bias", "", Dim::Hidden, Dim::None, Group::Required},
    {"encoder.position_embed", "model.encoder.embed_positions.weight", "", Dim::EncoderPositions,
     Dim::Hidden, Group::Required},
};

static constexpr WeightRow kEncoderLayers[] = {
    {"encoder.layers.{layer}.attn_norm", "model.encoder.layers.{layer}.self_attn_layer_norm.weight",
     "", Dim::Hidden, Dim::None, Group::Required},
    {"encoder.layers.{layer}.attn_norm_bias",
     "model.encoder.layers.{layer}.self_attn_layer_norm.bias", "", Dim::Hidden, Dim::None,
     Group::Required},
    {"encoder.layers.{layer}.q", "model.encoder.layers.{layer}.self_attn.q_proj.weight", "",
     Dim::Queries, Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.q_bias", "model.encoder.layers.{layer}.self_attn.q_proj.bias", "",
     Dim::Queries, Dim::None, Group::Required},
    {"encoder.layers.{layer}.k", "model.encoder.layers.{layer}.self_attn.k_proj.weight", "",
     Dim::KeyValues, Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.v", "model.encoder.layers.{layer}.self_attn.v_proj.weight", "",
     Dim::KeyValues, Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.v_bias", "model.encoder.layers.{layer}.self_attn.v_proj.bias", "",
     Dim::KeyValues, Dim::None, Group::Required},
    {"encoder.layers.{layer}.o", "model.encoder.layers.{layer}.self_attn.out_proj.weight", "",
     Dim::Hidden, Dim::Queries, Group::Required},
    {"encoder.layers.{layer}.o_bias", "model.encoder.layers.{layer}.self_attn.out_proj.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"encoder.layers.{layer}.ffn_norm", "model.encoder.layers.{layer}.final_layer_norm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"encoder.layers.{layer}.ffn_norm_bias", "model.encoder.layers.{layer}.final_layer_norm.bias",
     "", Dim::Hidden, Dim::None, Group::Required},
    {"encoder.layers.{layer}.up", "model.encoder.layers.{layer}.fc1.weight", "", Dim::Intermediate,
     Dim::Hidden, Group::Required},
    {"encoder.layers.{layer}.up_bias", "model.encoder.layers.{layer}.fc1.bias", "",
     Dim::Intermediate, Dim::None, Group::Required},
    {"encoder.layers.{layer}.down", "model.encoder.layers.{layer}.fc2.weight", "", Dim::Hidden,
     Dim::Intermediate, Group::Required},
    {"encoder.layers.{layer}.down_bias", "model.encoder.layers.{layer}.fc2.bias", "", Dim::Hidden,
     Dim::None, Group::Required},
};

static constexpr WeightRow kBetweenStacks[] = {
    {"encoder.final_norm", "model.encoder.layer_norm.weight", "", Dim::Hidden, Dim::None,
     Group::Required},
    {"encoder.final_norm_bias", "model.encoder.layer_norm.bias", "", Dim::Hidden, Dim::None,
     Group::Required},
    {"embed", "model.decoder.embed_tokens.weight", "", Dim::Vocabulary, Dim::Hidden,
     Group::Required},
    {"position_embed", "model.decoder.embed_positions.weight", "", Dim::Positions, Dim::Hidden,
     Group::Required},
};

static constexpr WeightRow kDecoderLayers[] = {
    {"layers.{layer}.attn_norm", "model.decoder.layers.{layer}.self_attn_layer_norm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.attn_norm_bias", "model.decoder.layers.{layer}.self_attn_layer_norm.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.q", "model.decoder.layers.{layer}.self_attn.q_proj.weight", "", Dim::Queries,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.q_bias", "model.decoder.layers.{layer}.self_attn.q_proj.bias", "",
     Dim::Queries, Dim::None, Group::Required},
    {"layers.{layer}.k", "model.decoder.layers.{layer}.self_attn.k_proj.weight", "", Dim::KeyValues,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.v", "model.decoder.layers.{layer}.self_attn.v_proj.weight", "", Dim::KeyValues,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.v_bias", "model.decoder.layers.{layer}.self_attn.v_proj.bias", "",
     Dim::KeyValues, Dim::None, Group::Required},
    {"layers.{layer}.o", "model.decoder.layers.{layer}.self_attn.out_proj.weight", "", Dim::Hidden,
     Dim::Queries, Group::Required},
    {"layers.{layer}.o_bias", "model.decoder.layers.{layer}.self_attn.out_proj.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.cross_norm", "model.decoder.layers.{layer}.encoder_attn_layer_norm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.cross_norm_bias", "model.decoder.layers.{layer}.encoder_attn_layer_norm.bias",
     "", Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.cross_q", "model.decoder.layers.{layer}.encoder_attn.q_proj.weight", "",
     Dim::Queries, Dim::Hidden, Group::Required},
    {"layers.{layer}.cross_q_bias", "model.decoder.layers.{layer}.encoder_attn.q_proj.bias", "",
     Dim::Queries, Dim::None, Group::Required},
    {"layers.{layer}.cross_k", "model.decoder.layers.{layer}.encoder_attn.k_proj.weight", "",
     Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.cross_v", "model.decoder.layers.{layer}.encoder_attn.v_proj.weight", "",
     Dim::KeyValues, Dim::Hidden, Group::Required},
    {"layers.{layer}.cross_v_bias", "model.decoder.layers.{layer}.encoder_attn.v_proj.bias", "",
     Dim::KeyValues, Dim::None, Group::Required},
    {"layers.{layer}.cross_o", "model.decoder.layers.{layer}.encoder_attn.out_proj.weight", "",
     Dim::Hidden, Dim::Queries, Group::Required},
    {"layers.{layer}.cross_o_bias", "model.decoder.layers.{layer}.encoder_attn.out_proj.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm", "model.decoder.layers.{layer}.final_layer_norm.weight", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.ffn_norm_bias", "model.decoder.layers.{layer}.final_layer_norm.bias", "",
     Dim::Hidden, Dim::None, Group::Required},
    {"layers.{layer}.up", "model.decoder.layers.{layer}.fc1.weight", "", Dim::Intermediate,
     Dim::Hidden, Group::Required},
    {"layers.{layer}.up_bias", "model.decoder.layers.{layer}.fc1.bias", "", Dim::Intermediate,
     Dim::None, Group::Required},
    {"layers.{layer}.down", "model.decoder.layers.{layer}.fc2.weight", "", Dim::Hidden,
     Dim::Intermediate, Group::Required},
    {"layers.{layer}.down_bias", "model.decoder.layers.{layer}.fc2.bias", "", Dim::Hidden,
     Dim::None, Group::Required},
};

static constexpr WeightRow kFinal[] = {
    {"final_norm", "model.decoder.layer_norm.weight", "", Dim::Hidden, Dim::None, Group::Required},
    {"final_norm_bias", "model.decoder.layer_norm.bias", "", Dim::Hidden, Dim::None,
     Group::Required},
    {"lm_head", "proj_out.weight", "", Dim::Vocabulary, Dim::Hidden, Group::Head},
};

static constexpr llvm::ArrayRef<WeightRow> kParts[] = {kStem, kEncoderLayers, kBetweenStacks,
                                                       kDecoderLayers, kFinal};

static constexpr Architecture kArchitectures[] = {
    {"whisper", kParts, BiasRule::Never, BiasRule::Never, BiasRule::Never, {}},
};

llvm::ArrayRef<Architecture> stc::whisperArchitectures() { return kArchitectures; }
