// The rules that every configuration obeys.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

// Generous ceilings that keep products of two sizes within 63 bits.
constexpr int64_t maxSize = int64_t(1) << 31, maxLayers = kMostLayers;

absl::Status checkSize(const ConfigNames &names, const std::string &field, int64_t value,
                       int64_t limit) {
  if (value >= 1 && value <= limit)
    return absl::OkStatus();
  return formatError({names.file, field, {}}, absl::StrCat("a size from 1 to ", limit),
                     absl::StrCat(value));
}

absl::Status checkPositive(const ConfigNames &names, const std::string &field, double value) {
  if (std::isfinite(value) && value > 0)
    return absl::OkStatus();
  return formatError({names.file, field, {}}, "a finite number above 0", absl::StrCat(value));
}

absl::Status checkToken(const ConfigNames &names, const std::string &field, int64_t token,
                        int64_t vocabSize) {
  if (token >= 0 && token < vocabSize)
    return absl::OkStatus();
  return formatError({names.file, field, {}}, absl::StrCat("a token id from 0 to ", vocabSize - 1),
                     absl::StrCat(token));
}

absl::Status checkHeads(const ConfigNames &names, ModelConfig &config) {
  if (config.headDim == 0) {
    if (config.hiddenSize % config.heads != 0)
      return formatError({names.file, names.hiddenSize, {}},
                         absl::StrCat("a multiple of ", names.heads, " = ", config.heads),
                         absl::StrCat(config.hiddenSize));
    config.headDim = config.hiddenSize / config.heads;
  }
  STC_RETURN_IF_ERROR(checkSize(names, names.headDim, config.headDim, maxLayers));
  if (config.rotaryDim == 0)
    config.rotaryDim = config.headDim;
  if (config.rotaryDim < 0 || config.rotaryDim > config.headDim)
    return formatError({names.file, names.rotaryDim, {}},
                       absl::StrCat("1 to ", config.headDim, " columns of a head"),
                       absl::StrCat(config.rotaryDim));
  if (config.usesRotation() && config.rotaryDim % 2 != 0)
    return formatError(
        {names.file, config.rotaryDim == config.headDim ? names.headDim : names.rotaryDim, {}},
        "an even size, for rotation in pairs", absl::StrCat(config.rotaryDim));
  if (config.kvHeads > config.heads || config.heads % config.kvHeads != 0)
    return formatError({names.file, names.kvHeads, {}},
                       absl::StrCat("a divisor of ", names.heads, " = ", config.heads),
                       absl::StrCat(config.kvHeads));
  return absl::OkStatus();
}

/// The key-value cache over the whole context must have a size that can be computed at all.
absl::Status checkContext(const ConfigNames &names, const ModelConfig &config) {
  int64_t bytes = 2 * int64_t(sizeof(float));
  // Behind an encoder, every layer of the decoder keeps what it reads of it.
  int64_t layers = config.encoderLayers == 0
                       ? config.layers
                       : std::max(config.layers, config.encoderLayers) + config.layers;
  int64_t positions = std::max(config.maxPositions, config.encoderPositions);
  for (int64_t factor : {positions, layers, config.kvHeads, config.headDim})
    if (__builtin_mul_overflow(bytes, factor, &bytes))
      return formatError({names.file, names.maxPositions, {}},
                         absl::StrCat("a key-value cache below 2^63 bytes over ", names.layers,
                                      " = ", config.layers),
                         absl::StrCat(config.maxPositions));
  return absl::OkStatus();
}

absl::Status checkExperts(const ConfigNames &names, const ModelConfig &config) {
  if (config.experts == 0)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(checkSize(names, names.experts, config.experts, maxLayers));
  STC_RETURN_IF_ERROR(
      checkSize(names, names.expertsPerToken, config.expertsPerToken, config.experts));
  STC_RETURN_IF_ERROR(checkSize(names, names.expertSize, config.expertSize, maxSize));
  if (config.sharedExpertSize != 0)
    STC_RETURN_IF_ERROR(checkSize(names, names.sharedExpertSize, config.sharedExpertSize, maxSize));
  return absl::OkStatus();
}

