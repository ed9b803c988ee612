// Reader of what config.json says of an encoder in front of a decoder.
#include "ConfigReader.h"

#include "absl/strings/strip.h"

#include <cmath>

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

} // namespace

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
  int64_t start = 0;
  STC_RETURN_IF_ERROR(reader.integer("pad_token_id", start));
  STC_RETURN_IF_ERROR(reader.integer("decoder_start_token_id", start));
  config.decoderStart = start;
  return absl::OkStatus();
}

} // namespace stc
