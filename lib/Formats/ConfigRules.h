// What the configuration readers share: the known architectures and the rules every config obeys.
#ifndef STC_LIB_FORMATS_CONFIGRULES_H
#define STC_LIB_FORMATS_CONFIGRULES_H

#include "stc/Formats/Config.h"

#include "absl/types/span.h"

namespace stc {

/// What a family calls the common values in its config.json. Names that differ between its files
/// are separated by "|": the first that exists counts.
struct ConfigKeys {
  absl::string_view hiddenSize = "hidden_size", intermediateSize = "intermediate_size";
  absl::string_view encoderLayers; // of models with an encoder
  absl::string_view layers = "num_hidden_layers", heads = "num_attention_heads";
  absl::string_view kvHeads = "num_key_value_heads", headDim = "head_dim";
  absl::string_view maxPositions = "max_position_embeddings", normEpsilon = "rms_norm_eps";
  absl::string_view activation = "hidden_act", ropeTheta = "rope_theta";
  absl::string_view rotaryFraction = "partial_rotary_factor", rotaryDim;
  absl::string_view attentionBias = "attention_bias", feedForwardBias = "mlp_bias";
  absl::string_view localRopeTheta = "rope_local_base_freq";
};

/// A number that only some families have.
struct NumberKey {
  enum class Meaning { Itself, Reciprocal, InverseRoot };
  absl::string_view huggingFace, gguf; // "" where the container does not have it
  double ModelConfig::*field;
  double missing; // what is there where the key is not; null means 0
  Meaning meaning = Meaning::Itself;
};

/// A switch that has to have this value: the other one is not supported.
struct FixedKey {
  absl::string_view key;
  bool value;
};

/// What a mixture of experts leaves unsaid: the values that apply where a key is missing.
struct MixtureDefaults {
  absl::string_view expertsKey = "num_experts";
  int64_t experts = 0, expertsPerToken = 0;
  int64_t expertSize = 0; // 0: the intermediate size, and no key of its own
  int64_t sharedExpertSize = 0;
  bool normalizedGates = false, hasGatesKey = true; // norm_topk_prob
  bool isGgufNormalized = false; // what GGUF files, which do not say, are taken to be
  bool hasDenseLayers = false;   // decoder_sparse_step and mlp_only_layers say which
  absl::string_view perTokenKey = "num_experts_per_tok", sizeKey = "moe_intermediate_size";
  /// How many layers in front have no experts; "" where no key says.
  absl::string_view denseCountKey;
  int64_t denseCount = 0;
  /// How many experts all tokens go through, each of the size of the others; "": no key says.
  absl::string_view sharedCountKey;
  int64_t sharedCount = 0;
  /// How experts are chosen, and whether keys say more of it: n_group, topk_group and
  /// routed_scaling_factor, and their like in GGUF files.
  ExpertRouting routing;
  bool hasRoutingKeys = false;
  absl::string_view scoring; // what scoring_func may be, apart by "|"; "": no such key
};

/// What the configuration and the image processor of a vision transformer leave unsaid.
struct VisionDefaults {
  int64_t classTokens = 0; // positions in front of the patches'; 0: the model reads no images
  Resample resample = Resample::Bilinear;
  int64_t size = 224, cropSize = 0; // what images are scaled to, and cut to (0: they are not)
};

enum class WindowRule {
  Never,
  Always,   // sliding_window says how long
  Switched, // use_sliding_window turns it on, from layer max_window_layers on
  Pattern,  // but in every sliding_window_pattern-th layer
  TwoSided, // of an encoder: to both sides, but in every n-th layer, of which layer 0 is the first
};

/// What an architecture's configuration leaves unsaid: the values that apply where a key is
/// missing, and what is fixed. A new architecture of the family is a new row.
struct ArchitectureRow {
  ModelKind kind = ModelKind::Decoder;
  absl::string_view name;   // Hugging Face model_type
  absl::string_view models; // that it is known by
  /// Published checkpoints ask for code in modeling_NAME.py, which is what the graph computes; ""
  /// where none do.
  absl::string_view publishedCode;
  /// The model_type of checkpoints that hold such a decoder beside other parts, and describe it as
  /// text_config; "" where there are none.
  absl::string_view multimodal;
  absl::string_view gguf; // general.architecture; empty when GGUF files use another row's, or none
  BlockTraits block;
  ConfigKeys keys;
  int64_t heads = 0, vocabSize = 0; // 0: the key is required
  int64_t kvHeads = 0;              // 0: as many as heads
  int64_t headDim = 0;              // 0: hidden size / heads
  int64_t maxPositions = 2048;
  int64_t intermediateFactor = 0; // times the hidden size; 0: the key is required
  double normEpsilon = 1e-6, ropeTheta = 10000, localRopeTheta = 0;
  double rotaryFraction = 0; // of a head; 0: all of it, and other fractions are refused
  absl::string_view activation = "silu";
  bool tiedEmbeddings = false;
  WindowRule windowRule = WindowRule::Never;
  int64_t slidingWindow = 0;       // where the key is missing; 0: none
  int64_t windowPattern = 0;       // where the key is missing
  int64_t unrotatedPattern = 0;    // every n-th layer is not rotated; 0: all are
  bool rotatesWindowsOnly = false; // layers that see everything are not rotated
  /// Models of the family without windows exist: all their layers are rotated, and their GGUF files
  /// have no attention.sliding_window.
  bool windowIsOptional = false;
  bool unscaledWindows = false;     // layers with a window do not know of the rotary scaling
  bool readsSound = false;          // the encoder: mel bins in place of tokens
  bool attentionBias = false;       // always; otherwise the key says
  double alibiBias = 0;             // ModelConfig's, where no key says
  bool alibiSwitch = false;         // `alibi` turns it on, with 8, and scaled
  bool interleavedRope = false;     // in Hugging Face checkpoints
  bool ggufInterleavedRope = false; // GGUF's converter permutes query and key rows, or as above
  bool ggufLayerNormKey = false; // attention.layer_norm_epsilon instead of layer_norm_rms_epsilon
  bool ggufWritable = false;
  int64_t tokenTypes = 0;     // of an encoder, where type_vocab_size is missing; 0: it has none
  bool skipsPadding = false;  // positions begin behind pad_token_id in their table
  int64_t positionOffset = 0; // or behind so many rows, which max_position_embeddings leaves out
  /// The switch of norms of heads with gains of their own, which GGUF files have or have not.
  absl::string_view headNormKey;
  int64_t paddingToken = 0;      // where pad_token_id is missing
  double ggufGateLimit = 0;      // GGUF files do not say
  bool ggufTruncatesYarn = true; // the bounds of yarn's blend in GGUF files, which do not say
  MixtureDefaults mixture;       // of no experts: there are none
  VisionDefaults vision;
  bool latent = false; // latent attention
  absl::Span<const NumberKey> numbers;
  absl::Span<const FixedKey> fixed;
};

/// The rows of ConfigMixtures.cpp and ConfigRecent.cpp, those with layer norms of
/// ConfigLayerNorms.cpp, and the encoders: of texts, and of images.
absl::Span<const ArchitectureRow> mixtureRows();
absl::Span<const ArchitectureRow> recentRows();
absl::Span<const ArchitectureRow> layerNormRows();
absl::Span<const ArchitectureRow> encoderRows();
absl::Span<const ArchitectureRow> visionRows();
/// Every known architecture.
absl::Span<const ArchitectureRow> architectureRows();
/// The row of a model_type; nullptr for one we do not know.
const ArchitectureRow *findArchitecture(absl::string_view name);
/// The row of a model_type that describes its decoder as text_config; nullptr for another.
const ArchitectureRow *findMultimodal(absl::string_view name);
/// The row of a GGUF general.architecture; nullptr for one we do not know.
const ArchitectureRow *findGgufArchitecture(absl::string_view name);
/// What a GGUF of the architecture calls the epsilon of norms, without the architecture's name.
absl::string_view ggufEpsilonKey(const ArchitectureRow &row);
/// An error that lists the known architectures and names the nearest to what was given; `feature`
/// is the first that is known to be missing, or "".
absl::Status unknownArchitecture(const ErrorSite &site, absl::string_view given, bool isGguf,
                                 absl::string_view feature);

/// What decoders of other kinds have, by a key that they are described with.
struct MissingFeature {
  absl::string_view huggingFace, gguf, name;
};
absl::Span<const MissingFeature> missingFeatures();

/// As many layers as a configuration may have.
constexpr int64_t kMostLayers = 1 << 16;

/// The field names of one container, for the messages of `checkConfig`.
struct ConfigNames {
  std::string file;
  std::string hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize;
  std::string maxPositions, normEpsilon, ropeTheta, ropeScaling, rotaryDim, slidingWindow;
  std::string bosToken, eosToken, decoderStart;
  std::string featureSize, encoderPositions;
  std::string encoderLayers, relativeBuckets, relativeDistance;
  std::string experts, expertsPerToken, expertSize, sharedExpertSize;
  std::string expertGroups, keptGroups, gateScale, valueDim, latentRank, queryRank;
};

/// Fills in the head size where it was left open (0) and checks every rule. A head size of 0 means
/// "not given".
absl::Status checkConfig(const ConfigNames &names, ModelConfig &config);

/// The one name ("silu", "gelu", "gelu_tanh", "relu") of the function that configurations call
/// `name`; "" for one we do not know.
absl::string_view activationCalled(absl::string_view name);

/// 0.1 m ln(scale) + 1, which yarn multiplies cosines and sines by (Peng et al. 2023, equation 22;
/// DeepSeek's configurations have the factor m).
double yarnMagnitude(double scale, double m = 1);

/// What the value of `key` stands for, and the value that stands for it.
double meaningOf(const NumberKey &key, double value);
double valueOf(const NumberKey &key, double meaning);

/// What scores are multiplied by in models of a GGUF that does not say; 0: 1 / sqrt(head size).
double ggufAttentionScale(const ArchitectureRow &row, const ModelConfig &config);

/// The first of every `pattern` layers is false, the others true.
std::vector<bool> allButFirstOfEvery(int64_t pattern, int64_t layers);

/// Gives the layers that `windowed` names a window of half of `width` to each side.
void setTwoSidedWindow(int64_t width, const std::vector<bool> &windowed, ModelConfig &config);

/// Sets the first `count` layers to have no experts; false where there are not more layers.
bool setDenseLayers(int64_t count, ModelConfig &config);
/// How many layers in front have no experts; -1 where other layers are without them.
int64_t denseLayersOf(const ModelConfig &config);

/// The factor m of yarn's magnitude by which latent attention scales scores (DeepSeek's
/// mscale_all_dim), 0 where it does not; and that scale.
double latentMagnitudeOf(const ModelConfig &config);
double latentScale(const ModelConfig &config, double m);

/// Which layers are rotated, for a family that leaves out those that see everything; none (empty)
/// where all are. The windows of `config` are known.
std::vector<bool> rotatedWindows(const ArchitectureRow &row, const ModelConfig &config);

/// Every `pattern`-th of `layers` layers is false; none (empty) where the pattern is 0.
std::vector<bool> allButEvery(int64_t pattern, int64_t layers);

} // namespace stc

#endif // STC_LIB_FORMATS_CONFIGRULES_H
