// Attention and rotary embeddings, in the spellings that model code has.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_ATTENTION_H
#define STC_LIB_CONVERSION_LINALGTOSTC_ATTENTION_H

#include "stc/Dialect/STC/IR/STC.h"

#include <optional>

namespace stc {

/// Whether a type is that of activations: [tokens, columns] of f32, of which only the tokens may be
/// dynamic.
bool isActivations(mlir::Type type);

/// Cosines and sines of the angles of tokens: tensors of [tokens, pairs], or what stc.rotary_table
/// makes of frequencies and positions that count from the first token.
struct AnglesPattern {
  mlir::Value cos, sin;
  llvm::SmallVector<double> frequencies; // where there are no tensors
};

/// Rows of [tokens, columns] whose heads of `headDim` columns are rotated by angles, if there are
/// any.
struct RowsPattern {
  mlir::Value rows;
  int64_t headDim = 0;
  std::optional<AnglesPattern> angles;
};

/// softmax(scale * queries . keys, what is before or all) * values, head by head.
struct AttentionPattern {
  mlir::Value result; // of [tokens, heads * headDim]
  RowsPattern queries, keys;
  mlir::Value values;
  int64_t heads = 1, kvHeads = 1, headDim = 1;
  double scale = 1;
  bool causal = false;
};

/// The attention that a tensor of [tokens, heads * headDim] is the result of.
std::optional<AttentionPattern> matchAttention(mlir::Value result);

/// The rotation of each head, after Su et al. 2021, that a tensor of [tokens, columns] is the
/// result of: pairs are i and i + headDim / 2.
std::optional<RowsPattern> matchRotary(mlir::Value result);

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_ATTENTION_H
