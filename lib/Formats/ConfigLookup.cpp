// Finds architectures by what containers call them, and says what is missing of unknown ones.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

/// Insertions, deletions and replacements that lead from one text to the other (Levenshtein 1966).
static size_t editDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> previous(b.size() + 1), next(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j)
      next[j] =
          std::min({previous[j] + 1, next[j - 1] + 1, previous[j - 1] + (a[i - 1] != b[j - 1])});
    std::swap(previous, next);
  }
  return previous[b.size()];
}

const ArchitectureRow *findArchitecture(absl::string_view name) {
  for (const ArchitectureRow &row : architectureRows())
    if (row.name == name)
      return &row;
  return nullptr;
}

const ArchitectureRow *findMultimodal(absl::string_view name) {
  for (const ArchitectureRow &row : architectureRows())
    if (!row.multimodal.empty() && row.multimodal == name)
      return &row;
  return nullptr;
}

const ArchitectureRow *findGgufArchitecture(absl::string_view name) {
  for (const ArchitectureRow &row : architectureRows())
    if (!row.gguf.empty() && row.gguf == name)
      return &row;
  return nullptr;
}

absl::string_view ggufEpsilonKey(const ArchitectureRow &row) {
  return row.ggufLayerNormKey ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
}

constexpr MissingFeature kMissing[] = {
    {"state_size", "ssm.state_size", "state space layers"},
    {"ssm_cfg", "ssm.conv_kernel", "state space layers"},
    {"mamba_d_state", "ssm.group_count", "state space layers"},
    {"attention_hidden_size", "wkv.head_size", "recurrent layers"},
    {"lru_width", "", "recurrent layers"},
    {"linear_num_key_heads", "", "linear attention"},
    {"kv_lora_rank", "attention.kv_lora_rank", "latent attention"},
    {"num_decoder_layers", "decoder_block_count", "an encoder beside the decoder"},
    {"decoder_layers", "", "an encoder beside the decoder"},
    {"type_vocab_size", "pooling_type", "an encoder of another kind"},
    {"audio_config", "", "sound"},
    {"vision_config", "", "images"},
    {"patch_size", "", "images"},
};

absl::Span<const MissingFeature> missingFeatures() { return kMissing; }

absl::Status unknownArchitecture(const ErrorSite &site, absl::string_view given, bool isGguf,
                                 absl::string_view feature) {
  std::string list;
  absl::string_view nearest;
  // No name is that long; a hostile one must not take long to compare.
  absl::string_view compared = given.substr(0, 64);
  for (const ArchitectureRow &row : architectureRows()) {
    absl::string_view name = isGguf ? row.gguf : row.name;
    if (name.empty())
      continue;
    absl::StrAppend(&list, list.empty() ? "" : ", ", name);
    if (nearest.empty() || editDistance(compared, name) < editDistance(compared, nearest))
      nearest = name;
    if (!isGguf && !row.multimodal.empty())
      absl::StrAppend(&list, ", ", row.multimodal);
  }
  if (given.empty())
    return formatError(site, absl::StrCat("one of ", list), "none");
  return formatError(site, absl::StrCat("one of ", list),
                     absl::StrCat("'", printable(given), "' (the nearest is ", nearest,
                                  feature.empty() ? "" : absl::StrCat("; missing: ", feature),
                                  ")"));
}

