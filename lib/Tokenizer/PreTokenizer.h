// Cuts a text into the pre-tokens that BPE works on, one configured step after another.
#ifndef STC_LIB_TOKENIZER_PRETOKENIZER_H
#define STC_LIB_TOKENIZER_PRETOKENIZER_H

#include "Regex.h"

#include "stc/Tokenizer/Tokenizer.h"

#include <optional>

namespace stc {

/// The steps of a specification, compiled.
class PreTokenizerChain {
public:
  static absl::StatusOr<PreTokenizerChain> create(const TokenizerSpec &spec,
                                                  const std::string &file);
  bool empty() const { return steps.empty(); }
  /// Cuts `text` (well-formed UTF-8) and puts the pieces, none of them empty, into `pieces`.
  absl::Status split(absl::string_view text, RegexBudget &budget,
                     std::vector<absl::string_view> &pieces) const;

private:
  struct Step {
    TokenizerSpec::PreTokenizer config;
    std::optional<Regex> regex;
  };
  std::vector<Step> steps;
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_PRETOKENIZER_H
