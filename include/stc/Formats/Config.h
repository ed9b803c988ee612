// The configuration of a decoder: one vocabulary for all containers, checked before it is used.
#ifndef STC_FORMATS_CONFIG_H
#define STC_FORMATS_CONFIG_H

#include "stc/Formats/Gguf.h"
#include "stc/Support/Json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stc {

/// How rotary frequencies are changed for long contexts.
struct RopeScaling {
  enum class Kind { None, Linear, Llama3 };
  Kind kind = Kind::None;
  double factor = 1, lowFrequencyFactor = 1, highFrequencyFactor = 4;
  double originalMaxPositions = 8192;
};

/// The sizes and switches of a decoder, in one vocabulary for all containers. Every value is
/// checked against ROBUSTNESS's config rules before it is handed out.
struct ModelConfig {
  std::string architecture; // "llama", "mistral", "qwen2": lower-case family name (HF model_type)
  int64_t hiddenSize = 0, intermediateSize = 0, layers = 0, heads = 0, kvHeads = 0, headDim = 0;
  int64_t vocabSize = 0, maxPositions = 0;
  double normEpsilon = 1e-5, ropeTheta = 10000;
  RopeScaling ropeScaling;
  /// A position sees itself and the slidingWindow - 1 positions before it; 0: all before it.
  int64_t slidingWindow = 0;
  /// attentionBias: the query, key and value projections have biases (and the output projection
  /// where the checkpoint holds one: Llama's does, Qwen2's does not).
  bool tiedEmbeddings = false, attentionBias = false, mlpBias = false;
  bool ropeInterleaved = false; // GGUF's llama family stores query/key rows for adjacent pairs
  /// A mixture of experts in place of the feed-forward blocks, unless `experts` is 0: each token goes
  /// through `expertsPerToken` of them, whose gates add up to 1 if `normalizedGates`, and through one
  /// that is shared, unless its size is 0.
  int64_t experts = 0, expertsPerToken = 0, expertSize = 0, sharedExpertSize = 0;
  bool normalizedGates = true;
  std::string activation = "silu";
  std::optional<int64_t> bosToken, eosToken;
  std::vector<int64_t> extraEosTokens;
};

/// Reads a Hugging Face config.json. `file` names it in errors.
absl::StatusOr<ModelConfig> parseHuggingFaceConfig(const JsonValue &json, const std::string &file);

/// Adds the end-of-sequence tokens of a generation_config.json to `config`.
absl::Status addGenerationConfig(const JsonValue &json, const std::string &file,
                                 ModelConfig &config);

/// What GGUF files call an architecture, and whether they keep the rows of query and key
/// projections for rotation of adjacent pairs.
struct GgufFamily {
  std::string name;
  bool interleavedRope = false;
};
GgufFamily ggufFamilyOf(const ModelConfig &config);

/// Reads the configuration out of a GGUF file's metadata and tensor shapes.
absl::StatusOr<ModelConfig> parseGgufConfig(const GgufFile &gguf);

} // namespace stc

#endif // STC_FORMATS_CONFIG_H
