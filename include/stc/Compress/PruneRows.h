// Pruning by magnitude of a matrix some rows at a time, so that its floats need not all be in
// memory.
#ifndef STC_COMPRESS_PRUNEROWS_H
#define STC_COMPRESS_PRUNEROWS_H

#include "stc/Compress/Prune.h"

#include <memory>

namespace stc {

class BlockMask;

/// Makes zeros of the weights that magnitudeMask does not keep.
class RowPruner {
public:
  RowPruner(const PrunePattern &pattern, int64_t rows, int64_t columns);
  ~RowPruner();

  /// Whether what goes depends on all rows, which then have to be surveyed, in their order, before
  /// any is pruned.
  bool needsSurvey() const { return blocks != nullptr; }
  /// Looks at the next rows.
  void survey(absl::Span<const float> values);
  /// Prunes whole rows from `firstRow` on.
  void prune(int64_t firstRow, absl::Span<float> values);

private:
  PrunePattern pattern;
  int64_t columns;
  std::unique_ptr<BlockMask> blocks; // null for other patterns
  std::vector<uint8_t> mask;
};

} // namespace stc

#endif // STC_COMPRESS_PRUNEROWS_H
