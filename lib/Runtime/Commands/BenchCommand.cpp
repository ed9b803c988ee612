// bench: speed, and the share of what the machine can do.
#include "stc/Runtime/Benchmark.h"
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Output.h"

#include "absl/strings/str_format.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "bench",
      "",
      "Measure the model's speed, and the machine's limits beside it.",
      "Reads a random prompt and generates after it, several times; memory read bandwidth is\n"
      "measured between pieces of the decoding, and 8-bit arithmetic before and after each\n"
      "prompt, with the same threads. Medians are shown, of fractions those of the ratios of\n"
      "neighbouring measurements. The fraction of bandwidth counts the weights alone, not the\n"
      "KV cache, and can exceed 1 when the weights fit into a processor's cache. On a GPU the\n"
      "bandwidth is that of copies within its memory, read and written bytes together, and its\n"
      "arithmetic is not measured; of weights that stay in this machine's memory the fraction\n"
      "counts the time that the bus needs. Start-up is the time to the first token of a model "
      "that\n"
      "is in memory but not opened. An encoder is measured reading texts of --prompt-tokens\n"
      "tokens, and so is that of an encoder-decoder (Whisper's with as many positions of sound),\n"
      "behind which the decoder generates; the arithmetic of such an encoder is not put in\n"
      "proportion. A vision transformer is measured reading images, without decoding and scaling\n"
      "them.",
      withModelOptions({{"--prompt-tokens", "", "N", "Length of the prompt (default: 128)."},
                        {"--generate", "", "N", "Tokens to generate (default: 64)."},
                        {"--context", "", "N",
                         "Tokens read before the prompt, once and untimed: how fast the model\n"
                         "is far into a text (default: 0)."},
                        {"--seconds", "", "S",
                         "Repeat until S seconds are over, at least 3 times (default: 5)."},
                        {"--json", "", "", "Print one JSON object."}}),
      {"bench", "bench --threads 1 --prompt-tokens 512 --generate 32 --json"}};
  return spec;
}

std::string printJson(const BenchmarkResult &result, double startup) {
  JsonWriter json;
  json.beginObject();
  json.number("decode_tokens_per_second", result.decodeTokensPerSecond);
  json.number("prefill_tokens_per_second", result.prefillTokensPerSecond);
  if (result.imagesPerSecond > 0)
    json.number("images_per_second", result.imagesPerSecond);
  json.integer("weight_bytes_per_token", result.weightBytesPerToken);
  json.integer("cache_bytes_per_token", result.cacheBytesPerToken);
  json.number("read_bandwidth_bytes_per_second", result.readBandwidth);
  json.number("decode_bandwidth_fraction", result.decodeBandwidthFraction);
  if (result.hostBandwidth > 0) {
    json.integer("host_weight_bytes_per_token", result.hostWeightBytesPerToken);
    json.number("host_bandwidth_bytes_per_second", result.hostBandwidth);
  }
  json.number("int8_peak_ops_per_second", result.int8Peak);
  json.number("prefill_peak_fraction", result.prefillPeakFraction);
  json.number("startup_seconds", startup);
  json.integer("threads", result.threads);
  json.string("device", result.device);
  json.string("device_name", result.deviceLabel);
  json.endObject();
  return json.text();
}

std::string printText(const BenchmarkResult &result, double startup) {
  bool gpu = result.device != "cpu";
  std::string decode;
  if (!std::isnan(result.decodeTokensPerSecond))
    decode = absl::StrFormat("decode   %10.1f tokens/s   %5.1f %% of the %.1f GB/s that %s "
                             "(%.1f MB per token)\n",
                             result.decodeTokensPerSecond, 100 * result.decodeBandwidthFraction,
                             result.readBandwidth / 1e9,
                             gpu ? result.deviceLabel + " copies"
                                 : absl::StrFormat("%d threads read", result.threads),
                             double(result.weightBytesPerToken) / 1e6);
  if (result.hostBandwidth > 0)
    absl::StrAppendFormat(&decode, "host     %10.1f MB per token over a bus of %.1f GB/s\n",
                          double(result.hostWeightBytesPerToken) / 1e6, result.hostBandwidth / 1e9);
  std::string prefill =
      result.imagesPerSecond > 0
          ? absl::StrFormat("images   %10.1f /s", result.imagesPerSecond)
          : absl::StrFormat("prefill  %10.1f tokens/s", result.prefillTokensPerSecond);
  if (!gpu && !std::isnan(result.prefillPeakFraction))
    absl::StrAppendFormat(&prefill, "   %5.1f %% of %.0f billion 8-bit operations/s",
                          100 * result.prefillPeakFraction, result.int8Peak / 1e9);
  return absl::StrFormat("%s%s\n"
                         "start    %10.3f s to the first token\n"
                         "medians of %d repetitions",
                         decode, prefill, startup, result.repetitions);
}

/// An encoder reads texts, or images, and generates none.
absl::Status fitToEncoder(const Args &args, const ImageSettings *image, BenchmarkOptions &options) {
  for (const char *name : {"--generate", "--context"})
    if (args.has(name))
      return args.error(name, "a decoder", "an encoder, which reads each text as a whole");
  options.generate = 0;
  if (!image)
    return absl::OkStatus();
  if (args.has("--prompt-tokens"))
    return args.error("--prompt-tokens", "a model that reads texts", "one that reads images");
  options.promptTokens = image->positions();
  return absl::OkStatus();
}

absl::Status execute(const CommandContext &context, const Args &args) {
  BenchmarkOptions options;
  constexpr int64_t most = 1 << 24;
  STC_ASSIGN_OR_RETURN(options.promptTokens,
                       args.integer("--prompt-tokens", options.promptTokens, 1, most));
  STC_ASSIGN_OR_RETURN(options.generate, args.integer("--generate", options.generate, 1, most));
  STC_ASSIGN_OR_RETURN(options.context, args.integer("--context", options.context, 0, most));
  STC_ASSIGN_OR_RETURN(options.seconds, args.number("--seconds", options.seconds, 0, 1e6));
  STC_ASSIGN_OR_RETURN(Model::Options modelOptions, openOptions(args));
  STC_ASSIGN_OR_RETURN(double startup,
                       measureStartup(context.code, context.bundlePath, modelOptions));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  const ModelSettings &settings = model->settings();
  if (settings.kind == ModelKind::Encoder)
    STC_RETURN_IF_ERROR(fitToEncoder(args, model->image(), options));
  if (settings.kind == ModelKind::EncoderDecoder) {
    if (args.has("--context"))
      return args.error("--context", "a decoder alone", "one behind an encoder");
    if (!args.has("--prompt-tokens"))
      options.promptTokens = std::min(options.promptTokens, settings.encoderContext);
    if (!args.has("--generate"))
      options.generate = std::min(options.generate, settings.maxContext);
  }
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
  STC_ASSIGN_OR_RETURN(BenchmarkResult result, benchmark(*session, options));
  return printLine(args.has("--json") ? printJson(result, startup) : printText(result, startup));
}

} // namespace

Command benchCommand() { return {&spec(), execute}; }

} // namespace stc
