// What containers call the weights of an imported module, for those who write checkpoints.
#ifndef STC_IMPORT_TENSORNAMES_H
#define STC_IMPORT_TENSORNAMES_H

#include "stc/Formats/Checkpoint.h"

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <utility>
#include <vector>

namespace stc {

/// The symbol that the output head has, where a model has one of its own.
constexpr llvm::StringLiteral kHeadSymbol = "lm_head";

/// Where a container keeps a weight.
struct TensorPlace {
  std::string name;        // of the tensor; "" where the container has none for it
  bool transposed = false; // values are stored [inputs, outputs]
  double offset = 0;       // stored values are this much below those of the weight
  int64_t wholeRows = 0;   // of the tensor, before it is transposed
  std::vector<std::pair<int64_t, int64_t>> rows; // those of the weight, in its order,
  int64_t rowStep = 1;                           // or, from each first, at this distance
};

/// The place in a checkpoint of this container of the weight `symbol` ("layers.3.q"), which has
/// `rows` rows, in a model of the configuration; none for what is no weight of the family. Where
/// names differ between checkpoints, a Hugging Face checkpoint's name `source` for it decides.
std::optional<TensorPlace> tensorPlaceOf(const ModelConfig &config, llvm::StringRef symbol,
                                         int64_t rows, Checkpoint::Container container,
                                         llvm::StringRef source = "");

/// Whether the rows of a weight are what rotary embedding turns: the query and key projections and
/// their biases, whose rows GGUF files of some architectures keep in another order.
bool hasRotatedRows(llvm::StringRef symbol);

/// The tensors that a GGUF needs so that a model rotates as this checkpoint does, and what they
/// hold: one divisor of each frequency in `rope_freqs.weight`, or longrope's factors. None where
/// the metadata of a GGUF can say it. Errors: a scaling that GGUF files are not written with.
using RotaryTensor = std::pair<std::string, std::vector<float>>;
absl::StatusOr<std::vector<RotaryTensor>> rotaryTensors(const Checkpoint &checkpoint);

/// Their names.
constexpr llvm::StringLiteral kRopeFactorsTensor = "rope_freqs.weight",
                              kLongFactorsTensor = "rope_factors_long.weight",
                              kShortFactorsTensor = "rope_factors_short.weight";

} // namespace stc

#endif // STC_IMPORT_TENSORNAMES_H
