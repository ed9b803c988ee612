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

/// Pixels of an image where the model reads such, else none.
std::vector<float> greyImage(const Model &model) {
  return std::vector<float>(model.image() ? size_t(model.image()->pixelNumbers()) : 0);
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
      limits.fromHost = gpu->placement().hostBytesPerToken;
      if (gpu->placement().hostBytes > 0) {
        STC_ASSIGN_OR_RETURN(limits.busBandwidth, measureHostBandwidth(gpu->device()));
      }
      return limits;
    }
    STC_ASSIGN_OR_RETURN(limits.probe, BandwidthProbe::create(model.pool()));
    return limits;
  }
  /// Bytes per second, measured now where neighbours can change them.
  double bandwidth() { return probe ? probe->measure(pool) : gpuBandwidth; }
  /// What a GPU reads over the bus.
  double hostBandwidth() const { return busBandwidth; }
  /// The seconds that reading `bytes` of weights takes, of which some may come over the bus.
  double readSeconds(double bytes, double bandwidth) const {
    return fromHost > 0 ? (bytes - fromHost) / bandwidth + fromHost / busBandwidth
                        : bytes / bandwidth;
  }
  /// Operations per second, or NaN where they are not measured.
  double int8Peak() {
    return probe ? measureInt8Peak(pool) : std::numeric_limits<double>::quiet_NaN();
  }

private:
  explicit Limits(ThreadPool &pool) : pool(pool) {}
  ThreadPool &pool;
  std::optional<BandwidthProbe> probe; // of the processors
  double gpuBandwidth = 0, busBandwidth = 0;
  double fromHost = 0; // bytes per token that a GPU reads from this machine's memory
};

/// One benchmark: what stays the same over its repetitions.
struct Benchmark {
  Session &session;
  std::vector<int32_t> prompt, text;
  int64_t context; // tokens before the prompt
  Limits limits;
  std::vector<float> image; // read in place of the prompt, which stands for its positions

  absl::Status readPrompt();
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
    samples.decodeFractions.push_back(
        rate * (limits.readSeconds(bytes, before) + limits.readSeconds(bytes, after)) / 2);
    before = after;
  }
  return absl::OkStatus();
}

/// Which the encoder of an encoder-decoder reads: tokens, or as many positions of silence.
absl::Status Benchmark::readPrompt() {
  const ModelSettings &settings = session.owner().settings();
  if (!image.empty())
    return session.encodeImage(image).status();
  if (settings.kind != ModelKind::EncoderDecoder)
    return session.prefill(prompt);
  if (settings.featureSize == 0)
    return session.readSource(prompt);
  std::vector<float> silence(2 * prompt.size() * size_t(settings.featureSize));
  return session.readSource(absl::MakeConstSpan(silence));
}

absl::Status Benchmark::repeat(Samples &samples) {
  Model &model = session.owner();
  session.rewind(context);
  double before = limits.int8Peak();
  Clock::time_point start = Clock::now();
  STC_RETURN_IF_ERROR(readPrompt());
  double rate = double(prompt.size()) / secondsSince(start);
  double after = limits.int8Peak();
  samples.peak.insert(samples.peak.end(), {before, after});
  samples.prefill.push_back(rate);
  // What an encoder in front of a decoder multiplies is not counted.
  if (model.settings().kind != ModelKind::EncoderDecoder)
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
  bool isPair = settings.kind == ModelKind::EncoderDecoder;
  if (isPair && options.promptTokens > settings.encoderContext)
    return formatError({"", "--prompt-tokens", {}},
                       absl::StrCat("at most ", settings.encoderContext,
                                    " (the context this model's encoder was compiled for)"),
                       absl::StrCat(options.promptTokens));
  int64_t total = options.generate + (isPair ? 0 : options.context + options.promptTokens);
  if (total > session.maxContext())
    return formatError({"", "bench", {}},
                       absl::StrCat("at most ", session.maxContext(),
                                    " tokens in all (the context this model was compiled for)"),
                       absl::StrCat(total));
  STC_ASSIGN_OR_RETURN(Limits limits, Limits::create(model));
  Benchmark run{session,
                randomTokens(options.promptTokens, settings.vocabSize),
                randomTokens(options.generate, settings.vocabSize),
                options.context,
                std::move(limits),
                greyImage(model)};

  session.reset();
  if (options.context > 0 && !model.image())
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
  if (model.image())
    result.imagesPerSecond = result.prefillTokensPerSecond / double(options.promptTokens);
  result.weightBytesPerToken = settings.weightBytesPerToken;
  result.cacheBytesPerToken =
      int64_t(double(settings.keyCacheBytes + settings.valueCacheBytes) *
              (double(options.context + options.promptTokens) + double(options.generate) / 2) /
              double(settings.maxContext));
  result.readBandwidth = median(samples.bandwidth);
  result.hostBandwidth = run.limits.hostBandwidth();
  if (model.gpu())
    result.hostWeightBytesPerToken = int64_t(model.gpu()->placement().hostBytesPerToken);
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
    STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
    const ModelSettings &settings = model->settings();
    if (settings.kind == ModelKind::EncoderDecoder)
      STC_RETURN_IF_ERROR(
          settings.featureSize == 0
              ? session->readSource(absl::Span<const int32_t>({0}))
              : session->readSource(std::vector<float>(2 * size_t(settings.featureSize))));
    bool isEncoder = model->settings().kind == ModelKind::Encoder;
    STC_RETURN_IF_ERROR((model->image() ? session->encodeImage(greyImage(*model))
                         : isEncoder    ? session->encode({0})
                                        : session->decode(0))
                            .status());
    if (i > 0) // the first may have waited for the disk
      seconds.push_back(secondsSince(start));
  }
  return median(seconds);
}

} // namespace stc
