// Reader of a model's configuration from GGUF metadata.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// Typed access to GGUF metadata, with keys of the architecture's own name space.
class MetadataReader {
public:
  MetadataReader(const GgufFile &gguf, std::string prefix)
      : gguf(gguf), prefix(std::move(prefix)) {}

  std::string key(absl::string_view name) const { return absl::StrCat(prefix, name); }
  bool has(absl::string_view name) const { return gguf.find(key(name)) != nullptr; }

  absl::Status error(absl::string_view name, absl::string_view expected,
                     absl::string_view got) const {
    const GgufValue *value = gguf.find(key(name));
    std::optional<uint64_t> offset;
    if (value)
      offset = value->offset;
    return formatError({gguf.path(), key(name), offset}, expected, got);
  }

  absl::Status integer(absl::string_view name, int64_t &out, bool required = false) const {
    const GgufValue *value = gguf.find(key(name));
    if (!value)
      return required ? error(name, "an integer", "none") : absl::OkStatus();
    switch (value->type) {
    case GgufValue::Type::F32:
    case GgufValue::Type::F64:
    case GgufValue::Type::Bool:
    case GgufValue::Type::String:
    case GgufValue::Type::Array:
      return error(name, "an integer", "a value of another type");
    default:
      out = value->integer;
      return absl::OkStatus();
    }
  }

  absl::Status number(absl::string_view name, double &out, bool required = false) const {
    const GgufValue *value = gguf.find(key(name));
    if (!value)
      return required ? error(name, "a number", "none") : absl::OkStatus();
    if (value->type == GgufValue::Type::String || value->type == GgufValue::Type::Array ||
        value->type == GgufValue::Type::Bool)
      return error(name, "a number", "a value of another type");
    out = value->number;
    return absl::OkStatus();
  }

  absl::Status boolean(absl::string_view name, bool &out) const {
    const GgufValue *value = gguf.find(key(name));
    if (value && value->type != GgufValue::Type::Bool)
      return error(name, "true or false", "a value of another type");
    if (value)
      out = value->integer != 0;
    return absl::OkStatus();
  }

  /// A number, or a list of booleans, one for each of `size` layers.
  absl::Status countOrFlags(absl::string_view name, int64_t &count, std::vector<bool> &flags,
                            int64_t size) const {
    const GgufValue *value = gguf.find(key(name));
    if (!value || value->type != GgufValue::Type::Array)
      return integer(name, count);
    if (value->elementType != GgufValue::Type::Bool || int64_t(value->integers.size()) != size)
      return error(name, absl::StrCat("an integer, or ", size, " booleans"),
                   absl::StrCat("an array of ", value->integers.size()));
    flags.assign(value->integers.begin(), value->integers.end());
    return absl::OkStatus();
  }

  absl::Status text(absl::string_view name, std::string &out) const {
    const GgufValue *value = gguf.find(key(name));
    if (!value)
      return absl::OkStatus();
    if (value->type != GgufValue::Type::String)
      return error(name, "a string", "a value of another type");
    out = std::string(value->string);
    return absl::OkStatus();
  }

private:
  const GgufFile &gguf;
  std::string prefix;
};

const TensorView *findTensor(const GgufFile &gguf, absl::string_view name) {
  for (const TensorView &view : gguf.tensors())
    if (view.name == name)
      return &view;
  return nullptr;
}

