// Rotary embedding in config.json: theta, the rotated part of heads, and scalings.
#include "ConfigReader.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

using Kind = RopeScaling::Kind;

/// The context before scaling: of the object, of the file, or what the file calls its context.
absl::Status readOriginal(const ConfigReader &reader, const ConfigReader &top,
                          ModelConfig &config) {
  double &original = config.ropeScaling.originalMaxPositions;
  original = double(config.maxPositions);
  STC_RETURN_IF_ERROR(top.number("original_max_position_embeddings", original));
  return reader.number("original_max_position_embeddings", original);
}

absl::Status readYarn(const ConfigReader &reader, const ConfigReader &top, ModelConfig &config) {
  RopeScaling &scaling = config.ropeScaling;
  STC_RETURN_IF_ERROR(readOriginal(reader, top, config));
  if (!reader.find("factor") && scaling.originalMaxPositions > 0)
    scaling.factor = double(config.maxPositions) / scaling.originalMaxPositions;
  STC_RETURN_IF_ERROR(reader.number("factor", scaling.factor));
  STC_RETURN_IF_ERROR(reader.number("beta_fast", scaling.betaFast));
  STC_RETURN_IF_ERROR(reader.number("beta_slow", scaling.betaSlow));
  STC_RETURN_IF_ERROR(reader.boolean("truncate", scaling.truncate));
  double mscale = 0, mscaleAllDim = 0;
  STC_RETURN_IF_ERROR(reader.number("mscale", mscale));
  STC_RETURN_IF_ERROR(reader.number("mscale_all_dim", mscaleAllDim));
  scaling.attentionFactor =
      mscale != 0 && mscaleAllDim != 0
          ? yarnMagnitude(scaling.factor, mscale) / yarnMagnitude(scaling.factor, mscaleAllDim)
          : yarnMagnitude(scaling.factor);
  // What cosines and sines are not multiplied by, scores are, but for the smaller part of heads.
  if (config.isLatent() && mscaleAllDim != 0)
    config.attentionScale = latentScale(config, mscaleAllDim);
  return reader.number("attention_factor", scaling.attentionFactor);
}

absl::Status readLongRope(const ConfigReader &reader, const ConfigReader &top,
                          ModelConfig &config) {
  RopeScaling &scaling = config.ropeScaling;
  STC_RETURN_IF_ERROR(readOriginal(reader, top, config));
  STC_RETURN_IF_ERROR(reader.numbers("short_factor", scaling.shortFactors));
  STC_RETURN_IF_ERROR(reader.numbers("long_factor", scaling.longFactors));
  scaling.factor = double(config.maxPositions) / scaling.originalMaxPositions;
  STC_RETURN_IF_ERROR(reader.number("factor", scaling.factor));
  scaling.attentionFactor =
      scaling.factor <= 1
          ? 1
          : std::sqrt(1 + std::log(scaling.factor) / std::log(scaling.originalMaxPositions));
  return reader.number("attention_factor", scaling.attentionFactor);
}

/// The theta that a fixed alpha of dynamic scaling stands for.
absl::Status stretchTheta(const ConfigReader &reader, double alpha, ModelConfig &config) {
  int64_t headDim = config.headDim;
  if (headDim == 0 && config.heads > 0)
    headDim = config.hiddenSize / config.heads;
  if (!(alpha > 0) || headDim <= 2)
    return reader.error("alpha", "a finite number above 0, and heads of more than 2 columns",
                        absl::StrCat(alpha));
  config.ropeTheta *= std::pow(alpha, double(headDim) / double(headDim - 2));
  return absl::OkStatus();
}

/// The fraction of each head that is rotated.
absl::Status readFraction(const ConfigReader &reader, absl::string_view key,
                          const ArchitectureRow &row, double &fraction) {
  STC_RETURN_IF_ERROR(reader.number(key, fraction));
  if (row.rotaryFraction == 0 && fraction != 1)
    return reader.error(key, "1", absl::StrCat(fraction));
  if (!(fraction > 0 && fraction <= 1))
    return reader.error(key, "a fraction above 0 and up to 1", absl::StrCat(fraction));
  return absl::OkStatus();
}

