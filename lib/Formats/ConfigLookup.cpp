// Finds architectures by what containers call them, and says what is missing of unknown ones.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

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

/// Whether GGUF files of the family, which do not say such things, mean a model like this one.
static bool isAsGgufMeans(const ArchitectureRow &row, const ModelConfig &config) {
  using Kind = RopeScaling::Kind;
  const RopeScaling &scaling = config.ropeScaling;
  bool isYarn = scaling.kind == Kind::Yarn && scaling.truncate == row.ggufTruncatesYarn &&
                scaling.attentionFactor == yarnMagnitude(scaling.factor);
  return config.sparseLayers.empty() && config.gateLimit == row.ggufGateLimit &&
         config.alibiBias == row.alibiBias &&
         (config.experts == 0 || config.normalizedGates == row.mixture.isGgufNormalized) &&
         (scaling.kind != Kind::Yarn || isYarn);
}

GgufFamily ggufFamilyOf(const ModelConfig &config) {
  const ArchitectureRow *row = findArchitecture(config.architecture);
  GgufFamily family;
  family.writable = row && row->ggufWritable && isAsGgufMeans(*row, config);
  family.windowed = row && row->windowRule == WindowRule::Pattern && config.slidingWindow != 0 &&
                    config.windowedLayers == allButEvery(row->windowPattern, config.layers);
  if (!row || row->gguf.empty())
    row = findGgufArchitecture(row && row->kind == ModelKind::Encoder ? "bert" : "llama");
  family.name = std::string(row->gguf);
  family.interleavedRope = row->ggufInterleavedRope;
  family.normEpsilonKey = std::string(ggufEpsilonKey(*row));
  family.activation = std::string(activationCalled(row->activation));
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
