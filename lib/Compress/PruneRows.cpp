// Pruning by magnitude of a matrix some rows at a time.
#include "stc/Compress/PruneRows.h"

#include "Masks.h"

namespace stc {

RowPruner::RowPruner(const PrunePattern &pattern, int64_t rows, int64_t columns)
    : pattern(pattern), columns(columns) {
  if (pattern.kind == PrunePattern::Kind::Block)
    blocks = std::make_unique<BlockMask>(pattern, rows, columns);
}

RowPruner::~RowPruner() = default;

void RowPruner::survey(absl::Span<const float> values) {
  blocks->add(int64_t(values.size()) / columns, values.data());
}

void RowPruner::prune(int64_t firstRow, absl::Span<float> values) {
  if (pattern.kind == PrunePattern::Kind::None)
    return;
  int64_t count = int64_t(values.size()) / columns;
  mask.resize(values.size());
  if (blocks)
    blocks->fill(firstRow, count, mask.data());
  else
    fillMask(pattern, count, columns, values.data(), mask.data());
  zeroOthers(mask.data(), int64_t(values.size()), values.data());
}

} // namespace stc
