// The rules that choose a weight's storage layout.
#ifndef LIB_CONVERSION_STCTOPACKED_LAYOUTCHOICE_H
#define LIB_CONVERSION_STCTOPACKED_LAYOUTCHOICE_H

#include "stc/Compress/Prune.h"
#include "stc/Compress/Quantize.h"

#include <optional>

namespace stc {

/// Names of the attributes that carry a choice from stc-select-layouts to convert-stc-to-packed.
constexpr const char kLayoutAttribute[] = "packed.layout";
constexpr const char kReasonAttribute[] = "packed.reason";
constexpr const char kPatternAttribute[] = "packed.pattern";

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
  PrunePattern pattern; // what was asked for, or what the zero codes turn out to be
  double density = 1;   // fraction of non-zero codes
  /// Bytes of the codes of a pruned weight as a bitmap and, if it was pruned in blocks, as blocks;
  /// nothing where there is no such layout of these codes.
  std::optional<int64_t> bitmapBytes, blockBytes;
};

struct LayoutChoice {
  Layout layout;
  std::string reason;
};

/// Chooses; an error if the weight's group or shape has no layout.
absl::StatusOr<LayoutChoice> chooseLayout(const WeightFacts &facts);

} // namespace stc

#endif // LIB_CONVERSION_STCTOPACKED_LAYOUTCHOICE_H
