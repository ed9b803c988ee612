// Regular expressions for untrusted patterns and texts: PCRE2 with Unicode, and a bound on the work
// spent on one text.
#ifndef STC_LIB_TOKENIZER_REGEX_H
#define STC_LIB_TOKENIZER_REGEX_H

#include "stc/Support/Error.h"

#include <memory>
#include <vector>

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace stc {

/// How many elementary steps matching may still take. A step is one item of the pattern tried, or
/// one byte passed while doing so: counted the same on every machine, unlike time.
struct RegexBudget {
  /// What any text of this size may cost: tens of times what the patterns of real tokenizers need.
  explicit RegexBudget(size_t textSize) : left(1000000 + 256 * uint64_t(textSize)) {}
  uint64_t left;
};

/// A stretch of a text; `isMatch` says whether the pattern matched it or it lies between matches.
struct RegexSpan {
  size_t begin, end;
  bool isMatch;
};

/// A compiled pattern, immutable and shared by threads.
class Regex {
public:
  /// `site` names the pattern in errors.
  static absl::StatusOr<Regex> compile(absl::string_view pattern, const ErrorSite &site);

  /// Appends the spans that cover `text` (well-formed UTF-8) in order; empty spans between
  /// matches are left out. Fails when `budget` runs out.
  absl::Status findSpans(absl::string_view text, RegexBudget &budget,
                         std::vector<RegexSpan> &spans) const;

private:
  struct FreeCode {
    void operator()(pcre2_real_code_8 *code) const;
  };
  std::unique_ptr<pcre2_real_code_8, FreeCode> code;
  ErrorSite site;
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_REGEX_H
