// Reader of what config.json says of an encoder in front of a decoder.
#include "ConfigReader.h"

#include "absl/strings/strip.h"

#include <cmath>
#include <utility>

namespace stc {

namespace {

/// T5's feed_forward_proj: a function's name, behind "gated-" where the block has a gate. As
/// transformers, "gated-gelu" is the tanh approximation (modeling of T5 1.1), and "gelu" is not.
absl::Status readFeedForward(const ConfigReader &reader, const ArchitectureRow &row,
                             ModelConfig &config) {
  constexpr absl::string_view key = "feed_forward_proj";
  std::string text(row.activation);
  STC_RETURN_IF_ERROR(reader.text(key, text));
  absl::string_view name = text;
  config.block.gated = absl::ConsumePrefix(&name, "gated-");
  absl::string_view known =
      activationCalled(config.block.gated && name == "gelu" ? "gelu_new" : name);
  if (known.empty())
    return reader.error(key, "relu, gelu, silu, gated-gelu or gated-silu",
                        absl::StrCat("'", printable(text), "'"));
  config.activation = std::string(known);
  return absl::OkStatus();
}

/// Both stacks have the same sizes in all models that were released; the graph relies on it.
absl::Status expectSame(const ConfigReader &reader, absl::string_view key, int64_t value,
                        absl::string_view like) {
  int64_t own = value;
  STC_RETURN_IF_ERROR(reader.integer(key, own));
  if (own != value)
    return reader.error(key, absl::StrCat("as ", like, ", ", value), absl::StrCat(own));
  return absl::OkStatus();
}

/// Whisper's encoder reads mel bins (Radford et al. 2022).
absl::Status readSound(const ConfigReader &reader, const ArchitectureRow &row,
                       ModelConfig &config) {
  config.featureSize = 80;
  config.encoderPositions = 1500;
  STC_RETURN_IF_ERROR(reader.integer("num_mel_bins", config.featureSize));
  if (config.featureSize == 0)
    return reader.error("num_mel_bins", "a size of 1 or more", "0");
  STC_RETURN_IF_ERROR(reader.integer("max_source_positions", config.encoderPositions));
  STC_RETURN_IF_ERROR(expectSame(reader, "encoder_attention_heads", config.heads, row.keys.heads));
  return expectSame(reader, "encoder_ffn_dim", config.intermediateSize, row.keys.intermediateSize);
}

/// A number that the file may give, but only this one.
absl::Status expectNumber(const ConfigReader &reader, absl::string_view key, double value) {
  double own = value;
  STC_RETURN_IF_ERROR(reader.number(key, own));
  if (own != value)
    return reader.error(key, absl::StrCat(value), absl::StrCat(own));
  return absl::OkStatus();
}

} // namespace

absl::Status checkFeatureExtractor(const JsonValue &json, const std::string &file,
                                   const ModelConfig &config) {
  if (!json.isObject())
    return formatError({file, "", {}}, "an object", ConfigReader::describe(json));
  ConfigReader reader(json, file);
  constexpr absl::string_view whisper = "WhisperFeatureExtractor";
  std::string type(whisper);
  STC_RETURN_IF_ERROR(reader.text("feature_extractor_type", type));
  if (type != whisper)
    return reader.error("feature_extractor_type", whisper, absl::StrCat("'", printable(type), "'"));
  // Two frames a position, 160 samples a frame.
  double seconds = double(config.encoderPositions) * 2 * 160 / 16000;
  std::pair<absl::string_view, double> expected[] = {{"feature_size", double(config.featureSize)},
                                                     {"sampling_rate", 16000},
                                                     {"hop_length", 160},
                                                     {"n_fft", 400},
                                                     {"chunk_length", seconds},
                                                     {"padding_value", 0},
                                                     {"dither", 0}};
  for (auto [key, value] : expected)
    STC_RETURN_IF_ERROR(expectNumber(reader, key, value));
  bool normalizes = false;
  STC_RETURN_IF_ERROR(reader.boolean("do_normalize", normalizes));
  if (normalizes)
    return reader.error("do_normalize", "false", "true");
  return absl::OkStatus();
}

absl::Status readEncoderDecoder(const ConfigReader &reader, const ArchitectureRow &row,
                                ModelConfig &config) {
  if (config.encoderLayers == 0)
    return reader.error(row.keys.encoderLayers, "a size of 1 or more", "0");
  if (row.block.relativeBias) {
    config.relativeBuckets = 32;
    config.relativeDistance = 128;
    config.attentionScale = 1; // scores are products (Raffel et al. 2020, section 2.1)
    STC_RETURN_IF_ERROR(reader.integer("relative_attention_num_buckets", config.relativeBuckets));
    STC_RETURN_IF_ERROR(reader.integer("relative_attention_max_distance", config.relativeDistance));
    STC_RETURN_IF_ERROR(readFeedForward(reader, row, config));
    // Of a head that is the table of embeddings, in Mesh TensorFlow's way.
    if (config.tiedEmbeddings && config.hiddenSize > 0)
      config.logitScale = 1 / std::sqrt(double(config.hiddenSize));
  }
  if (row.readsSound)
    STC_RETURN_IF_ERROR(readSound(reader, row, config));
  int64_t start = 0;
  STC_RETURN_IF_ERROR(reader.integer("pad_token_id", start));
  STC_RETURN_IF_ERROR(reader.integer("decoder_start_token_id", start));
  config.decoderStart = start;
  return absl::OkStatus();
}

} // namespace stc
