// Indices as sums of strided dimensions, and how reshapes change them.
#include "IndexForm.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"

using mlir::ShapedType;

namespace stc {

bool IndexForm::uses(unsigned dim) const {
  return llvm::any_of(terms, [&](const auto &term) { return term.first == dim; });
}

void IndexForm::add(const IndexForm &other, int64_t factor) {
  offset += other.offset * factor;
  for (auto [dim, stride] : other.terms) {
    auto *place = llvm::lower_bound(terms, std::pair(dim, int64_t(0)));
    if (place != terms.end() && place->first == dim)
      place->second += stride * factor;
    else
      terms.insert(place, {dim, stride * factor});
  }
}

IndexForm IndexForm::substitute(unsigned dim, unsigned other, int64_t start) const {
  IndexForm result;
  result.offset = offset;
  for (auto [used, stride] : terms) {
    IndexForm term = ofDim(used == dim ? other : used);
    term.offset = used == dim ? start : 0;
    result.add(term, stride);
  }
  return result;
}

std::optional<int64_t> IndexForm::largest(llvm::ArrayRef<int64_t> extents) const {
  int64_t sum = offset;
  for (auto [dim, stride] : terms) {
    if (ShapedType::isDynamic(extents[dim]))
      return std::nullopt;
    sum += stride * (extents[dim] - 1);
  }
  return sum;
}

/// The stride of each dimension, 0 of those of size 1; nothing if a dynamic one is not the first.
static std::optional<llvm::SmallVector<int64_t, 4>> stridesOf(llvm::ArrayRef<int64_t> sizes) {
  llvm::SmallVector<int64_t, 4> strides(sizes.size());
  int64_t inner = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 1)
      continue;
    if (inner == 0)
      return std::nullopt;
    strides[i] = inner;
    inner = ShapedType::isDynamic(sizes[i]) ? 0 : inner * sizes[i];
  }
  return strides;
}

std::optional<IndexForm> linearize(llvm::ArrayRef<IndexForm> indices,
                                   llvm::ArrayRef<int64_t> sizes) {
  auto strides = stridesOf(sizes);
  if (!strides)
    return std::nullopt;
  IndexForm result;
  for (auto [index, stride] : llvm::zip_equal(indices, *strides))
    if (stride != 0)
      result.add(index, stride);
  return result;
}

std::optional<llvm::SmallVector<IndexForm, 4>> delinearize(const IndexForm &index,
                                                           llvm::ArrayRef<int64_t> sizes,
                                                           llvm::ArrayRef<int64_t> extents) {
  auto strides = stridesOf(sizes);
  if (!strides)
    return std::nullopt;
  llvm::SmallVector<IndexForm, 4> result(sizes.size());
  int64_t rest = index.offset;
  llvm::SmallVector<std::pair<unsigned, int64_t>> terms(index.terms.begin(), index.terms.end());
  bool first = true;
  for (auto [form, size, stride] : llvm::zip_equal(result, sizes, *strides)) {
    if (stride == 0)
      continue;
    form.offset = rest / stride;
    rest %= stride;
    for (auto &[dim, factor] : terms)
      if (factor >= stride) {
        if (factor % stride != 0)
          return std::nullopt;
        form.add(IndexForm::ofDim(dim, factor / stride), 1);
        factor = 0;
      }
    // The first takes what there is; the others must not carry into the one before.
    std::optional<int64_t> largest = form.largest(extents);
    if (!first && (!largest || *largest >= size))
      return std::nullopt;
    first = false;
  }
  return result;
}

} // namespace stc