ConfigNames ggufNames(const GgufFile &gguf, const MetadataReader &reader,
                      const ArchitectureRow &row) {
  ConfigNames names;
  names.file = gguf.path();
  names.hiddenSize = reader.key("embedding_length");
  names.intermediateSize = reader.key("feed_forward_length");
  names.layers =
      reader.key(row.kind == ModelKind::EncoderDecoder && reader.has("decoder_block_count")
                     ? "decoder_block_count"
                     : "block_count");
  names.heads = reader.key("attention.head_count");
  names.kvHeads = reader.key("attention.head_count_kv");
  names.headDim = reader.key("attention.key_length");
  names.vocabSize = reader.key("vocab_size");
  names.maxPositions = reader.key("context_length");
  names.normEpsilon = reader.key(ggufEpsilonKey(row));
  names.ropeTheta = reader.key("rope.freq_base");
  names.ropeScaling = reader.key("rope.scaling");
  names.rotaryDim = reader.key("rope.dimension_count");
  names.slidingWindow = reader.key("attention.sliding_window");
  names.experts = reader.key("expert_count");
  names.expertsPerToken = reader.key("expert_used_count");
  names.expertSize = reader.key("expert_feed_forward_length");
  names.sharedExpertSize = reader.key("expert_shared_feed_forward_length");
  if (!row.mixture.sharedCountKey.empty())
    names.sharedExpertSize = reader.key("expert_shared_count");
  names.expertGroups = reader.key("expert_group_count");
  names.keptGroups = reader.key("expert_group_used_count");
  names.gateScale = reader.key("expert_weights_scale");
  names.valueDim = reader.key("attention.value_length");
  names.latentRank = reader.key("attention.kv_lora_rank");
  names.queryRank = reader.key("attention.q_lora_rank");
  names.encoderLayers = reader.key("block_count");
  names.relativeBuckets = reader.key("attention.relative_buckets_count");
  names.relativeDistance = "relative_attention_max_distance"; // 128 in all files
  names.decoderStart = reader.key("decoder_start_token_id");
  names.bosToken = "tokenizer.ggml.bos_token_id";
  names.eosToken = "tokenizer.ggml.eos_token_id";
  return names;
}

absl::StatusOr<const ArchitectureRow *> readArchitecture(const GgufFile &gguf) {
  MetadataReader general(gguf, "");
  int64_t parts = 1;
  STC_RETURN_IF_ERROR(general.integer("split.count", parts));
  if (parts > 1)
    return general.error("split.count", "a model in one file", absl::StrCat(parts, " files"));
  std::string name;
  STC_RETURN_IF_ERROR(general.text("general.architecture", name));
  if (const ArchitectureRow *row = findGgufArchitecture(name))
    return row;
  const GgufValue *value = gguf.find("general.architecture");
  std::optional<uint64_t> offset;
  if (value)
    offset = value->offset;
  MetadataReader own(gguf, absl::StrCat(name, "."));
  absl::string_view feature;
  for (const MissingFeature &missing : missingFeatures())
    if (feature.empty() && !missing.gguf.empty() && own.has(missing.gguf))
      feature = missing.name;
  return unknownArchitecture({gguf.path(), "general.architecture", offset}, name, /*isGguf=*/true,
                             feature);
}

absl::Status readVocabulary(const GgufFile &gguf, const MetadataReader &reader,
                            ModelConfig &config) {
  const GgufValue *tokens = gguf.find("tokenizer.ggml.tokens");
  const TensorView *embedding = findTensor(gguf, "token_embd.weight");
  int64_t rows = embedding ? embedding->shape[0] : 0;
  config.vocabSize = rows;
  STC_RETURN_IF_ERROR(reader.integer("vocab_size", config.vocabSize));
  if (tokens)
    config.vocabSize = int64_t(tokens->strings.size());
  if (embedding && rows != config.vocabSize)
    return formatError({gguf.path(), embedding->name, embedding->offset},
                       absl::StrCat(config.vocabSize, " rows, one per token"), absl::StrCat(rows));
  return absl::OkStatus();
}

absl::Status readTokens(const GgufFile &gguf, ModelConfig &config) {
  MetadataReader tokenizer(gguf, "tokenizer.ggml.");
  if (tokenizer.has("bos_token_id")) {
    config.bosToken = 0;
    STC_RETURN_IF_ERROR(tokenizer.integer("bos_token_id", *config.bosToken));
  }
  // A chat model ends its turns with a token of its own.
  for (absl::string_view key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    if (!tokenizer.has(key))
      continue;
    int64_t token = 0;
    STC_RETURN_IF_ERROR(tokenizer.integer(key, token));
    std::vector<int64_t> &extra = config.extraEosTokens;
    if (!config.eosToken)
      config.eosToken = token;
    else if (token != *config.eosToken && !std::count(extra.begin(), extra.end(), token))
      extra.push_back(token);
  }
  return absl::OkStatus();
}

