// Indices as sums of strided dimensions, and how reshapes change them.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_INDEXFORM_H
#define STC_LIB_CONVERSION_LINALGTOSTC_INDEXFORM_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>
#include <utility>

namespace stc {

/// offset + sum over terms of dimension * stride. Strides are positive.
struct IndexForm {
  llvm::SmallVector<std::pair<unsigned, int64_t>, 2> terms; // (dimension, stride), in order
  int64_t offset = 0;

  static IndexForm ofDim(unsigned dim, int64_t stride = 1) {
    IndexForm form;
    form.terms.emplace_back(dim, stride);
    return form;
  }

  bool isDim(unsigned dim) const {
    return offset == 0 && terms.size() == 1 && terms[0] == std::pair(dim, int64_t(1));
  }
  bool uses(unsigned dim) const;
  void add(const IndexForm &other, int64_t factor);
  /// This with `dim` replaced by `other` + `start`.
  IndexForm substitute(unsigned dim, unsigned other, int64_t start) const;
  /// The largest value, where the extents of all dimensions that are used are known.
  std::optional<int64_t> largest(llvm::ArrayRef<int64_t> extents) const;

  bool operator==(const IndexForm &other) const {
    return offset == other.offset && terms == other.terms;
  }
};

/// The index into a tensor whose dimensions of these sizes are one dimension, from its indices.
/// Only the first size that is not 1 may be dynamic.
std::optional<IndexForm> linearize(llvm::ArrayRef<IndexForm> indices,
                                   llvm::ArrayRef<int64_t> sizes);

/// The other way round: the indices into dimensions of these sizes. Fails where an index depends on
/// a part of a dimension.
std::optional<llvm::SmallVector<IndexForm, 4>>
delinearize(const IndexForm &index, llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> extents);

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_INDEXFORM_H
