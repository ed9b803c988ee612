// The rules that choose a weight's storage layout.
#include "LayoutChoice.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace stc {

namespace {

/// Above this density a bitmap's unpacking costs more than the bytes it saves.
constexpr double kDensestBitmap = 0.75;

Layout floats(LayoutKind kind, ElementKind element) {
  Layout layout;
  layout.kind = kind;
  layout.element = element;
  return layout;
}

absl::StatusOr<LayoutChoice> chooseQuantized(const WeightFacts &facts) {
  Layout dense;
  dense.kind = LayoutKind::Dense;
  dense.element = facts.quantize.element;
  dense.group = facts.quantize.group;
  STC_RETURN_IF_ERROR(verifyLayout(dense));
  STC_ASSIGN_OR_RETURN(int64_t denseBytes, packedBytes(dense, facts.rows, facts.columns));
  if (facts.pattern.kind == PrunePattern::Kind::None)
    return LayoutChoice{dense, "quantized, not sparse"};

  Layout sparse = dense;
  std::string name;
  int64_t sparseBytes = 0;
  int64_t m = facts.pattern.m;
  if (facts.pattern.kind == PrunePattern::Kind::NM && (m == 4 || m == 8 || m == 16)) {
    sparse.kind = LayoutKind::NM;
    sparse.n = facts.pattern.n;
    sparse.m = m;
    name = facts.pattern.str();
    STC_ASSIGN_OR_RETURN(sparseBytes, packedBytes(sparse, facts.rows, facts.columns));
  } else {
    if (facts.density > kDensestBitmap)
      return LayoutChoice{dense, absl::StrFormat("stays dense: %.0f %% of the codes are not zero, "
                                                 "a bitmap pays off up to %.0f %%",
                                                 100 * facts.density, 100 * kDensestBitmap)};
    sparse.kind = LayoutKind::Bitmap;
    name = "bitmap";
    sparseBytes = facts.bitmapBytes;
  }
  if (sparseBytes < denseBytes)
    return LayoutChoice{sparse, absl::StrCat(name, " takes ", sparseBytes,
                                             " bytes, dense would take ", denseBytes)};
  return LayoutChoice{dense, absl::StrCat("stays dense: ", name, " would take ", sparseBytes,
                                          " bytes, dense takes ", denseBytes)};
}

} // namespace

absl::StatusOr<LayoutChoice> chooseLayout(const WeightFacts &facts) {
  if (facts.uses.vector)
    return LayoutChoice{floats(LayoutKind::Rows, ElementKind::F32), "norm weight or bias"};
  std::string rounded = facts.quantize.enabled ? ", its codes as floats" : "";
  if (facts.uses.table && facts.uses.matrix)
    return LayoutChoice{floats(LayoutKind::Dense, facts.element),
                        "serves both embedding and head" + rounded};
  if (facts.uses.table)
    return LayoutChoice{floats(LayoutKind::Rows, facts.element), "read row by row" + rounded};
  if (facts.quantize.enabled)
    return chooseQuantized(facts);
  if (facts.pattern.kind != PrunePattern::Kind::None)
    return LayoutChoice{floats(LayoutKind::Dense, facts.element),
                        "pruned but not quantized: sparse layouts store codes only"};
  return LayoutChoice{floats(LayoutKind::Dense, facts.element), "not quantized"};
}

} // namespace stc