absl::Status readHeadSize(const MetadataReader &reader, ModelConfig &config) {
  STC_RETURN_IF_ERROR(reader.integer("attention.key_length", config.headDim));
  if (reader.has("attention.key_length") && config.headDim < 1)
    return reader.error("attention.key_length", "a size of 1 or more",
                        absl::StrCat(config.headDim));
  int64_t valueSize = config.headDim;
  STC_RETURN_IF_ERROR(reader.integer("attention.value_length", valueSize));
  if (valueSize != config.headDim && config.headDim != 0)
    return reader.error("attention.value_length",
                        absl::StrCat(reader.key("attention.key_length"), " = ", config.headDim),
                        absl::StrCat(valueSize));
  return absl::OkStatus();
}

/// The factors that longrope stores as a tensor; none where there is no such tensor.
absl::StatusOr<std::vector<double>> readFactors(const GgufFile &gguf, absl::string_view name) {
  std::vector<double> factors;
  const TensorView *tensor = findTensor(gguf, name);
  if (!tensor)
    return factors;
  std::vector<float> values(size_t(tensor->elementCount()));
  STC_RETURN_IF_ERROR(readFloats(*tensor, 0, absl::MakeSpan(values)));
  factors.assign(values.begin(), values.end());
  return factors;
}

absl::Status readYarn(const MetadataReader &reader, const ArchitectureRow &row,
                      ModelConfig &config) {
  RopeScaling &scaling = config.ropeScaling;
  scaling.truncate = row.ggufTruncatesYarn;
  scaling.kind = RopeScaling::Kind::Yarn;
  scaling.originalMaxPositions = double(config.maxPositions);
  STC_RETURN_IF_ERROR(reader.number("rope.scaling.factor", scaling.factor, true));
  STC_RETURN_IF_ERROR(
      reader.number("rope.scaling.original_context_length", scaling.originalMaxPositions));
  STC_RETURN_IF_ERROR(reader.number("rope.scaling.yarn_beta_fast", scaling.betaFast));
  STC_RETURN_IF_ERROR(reader.number("rope.scaling.yarn_beta_slow", scaling.betaSlow));
  double blend = 1, magnitude = 1;
  STC_RETURN_IF_ERROR(reader.number("rope.scaling.yarn_ext_factor", blend));
  if (blend != 1)
    return reader.error("rope.scaling.yarn_ext_factor", "1", absl::StrCat(blend));
  STC_RETURN_IF_ERROR(reader.number("rope.scaling.attn_factor", magnitude));
  scaling.attentionFactor = magnitude * yarnMagnitude(scaling.factor);
  if (!config.isLatent())
    return absl::OkStatus();
  // Files hold a tenth of the factor, and mean that cosines and sines are multiplied by 1 then.
  double tenth = 0;
  STC_RETURN_IF_ERROR(reader.number("rope.scaling.yarn_log_multiplier", tenth));
  if (tenth == 0)
    return absl::OkStatus();
  config.attentionScale = latentScale(config, 10 * tenth);
  scaling.attentionFactor = magnitude;
  return absl::OkStatus();
}

/// Longrope is two tensors of factors and a number.
absl::Status readLongRope(const MetadataReader &reader, ModelConfig &config) {
  RopeScaling &scaling = config.ropeScaling;
  scaling.kind = RopeScaling::Kind::LongRope;
  scaling.originalMaxPositions = double(config.maxPositions);
  STC_RETURN_IF_ERROR(
      reader.number("rope.scaling.original_context_length", scaling.originalMaxPositions));
  scaling.factor = double(config.maxPositions) / scaling.originalMaxPositions;
  return reader.number("rope.scaling.attn_factor", scaling.attentionFactor, /*required=*/true);
}

