// The configuration of a model: one vocabulary for all containers, checked before it is used.
#ifndef STC_FORMATS_CONFIG_H
#define STC_FORMATS_CONFIG_H

#include "stc/Formats/Gguf.h"
#include "stc/Support/ImageSettings.h"
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
/// Of every head, with the same gains for all (PerHead) or its own (OwnPerHead), or of all heads at
/// once.
enum class QueryKeyNorm { None, PerHead, OwnPerHead, WholeRow };

/// What the blocks of a model are made of, beside their sizes. The defaults are Llama's.
struct BlockTraits {
  NormKind norm = NormKind::RootMeanSquare;
  bool preNorm = true;              // norms before attention and feed-forward
  bool postNorm = false;            // norms of what they add
  bool sumNorm = false;             // norms of the sums, what they add included (BERT)
  bool weightlessNorm = false;      // norms have no weights
  bool embeddingNorm = false;       // a norm of the embeddings
  bool firstNorm = true;            // the first layer has the norm before attention
  bool parallel = false;            // attention and feed-forward read the same hidden state
  bool sharedNorm = false;          // one norm for both (of a parallel block)
  bool gated = true;                // the feed-forward multiplies by an activated gate
  bool learnedPositions = false;    // instead of rotary embedding
  bool relativeBias = false;        // instead of rotary embedding: T5's bias of scores
  bool normalizedEmbedding = false; // times sqrt(hidden_size), rounded to the table's type
  QueryKeyNorm queryKeyNorm = QueryKeyNorm::None; // before rotary embedding
  bool normAfterRotation = false;                 // of queries and keys
  bool sinkLogits = false;  // heads have one more score in their softmax, of no value
  bool clampedGate = false; // gate * sigmoid(1.702 gate) * (up + 1), both bounded by gateLimit
};

/// Attention whose keys and values are made from one short vector per position (DeepSeek-AI 2024,
/// "DeepSeek-V2", section 2.1), and perhaps its queries from another. The rotated part of a key is
/// the same for all heads. Of a head's size (ModelConfig::headDim) it is rotaryDim; values have
/// their own size.
struct LatentAttention {
  int64_t rank = 0;      // the length of that vector; 0: attention is Llama's
  int64_t queryRank = 0; // of the one for queries; 0: queries are projected directly
  int64_t valueDim = 0;  // of a head
};

/// How a token's experts are chosen and weighted, beside how many they are.
struct ExpertRouting {
  bool sigmoid = false;   // of scores, instead of their softmax
  bool corrected = false; // each expert has a number that is added to what it is chosen by
  /// Experts are so many groups, of which some are kept: those with the largest sums of their
  /// `bestOfGroup` best experts.
  int64_t groups = 1, keptGroups = 1, bestOfGroup = 1;
  double scale = 1;       // of the gates of chosen experts
  bool sharedGate = true; // the shared expert has a gate

  /// Whether this is more than the softmax over scores.
  bool isGrouped() const { return sigmoid || corrected || groups != 1 || scale != 1; }
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
  double clipLimit = 0; // the largest magnitude of queries, keys and values; 0: any
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
  ExpertRouting routing;
  LatentAttention latent;
  /// Layers behind the last, which predict further tokens; checkpoints hold them, models do not.
  int64_t predictingLayers = 0;
  /// Positions begin at this row of their table (RoBERTa and OPT keep the first for padding). Of
  /// encoders, tokenTypes: kinds of tokens, of which all have the first; 0: no embedding of them.
  int64_t positionOffset = 0, tokenTypes = 0;
  Pooling pooling = Pooling::Mean;
  bool normalizedVectors = true; // a text's vector has length 1
  /// Of vision transformers, else of no size: tokens are then kinds of positions, the vocabulary
  /// being the class tokens and the patches.
  ImageSettings image;
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
  /// Tokens that are never chosen, and those that are not the first that is chosen.
  std::vector<int64_t> suppressedTokens, firstSuppressedTokens;
  /// What Whisper's decoder begins with behind decoderStart, -1 being a language that the sound
  /// says; and the tokens of languages.
  std::vector<int64_t> forcedTokens, languageTokens;

  bool readsImages() const { return image.height != 0; }
  /// Positions that a text can have.
  int64_t usablePositions() const { return maxPositions - positionOffset; }
  bool isWindowed(int64_t layer) const {
    return slidingWindow != 0 && (windowedLayers.empty() || windowedLayers[size_t(layer)]);
  }
  bool usesRotation() const {
    return !block.learnedPositions && !block.relativeBias && alibiBias == 0;
  }
  bool isLatent() const { return latent.rank != 0; }
  /// The size of a head's values.
  int64_t valueDim() const { return isLatent() ? latent.valueDim : headDim; }
  bool hasExperts(int64_t layer) const {
    return experts != 0 && (sparseLayers.empty() || sparseLayers[size_t(layer)]);
  }
  bool isRotated(int64_t layer) const {
    return usesRotation() && (rotatedLayers.empty() || rotatedLayers[size_t(layer)]);
  }
};

/// Reads a Hugging Face config.json. `file` names it in errors.
absl::StatusOr<ModelConfig> parseHuggingFaceConfig(const JsonValue &json, const std::string &file);

/// Adds what a generation_config.json says to `config`: tokens that end a text, that are not
/// chosen, and that a decoder begins with (which old files of Whisper have in their config.json).
absl::Status addGenerationConfig(const JsonValue &json, const std::string &file,
                                 ModelConfig &config);

/// What GGUF files call an architecture, and whether they keep the rows of query and key
/// projections for rotation of adjacent pairs.
struct GgufFamily {
  std::string name;
  bool interleavedRope = false;
  bool writable = false;      // the metadata that stc writes describes such a model
  int64_t windowPattern = 0;  // an encoder's layers have a window but the first of so many
  std::string normEpsilonKey; // without the family's name
  std::string activation;     // which files do not say
  /// What only this family's files have: keys without the family's name, and numbers.
  std::vector<std::pair<std::string, double>> numbers;
};
GgufFamily ggufFamilyOf(const ModelConfig &config);
/// The model_type of every family whose models are written as GGUF.
std::vector<std::string> writableGgufFamilies();

/// A family of models, for lists: the model_type, general.architecture ("" where there are no GGUF
/// files of it), models that belong to it, and what its blocks have that Llama's do not.
struct SupportedFamily {
  ModelKind kind;
  bool readsImages;
  std::string name, gguf, models;
  std::vector<std::string> features;
};
std::vector<SupportedFamily> supportedFamilies();

/// Reads the configuration out of a GGUF file's metadata and tensor shapes.
absl::StatusOr<ModelConfig> parseGgufConfig(const GgufFile &gguf);

} // namespace stc

#endif // STC_FORMATS_CONFIG_H
