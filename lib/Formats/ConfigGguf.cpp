// Reader of a model's configuration from GGUF metadata.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

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

ConfigNames ggufNames(const GgufFile &gguf, const MetadataReader &reader) {
  ConfigNames names;
  names.file = gguf.path();
  names.hiddenSize = reader.key("embedding_length");
  names.intermediateSize = reader.key("feed_forward_length");
  names.layers = reader.key("block_count");
  names.heads = reader.key("attention.head_count");
  names.kvHeads = reader.key("attention.head_count_kv");
  names.headDim = reader.key("attention.key_length");
  names.vocabSize = reader.key("vocab_size");
  names.maxPositions = reader.key("context_length");
  names.normEpsilon = reader.key("attention.layer_norm_rms_epsilon");
  names.ropeTheta = reader.key("rope.freq_base");
  names.ropeScaling = reader.key("rope.scaling");
  names.slidingWindow = reader.key("attention.sliding_window");
  names.bosToken = "tokenizer.ggml.bos_token_id";
  names.experts = reader.key("expert_count");
  names.expertsPerToken = reader.key("expert_used_count");
  names.expertSize = reader.key("expert_feed_forward_length");
  names.sharedExpertSize = reader.key("expert_shared_feed_forward_length");
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
  return general.error("general.architecture", absl::StrCat("one of ", supportedArchitectures()),
                       name.empty() ? "none" : absl::StrCat("'", printable(name), "'"));
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

absl::Status readRope(const MetadataReader &reader, ModelConfig &config) {
  STC_RETURN_IF_ERROR(reader.number("rope.freq_base", config.ropeTheta));
  RopeScaling &scaling = config.ropeScaling;
  std::string kind = "none";
  STC_RETURN_IF_ERROR(reader.text("rope.scaling.type", kind));
  if (kind != "none" && kind != "linear")
    return reader.error("rope.scaling.type", "none or linear (llama3 as rope_freqs.weight)",
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

/// Files of Mixtral say llama, and that there are experts. Sizes that old files leave out are those
/// of the tensors.
absl::Status readExperts(const GgufFile &gguf, const MetadataReader &reader, ModelConfig &config) {
  STC_RETURN_IF_ERROR(reader.integer("expert_count", config.experts));
  bool isQwen = config.architecture == "qwen2_moe";
  if (config.experts == 0)
    return isQwen ? reader.error("expert_count", "a size of 1 or more", "0") : absl::OkStatus();
  if (config.architecture == "llama")
    config.architecture = "mixtral";
  else if (!isQwen)
    return reader.error("expert_count", "a model without experts", absl::StrCat(config.experts));
  config.normalizedGates = !isQwen;
  STC_RETURN_IF_ERROR(reader.integer("expert_used_count", config.expertsPerToken, true));
  config.expertSize = config.intermediateSize;
  if (const TensorView *gate = findTensor(gguf, "blk.0.ffn_gate_exps.weight");
      gate && gate->shape.size() == 3)
    config.expertSize = gate->shape[1];
  STC_RETURN_IF_ERROR(reader.integer("expert_feed_forward_length", config.expertSize));
  if (const TensorView *shared = findTensor(gguf, "blk.0.ffn_gate_shexp.weight"))
    config.sharedExpertSize = shared->shape[0];
  return reader.integer("expert_shared_feed_forward_length", config.sharedExpertSize);
}

absl::Status checkRotatedSize(const MetadataReader &reader, const ModelConfig &config) {
  int64_t rotated = config.headDim;
  STC_RETURN_IF_ERROR(reader.integer("rope.dimension_count", rotated));
  if (rotated != config.headDim)
    return reader.error("rope.dimension_count", absl::StrCat("the head size, ", config.headDim),
                        absl::StrCat(rotated));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<ModelConfig> parseGgufConfig(const GgufFile &gguf) {
  STC_ASSIGN_OR_RETURN(const ArchitectureRow *row, readArchitecture(gguf));
  MetadataReader reader(gguf, absl::StrCat(row->gguf, "."));
  ModelConfig config;
  config.architecture = std::string(row->name);
  config.ropeInterleaved = row->ggufInterleavedRope;
  STC_RETURN_IF_ERROR(reader.integer("embedding_length", config.hiddenSize, true));
  STC_RETURN_IF_ERROR(reader.integer("feed_forward_length", config.intermediateSize, true));
  STC_RETURN_IF_ERROR(reader.integer("block_count", config.layers, true));
  STC_RETURN_IF_ERROR(reader.integer("context_length", config.maxPositions, true));
  STC_RETURN_IF_ERROR(reader.integer("attention.head_count", config.heads, true));
  config.kvHeads = config.heads;
  STC_RETURN_IF_ERROR(reader.integer("attention.head_count_kv", config.kvHeads));
  STC_RETURN_IF_ERROR(reader.number("attention.layer_norm_rms_epsilon", config.normEpsilon, true));
  STC_RETURN_IF_ERROR(reader.integer("attention.sliding_window", config.slidingWindow));
  STC_RETURN_IF_ERROR(readExperts(gguf, reader, config));
  STC_RETURN_IF_ERROR(readVocabulary(gguf, reader, config));
  STC_RETURN_IF_ERROR(readHeadSize(reader, config));
  STC_RETURN_IF_ERROR(readRope(reader, config));
  STC_RETURN_IF_ERROR(readTokens(gguf, config));
  config.tiedEmbeddings = !findTensor(gguf, "output.weight");
  config.attentionBias = row->attentionBias || findTensor(gguf, "blk.0.attn_q.bias");
  config.mlpBias = findTensor(gguf, "blk.0.ffn_gate.bias") != nullptr;
  STC_RETURN_IF_ERROR(checkConfig(ggufNames(gguf, reader), config));
  STC_RETURN_IF_ERROR(checkRotatedSize(reader, config));
  return config;
}

} // namespace stc
