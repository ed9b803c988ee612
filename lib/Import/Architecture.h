// What an architecture is, as data: its weights, their names in each container, and their shapes.
#ifndef STC_LIB_IMPORT_ARCHITECTURE_H
#define STC_LIB_IMPORT_ARCHITECTURE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace stc {

/// A size of a weight, in terms of the model's configuration.
enum class Dim {
  None,             // the weight is a vector: it has no second dimension
  Vocabulary,       // vocab_size
  Positions,        // max_position_embeddings, but those that no text has
  TokenTypes,       // type_vocab_size
  Hidden,           // hidden_size
  Intermediate,     // intermediate_size
  Queries,          // heads * head_dim
  KeyValues,        // kv_heads * head_dim
  Experts,          // num_experts
  Expert,           // intermediate size of an expert
  SharedExpert,     // of the one that all tokens go through
  One,              // a single row
  QueryNorm,        // head_dim, or heads * head_dim where a norm is of the whole row
  KeyNorm,          // head_dim, or kv_heads * head_dim
  Head,             // head_dim
  Heads,            // num_heads
  KeyValueHeads,    // kv_heads
  Buckets,          // of distances that share a bias
  FeatureWindow,    // of a convolution over three neighbouring rows of features
  HiddenWindow,     // or of hidden states
  EncoderPositions, // that an encoder has learned
  Patch,            // numbers of a patch of an image
  Labels,           // that images are classified by, once for each head
  LatentRank,       // kv_lora_rank, of latent attention
  QueryRank,        // q_lora_rank
  LatentKeys,       // heads * the part of a key that is not rotated
  SharedKey,        // the rotated part of all heads' keys
  HeadValues,       // heads * v_head_dim
};

/// Which rule says whether a weight exists. Each architecture answers for every group.
enum class Group {
  Required,
  Head, // of models whose embedding is not their head
  QueryKeyValueBias,
  OutputBias,
  FeedForwardBias,
  Experts,          // of layers with a mixture of experts
  SharedExpert,     // of these, where one expert is shared
  DenseFeedForward, // of the other layers
  Gate,             // of a feed-forward block that has one
  FeedForwardNorm,  // but where one norm is for attention and feed-forward
  AttentionNorm,    // but in a first layer that has none
  TokenTypes,       // of models with token types
  Classifier,       // of checkpoints with a head that classifies
  QueryKeyNorm,     // of models that normalize queries and keys
  DirectQueries,    // of latent attention whose queries are projected directly
  LatentQueries,    // or from a shorter vector
};

/// When the weights of a bias group exist.
enum class BiasRule {
  Never,
  Always,
  AttentionFlag,             // ModelConfig::attentionBias says
  AttentionFlagWherePresent, // the same, but the checkpoint may lack them
  FeedForwardFlag,           // ModelConfig::mlpBias says
};

/// Which rows of a tensor a weight is.
enum class Part {
  Whole,
  // Of queries, keys and values one after another.
  Queries,
  Keys,
  Values,
  // Of groups of some query heads and the key and value head that they share.
  GroupedQueries,
  GroupedKeys,
  GroupedValues,
  // Of four groups of heads: all queries of a group, its values, its keys.
  QuarteredQueries,
  QuarteredValues,
  QuarteredKeys,
  AfterPadding, // the last ones: those of positions that no text has come first
  // Of two matrices of equal size one after another.
  FirstHalf,
  SecondHalf,
  // Of latent attention: the shorter vector and the key that all heads share, one after the other.
  LatentVector,
  SharedKey,
  // And for each head its own part of the key, and its value.
  HeadKeys,
  HeadValues,
  // Of two matrices of equal size whose rows alternate.
  EvenRows,
  OddRows,
};

/// How a container stores a weight.
struct Form {
  Part part = Part::Whole;
  bool transposed = false; // [inputs, outputs]
};

/// How a container keeps gains: Hugging Face's Gemma minus one, and OLMo not at all (norms without
/// weights, whose gains are ones).
enum class Gain { Itself, MinusOne, Ones };

/// One row of the weight table. "{layer}" and "{expert}" stand for numbers in all three names; a
/// row without them describes one weight of the model. Layers of an encoder in front of the decoder
/// have symbols that begin with "encoder.". Names that differ between checkpoints are
/// separated by "|": the first that exists counts. "A+B" are rows of A above rows of B.
struct WeightRow {
  llvm::StringLiteral symbol;      // the same for every container, so that passes can rely on it
  llvm::StringLiteral huggingFace; // the tensor's name in a Hugging Face checkpoint
  llvm::StringLiteral gguf;        // the tensor's name in a GGUF
  Dim rows, columns;               // the expected shape
  Group group;
  Form huggingFaceForm = {}, ggufForm = {};
  Gain huggingFaceGain = Gain::Itself; // Ones: GGUF files do not have them either
};

/// An architecture family that a builder can build: the decoder or the encoder builder, as the
/// configuration's kind says.
struct Architecture {
  llvm::StringLiteral name; // ModelConfig::architecture
  /// Its weights, in the order of their use; parts that families share are listed once.
  llvm::ArrayRef<llvm::ArrayRef<WeightRow>> parts;
  BiasRule queryKeyValueBias, outputBias, feedForwardBias;
  /// Tensors that checkpoints carry and the graph does not need.
  llvm::ArrayRef<llvm::StringLiteral> ignorable;
  /// How names may begin in Hugging Face checkpoints in place of the first of these, and how names
  /// of other parts of such checkpoints begin.
  llvm::ArrayRef<llvm::StringLiteral> beginnings = {}, otherParts = {};

  /// All rows, part by part.
  llvm::SmallVector<WeightRow> weights() const;
};

/// The families, one function per file.
llvm::ArrayRef<Architecture> llamaArchitectures();
llvm::ArrayRef<Architecture> layerNormArchitectures();
llvm::ArrayRef<Architecture> renamedArchitectures();
llvm::ArrayRef<Architecture> recentArchitectures();
llvm::ArrayRef<Architecture> mixtureArchitectures();
llvm::ArrayRef<Architecture> gptArchitectures();
llvm::ArrayRef<Architecture> t5Architectures();
llvm::ArrayRef<Architecture> alibiArchitectures();
llvm::ArrayRef<Architecture> bertArchitectures();
llvm::ArrayRef<Architecture> visionArchitectures();
llvm::ArrayRef<Architecture> whisperArchitectures();

/// The family of that name, or null.
const Architecture *findArchitectureTable(llvm::StringRef name);

/// `pattern` with "{layer}" and "{expert}" replaced.
std::string expandName(llvm::StringRef pattern, int64_t layer, int64_t expert = 0);

} // namespace stc

#endif // STC_LIB_IMPORT_ARCHITECTURE_H
