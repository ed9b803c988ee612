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

/// Medians. Each fraction is the median of the ratios of neighbouring measurements, not the ratio
/// of two medians: what memory delivers can change by half between two repetitions. Where nothing
/// is generated, what is about decoding is NaN.
struct BenchmarkResult {
  double decodeTokensPerSecond = 0, prefillTokensPerSecond = 0;
  double imagesPerSecond = 0; // of a model that reads images, whose tokens are their positions
  int64_t weightBytesPerToken = 0;
  int64_t cacheBytesPerToken = 0; // what the KV cache holds in the middle of the decoding
  /// Bytes per second; of it what weights take. Where a GPU reads some of them from this machine's
  /// memory, the share of a token's time that reading all of them takes at best.
  double readBandwidth = 0, decodeBandwidthFraction = 0;
  int64_t hostWeightBytesPerToken = 0; // of weightBytesPerToken, read from this machine's memory
  double hostBandwidth = 0;            // at which a GPU can do that; 0 where none does
  /// Operations per second; of the peak. NaN on a GPU, whose peak is not measured.
  double int8Peak = 0, prefillPeakFraction = 0;
  int threads = 0, repetitions = 0;
  std::string device, deviceLabel; // "cuda:0"; for people
};

/// Runs a random prompt and random tokens after it. Every prompt, and every few tokens, stand
/// between two measurements of the machine, so that both see the same neighbours and the same
/// frequency. A GPU, which has no neighbours, is measured once.
absl::StatusOr<BenchmarkResult> benchmark(Session &session, const BenchmarkOptions &options);

/// Seconds from before the model at `path` is opened until it has given the first logits: the
/// median of `repetitions`, after one that brings the file into memory. Checksums are compared if
/// `options` says so.
absl::StatusOr<double> measureStartup(const ModelCode &code, const std::string &path,
                                      const Model::Options &options, int repetitions = 3);

/// The middle value, or the mean of the two middle ones; NaN if one is, or if there is none.
double median(std::vector<double> values);

} // namespace stc

#endif // STC_RUNTIME_BENCHMARK_H
