// The tokenizer itself: added tokens, normalization, pre-tokenization and a subword model in a row.
#ifndef STC_LIB_TOKENIZER_PIPELINETOKENIZER_H
#define STC_LIB_TOKENIZER_PIPELINETOKENIZER_H

#include "Normalizer.h"
#include "PreTokenizer.h"
#include "SpecialTokens.h"
#include "SubwordModel.h"

#include <deque>

namespace stc {

class PipelineTokenizer final : public Tokenizer {
public:
  PipelineTokenizer(TokenizerSpec spec, const std::string &file)
      : specification(std::move(spec)), file(file) {}
  /// Checks the specification and builds every table.
  absl::Status build();

  absl::StatusOr<std::vector<int32_t>> encode(absl::string_view text,
                                              const EncodeOptions &options) const override;
  absl::StatusOr<std::string> decode(absl::Span<const int32_t> ids,
                                     bool keepSpecial) const override;
  std::string piece(int32_t id) const override;
  const TokenizerSpec &spec() const override { return specification; }

private:
  /// Added tokens that are looked for in the text as given, and in the normalized text.
  struct Matchers {
    SpecialTokenMatcher raw, normalized;
  };
  struct EncodeState;

  absl::Status checkIds() const;
  absl::Status buildMatchers();
  absl::StatusOr<std::string> normalize(absl::string_view text, RegexBudget &budget) const;
  std::string markWords(absl::string_view text) const;
  absl::Status encodeFragment(absl::string_view text, bool first, const Matchers &matchers,
                              EncodeState &state) const;
  absl::Status encodeNormalized(absl::string_view text, bool first, EncodeState &state) const;
  absl::Status encodeStretch(absl::string_view text, EncodeState &state) const;
  absl::Status encodePiece(absl::string_view piece, EncodeState &state) const;

  TokenizerSpec specification;
  std::string file;
  Vocabulary vocabulary;
  NormalizerChain normalizers;
  PreTokenizerChain preTokenizers;
  std::unique_ptr<SubwordModel> model;
  std::deque<std::string> normalizedTexts; // of the added tokens to look for there
  Matchers userDefined;                    // always looked for
  Matchers allSpecial;                     // with control tokens, for `parseSpecial`
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_PIPELINETOKENIZER_H