absl::Status readRope(const GgufFile &gguf, const MetadataReader &reader,
                      const ArchitectureRow &row, ModelConfig &config) {
  config.ropeTheta = row.ropeTheta;
  config.localRopeTheta = row.localRopeTheta;
  STC_RETURN_IF_ERROR(reader.number("rope.freq_base", config.ropeTheta));
  if (row.unscaledWindows)
    config.localRopeTheta = config.ropeTheta;
  if (config.localRopeTheta != 0)
    STC_RETURN_IF_ERROR(reader.number("rope.freq_base_swa", config.localRopeTheta));
  if (row.rotaryFraction != 0)
    STC_RETURN_IF_ERROR(reader.integer("rope.dimension_count", config.rotaryDim));
  RopeScaling &scaling = config.ropeScaling;
  STC_ASSIGN_OR_RETURN(scaling.shortFactors, readFactors(gguf, "rope_factors_short.weight"));
  STC_ASSIGN_OR_RETURN(scaling.longFactors, readFactors(gguf, "rope_factors_long.weight"));
  if (!scaling.shortFactors.empty() || !scaling.longFactors.empty())
    return readLongRope(reader, config);
  std::string kind = "none";
  STC_RETURN_IF_ERROR(reader.text("rope.scaling.type", kind));
  if (kind == "yarn")
    return readYarn(reader, row, config);
  if (kind != "none" && kind != "linear")
    return reader.error("rope.scaling.type",
                        "none, linear or yarn (llama3 as rope_freqs.weight, longrope as "
                        "rope_factors_long.weight and rope_factors_short.weight)",
                        absl::StrCat("'", printable(kind), "'"));
  if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::Linear;
    return reader.number("rope.scaling.factor", scaling.factor, /*required=*/true);
  }
  // The name of the factor before there were kinds of scaling.
  if (!reader.has("rope.scaling.type") && reader.has("rope.scale_linear")) {
    STC_RETURN_IF_ERROR(reader.number("rope.scale_linear", scaling.factor));
    scaling.kind = scaling.factor == 1 ? RopeScaling::Kind::None : RopeScaling::Kind::Linear;
  }
  return absl::OkStatus();
}

/// How experts are chosen, and which layers have them.
absl::Status readRouting(const GgufFile &gguf, const MetadataReader &reader,
                         const ArchitectureRow &row, ModelConfig &config) {
  const MixtureDefaults &mixture = row.mixture;
  config.routing = mixture.routing;
  if (!mixture.denseCountKey.empty()) {
    int64_t dense = 0;
    STC_RETURN_IF_ERROR(reader.integer("leading_dense_block_count", dense));
    if (config.layers >= 1 && config.layers <= kMostLayers && !setDenseLayers(dense, config))
      return reader.error("leading_dense_block_count", absl::StrCat("0 to ", config.layers - 1),
                          absl::StrCat(dense));
    std::string first = absl::StrCat("blk.", dense, ".ffn_gate_shexp.weight");
    if (const TensorView *shared = findTensor(gguf, first))
      config.sharedExpertSize = shared->shape[0];
  }
  if (!mixture.hasRoutingKeys)
    return absl::OkStatus();
  ExpertRouting &routing = config.routing;
  routing.groups = routing.keptGroups = 1;
  routing.scale = 1;
  int64_t scores = routing.sigmoid ? 2 : 1;
  const int64_t expected = scores;
  STC_RETURN_IF_ERROR(reader.integer("expert_gating_func", scores));
  if (scores != expected)
    return reader.error("expert_gating_func", absl::StrCat(expected), absl::StrCat(scores));
  STC_RETURN_IF_ERROR(reader.integer("expert_group_count", routing.groups));
  STC_RETURN_IF_ERROR(reader.integer("expert_group_used_count", routing.keptGroups));
  STC_RETURN_IF_ERROR(reader.number("expert_weights_scale", routing.scale));
  if (routing.scale == 0) // written by old converters for 1
    routing.scale = 1;
  return reader.boolean("expert_weights_norm", config.normalizedGates);
}

/// The sizes of latent attention. New files describe the attention that llama.cpp makes of it, with
/// one key of all heads, and the sizes of heads beside that.
absl::Status readLatent(const MetadataReader &reader, ModelConfig &config) {
  STC_RETURN_IF_ERROR(reader.integer("attention.kv_lora_rank", config.latent.rank, true));
  STC_RETURN_IF_ERROR(reader.integer("attention.q_lora_rank", config.latent.queryRank));
  STC_RETURN_IF_ERROR(reader.integer("rope.dimension_count", config.rotaryDim, true));
  bool isNew = reader.has("attention.key_length_mla");
  STC_RETURN_IF_ERROR(reader.integer(isNew ? "attention.key_length_mla" : "attention.key_length",
                                     config.headDim, true));
  STC_RETURN_IF_ERROR(
      reader.integer(isNew ? "attention.value_length_mla" : "attention.value_length",
                     config.latent.valueDim, true));
  config.kvHeads = config.heads;
  return absl::OkStatus();
}

