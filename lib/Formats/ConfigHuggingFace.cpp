// Reader of Hugging Face's config.json and generation_config.json.
#include "ConfigReader.h"

#include "absl/strings/match.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// Adds end-of-sequence tokens: the first becomes the token, the others extra ones.
void addEosTokens(const std::vector<int64_t> &tokens, ModelConfig &config) {
  for (int64_t token : tokens) {
    std::vector<int64_t> &extra = config.extraEosTokens;
    if (!config.eosToken)
      config.eosToken = token;
    else if (token != *config.eosToken && !std::count(extra.begin(), extra.end(), token))
      extra.push_back(token);
  }
}

ConfigNames huggingFaceNames(const std::string &file, const ArchitectureRow &row) {
  const ConfigKeys &keys = row.keys;
  ConfigNames names;
  names.file = file;
  names.hiddenSize = std::string(keys.hiddenSize);
  names.intermediateSize = std::string(keys.intermediateSize);
  names.layers = std::string(keys.layers);
  names.heads = std::string(keys.heads);
  names.kvHeads = std::string(keys.kvHeads);
  names.headDim = std::string(keys.headDim);
  names.vocabSize = "vocab_size";
  names.maxPositions = std::string(keys.maxPositions);
  names.normEpsilon = std::string(keys.normEpsilon);
  names.ropeTheta = std::string(keys.ropeTheta);
  names.ropeScaling = "rope_scaling";
  names.rotaryDim = std::string(keys.rotaryDim.empty() ? keys.rotaryFraction : keys.rotaryDim);
  names.slidingWindow = "sliding_window";
  names.experts = std::string(row.mixture.expertsKey);
  names.expertsPerToken = std::string(row.mixture.perTokenKey);
  names.expertSize =
      row.mixture.expertSize == 0 ? names.intermediateSize : std::string(row.mixture.sizeKey);
  names.sharedExpertSize = row.mixture.sharedCountKey.empty()
                               ? "shared_expert_intermediate_size"
                               : std::string(row.mixture.sharedCountKey);
  names.expertGroups = "n_group";
  names.keptGroups = "topk_group";
  names.gateScale = "routed_scaling_factor";
  if (row.latent)
    names.headDim = "qk_nope_head_dim";
  names.valueDim = "v_head_dim";
  names.latentRank = "kv_lora_rank";
  names.queryRank = "q_lora_rank";
  names.encoderLayers = std::string(keys.encoderLayers);
  names.relativeBuckets = "relative_attention_num_buckets";
  names.relativeDistance = "relative_attention_max_distance";
  names.featureSize = "num_mel_bins";
  names.encoderPositions = "max_source_positions";
  names.decoderStart = "decoder_start_token_id";
  names.bosToken = "bos_token_id";
  names.eosToken = "eos_token_id";
  return names;
}

/// Whether all code that auto_map asks for is what the family was published with. It is not run:
/// transformers too has these families built in by now.
bool isPublishedCode(const JsonValue &map, absl::string_view name) {
  for (const JsonValue::Member &member : map.object) {
    absl::string_view place = member.second.string;
    // "owner/repository--modeling_phi3.Phi3ForCausalLM"
    if (size_t dashes = place.find("--"); dashes != place.npos)
      place.remove_prefix(dashes + 2);
    if (!absl::StartsWith(place, absl::StrCat("configuration_", name, ".")) &&
        !absl::StartsWith(place, absl::StrCat("modeling_", name, ".")))
      return false;
  }
  return !map.object.empty();
}

