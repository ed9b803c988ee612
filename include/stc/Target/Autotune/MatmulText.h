// A packed.matmul on memrefs as text, for kernels that are compiled on their own.
#ifndef STC_TARGET_AUTOTUNE_MATMULTEXT_H
#define STC_TARGET_AUTOTUNE_MATMULTEXT_H

#include "stc/Packing/Layout.h"

#include <string>

namespace stc {

/// What is multiplied, and what is done to the sums.
struct MatmulText {
  Layout layout;
  int64_t rows = 1, columns = 1;
  std::string tokens = "?"; // of the types: a number, or "?"
  bool split = false;       // takes split activations too (layout dense-bf16 only)
  bool bias = false, residual = false;
  bool gate = false;       // whose ReLU multiplies the sums
  int64_t rotaryPairs = 0; // columns of the angles' cos and sin; 0: nothing is turned
  bool rounded = false; // takes activations rounded to the weights' type too (16-bit floats), or to
                        // f16 alone (codes)
  bool perToken = false; // codes: takes activations with one scale for each token

  /// The parameters of a function: %w the weight; the inputs (%x0; of quantized layouts codes %x0,
  /// scales %x1 and sums %x2; split or rounded activations %x1); %y the result; %b bias; %g gate;
  /// %cos and %sin; %r residual.
  std::string parameters() const;
  /// The operands of a packed.matmul or a packed.matmul_tile, from `ins` to `outs`.
  std::string operands() const;
};

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_MATMULTEXT_H
