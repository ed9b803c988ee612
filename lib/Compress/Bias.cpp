// Biases that make up for what compression did to the mean of outputs.
#include "stc/Compress/Bias.h"

namespace stc {

std::vector<double> removeMeans(int64_t columns, absl::Span<float> activations) {
  std::vector<double> means(size_t(columns), 0.0);
  for (size_t i = 0; i < activations.size(); ++i)
    means[i % means.size()] += double(activations[i]);
  double tokens = double(activations.size()) / double(columns);
  for (double &mean : means)
    mean = tokens > 0 ? mean / tokens : 0;
  for (size_t i = 0; i < activations.size(); ++i)
    activations[i] = float(double(activations[i]) - means[i % means.size()]);
  return means;
}

std::vector<float> fitBias(absl::Span<const float> weights, absl::Span<const double> inputMeans,
                           absl::Span<const double> outputMeans) {
  std::vector<float> bias;
  for (size_t row = 0; row < outputMeans.size(); ++row) {
    double missing = outputMeans[row];
    for (size_t i = 0; i < inputMeans.size(); ++i)
      missing -= double(weights[row * inputMeans.size() + i]) * inputMeans[i];
    bias.push_back(float(missing));
  }
  return bias;
}

} // namespace stc