/// Groups of experts are of equal size, and hold as many as a token chooses.
absl::Status checkRouting(const ConfigNames &names, const ModelConfig &config) {
  const ExpertRouting &routing = config.routing;
  if (!config.experts || !routing.isGrouped())
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(checkPositive(names, names.gateScale, routing.scale));
  int64_t groups = routing.groups, most = config.experts / routing.bestOfGroup;
  if (groups != 1 && (groups < 1 || groups > most || config.experts % groups != 0))
    return formatError(
        {names.file, names.expertGroups, {}},
        absl::StrCat("a divisor of ", names.experts, " = ", config.experts, " up to ", most),
        absl::StrCat(groups));
  int64_t least = (config.expertsPerToken * groups + config.experts - 1) / config.experts;
  if (routing.keptGroups < least || routing.keptGroups > groups)
    return formatError({names.file, names.keptGroups, {}},
                       absl::StrCat(least, " to ", groups, " groups, to choose ",
                                    config.expertsPerToken, " experts from"),
                       absl::StrCat(routing.keptGroups));
  return absl::OkStatus();
}

/// Values are kept in a cache of keys, so they are no longer than these.
absl::Status checkLatent(const ConfigNames &names, const ModelConfig &config) {
  if (!config.isLatent())
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(checkSize(names, names.latentRank, config.latent.rank, maxLayers));
  if (config.latent.queryRank != 0)
    STC_RETURN_IF_ERROR(checkSize(names, names.queryRank, config.latent.queryRank, maxLayers));
  STC_RETURN_IF_ERROR(checkSize(names, names.valueDim, config.latent.valueDim, config.headDim));
  if (config.rotaryDim >= config.headDim)
    return formatError({names.file, names.rotaryDim, {}},
                       absl::StrCat("less than a head's ", config.headDim, " columns"),
                       absl::StrCat(config.rotaryDim));
  // Orders of columns are floats.
  if (config.heads * config.headDim > int64_t(1) << 24)
    return formatError({names.file, names.heads, {}}, "at most 2^24 columns of all heads",
                       absl::StrCat(config.heads * config.headDim));
  return absl::OkStatus();
}

/// The encoder and what only models with one have.
absl::Status checkEncoder(const ConfigNames &names, const ModelConfig &config) {
  if (config.block.relativeBias) {
    int64_t buckets = config.relativeBuckets;
    if (buckets < 4 || buckets > maxLayers || buckets % 2 != 0)
      return formatError({names.file, names.relativeBuckets, {}},
                         absl::StrCat("an even number from 4 to ", maxLayers),
                         absl::StrCat(buckets));
    if (config.relativeDistance <= buckets || config.relativeDistance >= maxSize)
      return formatError({names.file, names.relativeDistance, {}},
                         absl::StrCat("more than ", names.relativeBuckets, " = ", buckets),
                         absl::StrCat(config.relativeDistance));
  }
  if (config.featureSize != 0) {
    STC_RETURN_IF_ERROR(checkSize(names, names.featureSize, config.featureSize, maxLayers));
    STC_RETURN_IF_ERROR(
        checkSize(names, names.encoderPositions, config.encoderPositions, maxSize / 2));
  }
  if (config.decoderStart)
    return checkToken(names, names.decoderStart, *config.decoderStart, config.vocabSize);
  return absl::OkStatus();
}

absl::Status checkFactors(const ConfigNames &names, const std::string &field,
                          const std::vector<double> &factors, int64_t count) {
  std::string name = names.ropeScaling + field;
  if (int64_t(factors.size()) != count)
    return formatError({names.file, name, {}}, absl::StrCat(count, " factors"),
                       absl::StrCat(factors.size()));
  for (double factor : factors)
    STC_RETURN_IF_ERROR(checkPositive(names, name, factor));
  return absl::OkStatus();
}

absl::Status checkLlama3(const ConfigNames &names, const RopeScaling &scaling) {
  const std::string &low = names.ropeScaling + ".low_freq_factor";
  STC_RETURN_IF_ERROR(checkPositive(names, low, scaling.lowFrequencyFactor));
  STC_RETURN_IF_ERROR(
      checkPositive(names, names.ropeScaling + ".high_freq_factor", scaling.highFrequencyFactor));
  if (scaling.lowFrequencyFactor >= scaling.highFrequencyFactor)
    return formatError(
        {names.file, low, {}},
        absl::StrCat("a number below high_freq_factor = ", scaling.highFrequencyFactor),
        absl::StrCat(scaling.lowFrequencyFactor));
  return absl::OkStatus();
}

