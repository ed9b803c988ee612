// Encoders: the known ones as data, and what their configurations say beside what decoders' say.
// Defaults are those of the configuration classes of Hugging Face transformers; names in GGUF files
// are those of llama.cpp.
#include "ConfigReader.h"

#include <algorithm>

namespace stc {

namespace {

constexpr FixedKey kBertFixed[] = {{"is_decoder", false}, {"add_cross_attention", false}};

// Devlin et al. 2019. Post-norm blocks, as Vaswani et al. 2017 have them.
constexpr ArchitectureRow bert() {
  ArchitectureRow row;
  row.kind = ModelKind::Encoder;
  row.name = row.gguf = "bert";
  row.ggufWritable = true;
  row.models = "BERT, MiniLM, BGE, E5, GTE, MxbAI";
  row.maxPositions = 512;
  row.normEpsilon = 1e-12;
  row.activation = "gelu";
  row.tiedEmbeddings = true; // no head
  row.attentionBias = true;
  row.tokenTypes = 2;
  row.block.norm = NormKind::Layer;
  row.block.gated = false;
  row.block.preNorm = false;
  row.block.sumNorm = row.block.embeddingNorm = true;
  row.block.learnedPositions = true;
  row.keys.kvHeads = "";
  row.keys.normEpsilon = "layer_norm_eps";
  row.ggufLayerNormKey = true;
  row.fixed = kBertFixed;
  return row;
}

// Liu et al. 2019. Positions count from pad_token_id + 1 on; GGUF converters cut the rows before.
constexpr ArchitectureRow roberta() {
  ArchitectureRow row = bert();
  row.name = "roberta";
  row.models = "RoBERTa, all-distilroberta";
  row.gguf = "";
  row.skipsPadding = true;
  row.paddingToken = 1;
  return row;
}

constexpr ArchitectureRow xlmRoberta() {
  ArchitectureRow row = roberta();
  row.name = "xlm-roberta";
  row.models = "XLM-R, BGE-M3, multilingual E5";
  return row;
}

constexpr ArchitectureRow camembert() {
  ArchitectureRow row = roberta();
  row.name = "camembert";
  row.models = "CamemBERT";
  return row;
}

// Song et al. 2020: BERT without token types, and with T5's biases by distance of all scores, which
// are scaled as BERT's. Those distances are bounded by the same number in all models.
constexpr ArchitectureRow mpnet() {
  ArchitectureRow row = roberta();
  row.name = "mpnet";
  row.models = "MPNet, all-mpnet, multi-qa-mpnet, paraphrase-mpnet";
  row.tokenTypes = 0;
  row.ggufWritable = false;
  row.block.relativeBias = true;
  row.fixed = {};
  return row;
}

// Sanh et al. 2019: BERT with half the layers, without token types.
constexpr ArchitectureRow distilbert() {
  ArchitectureRow row = bert();
  row.name = "distilbert";
  row.models = "DistilBERT";
  row.gguf = "";
  row.tokenTypes = 0;
  row.keys.hiddenSize = "dim";
  row.keys.intermediateSize = "hidden_dim";
  row.keys.layers = "n_layers";
  row.keys.heads = "n_heads";
  row.keys.activation = "activation";
  row.keys.normEpsilon = ""; // always the default
  row.fixed = {};
  return row;
}

constexpr FixedKey kModernBertFixed[] = {{"norm_bias", false}};

// Warner et al. 2024.
constexpr ArchitectureRow modernBert() {
  ArchitectureRow row;
  row.kind = ModelKind::Encoder;
  row.name = "modernbert";
  row.models = "ModernBERT, GTE-ModernBERT, Nomic's";
  row.gguf = "modern-bert";
  row.ggufWritable = true;
  row.maxPositions = 8192;
  row.normEpsilon = 1e-5;
  row.ropeTheta = 160000;
  row.localRopeTheta = 10000;
  row.activation = "gelu";
  row.tiedEmbeddings = true; // no head
  row.block.norm = NormKind::Layer;
  row.block.embeddingNorm = true;
  row.block.firstNorm = false;
  row.windowRule = WindowRule::TwoSided;
  row.slidingWindow = 128;
  row.windowPattern = 3;
  row.keys.kvHeads = "";
  row.keys.normEpsilon = "norm_eps";
  row.keys.activation = "hidden_activation";
  row.keys.ropeTheta = "global_rope_theta";
  row.keys.localRopeTheta = "local_rope_theta";
  row.ggufLayerNormKey = true;
  row.fixed = kModernBertFixed;
  return row;
}

constexpr ArchitectureRow kEncoders[] = {bert(),  roberta(),    xlmRoberta(), camembert(),
                                         mpnet(), distilbert(), modernBert()};

/// Every n-th layer sees everything, the others as far as half of `local_attention` to each side.
absl::Status readLocalAttention(const ConfigReader &reader, const ArchitectureRow &row,
                                ModelConfig &config) {
  int64_t width = row.slidingWindow, every = row.windowPattern;
  STC_RETURN_IF_ERROR(reader.integer("local_attention", width));
  if (width < 1 || width > INT32_MAX)
    return reader.error("local_attention", "a width of 1 or more", absl::StrCat(width));
  STC_RETURN_IF_ERROR(reader.integer("global_attn_every_n_layers", every));
  if (every < 1)
    return reader.error("global_attn_every_n_layers", "a number of 1 or more", absl::StrCat(every));
  STC_ASSIGN_OR_RETURN(std::vector<bool> windowed, readLayerTypes(reader, config.layers));
  if (windowed.empty())
    windowed = allButFirstOfEvery(every, config.layers);
  setTwoSidedWindow(width, windowed, config);
  return absl::OkStatus();
}

} // namespace

absl::Span<const ArchitectureRow> encoderRows() { return kEncoders; }

std::vector<bool> allButFirstOfEvery(int64_t pattern, int64_t layers) {
  std::vector<bool> result;
  for (int64_t layer = 0; layer < layers; ++layer)
    result.push_back(layer % pattern != 0);
  return result;
}

void setTwoSidedWindow(int64_t width, const std::vector<bool> &windowed, ModelConfig &config) {
  bool any = std::find(windowed.begin(), windowed.end(), true) != windowed.end();
  // width / 2 to each side, and the position itself.
  config.slidingWindow = any ? width / 2 + 1 : 0;
  config.windowedLayers = any ? windowed : std::vector<bool>();
}

absl::Status readEncoder(const ConfigReader &reader, const ArchitectureRow &row,
                         ModelConfig &config) {
  std::string positions = "absolute";
  STC_RETURN_IF_ERROR(reader.text("position_embedding_type", positions));
  if (row.block.learnedPositions && positions != "absolute")
    return reader.error("position_embedding_type", "absolute",
                        absl::StrCat("'", printable(positions), "'"));
  config.tokenTypes = row.tokenTypes;
  if (row.tokenTypes != 0) {
    STC_RETURN_IF_ERROR(reader.integer("type_vocab_size", config.tokenTypes));
    if (config.tokenTypes < 1 || config.tokenTypes > INT32_MAX)
      return reader.error("type_vocab_size", "a size of 1 or more",
                          absl::StrCat(config.tokenTypes));
  }
  if (row.block.relativeBias) {
    config.relativeBuckets = 32;
    config.relativeDistance = 128;
    STC_RETURN_IF_ERROR(reader.integer("relative_attention_num_buckets", config.relativeBuckets));
  }
  if (row.windowRule == WindowRule::TwoSided)
    STC_RETURN_IF_ERROR(readLocalAttention(reader, row, config));
  // What is wrong with maxPositions itself is checkConfig's to say.
  if (!row.skipsPadding || config.maxPositions < 2 || config.maxPositions > INT32_MAX)
    return absl::OkStatus();
  int64_t padding = row.paddingToken;
  STC_RETURN_IF_ERROR(reader.integer("pad_token_id", padding));
  if (padding < 0 || padding >= config.maxPositions - 1)
    return reader.error("pad_token_id",
                        absl::StrCat("a token from 0 to ", config.maxPositions - 2, " (",
                                     row.keys.maxPositions, " = ", config.maxPositions, ")"),
                        absl::StrCat(padding));
  config.positionOffset = padding + 1;
  return absl::OkStatus();
}

} // namespace stc
