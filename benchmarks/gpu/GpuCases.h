// What the programs that run GPU kernels share: their input files, random matrices, the card.
#ifndef STC_BENCHMARKS_GPU_GPUCASES_H
#define STC_BENCHMARKS_GPU_GPUCASES_H

#include "stc/Packing/Pack.h"
#include "stc/Runtime/Gpu/GpuDevice.h"

#include <map>
#include <random>
#include <string>
#include <vector>

namespace stc {

/// A line of key=value words.
using Words = std::map<std::string, std::string>;

std::vector<Words> readWords(const std::string &path);
std::string readFile(const std::string &path);
const std::string &text(const Words &words, const std::string &key);
int64_t number(const Words &words, const std::string &key);
/// kind, element, group, n, m, asymmetric, per_row, minimums.
Layout layoutOf(const Words &words);
/// Machine code with the threads and shared bytes that the words name. `code` must outlive it.
StcGpuImage cubinImage(const std::string &code, const Words &words);

/// Random codes that the layout can hold; `density` is the share of those that are not zero where
/// the layout does not say it. Scales are powers of two.
QuantizedMatrix randomMatrix(const Layout &layout, int64_t rows, int64_t columns, double density,
                             std::mt19937 &random);

/// The same of floats: multiples of 1/16.
std::vector<float> randomFloats(const Layout &layout, int64_t rows, int64_t columns, double density,
                                std::mt19937 &random);

/// Bytes per second, read and written, of a large copy in the device's memory: the median of
/// twelve. Prints it with the device's name.
absl::StatusOr<double> measureCopy(GpuDevice &device);

} // namespace stc

#endif // STC_BENCHMARKS_GPU_GPUCASES_H