absl::Status checkRope(const ConfigNames &names, const ModelConfig &config) {
  STC_RETURN_IF_ERROR(checkPositive(names, names.ropeTheta, config.ropeTheta));
  const RopeScaling &scaling = config.ropeScaling;
  using Kind = RopeScaling::Kind;
  if (scaling.kind == Kind::None)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(checkPositive(names, names.ropeScaling + ".factor", scaling.factor));
  if (scaling.kind == Kind::Linear)
    return absl::OkStatus();
  if (scaling.kind == Kind::Dynamic && (scaling.factor < 1 || config.rotaryDim <= 2))
    return formatError({names.file, names.ropeScaling + ".factor", {}},
                       "1 or more, and heads of more than 2 columns", absl::StrCat(scaling.factor));
  if (scaling.kind == Kind::Llama3)
    STC_RETURN_IF_ERROR(checkLlama3(names, scaling));
  if (scaling.kind == Kind::LongRope) {
    STC_RETURN_IF_ERROR(
        checkFactors(names, ".short_factor", scaling.shortFactors, config.rotaryDim / 2));
    STC_RETURN_IF_ERROR(
        checkFactors(names, ".long_factor", scaling.longFactors, config.rotaryDim / 2));
  }
  if (scaling.kind == Kind::Yarn) {
    STC_RETURN_IF_ERROR(checkPositive(names, names.ropeScaling + ".beta_fast", scaling.betaFast));
    STC_RETURN_IF_ERROR(checkPositive(names, names.ropeScaling + ".beta_slow", scaling.betaSlow));
    if (config.ropeTheta == 1)
      return formatError({names.file, names.ropeTheta, {}}, "a number other than 1 (yarn)", "1");
  }
  if (scaling.attentionFactor != 0)
    STC_RETURN_IF_ERROR(
        checkPositive(names, names.ropeScaling + ".attention_factor", scaling.attentionFactor));
  const std::string original = names.ropeScaling + ".original_max_position_embeddings";
  STC_RETURN_IF_ERROR(checkPositive(names, original, scaling.originalMaxPositions));
  if (scaling.kind == Kind::LongRope && scaling.originalMaxPositions <= 1)
    return formatError({names.file, original, {}}, "more than 1 position",
                       absl::StrCat(scaling.originalMaxPositions));
  return absl::OkStatus();
}

absl::Status checkMultipliers(const ConfigNames &names, const ModelConfig &config) {
  struct {
    const char *name;
    double value;
    bool mayBeZero;
  } numbers[] = {{"embedding scale", config.embeddingScale, false},
                 {"residual scale", config.residualScale, false},
                 {"logit scale", config.logitScale, false},
                 {"attention scale", config.attentionScale, true},
                 {"attention soft cap", config.attentionSoftCap, true},
                 {"gate limit", config.gateLimit, true},
                 {"clip_qkv", config.clipLimit, true},
                 {"logit soft cap", config.logitSoftCap, true}};
  for (const auto &number : numbers)
    if (!(number.mayBeZero && number.value == 0))
      STC_RETURN_IF_ERROR(checkPositive(names, number.name, number.value));
  return absl::OkStatus();
}

} // namespace

absl::string_view activationCalled(absl::string_view name) {
  struct {
    absl::string_view name, means;
  } names[] = {{"silu", "silu"},           {"swish", "silu"},
               {"gelu", "gelu"},           {"gelu_new", "gelu_tanh"},
               {"gelu_fast", "gelu_tanh"}, {"gelu_pytorch_tanh", "gelu_tanh"},
               {"relu", "relu"},           {"relu2", "relu2"}};
  for (const auto &known : names)
    if (known.name == name)
      return known.means;
  return "";
}

double yarnMagnitude(double scale, double m) {
  return scale <= 1 ? 1 : 0.1 * m * std::log(scale) + 1;
}

bool setDenseLayers(int64_t count, ModelConfig &config) {
  if (count < 0 || count >= config.layers)
    return false;
  config.sparseLayers.clear();
  for (int64_t layer = 0; count != 0 && layer < config.layers; ++layer)
    config.sparseLayers.push_back(layer >= count);
  return true;
}

int64_t denseLayersOf(const ModelConfig &config) {
  const std::vector<bool> &sparse = config.sparseLayers;
  auto first = std::find(sparse.begin(), sparse.end(), true);
  return std::count(first, sparse.end(), false) == 0 ? first - sparse.begin() : -1;
}

