// SentencePiece's precompiled normalization rules: a double-array trie from texts to their
// replacements.
#ifndef STC_LIB_TOKENIZER_CHARSMAP_H
#define STC_LIB_TOKENIZER_CHARSMAP_H

#include "stc/Support/Error.h"

#include <vector>

namespace stc {

/// The rules of a `precompiled_charsmap` (sentencepiece/src/normalizer.cc): a little-endian u32
/// with the trie's size in bytes, the trie in the units of darts-clone, and the replacements, each
/// ended by a zero byte. A unit holds a label (bits 0-7), an offset to its children (bits 10-30,
/// times 256 if bit 9 is set) and whether one of them is a leaf (bit 8); a leaf has bit 31 set and
/// holds where the replacement begins.
class Charsmap {
public:
  /// Errors (at `site`): sizes that contradict each other, replacements that are no UTF-8 or have
  /// no end.
  static absl::StatusOr<Charsmap> create(absl::string_view bytes, const ErrorSite &site);

  /// The replacement of the longest text with a rule that begins at `at`: its length in `text`, 0
  /// if there is none.
  struct Match {
    size_t length = 0;
    absl::string_view replacement;
  };
  Match find(absl::string_view text, size_t at) const;

private:
  std::vector<uint32_t> units;
  std::string replacements;
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_CHARSMAP_H
