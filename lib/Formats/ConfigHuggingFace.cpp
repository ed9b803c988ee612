// Reader of Hugging Face's config.json and generation_config.json.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

/// Typed access to the members of one JSON object. A missing member and null both mean "not given".
class ConfigReader {
public:
  ConfigReader(const JsonValue &json, const std::string &file, std::string prefix = "")
      : json(json), file(file), prefix(std::move(prefix)) {}

  const JsonValue *find(absl::string_view key) const {
    const JsonValue *value = json.find(key);
    return value && value->isNull() ? nullptr : value;
  }

  /// True when the key is present and not null, even where its value would be the default.
  bool isNull(absl::string_view key) const {
    const JsonValue *value = json.find(key);
    return value && value->isNull();
  }

  absl::Status error(absl::string_view key, absl::string_view expected,
                     absl::string_view got) const {
    return formatError({file, prefix + std::string(key), {}}, expected, got);
  }

  absl::Status integer(absl::string_view key, int64_t &out, bool required = false) const {
    const JsonValue *value = find(key);
    if (!value)
      return required ? error(key, "an integer", "none") : absl::OkStatus();
    if (!value->isInteger())
      return error(key, "an integer", describe(*value));
    out = value->integer;
    return absl::OkStatus();
  }

  absl::Status number(absl::string_view key, double &out, bool required = false) const {
    const JsonValue *value = find(key);
    if (!value)
      return required ? error(key, "a number", "none") : absl::OkStatus();
    if (!value->isNumber())
      return error(key, "a number", describe(*value));
    out = value->number;
    return absl::OkStatus();
  }

  absl::Status boolean(absl::string_view key, bool &out) const {
    const JsonValue *value = find(key);
    if (value && value->kind != JsonValue::Kind::Bool)
      return error(key, "true or false", describe(*value));
    if (value)
      out = value->boolean;
    return absl::OkStatus();
  }

  absl::Status text(absl::string_view key, std::string &out) const {
    const JsonValue *value = find(key);
    if (value && !value->isString())
      return error(key, "a string", describe(*value));
    if (value)
      out = value->string;
    return absl::OkStatus();
  }

  /// One integer or a list of them.
  absl::Status integers(absl::string_view key, std::vector<int64_t> &out) const {
    const JsonValue *value = find(key);
    if (!value)
      return absl::OkStatus();
    if (!value->isArray())
      out.resize(1);
    if (!value->isArray())
      return integer(key, out[0]);
    for (const JsonValue &element : value->array) {
      if (!element.isInteger())
        return error(key, "integers", describe(element));
      out.push_back(element.integer);
    }
    return absl::OkStatus();
  }

  static std::string describe(const JsonValue &value) {
    switch (value.kind) {
    case JsonValue::Kind::Null:
      return "null";
    case JsonValue::Kind::Bool:
      return value.boolean ? "true" : "false";
    case JsonValue::Kind::Integer:
      return absl::StrCat(value.integer);
    case JsonValue::Kind::Double:
      return absl::StrCat(value.number);
    case JsonValue::Kind::String:
      return absl::StrCat("'", printable(value.string), "'");
    case JsonValue::Kind::Array:
      return "a list";
    case JsonValue::Kind::Object:
      return "an object";
    }
    return "something else";
  }

private:
  const JsonValue &json;
  const std::string &file;
  std::string prefix;
};

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

ConfigNames huggingFaceNames(const std::string &file) {
  ConfigNames names;
  names.file = file;
  names.hiddenSize = "hidden_size";
  names.intermediateSize = "intermediate_size";
  names.layers = "num_hidden_layers";
  names.heads = "num_attention_heads";
  names.kvHeads = "num_key_value_heads";
  names.headDim = "head_dim";
  names.vocabSize = "vocab_size";
  names.maxPositions = "max_position_embeddings";
  names.normEpsilon = "rms_norm_eps";
  names.ropeTheta = "rope_theta";
  names.ropeScaling = "rope_scaling";
  names.slidingWindow = "sliding_window";
  names.experts = "num_experts";
  names.expertsPerToken = "num_experts_per_tok";
  names.expertSize = "moe_intermediate_size";
  names.sharedExpertSize = "shared_expert_intermediate_size";
  names.bosToken = "bos_token_id";
  names.eosToken = "eos_token_id";
  return names;
}

