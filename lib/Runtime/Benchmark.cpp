// Speed of a model against the limits of the machine.
#include "stc/Runtime/Benchmark.h"

#include "stc/Runtime/Gpu/GpuProbe.h"
#include "stc/Runtime/MachineProbe.h"
#include "stc/Support/Random.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

namespace stc {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<int32_t> randomTokens(int64_t count, int64_t vocabulary) {
  Random random(1);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i)
    tokens.push_back(int32_t(random.next() % uint64_t(vocabulary)));
  return tokens;
}

/// Every measurement, and the ratios of neighbouring ones.
struct Samples {
  std::vector<double> decode, prefill, bandwidth, peak; // per second
  std::vector<double> decodeFractions, prefillFractions;
};

/// The limits of what the model runs on.
class Limits {
public:
  static absl::StatusOr<Limits> create(Model &model) {
    Limits limits(model.pool());
    if (GpuModel *gpu = model.gpu()) {
      STC_ASSIGN_OR_RETURN(limits.gpuBandwidth, measureGpuBandwidth(gpu->device()));
      return limits;
    }
    STC_ASSIGN_OR_RETURN(limits.probe, BandwidthProbe::create(model.pool()));
    return limits;
  }
  /// Bytes per second, measured now where neighbours can change them.
  double bandwidth() { return probe ? probe->measure(pool) : gpuBandwidth; }
  /// Operations per second, or NaN where they are not measured.
  double int8Peak() {
    return probe ? measureInt8Peak(pool) : std::numeric_limits<double>::quiet_NaN();
  }

private:
  explicit Limits(ThreadPool &pool) : pool(pool) {}
  ThreadPool &pool;
  std::optional<BandwidthProbe> probe; // of the processors
  double gpuBandwidth = 0;
};

/// One benchmark: what stays the same over its repetitions.
struct Benchmark {
  Session &session;
  std::vector<int32_t> prompt, text;
  int64_t context; // tokens before the prompt
  Limits limits;

  absl::Status repeat(Samples &samples);
  absl::Status decodePieces(Samples &samples);
};

/// Decodes `text` in pieces, with the memory measured between them.
absl::Status Benchmark::decodePieces(Samples &samples) {
  // Pieces of eight, the first token of each not counted: it finds the caches full of what the
  // measurement read, which a model small enough to live there would pay for. Shorter texts keep
  // at least one token that counts.
  constexpr size_t pieceTokens = 8;
  Model &model = session.owner();
  double bytes = double(model.settings().weightBytesPerToken);
  double before = limits.bandwidth();
  samples.bandwidth.push_back(before);
  for (size_t at = 0; at < text.size();) {
    size_t left = text.size() - at;
    // What would be too short a last piece belongs to the one before.
    size_t count = left < 2 * pieceTokens ? left : pieceTokens;
    size_t uncounted = count > 1 ? 1 : 0;
    Clock::time_point start = Clock::now();
    for (size_t i = 0; i < count; ++i) {
      if (i == uncounted)
        start = Clock::now();
      STC_RETURN_IF_ERROR(session.decode(text[at + i]).status());
    }
    double rate = double(count - uncounted) / secondsSince(start);
    at += count;
    double after = limits.bandwidth();
    samples.bandwidth.push_back(after);
    samples.decode.push_back(rate);
    // Seconds add up, not rates: this is the mean time for a byte before and after.
    samples.decodeFractions.push_back(rate * bytes * (1 / before + 1 / after) / 2);
    before = after;
  }
  return absl::OkStatus();
}

absl::Status Benchmark::repeat(Samples &samples) {
  Model &model = session.owner();
  session.rewind(context);
  double before = limits.int8Peak();
  Clock::time_point start = Clock::now();
  STC_RETURN_IF_ERROR(session.prefill(prompt));
  double rate = double(prompt.size()) / secondsSince(start);
  double after = limits.int8Peak();
  samples.peak.insert(samples.peak.end(), {before, after});
  samples.prefill.push_back(rate);
  samples.prefillFractions.push_back(rate * double(model.settings().activationOpsPerToken) *
                                     (1 / before + 1 / after) / 2);
  return decodePieces(samples);
}

} // namespace

double median(std::vector<double> values) {
  if (values.empty())
    return std::numeric_limits<double>::quiet_NaN();
  // Not comparable, so not sortable either.
  for (double value : values)
    if (std::isnan(value))
      return value;
  std::sort(values.begin(), values.end());
  size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

absl::StatusOr<BenchmarkResult> benchmark(Session &session, const BenchmarkOptions &options) {
  Model &model = session.owner();
  const ModelSettings &settings = model.settings();
  int64_t total = options.context + options.promptTokens + options.generate;
  if (total > session.maxContext())
    return formatError({"", "bench", {}},
                       absl::StrCat("at most ", session.maxContext(),
                                    " tokens in all (the context this model was compiled for)"),
                       absl::StrCat(total));
  STC_ASSIGN_OR_RETURN(Limits limits, Limits::create(model));
  Benchmark run{session, randomTokens(options.promptTokens, settings.vocabSize),
                randomTokens(options.generate, settings.vocabSize), options.context,
                std::move(limits)};

  session.reset();
  STC_RETURN_IF_ERROR(session.prefill(randomTokens(options.context, settings.vocabSize)));
  // The first round brings weights and caches into memory and does not count.
  Samples warmUp, samples;
  STC_RETURN_IF_ERROR(run.repeat(warmUp));
  BenchmarkResult result;
  Clock::time_point start = Clock::now();
  while (result.repetitions < options.minRepetitions ||
         (result.repetitions < options.maxRepetitions && secondsSince(start) < options.seconds)) {
    STC_RETURN_IF_ERROR(run.repeat(samples));
    ++result.repetitions;
  }

  result.decodeTokensPerSecond = median(samples.decode);
  result.prefillTokensPerSecond = median(samples.prefill);
  result.weightBytesPerToken = settings.weightBytesPerToken;
  result.cacheBytesPerToken =
      int64_t(double(settings.keyCacheBytes + settings.valueCacheBytes) *
              (double(options.context + options.promptTokens) + double(options.generate) / 2) /
              double(settings.maxContext));
  result.readBandwidth = median(samples.bandwidth);
  result.decodeBandwidthFraction = median(samples.decodeFractions);
  result.int8Peak = median(samples.peak);
  result.prefillPeakFraction = median(samples.prefillFractions);
  result.threads = model.pool().threads();
  result.device = model.device();
  result.deviceLabel = model.gpu() ? model.gpu()->properties().label : "the processors";
  return result;
}

absl::StatusOr<double> measureStartup(const ModelCode &code, const std::string &path,
                                      const Model::Options &options, int repetitions) {
  std::vector<double> seconds;
  for (int i = 0; i <= repetitions; ++i) {
    Clock::time_point start = Clock::now();
    STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, Model::open(code, path, options));
    if (model->settings().kind == ModelKind::EncoderDecoder)
      STC_RETURN_IF_ERROR(model->require(Ability::Continue));
    STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
    bool isEncoder = model->settings().kind == ModelKind::Encoder;
    STC_RETURN_IF_ERROR((isEncoder ? session->encode({0}) : session->decode(0)).status());
    if (i > 0) // the first may have waited for the disk
      seconds.push_back(secondsSince(start));
  }
  return median(seconds);
}

} // namespace stc
