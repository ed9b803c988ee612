// The known architectures, and the rules that every configuration obeys.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

#include <cmath>

namespace stc {

namespace {

// GGUF files of Mistral call themselves llama.
constexpr ArchitectureRow architectures[] = {
    {"llama", "llama", 0, 2048, 0, false, false, true},
    {"mistral", "", 8, 131072, 4096, false, false, false},
    {"qwen2", "qwen2", 32, 32768, 4096, true, true, false},
    // GGUF files of Mixtral call themselves llama too; what they say of experts tells them apart.
    {"mixtral", "", 8, 131072, 0, false, false, true},
    {"qwen2_moe", "qwen2moe", 16, 32768, 0, true, true, false},
};

// Generous ceilings that keep products of two sizes within 63 bits.
constexpr int64_t maxSize = int64_t(1) << 31, maxLayers = 1 << 16;

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
  if (config.headDim % 2 != 0)
    return formatError({names.file, names.headDim, {}}, "an even size, for rotation in pairs",
                       absl::StrCat(config.headDim));
  if (config.kvHeads > config.heads || config.heads % config.kvHeads != 0)
    return formatError({names.file, names.kvHeads, {}},
                       absl::StrCat("a divisor of ", names.heads, " = ", config.heads),
                       absl::StrCat(config.kvHeads));
  return absl::OkStatus();
}

/// The key-value cache over the whole context must have a size that can be computed at all.
absl::Status checkContext(const ConfigNames &names, const ModelConfig &config) {
  int64_t bytes = 2 * int64_t(sizeof(float));
  for (int64_t factor : {config.maxPositions, config.layers, config.kvHeads, config.headDim})
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

absl::Status checkRope(const ConfigNames &names, const ModelConfig &config) {
  STC_RETURN_IF_ERROR(checkPositive(names, names.ropeTheta, config.ropeTheta));
  const RopeScaling &scaling = config.ropeScaling;
  if (scaling.kind == RopeScaling::Kind::None)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(checkPositive(names, names.ropeScaling + ".factor", scaling.factor));
  if (scaling.kind == RopeScaling::Kind::Linear)
    return absl::OkStatus();
  const std::string &low = names.ropeScaling + ".low_freq_factor";
  STC_RETURN_IF_ERROR(checkPositive(names, low, scaling.lowFrequencyFactor));
  STC_RETURN_IF_ERROR(
      checkPositive(names, names.ropeScaling + ".high_freq_factor", scaling.highFrequencyFactor));
  if (scaling.lowFrequencyFactor >= scaling.highFrequencyFactor)
    return formatError(
        {names.file, low, {}},
        absl::StrCat("a number below high_freq_factor = ", scaling.highFrequencyFactor),
        absl::StrCat(scaling.lowFrequencyFactor));
  return checkPositive(names, names.ropeScaling + ".original_max_position_embeddings",
                       scaling.originalMaxPositions);
}

} // namespace

const ArchitectureRow *findArchitecture(absl::string_view name) {
  for (const ArchitectureRow &row : architectures)
    if (row.name == name)
      return &row;
  return nullptr;
}

const ArchitectureRow *findGgufArchitecture(absl::string_view name) {
  for (const ArchitectureRow &row : architectures)
    if (!row.gguf.empty() && row.gguf == name)
      return &row;
  return nullptr;
}

GgufFamily ggufFamilyOf(const ModelConfig &config) {
  const ArchitectureRow *row = findArchitecture(config.architecture);
  if (!row || row->gguf.empty())
    row = findGgufArchitecture("llama");
  return {std::string(row->gguf), row->ggufInterleavedRope};
}

std::string supportedArchitectures() {
  std::string list;
  for (const ArchitectureRow &row : architectures)
    absl::StrAppend(&list, list.empty() ? "" : ", ", row.name);
  return list;
}

absl::Status checkConfig(const ConfigNames &names, ModelConfig &config) {
  STC_RETURN_IF_ERROR(checkSize(names, names.hiddenSize, config.hiddenSize, maxSize));
  STC_RETURN_IF_ERROR(checkSize(names, names.intermediateSize, config.intermediateSize, maxSize));
  STC_RETURN_IF_ERROR(checkSize(names, names.layers, config.layers, maxLayers));
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
  STC_RETURN_IF_ERROR(checkExperts(names, config));
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
