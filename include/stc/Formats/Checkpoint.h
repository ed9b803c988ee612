// A checkpoint of any supported container: configuration, tensors and tokenizer source.
#ifndef STC_FORMATS_CHECKPOINT_H
#define STC_FORMATS_CHECKPOINT_H

#include "stc/Formats/Gguf.h"
#include "stc/Formats/Safetensors.h"
#include "stc/Support/Json.h"
#include "stc/Tokenizer/Tokenizer.h"

#include <memory>
#include <optional>
#include <string>

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
  int64_t slidingWindow = 0; // 0: none
  bool tiedEmbeddings = false, attentionBias = false, mlpBias = false;
  bool ropeInterleaved = false; // GGUF's llama family stores query/key rows for adjacent pairs
  std::string activation = "silu";
  std::optional<int64_t> bosToken, eosToken;
  std::vector<int64_t> extraEosTokens;
};

class Checkpoint {
public:
  enum class Container { HuggingFace, Gguf };
  /// `path` is a Hugging Face directory, a .safetensors file beside its config.json, or a .gguf.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> open(const std::string &path);

  const std::string &path() const { return sourcePath; }
  Container container() const { return kind; }
  const ModelConfig &config() const { return modelConfig; }
  const std::vector<TensorView> &tensors() const;
  /// nullptr when there is none of that name.
  const TensorView *find(absl::string_view name) const;
  /// Drops the pages of a tensor that was read (streaming).
  void release(const TensorView &tensor) const;
  /// The tokenizer, or nullptr for a checkpoint without one; an unreadable one is an error.
  absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer() const;

private:
  std::string sourcePath;
  Container kind = Container::HuggingFace;
  ModelConfig modelConfig;
  std::unique_ptr<SafetensorsFile> safetensors;
  std::unique_ptr<GgufFile> gguf;
  std::map<std::string, size_t, std::less<>> index;
};

/// Loads only the tokenizer: from a Hugging Face directory, a tokenizer.json, or a GGUF (which may
/// hold a vocabulary and nothing else).
absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &path);

} // namespace stc

#endif // STC_FORMATS_CHECKPOINT_H
