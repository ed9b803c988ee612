// What to prune: patterns and methods, magnitude masks, and the patterns that zeros form.
#ifndef STC_COMPRESS_PRUNE_H
#define STC_COMPRESS_PRUNE_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// The largest M of N:M patterns: wide enough for every one in use, small enough to rank by
/// counting.
constexpr int64_t kMaxPatternGroup = 64;

/// A sparsity pattern: unstructured with a ratio of zeros, N of M consecutive columns kept, or
/// blocks of rows x columns with a ratio of zero blocks.
struct PrunePattern {
  enum class Kind { None, Unstructured, NM, Block };
  Kind kind = Kind::None;
  double ratio = 0; // fraction removed: Unstructured, Block
  int64_t n = 0, m = 0;
  int64_t blockRows = 0, blockColumns = 0;
  /// The share of weights that stay, but for what edges add.
  double density() const { return kind == Kind::NM ? double(n) / double(m) : 1 - ratio; }
  /// "none", "0.5", "2:4", "block16x4:0.75".
  std::string str() const;
};

/// A method with its pattern.
struct PruneSpec {
  std::string method = "magnitude"; // or "wanda", "sparsegpt", "alps"
  bool methodGiven = false;         // by the text, and not by default
  PrunePattern pattern;
  /// Whether the method asks what the inputs of a matrix are.
  bool needsCalibration() const { return method != "magnitude"; }
};
/// Parses "none", "0.5", "2:4", "4:16", "block16x4:0.75", and a pattern behind a method:
/// "wanda:0.5", "sparsegpt:2:4", "magnitude:block16x4:0.75". The error of an unknown method lists
/// those there are.
absl::StatusOr<PruneSpec> parsePruneSpec(absl::string_view text);

/// The mask of maskFromScores (Scores.h) that keeps the weights of largest magnitude.
std::vector<uint8_t> magnitudeMask(const PrunePattern &pattern, int64_t rows, int64_t columns,
                                   absl::Span<const float> values);

/// Finds the structure zeros already have: the tightest of {2:4, 4:8, ..., blocks of 16 x 4,
/// unstructured} or None.
PrunePattern detectPattern(int64_t rows, int64_t columns, absl::Span<const float> values);

} // namespace stc

#endif // STC_COMPRESS_PRUNE_H
