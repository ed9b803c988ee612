// Magnitude pruning of one matrix: which weights stay.
#ifndef STC_COMPRESS_PRUNE_H
#define STC_COMPRESS_PRUNE_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// A sparsity pattern: unstructured with a ratio of zeros, N of M consecutive columns kept, or
/// blocks of rows x columns with a ratio of zero blocks.
struct PrunePattern {
  enum class Kind { None, Unstructured, NM, Block };
  Kind kind = Kind::None;
  double ratio = 0; // fraction removed: Unstructured, Block
  int64_t n = 0, m = 0;
  int64_t blockRows = 0, blockColumns = 0;
  /// "none", "0.5", "2:4", "block16x4:0.75".
  std::string str() const;
};

/// A method with its pattern. The foundation has one method, "magnitude".
struct PruneSpec {
  std::string method = "magnitude";
  PrunePattern pattern;
};
/// Parses "none", "0.5", "2:4", "4:16", "magnitude:0.5", "magnitude:2:4", "block16x4:0.75",
/// "magnitude:block16x4:0.75". A method the design names but this build lacks is an error that
/// lists what is supported.
absl::StatusOr<PruneSpec> parsePruneSpec(absl::string_view text);

/// One byte per weight, 1 = kept. Ratio patterns keep exactly round((1 - ratio) * count) weights
/// (or blocks, scored by L2 norm) of each row (unstructured) or of the matrix (blocks); ties keep
/// the lower column. Ragged last N:M groups keep at most N.
std::vector<uint8_t> magnitudeMask(const PrunePattern &pattern, int64_t rows, int64_t columns,
                                   absl::Span<const float> values);

/// Finds the structure zeros already have: the tightest of {2:4, 4:8, ..., blocks of 16 x 4,
/// unstructured} or None.
PrunePattern detectPattern(int64_t rows, int64_t columns, absl::Span<const float> values);

} // namespace stc

#endif // STC_COMPRESS_PRUNE_H
