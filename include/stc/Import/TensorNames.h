// What containers call the weights of an imported module, for those who write checkpoints.
#ifndef STC_IMPORT_TENSORNAMES_H
#define STC_IMPORT_TENSORNAMES_H

#include "stc/Formats/Checkpoint.h"

#include "llvm/ADT/StringRef.h"

#include <vector>

namespace stc {

/// The symbol that the output head has, where a model has one of its own.
constexpr llvm::StringLiteral kHeadSymbol = "lm_head";

/// The tensor that becomes the weight `symbol` ("layers.3.q") of an architecture when a checkpoint
/// of this container is imported ("blk.3.attn_q.weight"); "" where none does.
std::string tensorNameOf(llvm::StringRef architecture, llvm::StringRef symbol,
                         Checkpoint::Container container);

/// Whether the rows of a weight are what rotary embedding turns: the query and key projections and
/// their biases, whose rows GGUF files of some architectures keep in another order.
bool hasRotatedRows(llvm::StringRef symbol);

/// What a GGUF's tensor `rope_freqs.weight` has to hold so that a model rotates as this checkpoint
/// does: one divisor of each frequency. Empty where the metadata of a GGUF can say it.
absl::StatusOr<std::vector<float>> rotaryDivisors(const Checkpoint &checkpoint);

/// The name of that tensor.
constexpr llvm::StringLiteral kRopeFactorsTensor = "rope_freqs.weight";

} // namespace stc

#endif // STC_IMPORT_TENSORNAMES_H
