// What an architecture is, as data: its weights, their names in each container, and their shapes.
#ifndef STC_LIB_IMPORT_ARCHITECTURE_H
#define STC_LIB_IMPORT_ARCHITECTURE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace stc {

/// A size of a weight, in terms of the model's configuration.
enum class Dim {
  None,         // the weight is a vector: it has no second dimension
  Vocabulary,   // vocab_size
  Hidden,       // hidden_size
  Intermediate, // intermediate_size
  Queries,      // heads * head_dim
  KeyValues,    // kv_heads * head_dim
  Experts,      // num_experts
  Expert,       // intermediate size of an expert
  SharedExpert, // of the one that all tokens go through
  One,          // a single row
};

/// Which rule says whether a weight exists. Each architecture answers for every group.
enum class Group {
  Required,
  Head,
  QueryKeyValueBias,
  OutputBias,
  FeedForward, // in models without experts
  FeedForwardBias,
  Experts,        // under the names that most models have
  MixtralExperts, // under Mixtral's
  SharedExpert
};

/// When the weights of a bias group exist.
enum class BiasRule {
  Never,
  Always,
  AttentionFlag,             // ModelConfig::attentionBias says
  AttentionFlagWherePresent, // the same, but the checkpoint may lack them
  FeedForwardFlag,           // ModelConfig::mlpBias says
};

/// One row of the weight table. "{layer}" and "{expert}" stand for numbers in all three names; a row
/// without them describes one weight of the model.
struct WeightRow {
  llvm::StringLiteral symbol;      // the same for every container, so that passes can rely on it
  llvm::StringLiteral huggingFace; // the tensor's name in a Hugging Face checkpoint
  llvm::StringLiteral gguf;        // the tensor's name in a GGUF
  Dim rows, columns;               // the expected shape
  Group group;
};

/// An architecture family that the decoder builder can build.
struct Architecture {
  llvm::StringLiteral name; // ModelConfig::architecture
  llvm::ArrayRef<WeightRow> weights;
  BiasRule queryKeyValueBias, outputBias, feedForwardBias;
  /// Group::Experts or MixtralExperts where there can be experts, else Group::FeedForward.
  Group experts;
  /// Tensors that checkpoints carry and the graph does not need.
  llvm::ArrayRef<llvm::StringLiteral> ignorable;
};

/// The families, one function per file.
llvm::ArrayRef<Architecture> llamaArchitectures();

/// `pattern` with "{layer}" and "{expert}" replaced.
std::string expandName(llvm::StringRef pattern, int64_t layer, int64_t expert = 0);

} // namespace stc

#endif // STC_LIB_IMPORT_ARCHITECTURE_H
