// Pruning by magnitude and rounding to nearest that wait until the weight is packed. Then it is
// read once and neither masks nor codes leave memory; the price is that nobody knows what was lost.
#ifndef STC_DIALECT_STC_UTILS_COMPRESSLATER_H
#define STC_DIALECT_STC_UTILS_COMPRESSLATER_H

#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace stc {

/// On a module whose weights may be compressed when they are packed: nothing will ask for the
/// errors.
constexpr llvm::StringLiteral kCompressesLaterAttr = "stc.compresses_later";
/// On a weight whose `prune` and `quant` attributes say what is to be done and has not been done:
/// the density is that of the pattern, the error 0 for lack of knowledge.
constexpr llvm::StringLiteral kCompressedLaterAttr = "stc.compressed_later";

/// Whether a weight is nothing but the rows of a tensor of the checkpoint, which can be read some
/// at a time: a matrix of floats as stored, that no pass cut, ordered, rotated or compressed yet.
bool canCompressLater(WeightStore &store, WeightOp weight);

/// What is to be done to such a weight.
struct LateCompression {
  PrunePattern prune;
  QuantizeSpec quantize; // not enabled: the weight stays floats
};
/// As the attributes of the weight say.
absl::StatusOr<LateCompression> lateCompression(WeightOp weight);

/// The codes of a weight that was left for later, read, pruned and rounded some rows at a time.
/// `release` is told what was read. Errors: values that are not finite.
absl::StatusOr<QuantizedMatrix>
compressTensor(const LateCompression &compression, const TensorView &tensor,
               llvm::function_ref<void(const TensorView &)> release);

/// The share of codes that are not zero in up to 64 rows spread over such a weight, which is not
/// pruned.
absl::StatusOr<double> sampleDensity(const QuantizeSpec &spec, const TensorView &tensor);
/// The same of the floats themselves.
absl::StatusOr<double> sampleDensity(const TensorView &tensor);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_COMPRESSLATER_H