/// Whether a quantization_config says that the weights are plain numbers all the same, as those of
/// pruned models do.
bool isDense(const JsonValue &quantization) {
  const JsonValue *format = quantization.find("format");
  const JsonValue *groups = quantization.find("config_groups");
  return format && format->string == "dense" &&
         (!groups || (groups->isObject() && groups->object.empty()));
}

/// Fields that ask for code from the checkpoint, or that change what the weights mean.
absl::Status refuseUnsafe(const ConfigReader &reader) {
  for (absl::string_view key : {"auto_map", "trust_remote_code", "custom_pipelines"}) {
    const JsonValue *value = reader.find(key);
    bool isFalse = value && value->kind == JsonValue::Kind::Bool && !value->boolean;
    if (value && !isFalse)
      return reader.error(key, "no field that asks to run the checkpoint's own code", "one");
  }
  const JsonValue *quantization = reader.find("quantization_config");
  if (quantization && !isDense(*quantization))
    return reader.error("quantization_config", "weights that are not quantized yet", "one");
  return absl::OkStatus();
}

/// `object` is rope_scaling, or rope_parameters of newer files, which holds rope_theta too.
absl::Status readRopeObject(const JsonValue &json, const std::string &file, absl::string_view key,
                            ModelConfig &config) {
  if (!json.isObject())
    return formatError({file, std::string(key), {}}, "an object or null",
                       ConfigReader::describe(json));
  ConfigReader reader(json, file, absl::StrCat(key, "."));
  for (const JsonValue::Member &member : json.object)
    if (member.second.isObject())
      return reader.error(member.first, "one rotation for all layers", "an object");
  STC_RETURN_IF_ERROR(reader.number("rope_theta", config.ropeTheta));
  double rotated = 1;
  STC_RETURN_IF_ERROR(reader.number("partial_rotary_factor", rotated));
  if (rotated != 1)
    return reader.error("partial_rotary_factor", "1", absl::StrCat(rotated));
  std::string kind = "default";
  STC_RETURN_IF_ERROR(reader.text("type", kind));
  STC_RETURN_IF_ERROR(reader.text("rope_type", kind)); // the newer name wins
  RopeScaling &scaling = config.ropeScaling;
  if (kind == "default")
    return absl::OkStatus();
  if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::Linear;
    return reader.number("factor", scaling.factor, /*required=*/true);
  }
  if (kind == "llama3") {
    scaling.kind = RopeScaling::Kind::Llama3;
    STC_RETURN_IF_ERROR(reader.number("factor", scaling.factor, true));
    STC_RETURN_IF_ERROR(reader.number("low_freq_factor", scaling.lowFrequencyFactor, true));
    STC_RETURN_IF_ERROR(reader.number("high_freq_factor", scaling.highFrequencyFactor, true));
    return reader.number("original_max_position_embeddings", scaling.originalMaxPositions, true);
  }
  return reader.error("rope_type", "default, linear or llama3",
                      absl::StrCat("'", printable(kind), "'"));
}

absl::Status readRope(const JsonValue &json, const ConfigReader &reader, const std::string &file,
                      ModelConfig &config) {
  STC_RETURN_IF_ERROR(reader.number("rope_theta", config.ropeTheta));
  double rotated = 1;
  STC_RETURN_IF_ERROR(reader.number("partial_rotary_factor", rotated));
  if (rotated != 1)
    return reader.error("partial_rotary_factor", "1", absl::StrCat(rotated));
  for (absl::string_view key : {"rope_scaling", "rope_parameters"})
    if (const JsonValue *object = reader.find(key))
      STC_RETURN_IF_ERROR(readRopeObject(*object, file, key, config));
  return absl::OkStatus();
}