double latentScale(const ModelConfig &config, double m) {
  double magnitude = yarnMagnitude(config.ropeScaling.factor, m);
  return magnitude * magnitude / std::sqrt(double(config.headDim));
}

double latentMagnitudeOf(const ModelConfig &config) {
  if (config.attentionScale == 0 || config.ropeScaling.factor <= 1)
    return 0;
  double magnitude = std::sqrt(config.attentionScale * std::sqrt(double(config.headDim)));
  return (magnitude - 1) / (yarnMagnitude(config.ropeScaling.factor) - 1);
}

double meaningOf(const NumberKey &key, double value) {
  switch (key.meaning) {
  case NumberKey::Meaning::Itself:
    return value;
  case NumberKey::Meaning::Reciprocal:
    return 1 / value;
  case NumberKey::Meaning::InverseRoot:
    return 1 / std::sqrt(value);
  }
  return value;
}

double valueOf(const NumberKey &key, double meaning) {
  return key.meaning == NumberKey::Meaning::InverseRoot ? 1 / (meaning * meaning)
                                                        : meaningOf(key, meaning);
}

std::vector<bool> rotatedWindows(const ArchitectureRow &row, const ModelConfig &config) {
  std::vector<bool> rotated;
  if (!row.rotatesWindowsOnly || (row.windowIsOptional && config.slidingWindow == 0))
    return rotated;
  for (int64_t layer = 0; layer < config.layers; ++layer)
    rotated.push_back(config.isWindowed(layer));
  return rotated;
}

std::vector<bool> allButEvery(int64_t pattern, int64_t layers) {
  std::vector<bool> result;
  for (int64_t layer = 0; pattern > 0 && layer < layers; ++layer)
    result.push_back((layer + 1) % pattern != 0);
  return result;
}

absl::Status checkConfig(const ConfigNames &names, ModelConfig &config) {
  STC_RETURN_IF_ERROR(checkSize(names, names.hiddenSize, config.hiddenSize, maxSize));
  STC_RETURN_IF_ERROR(checkSize(names, names.intermediateSize, config.intermediateSize, maxSize));
  STC_RETURN_IF_ERROR(checkSize(names, names.layers, config.layers, maxLayers));
  if (config.encoderLayers != 0)
    STC_RETURN_IF_ERROR(checkSize(names, names.encoderLayers, config.encoderLayers, maxLayers));
  STC_RETURN_IF_ERROR(checkSize(names, names.heads, config.heads, maxLayers));
  STC_RETURN_IF_ERROR(checkSize(names, names.kvHeads, config.kvHeads, maxLayers));
  STC_RETURN_IF_ERROR(checkSize(names, names.vocabSize, config.vocabSize, maxSize - 1));
  // Not capped like the others: what is too long is too long for the number of layers.
  STC_RETURN_IF_ERROR(checkSize(names, names.maxPositions, config.maxPositions, INT64_MAX));
  STC_RETURN_IF_ERROR(checkHeads(names, config));
  STC_RETURN_IF_ERROR(checkContext(names, config));
  STC_RETURN_IF_ERROR(checkSize(names, names.maxPositions, config.maxPositions, maxSize - 1));
  STC_RETURN_IF_ERROR(checkPositive(names, names.normEpsilon, config.normEpsilon));
  STC_RETURN_IF_ERROR(checkRope(names, config));
  STC_RETURN_IF_ERROR(checkMultipliers(names, config));
  STC_RETURN_IF_ERROR(checkExperts(names, config));
  STC_RETURN_IF_ERROR(checkRouting(names, config));
  STC_RETURN_IF_ERROR(checkLatent(names, config));
  STC_RETURN_IF_ERROR(checkEncoder(names, config));
  if (config.slidingWindow != 0)
    STC_RETURN_IF_ERROR(checkSize(names, names.slidingWindow, config.slidingWindow, maxSize - 1));
  if (config.bosToken)
    STC_RETURN_IF_ERROR(checkToken(names, names.bosToken, *config.bosToken, config.vocabSize));
  if (config.eosToken)
    STC_RETURN_IF_ERROR(checkToken(names, names.eosToken, *config.eosToken, config.vocabSize));
  for (int64_t token : config.extraEosTokens)
    STC_RETURN_IF_ERROR(checkToken(names, names.eosToken, token, config.vocabSize));
  return absl::OkStatus();
}

} // namespace stc
