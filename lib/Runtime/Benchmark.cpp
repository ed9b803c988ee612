// Speed of a model against the limits of the machine.
#include "stc/Runtime/Benchmark.h"

#include "stc/Runtime/MachineProbe.h"
#include "stc/Support/Random.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>

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

/// What each repetition measured.
struct Samples {
  std::vector<double> decode, prefill, bandwidth, peak;
};

absl::Status repeatOnce(Session &session, absl::Span<const int32_t> prompt,
                        absl::Span<const int32_t> text, BandwidthProbe &probe, Samples &samples,
                        int64_t context) {
  ThreadPool &pool = session.owner().pool();
  session.rewind(context);
  samples.peak.push_back(measureInt8Peak(pool));
  Clock::time_point start = Clock::now();
  STC_RETURN_IF_ERROR(session.prefill(prompt));
  samples.prefill.push_back(double(prompt.size()) / secondsSince(start));

  samples.bandwidth.push_back(probe.measure(pool));
  start = Clock::now();
  for (int32_t token : text)
    STC_RETURN_IF_ERROR(session.decode(token).status());
  samples.decode.push_back(double(text.size()) / secondsSince(start));
  samples.bandwidth.push_back(probe.measure(pool));
  return absl::OkStatus();
}

} // namespace

double median(std::vector<double> values) {
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
  std::vector<int32_t> prompt = randomTokens(options.promptTokens, settings.vocabSize);
  std::vector<int32_t> text = randomTokens(options.generate, settings.vocabSize);
  STC_ASSIGN_OR_RETURN(BandwidthProbe probe, BandwidthProbe::create(model.pool()));

  session.reset();
  STC_RETURN_IF_ERROR(session.prefill(randomTokens(options.context, settings.vocabSize)));
  // The first round brings weights and caches into memory and does not count.
  Samples warmUp, samples;
  STC_RETURN_IF_ERROR(repeatOnce(session, prompt, absl::MakeSpan(text).subspan(0, 8), probe, warmUp,
                                 options.context));
  BenchmarkResult result;
  Clock::time_point start = Clock::now();
  while (result.repetitions < options.minRepetitions ||
         (result.repetitions < options.maxRepetitions && secondsSince(start) < options.seconds)) {
    STC_RETURN_IF_ERROR(repeatOnce(session, prompt, text, probe, samples, options.context));
    ++result.repetitions;
  }

  result.decodeTokensPerSecond = median(samples.decode);
  result.prefillTokensPerSecond = median(samples.prefill);
  result.weightBytesPerToken = settings.weightBytesPerToken;
  result.readBandwidth = median(samples.bandwidth);
  result.decodeBandwidthFraction =
      result.decodeTokensPerSecond * double(settings.weightBytesPerToken) / result.readBandwidth;
  result.int8Peak = median(samples.peak);
  result.prefillPeakFraction =
      result.prefillTokensPerSecond * double(settings.activationOpsPerToken) / result.int8Peak;
  result.threads = model.pool().threads();
  return result;
}

} // namespace stc