/// Qwen2 windows only the layers from max_window_layers on, and newer files list each layer's kind.
absl::Status readSlidingWindow(const ConfigReader &reader, const ArchitectureRow &row,
                               ModelConfig &config) {
  if (row.slidingWindow == 0)
    return absl::OkStatus();
  int64_t window = reader.isNull("sliding_window") ? 0 : row.slidingWindow;
  STC_RETURN_IF_ERROR(reader.integer("sliding_window", window));
  if (const JsonValue *given = reader.find("sliding_window"); given && window == 0)
    return reader.error("sliding_window", "a size of 1 or more, or null", "0");
  bool enabled = !row.windowNeedsSwitch;
  int64_t firstLayer = row.windowNeedsSwitch ? 28 : 0; // Qwen2's default
  if (row.windowNeedsSwitch) {
    STC_RETURN_IF_ERROR(reader.boolean("use_sliding_window", enabled));
    STC_RETURN_IF_ERROR(reader.integer("max_window_layers", firstLayer));
  }
  if (!enabled || window == 0)
    return absl::OkStatus();
  int64_t windowed = std::max<int64_t>(0, config.layers - std::max<int64_t>(0, firstLayer));
  if (const JsonValue *kinds = reader.find("layer_types")) {
    windowed = 0;
    for (const JsonValue &kind : kinds->array) {
      if (kind.string != "sliding_attention" && kind.string != "full_attention")
        return reader.error("layer_types", "sliding_attention or full_attention",
                            ConfigReader::describe(kind));
      windowed += kind.string == "sliding_attention";
    }
    if (int64_t(kinds->array.size()) != config.layers)
      return reader.error("layer_types", absl::StrCat("a list of ", config.layers),
                          absl::StrCat(kinds->array.size()));
  }
  if (windowed != 0 && windowed != config.layers)
    return reader.error("sliding_window", "a window in every layer or in none",
                        absl::StrCat("one in ", windowed, " of ", config.layers));
  config.slidingWindow = windowed ? window : 0;
  return absl::OkStatus();
}

/// Mixtral's and Qwen's keys. Every layer has experts, or none has.
absl::Status readExperts(const ConfigReader &reader, ModelConfig &config) {
  bool isMixtral = config.architecture == "mixtral";
  if (!isMixtral && config.architecture != "qwen2_moe")
    return absl::OkStatus();
  config.experts = isMixtral ? 8 : 60;
  config.expertsPerToken = isMixtral ? 2 : 4;
  config.expertSize = isMixtral ? config.intermediateSize : 1408;
  config.sharedExpertSize = isMixtral ? 0 : 5632;
  config.normalizedGates = isMixtral;
  STC_RETURN_IF_ERROR(
      reader.integer(isMixtral ? "num_local_experts" : "num_experts", config.experts));
  STC_RETURN_IF_ERROR(reader.integer("num_experts_per_tok", config.expertsPerToken));
  if (config.experts == 0)
    return reader.error(isMixtral ? "num_local_experts" : "num_experts", "a size of 1 or more", "0");
  if (isMixtral)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(reader.integer("moe_intermediate_size", config.expertSize));
  STC_RETURN_IF_ERROR(reader.integer("shared_expert_intermediate_size", config.sharedExpertSize));
  STC_RETURN_IF_ERROR(reader.boolean("norm_topk_prob", config.normalizedGates));
  int64_t step = 1;
  STC_RETURN_IF_ERROR(reader.integer("decoder_sparse_step", step));
  if (step != 1)
    return reader.error("decoder_sparse_step", "1: experts in every layer", absl::StrCat(step));
  if (const JsonValue *dense = reader.find("mlp_only_layers"); dense && !dense->array.empty())
    return reader.error("mlp_only_layers", "none: experts in every layer",
                        absl::StrCat(dense->array.size()));
  return absl::OkStatus();
}

absl::Status readActivation(const ConfigReader &reader, ModelConfig &config) {
  std::string activation = "silu";
  STC_RETURN_IF_ERROR(reader.text("hidden_act", activation));
  if (activation != "silu" && activation != "swish") // two names of one function
    return reader.error("hidden_act", "silu", absl::StrCat("'", printable(activation), "'"));
  config.activation = "silu";
  return absl::OkStatus();
}

