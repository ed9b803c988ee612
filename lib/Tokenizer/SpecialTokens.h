// Finds added tokens (control tokens and user-defined ones) inside a text.
#ifndef STC_LIB_TOKENIZER_SPECIALTOKENS_H
#define STC_LIB_TOKENIZER_SPECIALTOKENS_H

#include "stc/Tokenizer/Tokenizer.h"

#include <array>

namespace stc {

/// A stretch of a text: one added token, or ordinary text (`id` is -1).
struct TextFragment {
  size_t begin, end;
  int32_t id;
};

/// A set of token texts to look for. Where several match, the leftmost counts, and of those that
/// begin at the same place the longest.
class SpecialTokenMatcher {
public:
  /// Adds `text`, which must outlive the matcher, with the flags of `token`. Empty texts never
  /// match.
  absl::Status add(absl::string_view text, int32_t id, const TokenizerSpec::Token &token,
                   const std::string &file);
  /// To be called once after the last `add`.
  void finish();
  bool empty() const { return entries.empty(); }
  /// Cuts `text` into added tokens and the text between, none of it empty.
  void split(absl::string_view text, std::vector<TextFragment> &fragments) const;

private:
  struct Entry {
    absl::string_view text;
    int32_t id;
    bool leftStrip, rightStrip, singleWord;
  };
  /// The longest entry that `text` has at `at`, or nullptr.
  const Entry *matchAt(absl::string_view text, size_t at) const;

  std::vector<Entry> entries; // sorted by text
  std::array<bool, 256> firstBytes{};
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_SPECIALTOKENS_H
