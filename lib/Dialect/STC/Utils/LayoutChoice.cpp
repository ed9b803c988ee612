// The rules that choose a weight's storage layout.
#include "stc/Dialect/STC/Utils/LayoutChoice.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include <algorithm>

namespace stc {

namespace {

/// Zero codes that rounding alone makes are at most this frequent; sparser weights were pruned
/// before they were imported.
constexpr double kDensestDetected = 0.7;
/// Above this density a bitmap's unpacking costs more than the bytes it saves. Floats are not zero
/// by rounding, so that those found to be sparser count as pruned.
constexpr double kDensestBitmap = 0.75;
/// Blocks of more than this share of dense bytes leave kernels too few steps to skip.
constexpr double kLargestBlocks = 0.65;
/// Blocks are unpacked so much faster than bitmaps that they may be a little larger.
constexpr double kBlocksOverBitmap = 1.1;

Layout floats(LayoutKind kind, ElementKind element) {
  Layout layout;
  layout.kind = kind;
  layout.element = element;
  return layout;
}

std::string tooDense(const WeightFacts &facts) {
  return absl::StrFormat("stays dense: %.0f %% of the %s are not zero, a bitmap pays off up to "
                         "%.0f %%",
                         100 * facts.density, facts.quantize.enabled ? "codes" : "weights",
                         100 * kDensestBitmap);
}

/// A sparse layout that could hold a weight.
struct Candidate {
  Layout layout;
  std::string name;
  int64_t bytes;
};

/// The N:16 pairs that hold a pattern, or nothing. From 8 of 16 on pairs take more than masks.
std::optional<Layout> pairsOf(const PrunePattern &pattern, Layout layout) {
  if (layout.element != ElementKind::I4 || pattern.kind != PrunePattern::Kind::NM ||
      16 % pattern.m != 0 || pattern.n * 16 / pattern.m > 4)
    return std::nullopt;
  layout.kind = LayoutKind::Pairs;
  layout.m = 16;
  // Short groups have no pairs of 1:16, which are cut into 64 columns.
  layout.n = layout.group < 64 ? 2 : 1;
  while (layout.n < pattern.n * 16 / pattern.m)
    layout.n *= 2;
  return layout;
}

/// The layout of N:M, as pairs or with masks, whose size the shape determines; nothing for other
/// patterns.
std::optional<Layout> groupsOf(const PrunePattern &pattern, Layout layout) {
  if (std::optional<Layout> pairs = pairsOf(pattern, layout))
    return pairs;
  if (pattern.kind != PrunePattern::Kind::NM ||
      (pattern.m != 4 && pattern.m != 8 && pattern.m != 16))
    return std::nullopt;
  layout.kind = LayoutKind::NM;
  layout.n = pattern.n;
  layout.m = pattern.m;
  return layout;
}

/// Whether codes so quantized have sparse layouts.
bool hasSparse(Layout layout) {
  layout.kind = LayoutKind::Bitmap;
  return verifyLayout(layout).ok();
}

/// The sparse layout for the facts' pattern. `why` says why there is none.
absl::StatusOr<std::optional<Candidate>> chooseSparse(const WeightFacts &facts, std::string &why) {
  const PrunePattern &pattern = facts.pattern;
  Layout dense = facts.quantize.layout(), layout = dense;
  if (!hasSparse(dense)) {
    why = absl::StrCat("stays dense: sparse layouts store symmetric int8 or int4",
                       dense.group < 32 ? " in groups of 32 or more" : "", ", not ",
                       absl::StripPrefix(dense.str(), "dense-"));
    return std::nullopt;
  }
  if (std::optional<Layout> groups = groupsOf(pattern, dense)) {
    STC_ASSIGN_OR_RETURN(int64_t bytes, packedBytes(*groups, facts.rows, facts.columns));
    bool isPairs = groups->kind == LayoutKind::Pairs;
    return Candidate{*groups, isPairs ? absl::StrCat(groups->n, ":16 pairs") : pattern.str(),
                     bytes};
  }
  STC_ASSIGN_OR_RETURN(int64_t denseBytes, packedBytes(dense, facts.rows, facts.columns));
  if (facts.blockBytes && double(*facts.blockBytes) <= kLargestBlocks * double(denseBytes) &&
      (!facts.bitmapBytes ||
       double(*facts.blockBytes) <= kBlocksOverBitmap * double(*facts.bitmapBytes))) {
    layout.kind = LayoutKind::Block;
    return Candidate{layout, "blocks", *facts.blockBytes};
  }
  if (facts.density > kDensestBitmap || !facts.bitmapBytes) {
    why = tooDense(facts);
    return std::nullopt;
  }
  layout.kind = LayoutKind::Bitmap;
  return Candidate{layout, "bitmap", *facts.bitmapBytes};
}

/// The sparse layout where it takes fewer bytes.
LayoutChoice smaller(const Candidate &sparse, const Layout &dense, int64_t denseBytes) {
  if (sparse.bytes < denseBytes)
    return {sparse.layout,
            absl::StrCat(sparse.name, sparse.name.back() == 's' ? " take " : " takes ",
                         sparse.bytes, " bytes, dense would take ", denseBytes)};
  return {dense, absl::StrCat("stays dense: ", sparse.name, " would take ", sparse.bytes,
                              " bytes, dense takes ", denseBytes)};
}

absl::StatusOr<LayoutChoice> chooseQuantized(const WeightFacts &facts) {
  Layout dense = facts.quantize.layout();
  STC_ASSIGN_OR_RETURN(int64_t denseBytes, packedBytes(dense, facts.rows, facts.columns));
  if (facts.pattern.kind == PrunePattern::Kind::None)
    return LayoutChoice{dense, "quantized, not sparse"};
  std::string why;
  STC_ASSIGN_OR_RETURN(std::optional<Candidate> sparse, chooseSparse(facts, why));
  if (!sparse)
    return LayoutChoice{dense, why};
  return smaller(*sparse, dense, denseBytes);
}

absl::StatusOr<LayoutChoice> chooseFloats(const WeightFacts &facts) {
  Layout dense = floats(LayoutKind::Dense, facts.element);
  const PrunePattern &pattern = facts.pattern;
  if (pattern.kind == PrunePattern::Kind::None)
    return LayoutChoice{dense, "not quantized"};
  if (facts.columns % kSparseFloatColumns != 0)
    return LayoutChoice{dense, absl::StrCat("stays dense: sparse floats need a multiple of ",
                                            kSparseFloatColumns, " columns, not ", facts.columns)};
  STC_ASSIGN_OR_RETURN(int64_t denseBytes, packedBytes(dense, facts.rows, facts.columns));
  if (std::optional<Layout> groups = groupsOf(pattern, dense)) {
    STC_ASSIGN_OR_RETURN(int64_t bytes, packedBytes(*groups, facts.rows, facts.columns));
    return smaller({*groups, pattern.str(), bytes}, dense, denseBytes);
  }
  if (facts.density > kDensestBitmap || !facts.bitmapBytes)
    return LayoutChoice{dense, tooDense(facts)};
  bool inBlocks = pattern.kind == PrunePattern::Kind::Block;
  return smaller({floats(LayoutKind::Bitmap, facts.element),
                  inBlocks ? "as blocks hold codes only, a bitmap" : "bitmap", *facts.bitmapBytes},
                 dense, denseBytes);
}

} // namespace

absl::StatusOr<LayoutChoice> chooseLayout(const WeightFacts &facts) {
  if (facts.uses.vector)
    return LayoutChoice{floats(LayoutKind::Rows, ElementKind::F32), "norm weight, bias or order"};
  std::string rounded = facts.quantize.enabled ? ", its codes as floats" : "";
  if (facts.uses.table && facts.uses.matrix)
    return LayoutChoice{floats(LayoutKind::Dense, facts.element),
                        "serves both embedding and head" + rounded};
  if (facts.uses.table)
    return LayoutChoice{floats(LayoutKind::Rows, facts.element), "read row by row" + rounded};
  return facts.quantize.enabled ? chooseQuantized(facts) : chooseFloats(facts);
}

absl::StatusOr<int64_t> chosenBytes(const WeightFacts &facts, const Layout &layout) {
  if (layout.kind == LayoutKind::Bitmap && facts.bitmapBytes)
    return *facts.bitmapBytes;
  if (layout.kind == LayoutKind::Block && facts.blockBytes)
    return *facts.blockBytes;
  return packedBytes(layout, facts.rows, facts.columns);
}

/// The bytes of the codes in a layout with a table, or nothing where it does not exist.
static std::optional<int64_t> tableBytes(LayoutKind kind, const QuantizedMatrix &matrix,
                                         const QuantizeSpec &spec) {
  Layout layout = spec.layout();
  layout.kind = kind;
  if (!verifyPackedShape(layout, matrix.rows, matrix.columns).ok())
    return std::nullopt;
  return packedTableBytes(layout, matrix);
}

bool dependsOnCodes(const WeightFacts &facts) {
  Layout dense = facts.quantize.layout();
  return facts.pattern.kind == PrunePattern::Kind::None ||
         (hasSparse(dense) && !groupsOf(facts.pattern, dense));
}

void addCodeFacts(const QuantizedMatrix &matrix, WeightFacts &facts) {
  facts.density = double(countNonZero(matrix)) / double(matrix.codes.size());
  if (facts.pattern.kind == PrunePattern::Kind::None && facts.density <= kDensestDetected) {
    std::vector<float> values = dequantize(matrix);
    facts.pattern = detectPattern(facts.rows, facts.columns, values);
  }
  if (facts.pattern.kind != PrunePattern::Kind::None)
    facts.bitmapBytes = tableBytes(LayoutKind::Bitmap, matrix, facts.quantize);
  if (facts.pattern.kind == PrunePattern::Kind::Block)
    facts.blockBytes = tableBytes(LayoutKind::Block, matrix, facts.quantize);
}

void addFloatFacts(absl::Span<const float> values, WeightFacts &facts) {
  Layout bitmap = floats(LayoutKind::Bitmap, facts.element);
  auto zeros = std::count(values.begin(), values.end(), 0.0f);
  facts.density = values.empty() ? 1 : 1 - double(zeros) / double(values.size());
  if (facts.pattern.kind == PrunePattern::Kind::None && facts.density <= kDensestBitmap)
    facts.pattern = detectPattern(facts.rows, facts.columns, values);
  if (facts.pattern.kind != PrunePattern::Kind::None &&
      verifyPackedShape(bitmap, facts.rows, facts.columns).ok())
    facts.bitmapBytes = packedTableBytes(bitmap, facts.rows, facts.columns, values);
}

} // namespace stc