/// Files of Mixtral say llama, and that there are experts. Sizes that old files leave out are those
/// of the tensors.
absl::Status readExperts(const GgufFile &gguf, const MetadataReader &reader,
                         const ArchitectureRow &given, ModelConfig &config) {
  STC_RETURN_IF_ERROR(reader.integer("expert_count", config.experts));
  const ArchitectureRow *row = &given;
  if (config.experts != 0 && given.name == "llama")
    row = findArchitecture("mixtral");
  if ((row->mixture.experts != 0) != (config.experts != 0))
    return reader.error("expert_count",
                        config.experts ? "a model without experts" : "a size of 1 or more",
                        absl::StrCat(config.experts));
  if (config.experts == 0)
    return absl::OkStatus();
  config.architecture = std::string(row->name);
  config.normalizedGates = row->mixture.isGgufNormalized;
  STC_RETURN_IF_ERROR(reader.integer("expert_used_count", config.expertsPerToken, true));
  config.expertSize = config.intermediateSize;
  if (const TensorView *gate = findTensor(gguf, "blk.0.ffn_gate_exps.weight");
      gate && gate->shape.size() == 3)
    config.expertSize = gate->shape[1];
  STC_RETURN_IF_ERROR(reader.integer("expert_feed_forward_length", config.expertSize));
  STC_RETURN_IF_ERROR(readRouting(gguf, reader, *row, config));
  if (config.routing.isGrouped() || !config.routing.sharedGate)
    return absl::OkStatus();
  if (const TensorView *shared = findTensor(gguf, "blk.0.ffn_gate_shexp.weight"))
    config.sharedExpertSize = shared->shape[0];
  return reader.integer("expert_shared_feed_forward_length", config.sharedExpertSize);
}

absl::Status checkRotatedSize(const MetadataReader &reader, const ArchitectureRow &row,
                              const ModelConfig &config) {
  if (row.rotaryFraction != 0 || config.isLatent() || !config.usesRotation())
    return absl::OkStatus();
  int64_t rotated = config.headDim;
  STC_RETURN_IF_ERROR(reader.integer("rope.dimension_count", rotated));
  if (rotated != config.headDim)
    return reader.error("rope.dimension_count", absl::StrCat("the head size, ", config.headDim),
                        absl::StrCat(rotated));
  return absl::OkStatus();
}

/// Windows, and which layers have them or are rotated: GGUF files leave that to the family.
absl::Status readLayerKinds(const MetadataReader &reader, const ArchitectureRow &row,
                            ModelConfig &config) {
  if (row.windowRule == WindowRule::Pattern && !row.windowIsOptional)
    config.slidingWindow = row.slidingWindow;
  STC_RETURN_IF_ERROR(reader.integer("attention.sliding_window", config.slidingWindow));
  if (config.layers < 1 || config.layers > kMostLayers)
    return absl::OkStatus(); // an error that checkConfig reports
  int64_t pattern = row.windowPattern;
  if (row.windowRule == WindowRule::Pattern && config.slidingWindow != 0) {
    std::vector<bool> listed;
    STC_RETURN_IF_ERROR(
        reader.countOrFlags("attention.sliding_window_pattern", pattern, listed, config.layers));
    if (pattern < 1)
      return reader.error("attention.sliding_window_pattern", "a number of 1 or more",
                          absl::StrCat(pattern));
    config.windowedLayers = listed.empty() ? allButEvery(pattern, config.layers) : listed;
    if (!std::count(config.windowedLayers.begin(), config.windowedLayers.end(), true))
      config.slidingWindow = 0;
    if (config.slidingWindow == 0 ||
        !std::count(config.windowedLayers.begin(), config.windowedLayers.end(), false))
      config.windowedLayers.clear();
  }
  if (row.windowRule == WindowRule::TwoSided) {
    int64_t width = config.slidingWindow ? config.slidingWindow : row.slidingWindow;
    STC_RETURN_IF_ERROR(reader.integer("attention.sliding_window_pattern", pattern));
    if (width < 1 || width > INT32_MAX || pattern < 1)
      return reader.error(pattern < 1 ? "attention.sliding_window_pattern"
                                      : "attention.sliding_window",
                          "a number of 1 or more", absl::StrCat(pattern < 1 ? pattern : width));
    setTwoSidedWindow(width, allButFirstOfEvery(pattern, config.layers), config);
  }
  config.rotatedLayers = allButEvery(row.unrotatedPattern, config.layers);
  if (row.rotatesWindowsOnly)
    config.rotatedLayers = rotatedWindows(row, config);
  return absl::OkStatus();
}