absl::StatusOr<const ArchitectureRow *> readArchitecture(const ConfigReader &reader) {
  std::string name;
  STC_RETURN_IF_ERROR(reader.text("model_type", name));
  const ArchitectureRow *row = findArchitecture(name);
  if (row)
    return row;
  return reader.error("model_type", absl::StrCat("one of ", supportedArchitectures()),
                      name.empty() ? "none" : absl::StrCat("'", printable(name), "'"));
}

} // namespace

absl::StatusOr<ModelConfig> parseHuggingFaceConfig(const JsonValue &json, const std::string &file) {
  if (!json.isObject())
    return formatError({file, "", {}}, "an object", ConfigReader::describe(json));
  ConfigReader reader(json, file);
  STC_RETURN_IF_ERROR(refuseUnsafe(reader));
  STC_ASSIGN_OR_RETURN(const ArchitectureRow *row, readArchitecture(reader));
  ModelConfig config;
  config.architecture = std::string(row->name);
  STC_RETURN_IF_ERROR(reader.integer("hidden_size", config.hiddenSize, true));
  STC_RETURN_IF_ERROR(reader.integer("intermediate_size", config.intermediateSize, true));
  STC_RETURN_IF_ERROR(reader.integer("num_hidden_layers", config.layers, true));
  STC_RETURN_IF_ERROR(reader.integer("num_attention_heads", config.heads, true));
  STC_RETURN_IF_ERROR(reader.integer("vocab_size", config.vocabSize, true));
  bool asHeads = row->kvHeads == 0 || reader.isNull("num_key_value_heads");
  config.kvHeads = asHeads ? config.heads : row->kvHeads;
  STC_RETURN_IF_ERROR(reader.integer("num_key_value_heads", config.kvHeads));
  STC_RETURN_IF_ERROR(reader.integer("head_dim", config.headDim));
  if (reader.find("head_dim") && config.headDim == 0)
    return reader.error("head_dim", "a size of 1 or more, or null", "0");
  config.maxPositions = row->maxPositions;
  STC_RETURN_IF_ERROR(reader.integer("max_position_embeddings", config.maxPositions));
  config.normEpsilon = 1e-6;
  STC_RETURN_IF_ERROR(reader.number("rms_norm_eps", config.normEpsilon));
  STC_RETURN_IF_ERROR(reader.boolean("tie_word_embeddings", config.tiedEmbeddings));
  config.attentionBias = row->attentionBias;
  if (!row->attentionBias)
    STC_RETURN_IF_ERROR(reader.boolean("attention_bias", config.attentionBias));
  STC_RETURN_IF_ERROR(reader.boolean("mlp_bias", config.mlpBias));
  STC_RETURN_IF_ERROR(readActivation(reader, config));
  STC_RETURN_IF_ERROR(readExperts(reader, config));
  STC_RETURN_IF_ERROR(readRope(json, reader, file, config));
  STC_RETURN_IF_ERROR(readSlidingWindow(reader, *row, config));
  if (reader.find("bos_token_id")) {
    config.bosToken = 0;
    STC_RETURN_IF_ERROR(reader.integer("bos_token_id", *config.bosToken));
  }
  std::vector<int64_t> eos;
  STC_RETURN_IF_ERROR(reader.integers("eos_token_id", eos));
  addEosTokens(eos, config);
  STC_RETURN_IF_ERROR(checkConfig(huggingFaceNames(file), config));
  return config;
}

absl::Status addGenerationConfig(const JsonValue &json, const std::string &file,
                                 ModelConfig &config) {
  if (!json.isObject())
    return formatError({file, "", {}}, "an object", ConfigReader::describe(json));
  std::vector<int64_t> eos;
  STC_RETURN_IF_ERROR(ConfigReader(json, file).integers("eos_token_id", eos));
  addEosTokens(eos, config);
  return checkConfig(huggingFaceNames(file), config);
}

} // namespace stc
