// The pre-tokenizers that GGUF files name instead of storing them.
#ifndef STC_LIB_FORMATS_PRETOKENIZERFAMILIES_H
#define STC_LIB_FORMATS_PRETOKENIZERFAMILIES_H

#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// One row per family: its names, its steps, and what its tokenizers do by default.
struct PreTokenizerFamily {
  std::vector<absl::string_view> names; // the first is the usual one
  std::vector<absl::string_view> patterns;
  bool ignoreMerges = false, addBos = false;
};

const std::vector<PreTokenizerFamily> &preTokenizerFamilies();

/// The family that `tokenizer.ggml.pre` names; nullptr for an unknown name.
const PreTokenizerFamily *findPreTokenizerFamily(absl::string_view name);
/// The family whose steps a tokenizer has; nullptr where none has them.
const PreTokenizerFamily *findPreTokenizerFamily(const TokenizerSpec &spec);

/// Whether two steps do the same.
bool samePreTokenizer(const TokenizerSpec::PreTokenizer &a, const TokenizerSpec::PreTokenizer &b);

/// What a family does before BPE.
std::vector<TokenizerSpec::PreTokenizer> stepsOf(const PreTokenizerFamily &family);

} // namespace stc

#endif // STC_LIB_FORMATS_PRETOKENIZERFAMILIES_H