static bool isClose(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

/// Whether the numbers of which the family's files have no key are what is read without one.
static bool hasUsualNumbers(const ArchitectureRow &row, const ModelConfig &config) {
  auto isWritten = [&](double ModelConfig::*field) {
    for (const NumberKey &key : row.numbers)
      if (key.field == field && !key.gguf.empty())
        return true;
    return false;
  };
  // Readers know how T5 scales scores and logits.
  if (config.kind == ModelKind::EncoderDecoder)
    return true;
  const ModelConfig usual;
  for (double ModelConfig::*field :
       {&ModelConfig::embeddingScale, &ModelConfig::residualScale, &ModelConfig::logitScale,
        &ModelConfig::attentionSoftCap, &ModelConfig::logitSoftCap, &ModelConfig::clipLimit})
    if (!isWritten(field) && config.*field != usual.*field)
      return false;
  if (!isWritten(&ModelConfig::alibiBias) && config.alibiBias != row.alibiBias)
    return false;
  if (config.isLatent() && config.ropeScaling.kind == RopeScaling::Kind::Yarn)
    return true; // ggufFamilyOf writes it
  double usualScale = 1 / std::sqrt(double(config.headDim));
  double read = ggufAttentionScale(row, config);
  return isWritten(&ModelConfig::attentionScale) ||
         isClose(config.attentionScale != 0 ? config.attentionScale : usualScale,
                 read != 0 ? read : usualScale);
}

/// Of an encoder whose layers have a window but the first of so many; 0: none has.
static int64_t windowPatternOf(const ArchitectureRow &row, const ModelConfig &config) {
  const std::vector<bool> &windowed = config.windowedLayers;
  if (row.windowRule != WindowRule::TwoSided || windowed.empty())
    return 0;
  return std::find(windowed.begin() + 1, windowed.end(), false) - windowed.begin();
}

/// Whether files of the family, which do not list such layers, mean those that have a window and
/// those that are rotated.
static bool hasUsualLayers(const ArchitectureRow &row, const ModelConfig &config) {
  if (row.windowRule == WindowRule::TwoSided)
    return config.windowedLayers.empty() ||
           config.windowedLayers == allButFirstOfEvery(windowPatternOf(row, config), config.layers);
  if (row.windowIsOptional && config.slidingWindow == 0)
    return config.rotatedLayers.empty();
  std::vector<bool> windowed = allButEvery(row.windowPattern, config.layers);
  for (int64_t layer = 0; layer < config.layers; ++layer)
    if (config.isWindowed(layer) !=
        (row.windowRule == WindowRule::Pattern ? windowed[size_t(layer)] : config.isWindowed(0)))
      return false;
  std::vector<bool> rotated = allButEvery(row.unrotatedPattern, config.layers);
  if (row.rotatesWindowsOnly)
    rotated = rotatedWindows(row, config);
  return config.rotatedLayers == rotated;
}

/// Whether GGUF files of the family, which do not say such things, mean a model like this one.
static bool isAsGgufMeans(const ArchitectureRow &row, const ModelConfig &config) {
  using Kind = RopeScaling::Kind;
  const RopeScaling &scaling = config.ropeScaling;
  double magnitude =
      config.attentionScale != 0 && config.isLatent() ? 1 : yarnMagnitude(scaling.factor);
  bool isYarn = scaling.kind == Kind::Yarn && scaling.truncate == row.ggufTruncatesYarn &&
                isClose(scaling.attentionFactor, magnitude);
  bool isDense =
      row.mixture.denseCountKey.empty() ? config.sparseLayers.empty() : denseLayersOf(config) >= 0;
  return isDense && config.gateLimit == row.ggufGateLimit && hasUsualNumbers(row, config) &&
         hasUsualLayers(row, config) &&
         (config.relativeDistance == 0 || config.relativeDistance == 128) &&
         (config.kind != ModelKind::Encoder || config.pooling != Pooling::Max) &&
         (config.experts == 0 || row.mixture.hasRoutingKeys ||
          config.normalizedGates == row.mixture.isGgufNormalized) &&
         (scaling.kind != Kind::Yarn || isYarn);
}

GgufFamily ggufFamilyOf(const ModelConfig &config) {
  const ArchitectureRow *row = findArchitecture(config.architecture);
  GgufFamily family;
  family.writable = row && row->ggufWritable && isAsGgufMeans(*row, config);
  family.windowPattern = row ? windowPatternOf(*row, config) : 0;
  if (!row || row->gguf.empty())
    row = findGgufArchitecture(!row                                     ? "llama"
                               : row->kind == ModelKind::Encoder        ? "bert"
                               : row->kind == ModelKind::EncoderDecoder ? "t5"
                                                                        : "llama");
  family.name = std::string(row->gguf);
  family.interleavedRope = row->ggufInterleavedRope;
  family.normEpsilonKey = std::string(ggufEpsilonKey(*row));
  family.activation = std::string(activationCalled(row->activation));
  for (const NumberKey &key : row->numbers)
    if (!key.gguf.empty())
      family.numbers.emplace_back(key.gguf, valueOf(key, config.*key.field));
  if (config.isLatent() && config.ropeScaling.kind == RopeScaling::Kind::Yarn)
    family.numbers.emplace_back("rope.scaling.yarn_log_multiplier",
                                0.1 * latentMagnitudeOf(config));
  if (row->mixture.hasRoutingKeys)
    family.numbers.emplace_back("expert_weights_scale", config.routing.scale);
  // Which T5 it is, files say by what tensors they have.
  if (row->kind == ModelKind::EncoderDecoder)
    family.activation = config.block.gated ? "gelu_tanh" : "relu";
  return family;
}

std::vector<std::string> writableGgufFamilies() {
  std::vector<std::string> names;
  for (const ArchitectureRow &row : architectureRows())
    if (row.ggufWritable)
      names.emplace_back(row.name);
  return names;
}

} // namespace stc