/// What only encoders have. Converters cut the rows of positions that no text has.
absl::Status readEncoder(const GgufFile &gguf, const MetadataReader &reader, ModelConfig &config) {
  bool causal = false;
  STC_RETURN_IF_ERROR(reader.boolean("attention.causal", causal));
  if (causal)
    return reader.error("attention.causal", "false", "true");
  if (const TensorView *types = findTensor(gguf, "token_types.weight"))
    config.tokenTypes = types->shape[0];
  constexpr int64_t unspecified = 0;
  constexpr Pooling known[] = {Pooling::Mean, Pooling::Mean, Pooling::First, Pooling::Last};
  int64_t pooling = unspecified;
  STC_RETURN_IF_ERROR(reader.integer("pooling_type", pooling));
  if (pooling < 0 || pooling >= int64_t(std::size(known)))
    return reader.error("pooling_type", "0 (unspecified), 1 (mean), 2 (cls) or 3 (last)",
                        absl::StrCat(pooling));
  config.pooling = known[pooling];
  return absl::OkStatus();
}

/// The numbers and switches that only this family has.
absl::Status readOwnKeys(const GgufFile &gguf, const MetadataReader &reader,
                         const ArchitectureRow &row, ModelConfig &config) {
  for (const NumberKey &key : row.numbers) {
    if (key.gguf.empty())
      continue;
    // Without a scale of attention, and with 0, llama.cpp takes 1 / sqrt(head size).
    double value = key.field == &ModelConfig::attentionScale ? 0 : key.missing;
    STC_RETURN_IF_ERROR(reader.number(key.gguf, value));
    if (key.meaning != NumberKey::Meaning::Itself && !(value > 0))
      return reader.error(key.gguf, "a finite number above 0", absl::StrCat(value));
    config.*key.field = meaningOf(key, value);
  }
  if (row.gguf == "gemma2" || row.gguf == "gemma3")
    config.attentionScale = ggufAttentionScale(row, config);
  // How converters write that a model has norms, or attention and feed-forward side by side.
  if (!row.headNormKey.empty() && findTensor(gguf, "blk.0.attn_q_norm.weight"))
    config.block.queryKeyNorm = QueryKeyNorm::OwnPerHead;
  if (row.gguf == "glm4moe" && findTensor(gguf, "blk.0.attn_q_norm.weight"))
    config.block.queryKeyNorm = QueryKeyNorm::PerHead;
  if (row.gguf == "stablelm")
    config.block.parallel = config.block.sharedNorm = !findTensor(gguf, "blk.0.ffn_norm.weight");
  if (row.gguf == "gptneox")
    STC_RETURN_IF_ERROR(reader.boolean("use_parallel_residual", config.block.parallel));
  if (row.gguf == "mpt" && !(config.alibiBias > 0 && config.alibiBias <= 64))
    return reader.error("attention.max_alibi_bias", "a number above 0 and up to 64",
                        absl::StrCat(config.alibiBias));
  if (row.gguf == "falcon")
    config.block.sharedNorm = !findTensor(gguf, "blk.0.attn_norm_2.weight");
  return absl::OkStatus();
}

/// The encoder in front of a decoder. As llama.cpp, T5's blocks with a gate have gelu, and those
/// without have relu.
absl::Status readEncoderDecoder(const GgufFile &gguf, const MetadataReader &reader,
                                const ArchitectureRow &row, ModelConfig &config) {
  if (row.kind != ModelKind::EncoderDecoder)
    return absl::OkStatus();
  config.encoderLayers = config.layers;
  STC_RETURN_IF_ERROR(reader.integer("decoder_block_count", config.layers));
  config.decoderStart = 0;
  STC_RETURN_IF_ERROR(reader.integer("decoder_start_token_id", *config.decoderStart));
  config.block.gated = findTensor(gguf, "enc.blk.0.ffn_gate.weight");
  config.activation = config.block.gated ? "gelu_tanh" : "relu";
  config.attentionScale = 1;
  if (!findTensor(gguf, "output.weight") && config.hiddenSize > 0)
    config.logitScale = 1 / std::sqrt(double(config.hiddenSize));
  config.relativeDistance = 128;
  return reader.integer("attention.relative_buckets_count", config.relativeBuckets, true);
}

} // namespace

