// The configuration of a model: one vocabulary for all containers, checked before it is used.
#ifndef STC_FORMATS_CONFIG_H
#define STC_FORMATS_CONFIG_H

#include "stc/Formats/Gguf.h"
#include "stc/Support/Json.h"
#include "stc/Support/ModelKind.h"
#include "stc/Support/Pooling.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stc {

/// How rotary frequencies are changed for long contexts.
struct RopeScaling {
  enum class Kind { None, Linear, Dynamic, Llama3, Yarn, LongRope };
  Kind kind = Kind::None;
  double factor = 1, lowFrequencyFactor = 1, highFrequencyFactor = 4; // the latter two: Llama3
  double originalMaxPositions = 8192;
  /// What cosines and sines are multiplied by (Yarn, LongRope); 0: what follows from the factor.
  double attentionFactor = 0;
  double betaFast = 32, betaSlow = 1; // Yarn: turns within the original context
  bool truncate = true;               // Yarn: the bounds of the blend are whole numbers
  /// LongRope: a divisor of each frequency, within the original context and beyond it.
  std::vector<double> shortFactors, longFactors;
};

enum class NormKind { RootMeanSquare, Layer };
enum class QueryKeyNorm { None, PerHead, WholeRow };

/// What the blocks of a model are made of, beside their sizes. The defaults are Llama's.
struct BlockTraits {
  NormKind norm = NormKind::RootMeanSquare;
  bool preNorm = true;              // norms before attention and feed-forward
  bool postNorm = false;            // norms of what they add
  bool sumNorm = false;             // norms of the sums, what they add included (BERT)
  bool embeddingNorm = false;       // a norm of the embeddings
  bool firstNorm = true;            // the first layer has the norm before attention
  bool parallel = false;            // attention and feed-forward read the same hidden state
  bool sharedNorm = false;          // one norm for both (of a parallel block)
  bool gated = true;                // the feed-forward multiplies by an activated gate
  bool learnedPositions = false;    // instead of rotary embedding
  bool relativeBias = false;        // instead of rotary embedding: T5's bias of scores
  bool normalizedEmbedding = false; // times sqrt(hidden_size), rounded to the table's type
  QueryKeyNorm queryKeyNorm = QueryKeyNorm::None; // before rotary embedding
  bool sinkLogits = false;  // heads have one more score in their softmax, of no value
  bool clampedGate = false; // gate * sigmoid(1.702 gate) * (up + 1), both bounded by gateLimit
};