/// `json` is rope_scaling, or rope_parameters of newer files, which holds rope_theta too.
absl::Status readRopeObject(const JsonValue &json, const ConfigReader &reader,
                            const ConfigReader &top, const ArchitectureRow &row, double &fraction,
                            ModelConfig &config) {
  for (const JsonValue::Member &member : json.object)
    if (member.second.isObject())
      return reader.error(member.first, "one rotation for all layers", "an object");
  STC_RETURN_IF_ERROR(reader.number("rope_theta", config.ropeTheta));
  STC_RETURN_IF_ERROR(readFraction(reader, "partial_rotary_factor", row, fraction));
  std::string kind = "default";
  STC_RETURN_IF_ERROR(reader.text("type", kind));
  STC_RETURN_IF_ERROR(reader.text("rope_type", kind)); // the newer name wins
  RopeScaling &scaling = config.ropeScaling;
  if (kind == "default")
    return absl::OkStatus();
  if (kind == "linear") {
    scaling.kind = Kind::Linear;
    return reader.number("factor", scaling.factor, /*required=*/true);
  }
  if (kind == "dynamic") {
    // Hunyuan's stretches theta once and for all.
    double alpha = 0;
    STC_RETURN_IF_ERROR(reader.number("alpha", alpha));
    if (row.block.normAfterRotation && alpha != 0)
      return stretchTheta(reader, alpha, config);
    scaling.kind = Kind::Dynamic;
    STC_RETURN_IF_ERROR(readOriginal(reader, top, config));
    return reader.number("factor", scaling.factor, true);
  }
  if (kind == "llama3") {
    scaling.kind = Kind::Llama3;
    STC_RETURN_IF_ERROR(reader.number("factor", scaling.factor, true));
    STC_RETURN_IF_ERROR(reader.number("low_freq_factor", scaling.lowFrequencyFactor, true));
    STC_RETURN_IF_ERROR(reader.number("high_freq_factor", scaling.highFrequencyFactor, true));
    return reader.number("original_max_position_embeddings", scaling.originalMaxPositions, true);
  }
  if (kind == "yarn") {
    scaling.kind = Kind::Yarn;
    return readYarn(reader, top, config);
  }
  if (kind == "longrope" || kind == "su") { // su: the name Phi-3 came out with
    scaling.kind = Kind::LongRope;
    return readLongRope(reader, top, config);
  }
  return reader.error("rope_type", "default, linear, dynamic, llama3, yarn or longrope",
                      absl::StrCat("'", printable(kind), "'"));
}

/// rope_parameters with one rotation per kind of layer: those with a window have no scaling.
absl::Status readRopeKinds(const JsonValue &json, const std::string &file,
                           const std::string &prefix, const ConfigReader &top,
                           const ArchitectureRow &row, double &fraction, ModelConfig &config) {
  for (const JsonValue::Member &member : json.object) {
    const JsonValue &object = member.second;
    ConfigReader reader(object, file, absl::StrCat(prefix, member.first, "."));
    if (!object.isObject() ||
        (member.first != "full_attention" && member.first != "sliding_attention"))
      return ConfigReader(json, file, prefix)
          .error(member.first, "rotations of full_attention and sliding_attention", "another");
    if (member.first == "full_attention") {
      STC_RETURN_IF_ERROR(readRopeObject(object, reader, top, row, fraction, config));
      continue;
    }
    STC_RETURN_IF_ERROR(reader.number("rope_theta", config.localRopeTheta));
    std::string kind = "default";
    STC_RETURN_IF_ERROR(reader.text("rope_type", kind));
    if (kind != "default")
      return reader.error("rope_type", "default", absl::StrCat("'", printable(kind), "'"));
  }
  return absl::OkStatus();
}

} // namespace

absl::Status readRope(const JsonValue &json, const ConfigReader &reader, const std::string &file,
                      const ArchitectureRow &row, ModelConfig &config) {
  config.ropeTheta = row.ropeTheta;
  config.localRopeTheta = row.localRopeTheta;
  STC_RETURN_IF_ERROR(reader.number(row.keys.ropeTheta, config.ropeTheta));
  if (row.localRopeTheta != 0) {
    STC_RETURN_IF_ERROR(reader.number(row.keys.localRopeTheta, config.localRopeTheta));
    if (!std::isfinite(config.localRopeTheta) || config.localRopeTheta <= 0)
      return reader.error(row.keys.localRopeTheta, "a finite number above 0",
                          absl::StrCat(config.localRopeTheta));
  }
  double fraction = row.rotaryFraction == 0 ? 1 : row.rotaryFraction;
  STC_RETURN_IF_ERROR(readFraction(reader, row.keys.rotaryFraction, row, fraction));
  for (absl::string_view key : {"rope_scaling", "rope_parameters"})
    if (const JsonValue *object = reader.find(key)) {
      if (!object->isObject())
        return reader.error(key, "an object or null", ConfigReader::describe(*object));
      std::string prefix = absl::StrCat(key, ".");
      bool hasKinds = (row.localRopeTheta != 0 || row.unscaledWindows) &&
                      (object->find("full_attention") || object->find("sliding_attention"));
      STC_RETURN_IF_ERROR(hasKinds
                              ? readRopeKinds(*object, file, prefix, reader, row, fraction, config)
                              : readRopeObject(*object, ConfigReader(*object, file, prefix), reader,
                                               row, fraction, config));
    }
  if (row.unscaledWindows && config.localRopeTheta == 0)
    config.localRopeTheta = config.ropeTheta;
  if (!row.keys.rotaryDim.empty())
    return reader.integer(row.keys.rotaryDim, config.rotaryDim);
  // As transformers does: the product is cut to a whole number.
  int64_t headDim = config.headDim;
  if (headDim == 0 && config.heads > 0)
    headDim = config.hiddenSize / config.heads;
  if (fraction != 1)
    config.rotaryDim = int64_t(double(headDim) * fraction);
  return absl::OkStatus();
}

} // namespace stc
