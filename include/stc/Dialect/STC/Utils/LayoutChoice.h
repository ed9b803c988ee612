// The rules that choose a weight's storage layout.
#ifndef STC_DIALECT_STC_UTILS_LAYOUTCHOICE_H
#define STC_DIALECT_STC_UTILS_LAYOUTCHOICE_H

#include "stc/Compress/Prune.h"
#include "stc/Compress/Quantize.h"

#include <optional>

namespace stc {

/// What reads a weight.
struct WeightUses {
  bool table = false;  // stc.embedding
  bool matrix = false; // stc.linear
  bool vector = false; // norm weights and biases
};

/// What a choice is made from.
struct WeightFacts {
  WeightUses uses;
  int64_t rows = 0, columns = 0;
  ElementKind element = ElementKind::F32; // of the floats, when floats are stored
  QuantizeSpec quantize;
  PrunePattern pattern; // what was asked for, or what the zeros turn out to be
  double density = 1;   // fraction of codes or floats that are not zero
  /// Bytes of a pruned weight's codes or floats as a bitmap and, of codes that were pruned in
  /// blocks, as blocks; nothing where there is no such layout of them.
  std::optional<int64_t> bitmapBytes, blockBytes;
};

struct LayoutChoice {
  Layout layout;
  std::string reason;
};

/// Chooses; an error if the weight's group or shape has no layout.
absl::StatusOr<LayoutChoice> chooseLayout(const WeightFacts &facts);
/// Bytes of the weight in a layout that was chosen from its facts.
absl::StatusOr<int64_t> chosenBytes(const WeightFacts &facts, const Layout &layout);

/// Whether the layout of a quantized matrix depends on its codes, and not on its pattern, its shape
/// and how it is quantized alone.
bool dependsOnCodes(const WeightFacts &facts);

/// What the codes of a matrix say: density, a pattern where none was asked for, and the bytes of
/// layouts that depend on them. `facts` knows shape, quantization and pattern already.
void addCodeFacts(const QuantizedMatrix &matrix, WeightFacts &facts);
/// The same of the floats of a weight that is not quantized.
void addFloatFacts(absl::Span<const float> values, WeightFacts &facts);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_LAYOUTCHOICE_H
