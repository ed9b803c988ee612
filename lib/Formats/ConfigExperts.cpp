// Mixtures of experts and latent attention in config.json.
#include "ConfigReader.h"

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

#include <algorithm>

namespace stc {

namespace {

constexpr int64_t kMostHeadSize = kMostLayers; // of any part of a head; products do not overflow

/// Which layers have experts: every decoder_sparse_step-th but those that mlp_only_layers lists.
absl::Status readSparseLayers(const ConfigReader &reader, const ArchitectureRow &row,
                              ModelConfig &config) {
  int64_t step = 1;
  STC_RETURN_IF_ERROR(reader.integer("decoder_sparse_step", step));
  std::vector<int64_t> dense;
  STC_RETURN_IF_ERROR(reader.integers("mlp_only_layers", dense));
  if (step < 1)
    return reader.error("decoder_sparse_step", "a number of 1 or more", absl::StrCat(step));
  if (!row.mixture.hasDenseLayers && (step != 1 || !dense.empty()))
    return reader.error(step != 1 ? "decoder_sparse_step" : "mlp_only_layers",
                        absl::StrCat("experts in every layer of ", row.name),
                        step != 1 ? absl::StrCat(step) : absl::StrCat(dense.size(), " layers"));
  for (int64_t layer = 0; layer < config.layers; ++layer)
    config.sparseLayers.push_back((layer + 1) % step == 0);
  for (int64_t layer : dense) {
    if (layer < 0 || layer >= config.layers)
      return reader.error("mlp_only_layers", absl::StrCat("layers from 0 to ", config.layers - 1),
                          absl::StrCat(layer));
    config.sparseLayers[size_t(layer)] = false;
  }
  if (!std::count(config.sparseLayers.begin(), config.sparseLayers.end(), false))
    config.sparseLayers.clear();
  return absl::OkStatus();
}

/// Experts that all tokens go through are one, as large as they are together.
absl::Status readSharedCount(const ConfigReader &reader, const MixtureDefaults &mixture,
                             ModelConfig &config) {
  int64_t count = reader.isNull(mixture.sharedCountKey) ? 0 : mixture.sharedCount;
  STC_RETURN_IF_ERROR(reader.integer(mixture.sharedCountKey, count));
  if (count < 0 || count > kMostLayers)
    return reader.error(mixture.sharedCountKey, absl::StrCat("a number from 0 to ", kMostLayers),
                        absl::StrCat(count));
  if (config.expertSize < INT32_MAX) // else checkConfig reports an error
    config.sharedExpertSize = count * config.expertSize;
  return absl::OkStatus();
}

absl::Status readDenseCount(const ConfigReader &reader, const MixtureDefaults &mixture,
                            ModelConfig &config) {
  int64_t count = mixture.denseCount, every = 1;
  STC_RETURN_IF_ERROR(reader.integer(mixture.denseCountKey, count));
  if (!setDenseLayers(count, config))
    return reader.error(mixture.denseCountKey,
                        absl::StrCat("0 to ", config.layers - 1, " layers without experts"),
                        absl::StrCat(count));
  for (absl::string_view key : {"moe_layer_freq", "moe_layer_interval"}) {
    STC_RETURN_IF_ERROR(reader.integer(key, every));
    if (every != 1)
      return reader.error(key, "1: experts in every layer behind the first ones",
                          absl::StrCat(every));
  }
  int64_t last = -1;
  STC_RETURN_IF_ERROR(reader.integer("moe_layer_end_index", last));
  if (last != -1 && last != config.layers - 1)
    return reader.error("moe_layer_end_index", absl::StrCat("-1 or ", config.layers - 1),
                        absl::StrCat(last));
  return absl::OkStatus();
}

/// How experts are chosen; what families have fixed is in their row.
absl::Status readRouting(const ConfigReader &reader, const ArchitectureRow &row,
                         ModelConfig &config) {
  const MixtureDefaults &mixture = row.mixture;
  ExpertRouting &routing = config.routing;
  routing = mixture.routing;
  if (!mixture.hasRoutingKeys)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(reader.number("routed_scaling_factor", routing.scale));
  STC_RETURN_IF_ERROR(reader.integer("n_group", routing.groups));
  STC_RETURN_IF_ERROR(reader.integer("topk_group", routing.keptGroups));
  std::vector<absl::string_view> known = absl::StrSplit(mixture.scoring, '|');
  std::string scoring(known.front());
  STC_RETURN_IF_ERROR(reader.text("scoring_func", scoring));
  if (!std::count(known.begin(), known.end(), scoring))
    return reader.error("scoring_func", known.front(), absl::StrCat("'", printable(scoring), "'"));
  std::string usual = routing.corrected ? "noaux_tc" : "greedy", method = usual;
  STC_RETURN_IF_ERROR(reader.text("topk_method", method));
  bool inGroups = method == "group_limited_greedy" && !routing.corrected;
  if (method != usual && !inGroups)
    return reader.error("topk_method",
                        routing.corrected ? "noaux_tc" : "greedy or group_limited_greedy",
                        absl::StrCat("'", printable(method), "'"));
  if (!inGroups && !routing.corrected)
    routing.groups = routing.keptGroups = 1;
  return absl::OkStatus();
}

} // namespace

absl::Status readExperts(const ConfigReader &reader, const ArchitectureRow &row,
                         ModelConfig &config) {
  const MixtureDefaults &mixture = row.mixture;
  if (mixture.experts == 0)
    return absl::OkStatus();
  config.experts = mixture.experts;
  config.expertsPerToken = mixture.expertsPerToken;
  config.expertSize = mixture.expertSize ? mixture.expertSize : config.intermediateSize;
  config.sharedExpertSize = mixture.sharedExpertSize;
  config.normalizedGates = mixture.normalizedGates;
  STC_RETURN_IF_ERROR(reader.integer(mixture.expertsKey, config.experts));
  if (config.experts == 0)
    return reader.error(mixture.expertsKey, "a size of 1 or more", "0");
  STC_RETURN_IF_ERROR(reader.integer(mixture.perTokenKey, config.expertsPerToken));
  if (mixture.expertSize != 0)
    STC_RETURN_IF_ERROR(reader.integer(mixture.sizeKey, config.expertSize));
  if (mixture.sharedExpertSize != 0)
    STC_RETURN_IF_ERROR(reader.integer("shared_expert_intermediate_size", config.sharedExpertSize));
  if (!mixture.sharedCountKey.empty())
    STC_RETURN_IF_ERROR(readSharedCount(reader, mixture, config));
  if (mixture.hasGatesKey)
    STC_RETURN_IF_ERROR(reader.boolean("norm_topk_prob", config.normalizedGates));
  STC_RETURN_IF_ERROR(readRouting(reader, row, config));
  if (!mixture.denseCountKey.empty())
    return readDenseCount(reader, mixture, config);
  return readSparseLayers(reader, row, config);
}

absl::Status readLatentAttention(const ConfigReader &reader, ModelConfig &config) {
  int64_t plain = 0, rotated = 0;
  LatentAttention &latent = config.latent;
  struct {
    absl::string_view key;
    int64_t *value;
  } sizes[] = {{"kv_lora_rank", &latent.rank},
               {"qk_nope_head_dim", &plain},
               {"qk_rope_head_dim", &rotated},
               {"v_head_dim", &latent.valueDim}};
  for (const auto &size : sizes) {
    STC_RETURN_IF_ERROR(reader.integer(size.key, *size.value, /*required=*/true));
    if (*size.value < 1 || *size.value > kMostHeadSize)
      return reader.error(size.key, absl::StrCat("a size from 1 to ", kMostHeadSize),
                          absl::StrCat(*size.value));
  }
  STC_RETURN_IF_ERROR(reader.integer("q_lora_rank", latent.queryRank));
  if (reader.find("q_lora_rank") && latent.queryRank < 1)
    return reader.error("q_lora_rank", "a size of 1 or more, or null",
                        absl::StrCat(latent.queryRank));
  if (config.kvHeads != config.heads)
    return reader.error("num_key_value_heads", absl::StrCat("as many as heads, ", config.heads),
                        absl::StrCat(config.kvHeads));
  config.headDim = plain + rotated;
  config.rotaryDim = rotated;
  return absl::OkStatus();
}

} // namespace stc