double ggufAttentionScale(const ArchitectureRow &row, const ModelConfig &config) {
  // Files do not hold query_pre_attn_scalar. It is the head size but in the models of 27 billion
  // weights, where it is hidden size / heads; as llama.cpp, tell these by their layers.
  bool isLargest = (row.gguf == "gemma2" && config.layers == 46) ||
                   (row.gguf == "gemma3" && config.layers == 62);
  return isLargest && config.heads > 0
             ? 1 / std::sqrt(double(config.hiddenSize) / double(config.heads))
             : 0;
}

absl::StatusOr<ModelConfig> parseGgufConfig(const GgufFile &gguf) {
  STC_ASSIGN_OR_RETURN(const ArchitectureRow *row, readArchitecture(gguf));
  MetadataReader reader(gguf, absl::StrCat(row->gguf, "."));
  // Files of Olmo 3 say olmo2, and that there is a window.
  if (row->name == "olmo2" && reader.has("attention.sliding_window"))
    row = findArchitecture("olmo3");
  // Those of DeepSeek-V3 say that scores are sigmoids.
  int64_t scores = 0;
  if (row->name == "deepseek_v2") {
    STC_RETURN_IF_ERROR(reader.integer("expert_gating_func", scores));
    if (scores == 2)
      row = findArchitecture("deepseek_v3");
  }
  ModelConfig config;
  config.kind = row->kind;
  config.architecture = std::string(row->name);
  config.block = row->block;
  config.activation = std::string(activationCalled(row->activation));
  config.ropeInterleaved = row->ggufInterleavedRope;
  config.alibiBias = row->alibiBias;
  config.gateLimit = row->ggufGateLimit;
  STC_RETURN_IF_ERROR(reader.integer("embedding_length", config.hiddenSize, true));
  STC_RETURN_IF_ERROR(reader.integer("feed_forward_length", config.intermediateSize, true));
  STC_RETURN_IF_ERROR(reader.integer("block_count", config.layers, true));
  if (row->mixture.hasRoutingKeys) {
    STC_RETURN_IF_ERROR(reader.integer("nextn_predict_layers", config.predictingLayers));
    config.layers -= std::min(config.layers, std::max<int64_t>(config.predictingLayers, 0));
  }
  STC_RETURN_IF_ERROR(reader.integer("context_length", config.maxPositions, true));
  STC_RETURN_IF_ERROR(reader.integer("attention.head_count", config.heads, true));
  config.kvHeads = config.heads;
  STC_RETURN_IF_ERROR(reader.integer("attention.head_count_kv", config.kvHeads));
  STC_RETURN_IF_ERROR(reader.number(ggufEpsilonKey(*row), config.normEpsilon, true));
  STC_RETURN_IF_ERROR(readLayerKinds(reader, *row, config));
  STC_RETURN_IF_ERROR(readExperts(gguf, reader, *row, config));
  STC_RETURN_IF_ERROR(readVocabulary(gguf, reader, config));
  STC_RETURN_IF_ERROR(row->latent ? readLatent(reader, config) : readHeadSize(reader, config));
  STC_RETURN_IF_ERROR(readRope(gguf, reader, *row, config));
  STC_RETURN_IF_ERROR(readEncoderDecoder(gguf, reader, *row, config));
  STC_RETURN_IF_ERROR(readOwnKeys(gguf, reader, *row, config));
  if (row->kind == ModelKind::Encoder)
    STC_RETURN_IF_ERROR(readEncoder(gguf, reader, config));
  STC_RETURN_IF_ERROR(readTokens(gguf, config));
  config.tiedEmbeddings = !findTensor(gguf, "output.weight");
  config.attentionBias = row->attentionBias || findTensor(gguf, "blk.0.attn_q.bias") ||
                         findTensor(gguf, "blk.0.attn_qkv.bias");
  config.mlpBias = findTensor(gguf, "blk.0.ffn_gate.bias") || findTensor(gguf, "blk.0.ffn_up.bias");
  STC_RETURN_IF_ERROR(checkConfig(ggufNames(gguf, reader, *row), config));
  STC_RETURN_IF_ERROR(checkRotatedSize(reader, *row, config));
  return config;
}

} // namespace stc
