// Rotary frequencies of a model, with every scaling folded in.
#include "Rope.h"

#include "WeightTable.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

using namespace stc;

/// Llama 3's scaling: long wavelengths are stretched by `factor`, short ones stay, and those
/// between are blended (Dubey et al. 2024).
static double scaleLlama3(double frequency, const RopeScaling &scaling) {
  constexpr double twoPi = 6.283185307179586;
  double turns = scaling.originalMaxPositions * frequency / twoPi; // within the trained context
  if (turns > scaling.highFrequencyFactor)
    return frequency;
  if (turns < scaling.lowFrequencyFactor)
    return frequency / scaling.factor;
  double blend = (turns - scaling.lowFrequencyFactor) /
                 (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
  return (1 - blend) * frequency / scaling.factor + blend * frequency;
}

/// Divides by the factors a GGUF stores instead of scaling parameters.
static absl::Status applyFactors(const Checkpoint &checkpoint, std::vector<double> &frequencies) {
  const TensorView *tensor =
      checkpoint.find({kRopeFactorsTensor.data(), kRopeFactorsTensor.size()});
  if (!tensor)
    return absl::OkStatus();
  ErrorSite site{checkpoint.path(), absl::StrCat("tensor ", tensor->name), {}};
  if (tensor->elementCount() != static_cast<int64_t>(frequencies.size()))
    return formatError(site, absl::StrCat(frequencies.size(), " factors"),
                       absl::StrCat(tensor->elementCount()));
  std::vector<float> factors(frequencies.size());
  STC_RETURN_IF_ERROR(readFloats(*tensor, 0, absl::MakeSpan(factors)));
  for (size_t i = 0; i < factors.size(); ++i) {
    if (!std::isfinite(factors[i]) || factors[i] <= 0)
      return formatError(site, "finite, positive factors", absl::StrCat(factors[i]));
    frequencies[i] /= factors[i];
  }
  return absl::OkStatus();
}

static std::vector<double> plainFrequencies(double theta, int64_t rotaryDim) {
  std::vector<double> frequencies(size_t(rotaryDim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = std::pow(theta, -2.0 * double(i) / double(rotaryDim));
  return frequencies;
}

/// The theta that stretches the longest wavelength as a text of `length` positions needs, and the
/// shortest not at all ("dynamic NTK", as transformers' _compute_dynamic_ntk_parameters).
static double dynamicTheta(const ModelConfig &config, double length) {
  const RopeScaling &scaling = config.ropeScaling;
  if (length <= scaling.originalMaxPositions)
    return config.ropeTheta;
  double stretch = scaling.factor * length / scaling.originalMaxPositions - (scaling.factor - 1);
  auto dim = double(config.rotaryDim);
  return config.ropeTheta * std::pow(stretch, dim / (dim - 2));
}

/// Yarn (Peng et al. 2023): frequencies that turn often within the original context stay, those
/// that turn less than once are divided, and those between are blended.
static void scaleYarn(const ModelConfig &config, std::vector<double> &frequencies) {
  const RopeScaling &scaling = config.ropeScaling;
  constexpr double twoPi = 6.283185307179586;
  auto dim = double(config.rotaryDim);
  // The (fractional) number of the pair that turns `turns` times.
  auto pairOf = [&](double turns) {
    return dim * std::log(scaling.originalMaxPositions / (turns * twoPi)) /
           (2 * std::log(config.ropeTheta));
  };
  double low = pairOf(scaling.betaFast), high = pairOf(scaling.betaSlow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high)
    high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double ramp = std::min(std::max((double(i) - low) / (high - low), 0.0), 1.0);
    frequencies[i] = frequencies[i] / scaling.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

Rotation stc::localRotation(const ModelConfig &config) {
  return {plainFrequencies(config.localRopeTheta, config.rotaryDim), 1};
}

absl::StatusOr<Rotation> stc::rotationOf(const Checkpoint &checkpoint, int64_t capacity) {
  const ModelConfig &config = checkpoint.config();
  const RopeScaling &scaling = config.ropeScaling;
  using Kind = RopeScaling::Kind;
  bool isDynamic = scaling.kind == Kind::Dynamic;
  Rotation rotation;
  std::vector<double> &frequencies = rotation.inverseFrequencies;
  frequencies = plainFrequencies(
      isDynamic ? dynamicTheta(config, double(capacity)) : config.ropeTheta, config.rotaryDim);
  switch (scaling.kind) {
  case Kind::None:
  case Kind::Dynamic:
    break;
  case Kind::Linear:
    for (double &frequency : frequencies)
      frequency /= scaling.factor;
    break;
  case Kind::Llama3:
    for (double &frequency : frequencies)
      frequency = scaleLlama3(frequency, scaling);
    break;
  case Kind::Yarn:
    scaleYarn(config, frequencies);
    rotation.scale = scaling.attentionFactor;
    break;
  case Kind::LongRope: {
    bool isLong = double(capacity) > scaling.originalMaxPositions;
    const std::vector<double> &factors = isLong ? scaling.longFactors : scaling.shortFactors;
    for (size_t i = 0; i < frequencies.size(); ++i)
      frequencies[i] /= factors[i];
    rotation.scale = scaling.attentionFactor;
    break;
  }
  }
  STC_RETURN_IF_ERROR(applyFactors(checkpoint, frequencies));
  return rotation;
}
