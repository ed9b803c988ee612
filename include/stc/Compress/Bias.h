// Biases that make up for what compression did to the mean of outputs.
#ifndef STC_COMPRESS_BIAS_H
#define STC_COMPRESS_BIAS_H

#include "absl/types/span.h"

#include <cstdint>
#include <vector>

namespace stc {

// The best bias of W' x + b is always the mean of what W' x misses. So weights that have a bias are
// fitted to inputs and outputs without their means, whatever they are fitted by, and the bias
// afterwards: the least squares of both together.

/// The means over tokens of activations [tokens][columns], which are taken out of them. In double,
/// and the same for any number of threads.
std::vector<double> removeMeans(int64_t columns, absl::Span<float> activations);

/// The bias [rows] with which the outputs of W [rows][columns] have the mean `outputMeans` [rows]
/// where the inputs have the mean `inputMeans` [columns].
std::vector<float> fitBias(absl::Span<const float> weights, absl::Span<const double> inputMeans,
                           absl::Span<const double> outputMeans);

} // namespace stc

#endif // STC_COMPRESS_BIAS_H
