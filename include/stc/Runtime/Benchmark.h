// Speed of a model against the limits of the machine, measured in turns in one run.
#ifndef STC_RUNTIME_BENCHMARK_H
#define STC_RUNTIME_BENCHMARK_H

#include "stc/Runtime/Session.h"

#include <vector>

namespace stc {

struct BenchmarkOptions {
  int64_t promptTokens = 128, generate = 64;
  int64_t context = 0; // tokens read once before, whose time does not count
  /// Repetitions: at least `minRepetitions`, then until `seconds` are over, at most
  /// `maxRepetitions`.
  int minRepetitions = 3, maxRepetitions = 15;
  double seconds = 5;
};

/// Medians over the repetitions.
struct BenchmarkResult {
  double decodeTokensPerSecond = 0, prefillTokensPerSecond = 0;
  int64_t weightBytesPerToken = 0;
  double readBandwidth = 0, decodeBandwidthFraction = 0; // bytes per second; of the bandwidth
  double int8Peak = 0, prefillPeakFraction = 0;          // operations per second; of the peak
  int threads = 0, repetitions = 0;
};

/// Runs a random prompt and random tokens after it. Every repetition measures the machine before
/// and after the model, so that both see the same neighbours and the same frequency.
absl::StatusOr<BenchmarkResult> benchmark(Session &session, const BenchmarkOptions &options);

/// The middle value, or the mean of the two middle ones; `values` must not be empty.
double median(std::vector<double> values);

} // namespace stc

#endif // STC_RUNTIME_BENCHMARK_H
