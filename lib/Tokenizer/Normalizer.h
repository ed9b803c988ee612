// Changes a text before it is cut: one configured step after another.
#ifndef STC_LIB_TOKENIZER_NORMALIZER_H
#define STC_LIB_TOKENIZER_NORMALIZER_H

#include "Charsmap.h"
#include "Regex.h"

#include "stc/Tokenizer/Tokenizer.h"

#include <optional>

namespace stc {

/// The steps of a specification, compiled.
class NormalizerChain {
public:
  static absl::StatusOr<NormalizerChain> create(const TokenizerSpec &spec, const std::string &file);
  /// `text` after all steps; malformed bytes stay as they are. Errors: the budget ran out, or the
  /// steps make far more of the text than it was (a few bytes must not become gigabytes).
  absl::StatusOr<std::string> apply(absl::string_view text, RegexBudget &budget) const;

private:
  struct Step {
    TokenizerSpec::Normalizer config;
    std::optional<Regex> regex;
    std::optional<Charsmap> charsmap;
  };
  class Run;
  std::vector<Step> steps;
  std::string file;
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_NORMALIZER_H