/// Fields that ask for code from the checkpoint.
absl::Status refuseUnsafe(const ConfigReader &reader) {
  std::string name;
  STC_RETURN_IF_ERROR(reader.text("model_type", name));
  const ArchitectureRow *row = findArchitecture(name);
  for (absl::string_view key : {"auto_map", "trust_remote_code", "custom_pipelines"}) {
    const JsonValue *value = reader.find(key);
    bool isFalse = value && value->kind == JsonValue::Kind::Bool && !value->boolean;
    bool isKnown = value && key == "auto_map" && row && !row->publishedCode.empty() &&
                   isPublishedCode(*value, row->publishedCode);
    if (value && !isFalse && !isKnown)
      return reader.error(key, "no field that asks to run the checkpoint's own code", "one");
  }
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<std::vector<bool>> readLayerTypes(const ConfigReader &reader, int64_t layers) {
  std::vector<bool> windowed;
  const JsonValue *kinds = reader.find("layer_types");
  if (!kinds)
    return windowed;
  for (const JsonValue &kind : kinds->array) {
    if (kind.string != "sliding_attention" && kind.string != "full_attention")
      return reader.error("layer_types", "sliding_attention or full_attention",
                          ConfigReader::describe(kind));
    windowed.push_back(kind.string == "sliding_attention");
  }
  if (int64_t(windowed.size()) != layers)
    return reader.error("layer_types", absl::StrCat("a list of ", layers),
                        absl::StrCat(windowed.size()));
  return windowed;
}

namespace {

/// In every so many layers but the last of these, or as EXAONE spells it: "LLLG", a letter for each
/// layer, local or global, and from the beginning again.
absl::StatusOr<std::vector<bool>> readWindowPattern(const ConfigReader &reader,
                                                    const ArchitectureRow &row, int64_t layers) {
  constexpr absl::string_view key = "sliding_window_pattern";
  if (const JsonValue *given = reader.find(key); given && given->isString()) {
    const std::string &letters = given->string;
    if (letters.empty() || letters.find_first_not_of("LG") != letters.npos)
      return reader.error(key, "a number of 1 or more, or letters L and G",
                          ConfigReader::describe(*given));
    std::vector<bool> windowed;
    for (int64_t layer = 0; layer < layers; ++layer)
      windowed.push_back(letters[size_t(layer) % letters.size()] == 'L');
    return windowed;
  }
  int64_t pattern = row.windowPattern;
  STC_RETURN_IF_ERROR(reader.integer(key, pattern));
  if (pattern < 1)
    return reader.error(key, "a number of 1 or more", absl::StrCat(pattern));
  return allButEvery(pattern, layers);
}

/// Which layers have a window, and how long it is.
absl::Status readSlidingWindow(const ConfigReader &reader, const ArchitectureRow &row,
                               ModelConfig &config) {
  if (row.windowRule == WindowRule::Never || row.windowRule == WindowRule::TwoSided)
    return absl::OkStatus();
  int64_t window = reader.isNull("sliding_window") ? 0 : row.slidingWindow;
  STC_RETURN_IF_ERROR(reader.integer("sliding_window", window));
  if (const JsonValue *given = reader.find("sliding_window"); given && window == 0)
    return reader.error("sliding_window", "a size of 1 or more, or null", "0");
  bool isOn = true;
  std::vector<bool> windowed;
  if (row.windowRule == WindowRule::Switched) {
    int64_t first = 28; // Qwen2's default
    isOn = false;
    STC_RETURN_IF_ERROR(reader.boolean("use_sliding_window", isOn));
    STC_RETURN_IF_ERROR(reader.integer("max_window_layers", first));
    for (int64_t layer = 0; layer < config.layers; ++layer)
      windowed.push_back(layer >= first);
  } else if (row.windowRule == WindowRule::Pattern) {
    STC_ASSIGN_OR_RETURN(windowed, readWindowPattern(reader, row, config.layers));
  }
  if (!isOn || window == 0)
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(std::vector<bool> listed, readLayerTypes(reader, config.layers));
  if (!listed.empty())
    windowed = listed;
  bool all = !std::count(windowed.begin(), windowed.end(), false);
  bool none = !windowed.empty() && !std::count(windowed.begin(), windowed.end(), true);
  config.slidingWindow = none ? 0 : window;
  if (!all && !none)
    config.windowedLayers = windowed;
  return absl::OkStatus();
}

/// Which layers are rotated: SmolLM3 lists 1 for those that are, or says how often one is not.
absl::Status readRotatedLayers(const ConfigReader &reader, const ArchitectureRow &row,
                               ModelConfig &config) {
  config.rotatedLayers = rotatedWindows(row, config);
  if (row.unrotatedPattern == 0)
    return absl::OkStatus();
  int64_t pattern = row.unrotatedPattern;
  STC_RETURN_IF_ERROR(reader.integer("no_rope_layer_interval", pattern));
  if (pattern < 1)
    return reader.error("no_rope_layer_interval", "a number of 1 or more", absl::StrCat(pattern));
  config.rotatedLayers = allButEvery(pattern, config.layers);
  std::vector<int64_t> listed;
  STC_RETURN_IF_ERROR(reader.integers("no_rope_layers", listed));
  if (listed.empty())
    return absl::OkStatus();
  if (int64_t(listed.size()) != config.layers)
    return reader.error("no_rope_layers", absl::StrCat("a list of ", config.layers),
                        absl::StrCat(listed.size()));
  config.rotatedLayers.assign(listed.begin(), listed.end());
  return absl::OkStatus();
}

absl::Status readActivation(const ConfigReader &reader, const ArchitectureRow &row,
                            ModelConfig &config) {
  if (row.block.relativeBias && row.kind == ModelKind::EncoderDecoder)
    return absl::OkStatus(); // readEncoderDecoder
  config.activation = std::string(row.activation);
  absl::string_view key = row.keys.activation;
  // Gemma 1 came out with hidden_act of another function than its own, which hidden_activation
  // puts right; where that is missing or null, gelu_pytorch_tanh is meant.
  if (row.name == "gemma")
    key = "hidden_activation";
  STC_RETURN_IF_ERROR(reader.text(key, config.activation));
  absl::string_view known = activationCalled(config.activation);
  if (known.empty())
    return reader.error(key, "silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2",
                        absl::StrCat("'", printable(config.activation), "'"));
  config.activation = std::string(known);
  return absl::OkStatus();
}

} // namespace

absl::Status readFixed(const ConfigReader &reader, const FixedKey &fixed) {
  bool value = fixed.value;
  STC_RETURN_IF_ERROR(reader.boolean(fixed.key, value));
  if (value == fixed.value)
    return absl::OkStatus();
  return reader.error(
      fixed.key, absl::StrCat(fixed.value ? "true" : "false", " (the other is not supported yet)"),
      value ? "true" : "false");
}

namespace {

/// MiniCPM scales what parts add by the number of layers, and logits by the width that its
/// hyperparameters were found at (Hu et al. 2024, "MiniCPM", section 3).
absl::Status readMiniCpm(const ConfigReader &reader, ModelConfig &config) {
  double depth = 1, base = 1;
  STC_RETURN_IF_ERROR(reader.number("scale_depth", depth));
  STC_RETURN_IF_ERROR(reader.number("dim_model_base", base));
  if (!(base > 0))
    return reader.error("dim_model_base", "a finite number above 0", absl::StrCat(base));
  config.residualScale = depth / std::sqrt(double(config.layers));
  config.logitScale = base / double(config.hiddenSize);
  return absl::OkStatus();
}

/// The numbers and switches that only this family has.
absl::Status readOwnKeys(const ConfigReader &reader, const ArchitectureRow &row,
                         ModelConfig &config) {
  for (const FixedKey &fixed : row.fixed)
    STC_RETURN_IF_ERROR(readFixed(reader, fixed));
  for (const NumberKey &key : row.numbers) {
    if (key.huggingFace.empty())
      continue;
    double value = reader.isNull(key.huggingFace) ? 0 : key.missing;
    STC_RETURN_IF_ERROR(reader.number(key.huggingFace, value));
    if (key.field == &ModelConfig::clipLimit && reader.find(key.huggingFace) && !(value > 0))
      return reader.error(key.huggingFace, "a number above 0, or null", absl::StrCat(value));
    bool mayBeZero = key.meaning == NumberKey::Meaning::Itself;
    if (!mayBeZero && !(value > 0))
      return reader.error(key.huggingFace, "a finite number above 0", absl::StrCat(value));
    config.*key.field = meaningOf(key, value);
  }
  if (!row.headNormKey.empty()) {
    bool hasNorms = false;
    STC_RETURN_IF_ERROR(reader.boolean(row.headNormKey, hasNorms));
    if (hasNorms)
      config.block.queryKeyNorm = QueryKeyNorm::OwnPerHead;
  }
  if (row.name == "stablelm") {
    STC_RETURN_IF_ERROR(reader.boolean("use_parallel_residual", config.block.parallel));
    config.block.sharedNorm = config.block.parallel;
  }
  if (row.name == "gpt_neox") {
    config.attentionBias = true;
    STC_RETURN_IF_ERROR(reader.boolean("attention_bias", config.attentionBias));
    STC_RETURN_IF_ERROR(reader.boolean("use_parallel_residual", config.block.parallel));
  }
  if (row.name == "glm4_moe") {
    bool hasNorms = false;
    STC_RETURN_IF_ERROR(reader.boolean("use_qk_norm", hasNorms));
    if (hasNorms)
      config.block.queryKeyNorm = QueryKeyNorm::PerHead;
  }
  if (row.name == "minicpm")
    STC_RETURN_IF_ERROR(readMiniCpm(reader, config));
  // Its projections are fused for four groups of heads.
  if (row.name == "codegen" && config.heads % 4 != 0)
    return reader.error(row.keys.heads, "a multiple of 4", absl::StrCat(config.heads));
  if (row.name == "starcoder2" && !reader.find("use_bias"))
    config.attentionBias = config.mlpBias = true;
  return absl::OkStatus();
}

/// Falcon's three kinds of blocks, and how many key/value heads each has.
absl::Status readFalcon(const ConfigReader &reader, ModelConfig &config) {
  bool isNew = false, multiQuery = true, parallel = true;
  STC_RETURN_IF_ERROR(reader.boolean("new_decoder_architecture", isNew));
  STC_RETURN_IF_ERROR(reader.boolean("multi_query", multiQuery));
  STC_RETURN_IF_ERROR(reader.boolean("parallel_attn", parallel));
  if (!isNew)
    config.kvHeads = multiQuery ? 1 : config.heads;
  int64_t norms = isNew ? 2 : 1;
  if (isNew)
    STC_RETURN_IF_ERROR(reader.integer("num_ln_in_parallel_attn", norms));
  if (norms != 1 && norms != 2)
    return reader.error("num_ln_in_parallel_attn", "1 or 2", absl::StrCat(norms));
  config.block.parallel = isNew || parallel;
  config.block.sharedNorm = config.block.parallel && norms == 1;
  return absl::OkStatus();
}

/// OPT-350M projects embeddings to another size than that of the layers.
absl::Status readOpt(const ConfigReader &reader, ModelConfig &config) {
  int64_t size = config.hiddenSize;
  STC_RETURN_IF_ERROR(reader.integer("word_embed_proj_dim", size));
  if (size != config.hiddenSize)
    return reader.error("word_embed_proj_dim",
                        absl::StrCat("hidden_size = ", config.hiddenSize,
                                     " (projected embeddings are not supported yet)"),
                        absl::StrCat(size));
  return absl::OkStatus();
}

/// What MPT's attention is. transformers' model has this and nothing else.
absl::Status readMpt(const ConfigReader &reader, const std::string &file, ModelConfig &config) {
  int64_t ratio = 4;
  STC_RETURN_IF_ERROR(reader.integer("expansion_ratio", ratio));
  if (ratio != 4)
    return reader.error("expansion_ratio", "4", absl::StrCat(ratio));
  if (const JsonValue *scale = reader.find("logit_scale"))
    return reader.error("logit_scale", "null (scaled logits are not supported yet)",
                        ConfigReader::describe(*scale));
  const JsonValue *json = reader.find("attn_config");
  if (!json)
    return absl::OkStatus();
  if (!json->isObject())
    return reader.error("attn_config", "an object", ConfigReader::describe(*json));
  ConfigReader own(*json, file, "attn_config.");
  constexpr FixedKey kFixed[] = {{"alibi", true},  {"qk_ln", false},
                                 {"qk_gn", false}, {"prefix_lm", false},
                                 {"rope", false},  {"attn_uses_sequence_id", false}};
  for (const FixedKey &fixed : kFixed)
    STC_RETURN_IF_ERROR(readFixed(own, fixed));
  STC_RETURN_IF_ERROR(own.number("clip_qkv", config.clipLimit));
  if (own.find("clip_qkv") && !(config.clipLimit > 0))
    return own.error("clip_qkv", "a number above 0, or null", absl::StrCat(config.clipLimit));
  std::string kind = "multihead_attention";
  STC_RETURN_IF_ERROR(own.text("attn_type", kind));
  if (kind != "multihead_attention")
    return own.error("attn_type", "multihead_attention (others are not supported yet)",
                     absl::StrCat("'", printable(kind), "'"));
  STC_RETURN_IF_ERROR(own.number("alibi_bias_max", config.alibiBias));
  if (!(config.alibiBias > 0 && config.alibiBias <= 64))
    return own.error("alibi_bias_max", "a number above 0 and up to 64",
                     absl::StrCat(config.alibiBias));
  STC_RETURN_IF_ERROR(own.number("softmax_scale", config.attentionScale));
  if (own.find("softmax_scale") && !(config.attentionScale > 0))
    return own.error("softmax_scale", "a number above 0, or null",
                     absl::StrCat(config.attentionScale));
  return absl::OkStatus();
}

absl::StatusOr<const ArchitectureRow *> readArchitecture(const ConfigReader &reader,
                                                         const std::string &file) {
  std::string name;
  STC_RETURN_IF_ERROR(reader.text("model_type", name));
  const ArchitectureRow *row = findArchitecture(name);
  if (row)
    return row;
  absl::string_view feature;
  for (const MissingFeature &missing : missingFeatures())
    if (feature.empty() && reader.find(missing.huggingFace))
      feature = missing.name;
  return unknownArchitecture({file, "model_type", {}}, name, /*isGguf=*/false, feature);
}

} // namespace

/// The model that `json` describes.
static absl::StatusOr<ModelConfig> parseModel(const JsonValue &json, const std::string &file,
                                              const ArchitectureRow *row) {
  ConfigReader reader(json, file);
  ArchitectureRow resolved = *row;
  for (absl::string_view *key :
       {&resolved.keys.hiddenSize, &resolved.keys.layers, &resolved.keys.heads})
    *key = reader.given(*key);
  row = &resolved;
  const ConfigKeys &keys = row->keys;
  ModelConfig config;
  config.kind = row->kind;
  config.architecture = std::string(row->name);
  config.block = row->block;
  config.ropeInterleaved = row->interleavedRope;
  STC_RETURN_IF_ERROR(reader.integer(keys.hiddenSize, config.hiddenSize, true));
  bool hasSize = row->intermediateFactor == 0 || reader.find(keys.intermediateSize);
  // Sizes are checked later; this product must not overflow before.
  if (!hasSize && config.hiddenSize > 0 && config.hiddenSize < INT32_MAX)
    config.intermediateSize = row->intermediateFactor * config.hiddenSize;
  STC_RETURN_IF_ERROR(reader.integer(keys.intermediateSize, config.intermediateSize, hasSize));
  if (row->kind == ModelKind::EncoderDecoder) {
    STC_RETURN_IF_ERROR(reader.integer(keys.encoderLayers, config.encoderLayers, true));
    config.layers = config.encoderLayers;
  }
  STC_RETURN_IF_ERROR(
      reader.integer(keys.layers, config.layers, row->kind != ModelKind::EncoderDecoder));
  config.heads = row->heads;
  STC_RETURN_IF_ERROR(reader.integer(keys.heads, config.heads, row->heads == 0));
  config.vocabSize = row->vocabSize;
  STC_RETURN_IF_ERROR(reader.integer("vocab_size", config.vocabSize, row->vocabSize == 0));
  bool asHeads = row->kvHeads == 0 || reader.isNull(keys.kvHeads);
  config.kvHeads = asHeads ? config.heads : row->kvHeads;
  STC_RETURN_IF_ERROR(reader.integer(keys.kvHeads, config.kvHeads));
  if (!reader.isNull(keys.headDim))
    config.headDim = row->headDim;
  STC_RETURN_IF_ERROR(reader.integer(keys.headDim, config.headDim));
  if (row->latent)
    STC_RETURN_IF_ERROR(readLatentAttention(reader, config));
  if (reader.find(keys.headDim) && config.headDim == 0)
    return reader.error(keys.headDim, "a size of 1 or more, or null", "0");
  config.maxPositions = row->maxPositions;
  STC_RETURN_IF_ERROR(reader.integer(keys.maxPositions, config.maxPositions));
  // Beyond what sizes may be, and the sum of both, checkConfig reports an error.
  if (row->positionOffset != 0 && config.maxPositions > 0 && config.maxPositions < INT32_MAX) {
    config.positionOffset = row->positionOffset;
    config.maxPositions += row->positionOffset;
  }
  config.normEpsilon = row->normEpsilon;
  STC_RETURN_IF_ERROR(reader.number(keys.normEpsilon, config.normEpsilon));
  config.tiedEmbeddings = row->tiedEmbeddings;
  STC_RETURN_IF_ERROR(reader.boolean("tie_word_embeddings", config.tiedEmbeddings));
  config.attentionBias = row->attentionBias;
  if (!row->attentionBias)
    STC_RETURN_IF_ERROR(reader.boolean(keys.attentionBias, config.attentionBias));
  STC_RETURN_IF_ERROR(reader.boolean(keys.feedForwardBias, config.mlpBias));
  config.alibiBias = row->alibiBias;
  if (row->alibiSwitch) {
    STC_RETURN_IF_ERROR(reader.boolean("alibi", config.alibiIsScaled));
    config.alibiBias = config.alibiIsScaled ? 8 : 0;
  }
  // Every per-layer list is as long as there are layers.
  if (config.layers < 1 || config.layers > kMostLayers)
    return checkConfig(huggingFaceNames(file, *row), config);
  STC_RETURN_IF_ERROR(readActivation(reader, *row, config));
  if (row->kind == ModelKind::EncoderDecoder)
    STC_RETURN_IF_ERROR(readEncoderDecoder(reader, *row, config));
  STC_RETURN_IF_ERROR(readOwnKeys(reader, *row, config));
  STC_RETURN_IF_ERROR(readExperts(reader, *row, config));
  if (row->mixture.hasRoutingKeys)
    STC_RETURN_IF_ERROR(reader.integer("num_nextn_predict_layers", config.predictingLayers));
  if (row->name == "falcon")
    STC_RETURN_IF_ERROR(readFalcon(reader, config));
  if (row->name == "mpt")
    STC_RETURN_IF_ERROR(readMpt(reader, file, config));
  if (row->name == "opt")
    STC_RETURN_IF_ERROR(readOpt(reader, config));
  STC_RETURN_IF_ERROR(readRope(json, reader, file, *row, config));
  STC_RETURN_IF_ERROR(readSlidingWindow(reader, *row, config));
  if (row->kind == ModelKind::Encoder)
    STC_RETURN_IF_ERROR(row->vision.classTokens != 0 ? readVision(reader, *row, config)
                                                     : readEncoder(reader, *row, config));
  STC_RETURN_IF_ERROR(readRotatedLayers(reader, *row, config));
  if (reader.find("bos_token_id")) {
    config.bosToken = 0;
    STC_RETURN_IF_ERROR(reader.integer("bos_token_id", *config.bosToken));
  }
  std::vector<int64_t> eos;
  STC_RETURN_IF_ERROR(reader.integers("eos_token_id", eos));
  addEosTokens(eos, config);
  STC_RETURN_IF_ERROR(checkConfig(huggingFaceNames(file, *row), config));
  if (row->readsSound)
    STC_RETURN_IF_ERROR(readGeneration(reader, config));
  return config;
}

absl::StatusOr<ModelConfig> parseHuggingFaceConfig(const JsonValue &json, const std::string &file) {
  if (!json.isObject())
    return formatError({file, "", {}}, "an object", ConfigReader::describe(json));
  ConfigReader reader(json, file);
  STC_RETURN_IF_ERROR(refuseUnsafe(reader));
  std::string name;
  STC_RETURN_IF_ERROR(reader.text("model_type", name));
  const ArchitectureRow *row = findMultimodal(name);
  if (!row) {
    STC_ASSIGN_OR_RETURN(row, readArchitecture(reader, file));
    return parseModel(json, file, row);
  }
  const JsonValue *text = reader.find("text_config");
  if (!text || !text->isObject())
    return reader.error("text_config", "an object", text ? ConfigReader::describe(*text) : "none");
  STC_ASSIGN_OR_RETURN(ModelConfig config, parseModel(*text, file, row));
  if (reader.find("tie_word_embeddings"))
    STC_RETURN_IF_ERROR(reader.boolean("tie_word_embeddings", config.tiedEmbeddings));
  if (config.eosToken)
    return config;
  std::vector<int64_t> eos;
  STC_RETURN_IF_ERROR(reader.integers("eos_token_id", eos));
  addEosTokens(eos, config);
  STC_RETURN_IF_ERROR(checkConfig(huggingFaceNames(file, *row), config));
  return config;
}

absl::Status addGenerationConfig(const JsonValue &json, const std::string &file,
                                 ModelConfig &config) {
  if (!json.isObject())
    return formatError({file, "", {}}, "an object", ConfigReader::describe(json));
  ConfigReader reader(json, file);
  std::vector<int64_t> eos;
  STC_RETURN_IF_ERROR(reader.integers("eos_token_id", eos));
  addEosTokens(eos, config);
  STC_RETURN_IF_ERROR(readGeneration(reader, config));
  const ArchitectureRow *row = findArchitecture(config.architecture);
  return checkConfig(huggingFaceNames(file, *row), config);
}

} // namespace stc