/// The sizes and switches of a model, in one vocabulary for all containers. Every value is
/// checked against ROBUSTNESS's config rules before it is handed out.
struct ModelConfig {
  ModelKind kind = ModelKind::Decoder;
  std::string architecture; // "llama", "mistral", "qwen2": lower-case family name (HF model_type)
  int64_t hiddenSize = 0, intermediateSize = 0, layers = 0, heads = 0, kvHeads = 0, headDim = 0;
  int64_t vocabSize = 0, maxPositions = 0;
  BlockTraits block;
  double normEpsilon = 1e-5, ropeTheta = 10000;
  int64_t rotaryDim = 0;     // the first columns of a head, which are rotated; at most headDim
  double localRopeTheta = 0; // of layers with a window, without scaling; 0: as all others
  RopeScaling ropeScaling;
  /// A position sees itself and the slidingWindow - 1 positions before it; 0: all before it.
  int64_t slidingWindow = 0;
  /// Per layer, where layers differ: whether it has the window, and whether it is rotated.
  std::vector<bool> windowedLayers, rotatedLayers;
  double embeddingScale = 1, residualScale = 1, logitScale = 1;
  double attentionScale = 0;                     // of scores; 0: 1 / sqrt(headDim)
  double attentionSoftCap = 0, logitSoftCap = 0; // 0: none
  /// Instead of rotary embedding, scores lose slopes times distances (ALiBi: Press et al. 2022),
  /// the smallest slope being 2^-alibiBias; 0: they do not. Falcon scales the slopes as scores.
  double alibiBias = 0;
  bool alibiIsScaled = false;
  /// attentionBias: the query, key and value projections have biases (and the output projection
  /// where the checkpoint holds one: Llama's does, Qwen2's does not).
  bool tiedEmbeddings = false, attentionBias = false, mlpBias = false;
  bool ropeInterleaved = false; // query and key rows are for rotation of adjacent pairs
  /// A mixture of experts in place of the feed-forward blocks, unless `experts` is 0: each token
  /// goes through `expertsPerToken` of them, whose gates add up to 1 if `normalizedGates`, and
  /// through one that is shared, unless its size is 0.
  int64_t experts = 0, expertsPerToken = 0, expertSize = 0, sharedExpertSize = 0;
  bool normalizedGates = false;
  /// Of encoders. Positions begin at this row of their table (RoBERTa keeps the first for padding);
  /// tokenTypes: kinds of tokens, of which all have the first; 0: no embedding of them.
  int64_t positionOffset = 0, tokenTypes = 0;
  Pooling pooling = Pooling::Mean;
  bool normalizedVectors = true; // a text's vector has length 1
  /// Per layer, where layers differ: whether it has experts.
  std::vector<bool> sparseLayers;
  double gateLimit = 0; // of a clampedGate
  std::string activation = "silu";
  /// An encoder in front of the decoder, unless its number of layers is 0: its blocks are as the
  /// decoder's, but see the whole text; the decoder's layers also attend to what it gives.
  int64_t encoderLayers = 0;
  /// What an encoder reads that reads no tokens: rows of so many numbers (Whisper: mel bins); two
  /// convolutions make one position of two of them. 0: it reads tokens. And how many positions the
  /// encoder has learned.
  int64_t featureSize = 0, encoderPositions = 0;
  /// T5's biases (`block.relativeBias`): the rows of the table, and the distance from which on all
  /// positions share the last one.
  int64_t relativeBuckets = 0, relativeDistance = 0;
  std::optional<int64_t> decoderStart; // the token that a decoder behind an encoder begins with
  std::optional<int64_t> bosToken, eosToken;
  std::vector<int64_t> extraEosTokens;

  /// Positions that a text can have.
  int64_t usablePositions() const { return maxPositions - positionOffset; }
  bool isWindowed(int64_t layer) const {
    return slidingWindow != 0 && (windowedLayers.empty() || windowedLayers[size_t(layer)]);
  }
  bool usesRotation() const {
    return !block.learnedPositions && !block.relativeBias && alibiBias == 0;
  }
  bool hasExperts(int64_t layer) const {
    return experts != 0 && (sparseLayers.empty() || sparseLayers[size_t(layer)]);
  }
  bool isRotated(int64_t layer) const {
    return usesRotation() && (rotatedLayers.empty() || rotatedLayers[size_t(layer)]);
  }
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
  bool writable = false;      // the metadata that stc writes describes such a model
  bool windowed = false;      // and which of its layers have a window
  std::string normEpsilonKey; // without the family's name
  std::string activation;     // which files do not say
};
GgufFamily ggufFamilyOf(const ModelConfig &config);
/// The model_type of every family whose models are written as GGUF.
std::vector<std::string> writableGgufFamilies();

/// A family of models, for lists: the model_type, general.architecture ("" where GGUF files of it
/// are not read), models that belong to it, and what its blocks have that Llama's do not.
struct SupportedFamily {
  ModelKind kind;
  std::string name, gguf, models;
  std::vector<std::string> features;
};
std::vector<SupportedFamily> supportedFamilies();

/// Reads the configuration out of a GGUF file's metadata and tensor shapes.
absl::StatusOr<ModelConfig> parseGgufConfig(const GgufFile &gguf);

} // namespace stc

#endif // STC_FORMATS_CONFIG_H
