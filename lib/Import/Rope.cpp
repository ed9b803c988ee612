// Rotary frequencies of a model, with every scaling folded in.
#include "Rope.h"

#include "WeightTable.h"

#include "absl/strings/str_cat.h"

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

absl::StatusOr<std::vector<double>> stc::inverseFrequencies(const Checkpoint &checkpoint) {
  const ModelConfig &config = checkpoint.config();
  if (config.headDim % 2 != 0)
    return formatError({checkpoint.path(), "head_dim", {}}, "an even number",
                       absl::StrCat(config.headDim));
  std::vector<double> frequencies(config.headDim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double frequency = std::pow(config.ropeTheta, -2.0 * i / config.headDim);
    switch (config.ropeScaling.kind) {
    case RopeScaling::Kind::None:
      break;
    case RopeScaling::Kind::Linear:
      frequency /= config.ropeScaling.factor;
      break;
    case RopeScaling::Kind::Llama3:
      frequency = scaleLlama3(frequency, config.ropeScaling);
      break;
    }
    frequencies[i] = frequency;
  }
  STC_RETURN_IF_ERROR(applyFactors(checkpoint, frequencies));
  return frequencies;
}
